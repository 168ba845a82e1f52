"""Every notation of a number is read as the number that is meant, or not at all."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.notation import Look, Usual, decide
from models.numbers import evidence, read_numbers, shared_mark


def read(values, mark="."):
    frame = pl.LazyFrame({"number": pl.Series(values, dtype=pl.String)})
    return frame.select(read_numbers(pl.col("number"), pl.String(), mark)).collect()["number"].to_list()


SIGNS = ["-{}", "{}-", "\u2212{}", "\u2013{}", "\uff0d{}", "- {}", "{} -", "({})", "'-{}", '="-{}"', "\u200b-{}"]
SIGNS += ["{} CR", "{}CR", "{} H", "CR {}"]
MONEY = ["{} €", "{}€", "€ {}", "€{}", "{}\u00a0€", "{}\u202f€", "{}\u2009kr", "{} kr", "kr {}", "kr. {}", "{} zł"]
MONEY += ["{} EUR", "EUR {}", "usd {}", "{} CHF", "Fr. {}", "SFr. {}", "R$ {}", "Rs. {}", "Rs{}", "₹{}", "US$ {}", "CA${}"]
MONEY += ["S/. {}", "{} Kč", "{} Ft", "{} лв.", "{} грн", "₺{}", "RM {}", "Rp {}", "{} Euro", "£{}", "{} ¥"]  # noqa: RUF001
SIGNED_MONEY = ["-{} €", "{} €-", "{}- €", "€ -{}", "-€{}", "($ {})", "$({})", "({}) EUR", "-R$ {}", "R$ -{}", "USD -{}"]


@pytest.mark.parametrize("sign", SIGNS + SIGNED_MONEY)
@pytest.mark.parametrize(("text", "mark", "number"), [("19.90", ".", 19.9), ("1.234,50", ",", 1234.5)])
def test_a_minus_is_obeyed_wherever_it_stands(sign, text, mark, number):
    assert read([sign.format(text)], mark) == [-number]


@pytest.mark.parametrize("money", [*MONEY, "+{}", "'{}", "\u2019{}", '="{}"', "{} DR", "{} S", "  {} ", "\ufeff{}"])
@pytest.mark.parametrize(("text", "mark", "number"), [("19.90", ".", 19.9), ("1.234,50", ",", 1234.5)])
def test_a_currency_and_a_guard_are_no_part_of_a_number(money, text, mark, number):
    assert read([money.format(text)], mark) == [number]


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("1,234,567.5", ".", 1234567.5),
        ("1'234'567.50", ".", 1234567.5),
        ("1\u2019234.50", ".", 1234.5),
        ("1 234 567,5", ",", 1234567.5),
        ("1\u00a0234,5", ",", 1234.5),
        ("1\u202f234,5", ",", 1234.5),
        ("1\u2009234,5", ",", 1234.5),
        ("1.234.567", ",", 1234567.0),
        ("12,34,567.50", ".", 1234567.5),
        ("1,00,000", ".", 100000.0),
        (".75", ".", 0.75),
        ("-.75", ".", -0.75),
        (",75", ",", 0.75),
        ("12.", ".", 12.0),
        ("1,000", ",", 1.0),
        ("1.990000E+01", ".", 19.9),
        ("1,99E+01", ",", 19.9),
        ("-3.49e-2", ".", -0.0349),
        ("19,-", ",", 19.0),
        ("19.-", ".", 19.0),
        ("1.250,--", ",", 1250.0),
        ("19,\u2013", ",", 19.0),
        ("\uff11\uff12\uff0e\uff15", ".", 12.5),
    ],
)
def test_groups_decimals_and_exponents(text, mark, number):
    assert read([text], mark) == [pytest.approx(number)]


@pytest.mark.parametrize(
    "text",
    ["12%", "--5", "-(5)", "(5", "5)", "-5-", "-5 CR", "12,34", "1,2345", "1 23", "1,234'567", "1.2.3", "12K", "abc"]
    + ["-", "", "nan", "inf", "-Infinity", "1e999", "2025-01-02", "10:15", "5 pcs", "1_000", "0x1F", "19,90", None],
)
def test_what_could_mean_something_else_is_no_number(text):
    assert read([text]) == [None]


def test_numbers_of_files_have_their_types():
    for dtype in (pl.Int64, pl.Float32, pl.Decimal(10, 2), pl.UInt8):
        frame = pl.LazyFrame({"number": pl.Series([1, None]).cast(dtype)})
        assert frame.select(read_numbers(pl.col("number"), dtype)).collect()["number"].to_list() == [1.0, None]


@settings(deadline=None)
@given(
    numbers=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
    grouping=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("\u202f", ","), ("'", "."), ("\u2019", "."), ("", ",")]),
    sign=st.sampled_from(["-{}", "{}-", "({})", "\u2212{}", "-{} €", "{} EUR-"]),
)
def test_what_is_written_is_read_back(numbers, grouping, sign):
    group, mark = grouping
    cents = [f"{abs(number) / 100:,.2f}".replace(",", "\0").replace(".", mark).replace("\0", group) for number in numbers]
    texts = [sign.format(text) if number < 0 else text for text, number in zip(cents, numbers, strict=True)]
    assert evidence(pl.Series(texts)).mark == mark
    assert read(texts, mark) == pytest.approx([number / 100 for number in numbers])


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["19,90 €", "1.249,00 €"], ","),
        (["8,90 €", "24,00 €"], ","),
        (["$1,234.50"], "."),
        (["0.250", "1.250"], "."),
        (["1.234.567", "1.250"], ","),
        (["1,23,456"], "."),
        (["1'234.500"], "."),
        (["12345,678"], ","),
        (["1,990E+01"], ","),
        (["1,5", "2"], ","),
        (["12", "7"], None),
        (["1.250", "2.500"], None),
        (["1.250", "1,250"], None),
    ],
)
def test_the_decimal_mark_is_that_which_values_show(values, mark):
    assert evidence(pl.Series(values)).mark == mark


def look(numbers, decimal=None):
    shown = {role: evidence(pl.Series(values)) for role, values in numbers.items()}
    dtypes = dict.fromkeys(numbers, pl.String())
    mark = decimal or shared_mark(shown.values())
    return Look({role: role for role in numbers}, dtypes, shown, mark, {}, frozenset(), (), ())


def decided(numbers, decimal=None, beside=None):
    return decide(look(numbers), timestamp_format=None, decimal=decimal, beside=beside or Usual())


def test_one_column_tells_for_all_of_a_file():
    assert decided({"quantity": ["1,000", "3,000"], "amount": ["53,97", "12,50-"]}).marks == {
        "quantity": ",",
        "amount": ",",
    }
    assert decided({"quantity": ["1,000", "3"], "amount": ["53.97"]}).marks["quantity"] == "."


def test_neighbours_tell_where_a_file_does_not():
    for mark in (".", ","):
        assert decided({"amount": ["1.250", "2.500"]}, beside=Usual(decimal=mark)).marks == {"amount": mark}


def test_groups_of_three_alone_are_asked_about():
    with pytest.raises(ValueError, match=r"'9\.999', which can be thousands or decimals.*Set source\.decimal"):
        decided({"amount": ["1.250", "2.500"]})
    with pytest.raises(ValueError, match="which can be thousands or decimals"):
        decided({"amount": ["1.250", "1250"]})
    assert decided({"amount": ["1.250", "2.500"]}, decimal=".").marks == {"amount": "."}


def test_groups_among_small_whole_numbers_are_read_as_thousands_and_said():
    notation = decided({"amount": ["1.250", "800", "12.000"]})
    assert notation.marks == {"amount": ","}
    assert notation.notes == (("numbers_grouped", "'amount' such as '9.999'"),)


def test_two_marks_in_one_column_are_said():
    notation = decided({"amount": ["19,90", "5,10", "3.50"]})
    assert notation.marks == {"amount": ","}
    assert [kind for kind, _ in notation.notes] == ["decimal_marks_mixed"]


def test_credits_are_negative_unless_most_are():
    assert read(["3.49 CR", "19.90 DR"]) == [-3.49, 19.9]
    with pytest.raises(ValueError, match="marked as credit"):
        decided({"amount": ["3.49 CR", "19.90 CR", "5.00"]})


def test_a_column_without_any_number_is_refused_without_its_values():
    with pytest.raises(ValueError, match="none of its values is a number that can be read: 'aaaa'") as refusal:
        decided({"amount": ["Otto", "Anna"]})
    assert "Otto" not in str(refusal.value)
