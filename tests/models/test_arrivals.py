"""A night is compared with the nights before it, and only where there are enough of them."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrivals import Past, profile, raw_expectations, raw_gate, usual_rows
from models.transactions import RawTransaction, ValidationRules

NIGHT = date(2024, 5, 1)
RULES = ValidationRules()


def nights(*rows, magnitude=1.0):
    """Nights with so many rows, the last one the day before the night."""
    days = [NIGHT - timedelta(days=len(rows) - place) for place in range(len(rows))]
    return pl.DataFrame(
        {"night": days, "rows": rows, "magnitude": [magnitude] * len(rows)}, schema=Past().nights.schema
    )


def raw(**columns):
    frame = pl.LazyFrame(columns)
    absent = [name for name in RawTransaction.column_names() if name not in columns]
    schema = RawTransaction.create_empty().schema
    return frame.with_columns(pl.lit(None, schema[name]).alias(name) for name in absent).cast(schema)


def asked(*, past=None, rows=1_000, mapped=("amount",), rules=RULES):
    _, expected = raw_gate(raw(), rules, night=NIGHT, mapped=mapped, past=past or Past(), rows=rows)
    return {expectation.name: expectation for expectation in expected}


def test_a_first_night_is_compared_with_nothing():
    assert not {"volume_usual", "amount_usual", "customers_known"} & asked().keys()


def test_a_later_night_is_compared_with_the_nights_before():
    past = Past(nights=nights(*[100] * 8), customers=pl.Series("customer_id", ["A"]))

    assert {"volume_usual", "amount_usual", "customers_known"} <= asked(past=past).keys()


@pytest.mark.parametrize(("rows", "expected"), [(299, False), (300, True)])
def test_unknown_customers_are_suspicious_only_among_enough_lines(rows, expected):
    assert ("customers_known" in asked(past=Past(nights=nights(*[100] * 8)), rows=rows)) is expected


@pytest.mark.parametrize(
    ("newest", "expected"),
    [(None, True), (NIGHT - timedelta(days=32), True), (NIGHT - timedelta(days=31), False), (NIGHT, False)],
)
def test_a_quiet_night_need_not_be_fresh_while_the_past_is(newest, expected):
    assert ("fresh" in asked(past=Past(newest_day=newest))) is expected


def test_every_reason_of_quarantine_is_reported():
    names = asked(mapped=RawTransaction.column_names()).keys()

    assert {"customer_id_missing", "timestamp_missing", "amount_missing", "timestamp_in_future"} <= names


def test_every_check_that_can_be_asked_is_declared():
    past = Past(
        nights=nights(*[100] * 8),
        respelled=pl.Series([], dtype=pl.String),
        crowds=pl.Series([], dtype=pl.String),
        changed_orders=10,
        orders=10,
    )
    checks = {expectation.check for expectation in asked(past=past, mapped=RawTransaction.column_names()).values()}

    assert checks == {each.check for each in raw_expectations()}


def test_a_currency_of_the_settings_is_expected_by_name():
    expectation = asked(mapped=("currency",), rules=ValidationRules(currencies=("EUR", "CHF")))["currency_expected"]

    assert expectation.threshold == "EUR or CHF in every row"


def test_a_rejected_line_is_marked_in_the_frame():
    frame, _ = raw_gate(raw(customer_id=["A", None]), RULES, night=NIGHT, mapped=(), past=Past(), rows=2)

    assert frame.select("rejected").collect().to_series().to_list() == [True, True]


def test_customers_seen_before_are_marked_and_missing_ones_are_not_judged():
    past = Past(nights=nights(*[100] * 8), customers=pl.Series("customer_id", ["A", "B"]))
    frame, _ = raw_gate(raw(customer_id=["A", "C", None]), RULES, night=NIGHT, mapped=(), past=past, rows=1_000)

    assert frame.select("known_customer").collect().to_series().to_list() == [True, False, None]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([100] * 7, None),
        ([100] * 8, (50, 150)),
        ([0] * 8, (0, 0)),
        ([100, 100, 100, 100, 100, 100, 100, 1_000_000], (50, 150)),
        ([10, 20, 30, 40, 50, 60, 70, 80], (0, 193)),
    ],
)
def test_the_usual_volume_is_the_median_give_or_take_robust_deviations(rows, expected):
    assert usual_rows(nights(*rows), NIGHT, RULES) == expected


def test_a_weekday_is_compared_with_its_like():
    wednesdays = [
        10 if (NIGHT - timedelta(days=28 - place)).weekday() == NIGHT.weekday() else 1_000 for place in range(28)
    ]

    assert usual_rows(nights(*wednesdays), NIGHT, RULES) == (5, 15)


@given(st.lists(st.integers(0, 10**9), min_size=8, max_size=40))
def test_the_median_night_is_always_usual(rows):
    usual = usual_rows(nights(*rows), NIGHT, ValidationRules())
    same = nights(*rows).filter(pl.col("night").dt.weekday() == NIGHT.isoweekday())
    median = (same if same.height >= 4 else nights(*rows))["rows"].median()

    assert usual is not None
    assert usual[0] <= median <= usual[1]


def test_a_profile_counts_rows_and_the_typical_size_of_an_amount():
    moment = datetime(2024, 4, 30, tzinfo=UTC)
    frame = raw(timestamp=[moment] * 4, amount=[10.0, -1_000.0, 0.0, None])

    assert profile(frame, NIGHT).collect().rows() == [(NIGHT, 4, pytest.approx(2))]


@pytest.mark.parametrize(("changed", "asked_for"), [(0, False), (9, False), (10, True), (99, True)])
def test_a_history_that_comes_again_changed_is_judged_by_its_share_of_the_orders(changed, asked_for):
    past = Past(nights=nights(100), changed_orders=changed, orders=100)
    expected = asked(past=past)
    assert ("orders_changed" in expected) is asked_for
    if asked_for:
        frame, _ = raw_gate(raw(customer_id=["A"]), RULES, night=NIGHT, mapped=(), past=past, rows=1)
        assert frame.collect()["changed_share"].to_list() == [changed / 100]
        assert expected["orders_changed"].severity == "ERROR"
        assert expected["orders_changed"].threshold == "to 0.2"
