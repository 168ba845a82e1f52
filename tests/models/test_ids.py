"""Ids are spelled in one way, whatever wrote them."""

from decimal import Decimal

import polars as pl
import pytest

from models.column_types import plain
from models.ids import NO_VALUE, are_whole, folded, is_rounded, read_id, read_text
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, customers_of
from models.spellings import crowds, respelled

MAPPING = ColumnMapping(customer_id=("who",), timestamp=("when",), transaction_id=("order",), product=("sku",))


def read(values, dtype=None, **columns):
    who = pl.Series("who", values, dtype=dtype)
    frame = pl.LazyFrame({"who": who, "when": ["2026-01-01"] * len(who), **columns})
    return canonical(frame, MAPPING, Reading(), timezone="UTC", file="f").collect()


@pytest.mark.parametrize(
    "text",
    [
        "Müller",
        " Müller ",
        "\u00a0Müller\u3000",
        "\u200bMüller",
        "Müller\x00",
        "M\u00adüller",
        "\ufeffMüller",
        "Mu\u0308ller",
        "\u202aMüller\u202c",
        "Mül\u2060ler",
        "\tMüller\r\n",
    ],
)
def test_what_nobody_sees_makes_no_other_customer(text):
    assert read([text])["customer_id"].to_list() == ["Müller"]
    assert read_id(text) == "Müller"


@pytest.mark.parametrize(
    "text", ["0", "-1", "00042", "109E1", "Nullmeyer", "a\nb", "O'Neil", "=1+1", "😀142", "N. A.", "1.0b"]
)
def test_everything_else_stays_as_it_is(text):
    assert read([text])["customer_id"].item() == text


@pytest.mark.parametrize(
    "text", ["NULL", "null", "\\N", "nan", "NaN", "<NA>", "None", "#N/A", "#NV", "(blank)", "(leer)", "-", "?", "n/a"]
)
@pytest.mark.parametrize("column", ["customer_id", "transaction_id", "product"])
def test_what_programs_write_for_nothing_is_nothing_in_every_text(text, column):
    own = {"customer_id": "who", "transaction_id": "order", "product": "sku"}[column]
    values = {"who": ["a", "b"], "order": ["1", "2"], "sku": ["x", "y"]} | {own: [text, "c"]}
    rows = read(values.pop("who"), **values)
    assert rows[column].to_list() == [None, "c"]
    assert rows["unreadable"].to_list() == [None, None]


def test_there_are_no_values_that_are_not_stripped():
    assert all(text == text.strip() for text in NO_VALUE)


def test_decimals_of_whole_ids_say_nothing():
    assert read(["17850.0", "12345.0", "nan"])["customer_id"].to_list() == ["17850", "12345", None]
    assert read(["17850.0", "12345", ""])["customer_id"].to_list() == ["17850", "12345", None]
    assert read(["17850.0", "1.10"])["customer_id"].to_list() == ["17850.0", "1.10"]
    assert read(["a", "b"], order=["1001.0", "1002.0"])["transaction_id"].to_list() == ["1001", "1002"]


def test_whole_ids_are_looked_for_in_the_whole_file():
    ids = ["17850.0"] * 25_000
    assert read([*ids, "17851.0"])["customer_id"].unique().sort().to_list() == ["17850", "17851"]
    assert "17850.0" in read([*ids, "K7"])["customer_id"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([5012.0, None, 12.5, float("nan")], pl.Float64, ["5012", None, "12.5", None]),
        ([Decimal("5012.00"), Decimal("12.50"), Decimal(100)], pl.Decimal(10, 2), ["5012", "12.5", "100"]),
        ([Decimal(100)], pl.Decimal(38, 0), ["100"]),
        ([2**63 + 1], pl.UInt64, ["9223372036854775809"]),
        (["a", "NULL"], pl.Categorical, ["a", None]),
        (["a", "b"], pl.Enum(["a", "b"]), ["a", "b"]),
        ([b"M\xc3\xbcller", None], pl.Binary, ["Müller", None]),
        ([bytes.fromhex("00ff5a1e" * 4)], pl.Binary, ["00ff5a1e-00ff-5a1e-00ff-5a1e00ff5a1e"]),
    ],
)
def test_ids_of_every_type_are_text(values, dtype, expected):
    assert read(values, dtype)["customer_id"].to_list() == expected
    frame = pl.LazyFrame({"who": pl.Series(values, dtype=dtype), "when": ["2026-01-01"] * len(values)})
    assert customers_of(frame, MAPPING, file="f").collect()["customer_id"].to_list() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "remedy"),
    [
        ([{"id": "1"}], None, "column 'who', which is read as customer_id, holds records with 'id': deliver the field"),
        ([["1"]], None, "holds lists: deliver one row for each element"),
        ([b"\xff\xfe\x00"], pl.Binary, "holds bytes that are no text: cast it to text"),
        (['{"id": 1}', '{"id": 2}'], None, r"holds records as text \(JSON\): deliver the field"),
    ],
)
def test_what_holds_no_id_is_refused_by_name_and_remedy(values, dtype, remedy):
    with pytest.raises(DeliveryError, match=remedy):
        read(values, dtype)


