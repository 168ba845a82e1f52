"""Every delivered line is either learned from or put aside with its reasons, never both, never neither."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.transactions import Quarantine, RawTransaction, Transaction, ValidationRules, split

NIGHT = date(2024, 5, 1)
MONEY = ("quantity", "amount")
GOOD = {
    "customer_id": "C1",
    "timestamp": datetime(2024, 4, 30, 12, tzinfo=UTC),
    "day": date(2024, 4, 30),
    "transaction_id": "T1",
    "quantity": 1.0,
    "amount": 9.5,
}


def lines(*changes):
    """Good lines with changes, in one file, one row each."""
    rows = [
        GOOD | change | {"source_file": "a.csv", "source_row": number, "occurrence": 1}
        for number, change in enumerate(changes, start=1)
    ]
    return pl.LazyFrame(rows, schema=RawTransaction.create_empty().schema)


def parted(raw, rules=None, mapped=MONEY):
    return pl.collect_all(split(raw, rules or ValidationRules(), night=NIGHT, mapped=mapped))


def reasons(change, rules=None, mapped=MONEY):
    _, quarantine = parted(lines(change), rules, mapped)
    return quarantine["reasons"].explode().to_list()


def test_a_good_line_is_valid():
    valid, quarantine = parted(lines({}))

    assert valid.height == 1
    assert quarantine.height == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"customer_id": None}, ["customer_id_missing"]),
        ({"timestamp": None, "day": None}, ["timestamp_missing"]),
        ({"amount": None}, ["amount_missing"]),
        ({"amount": 1e9 + 1}, ["amount_out_of_range"]),
        ({"amount": -1e9 - 1}, ["amount_out_of_range"]),
        ({"amount": float("nan")}, ["amount_out_of_range"]),
        ({"amount": float("inf")}, ["amount_out_of_range"]),
        ({"quantity": float("inf")}, ["quantity_out_of_range"]),
        ({"day": date(1970, 1, 1)}, ["day_implausible"]),
        ({"day": date(2024, 5, 2)}, ["timestamp_in_future"]),
        ({"customer_id": None, "amount": None}, ["customer_id_missing", "amount_missing"]),
    ],
)
def test_a_bad_line_is_put_aside_with_all_its_reasons(change, expected):
    assert reasons(change) == expected


@pytest.mark.parametrize(
    "change", [{"amount": 0.0}, {"amount": 1e9}, {"day": NIGHT}, {"day": date(1970, 1, 2)}, {"transaction_id": None}]
)
def test_a_limit_itself_is_good(change):
    assert reasons(change) == []


@pytest.mark.parametrize(
    ("mapped", "expected"),
    [((), []), (("quantity",), []), (("amount",), ["amount_missing"])],
)
def test_an_amount_is_missing_only_where_the_source_has_amounts(mapped, expected):
    assert reasons({"amount": None}, mapped=mapped) == expected


def test_quarantine_keeps_the_line_as_it_came():
    raw = lines({"customer_id": None, "unreadable": '{"quantity":"two"}'})

    _, quarantine = parted(raw)

    assert_frame_equal(quarantine.drop("reasons"), raw.collect())


@pytest.mark.parametrize(
    ("change", "pattern", "expected"),
    [
        ({}, None, False),
        ({"amount": -9.5}, None, True),
        ({"quantity": -1.0}, None, True),
        ({"quantity": None, "transaction_id": None}, "^C", False),
        ({"transaction_id": "C17"}, None, False),
        ({"transaction_id": "C17"}, "^C", True),
        ({"transaction_id": "17C"}, "^C", False),
    ],
)
def test_a_negative_or_cancelled_line_is_a_return(change, pattern, expected):
    valid, _ = parted(lines(change), ValidationRules(return_pattern=pattern))

    assert valid["is_return"].to_list() == [expected]


def test_valid_lines_are_sorted_by_customer_time_and_place():
    valid, _ = parted(lines({"customer_id": "B"}, {}, {"timestamp": datetime(2024, 4, 1, tzinfo=UTC)}, {}))

    assert valid["source_row"].to_list() == [1, 3, 2, 4]


@st.composite
def deliveries(draw):
    value = {
        "customer_id": st.sampled_from([None, "A", "B"]),
        "timestamp": st.none() | st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "amount": st.none() | st.floats(width=32),
        "quantity": st.none() | st.floats(-5, 5),
        "transaction_id": st.sampled_from([None, "T1", "C1"]),
    }
    rows = draw(st.lists(st.fixed_dictionaries(value), max_size=12))
    return lines(*({**row, "day": row["timestamp"] and row["timestamp"].date()} for row in rows))


@given(deliveries())
@settings(max_examples=30, deadline=None)
def test_every_line_lands_in_exactly_one_table_that_keeps_its_contract(raw):
    valid, quarantine = parted(raw, ValidationRules(return_pattern="^C"))

    assert sorted([*valid["source_row"], *quarantine["source_row"]]) == raw.collect()["source_row"].to_list()
    Transaction.validate(valid)
    Quarantine.validate(quarantine)


@given(deliveries(), st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_order_of_delivery_does_not_matter(raw, random):
    rows = raw.collect().rows(named=True)
    random.shuffle(rows)
    shuffled = pl.LazyFrame(rows, schema=raw.collect_schema())

    for table, same in zip(parted(raw), parted(shuffled), strict=True):
        assert_frame_equal(table, same)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"max_rejected_share": 5}, "max_rejected_share is 5: a share is a number from 0 to 1"),
        ({"max_amount": 0}, "max_amount is 0: it must be greater than 0"),
        ({"min_rows": -1}, "min_rows is -1: it must not be negative"),
        ({"amount_factor": 1}, "amount_factor is 1: it must be greater than 1"),
        ({"return_pattern": "("}, r"return_pattern is '\(': no regular expression"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_in_a_sentence(setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        ValidationRules(**setting)