@pytest.mark.parametrize(
    ("column", "role"),
    [("when", "timestamp"), ("total", "amount")],
)
@pytest.mark.parametrize("value", [{"a": 1}, [1], b"\xff\x00", True])
def test_numbers_and_moments_of_types_that_are_none_are_refused(column, role, value):
    frame = pl.LazyFrame({"who": ["a"], "when": ["2026-01-01"], "total": ["1.50"]} | {column: [value]})
    mapping = ColumnMapping(customer_id=("who",), timestamp=("when",), amount=("total",))
    with pytest.raises(DeliveryError, match=f"f: column '{column}', which is read as {role}, "):
        canonical(frame, mapping, Reading(), timezone="UTC", file="f")


def test_categories_and_bytes_are_read_as_the_text_that_they_are():
    frame = pl.LazyFrame(
        {
            "who": pl.Series(["a", "b"], dtype=pl.Categorical),
            "when": pl.Series([b"2026-01-01", b"2026-01-02"], dtype=pl.Binary),
            "total": pl.Series(["1.50", "2.50"], dtype=pl.Categorical),
        }
    )
    mapping = ColumnMapping(customer_id=("who",), timestamp=("when",), amount=("total",))
    rows = canonical(frame, mapping, Reading(), timezone="UTC", file="f").collect()
    assert rows["amount"].to_list() == [1.5, 2.5]
    assert rows["timestamp"].null_count() == 0
    assert plain(frame).collect_schema().dtypes() == [pl.String] * 3


def test_a_number_that_a_spreadsheet_rounded_is_no_id_and_is_kept_as_it_came():
    rows = read(["4.00638E+12", "4E+12", "109E1"])
    assert rows["customer_id"].to_list() == [None, None, "109E1"]
    assert rows["unreadable"].to_list() == ['{"customer_id":"4.00638E+12"}', '{"customer_id":"4E+12"}', None]
    assert read(["a", "b"], sku=["4,00638E+12", "x"])["product"].to_list() == [None, "x"]


def test_expressions_say_what_they_tell():
    frame = pl.DataFrame({"id": ["1.0", "2"], "round": ["1.5E+10", "x"], "fold": ["00042.0", "A\u00a0b"]})
    found = frame.select(are_whole(pl.col("id")), is_rounded(pl.col("round")), folded(pl.col("fold")))
    assert found.rows() == [(True, True, "42"), (True, False, "ab")]
    assert frame.select(read_text(pl.col("id"), pl.String(), whole=True))["id"].to_list() == ["1", "2"]


def customers(**lines):
    return pl.DataFrame({"customer_id": list(lines), "lines": list(lines.values())})


def test_ids_in_another_spelling_are_found_among_old_and_new_ones():
    tonight = pl.DataFrame({"customer_id": ["42", "a@X.com", "a@x.com", "7", "new", "00"], "lines": [1, 2, 5, 1, 1, 1]})
    known = pl.Series(["00042", "7"])
    assert respelled(tonight, known.rename("customer_id").to_frame().lazy()).to_list() == ["42", "a@X.com"]
    assert respelled(tonight, pl.LazyFrame(schema={"customer_id": pl.String})).to_list() == ["a@X.com"]


@pytest.mark.parametrize(
    "name", ["Laufkunde", "Diverse", "guest@example.com", "Walk-In Customer", "CPD", "Mr X", "Gast", "Default Customer"]
)
def test_names_of_nobody_are_crowds_however_few_lines_they_have(name):
    lines = customers(**{f"c{number}": 4 for number in range(20)}, **{name: 1})
    assert crowds(lines, 0.05).to_list() == [name]
    assert crowds(lines, 1.0).is_empty()


def test_whoever_has_far_too_many_lines_is_a_crowd_whatever_the_name():
    lines = customers(**{f"c{number}": 4 for number in range(20)}, **{"0": 60})
    assert crowds(lines, 0.05).to_list() == ["0"]
    assert crowds(customers(a=1, b=30, c=2), 0.05).is_empty()
