"""The next purchase is expected by the customer's own rhythm and silence, within an interval that keeps its promise."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.next_purchase import FURTHEST_DAYS, next_purchase

NIGHT = date(2026, 3, 31)
DAYS = ("next_purchase_from", "expected_next_purchase", "next_purchase_until")


def customers(*rows):
    names = ("recency_days", "purchase_days", "gap_mean_days", "gap_variation_ratio")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Float32), orient="row").with_row_index("customer_id")


def waits(frame):
    """Days from the night to each of the three days."""
    return next_purchase(frame, NIGHT).select((pl.col(name) - NIGHT).dt.total_days() for name in DAYS)


def test_four_fifths_of_all_customers_buy_within_the_interval_and_half_before_the_day():
    # Rates as the method assumes them, five gaps each; seen at a random moment, what is left of a gap that comes at
    # random is distributed like what is over.
    random, count = np.random.default_rng(1), 20_000
    mean = 120 / random.gamma(3, 1, count)
    past = random.exponential(mean, (5, count)).T
    silence, wait = random.exponential(mean, (2, count))
    frame = pl.DataFrame(
        {
            "customer_id": np.arange(count),
            "recency_days": silence,
            "purchase_days": np.full(count, 6),
            "gap_mean_days": past.mean(axis=1),
            "gap_variation_ratio": past.std(axis=1, ddof=1) / past.mean(axis=1),
        }
    )
    found = waits(frame).to_numpy().T
    share = [np.mean(wait <= days) for days in found]
    assert share == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_regular_customer_is_expected_when_the_usual_gap_is_over():
    often = [(10.0, 30.0, 30.0, 0.1)]
    early, middle, late = waits(customers(*often, *[(1.0, 2.0, 30.0, None)] * 3)).row(0)
    assert middle == pytest.approx(20, abs=3)
    assert 5 < early < middle < late < 50


def test_an_irregular_customer_has_a_wider_interval_than_a_regular_one():
    frame = customers((5.0, 20.0, 30.0, 0.2), (5.0, 20.0, 30.0, 1.5))
    widths = waits(frame).select(pl.col("next_purchase_until") - pl.col("next_purchase_from")).to_series()
    assert widths[0] < widths[1] / 2


def test_who_bought_once_is_expected_like_the_others_and_later_the_longer_he_is_silent():
    frame = customers(*[(silence, 1.0, None, None) for silence in (1.0, 60.0, 300.0)], *[(1.0, 3.0, 30.0, 1.0)] * 3)
    expected = waits(frame)["expected_next_purchase"].to_list()
    assert expected[0] < expected[1] < expected[2]
    assert expected[0] == round((2 * 30 + 1) * (0.5 ** (-1 / 3) - 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 3_000), st.integers(1, 900), st.floats(1, 2_000), st.floats(0, 9)),
        min_size=1,
        max_size=20,
    )
)
def test_the_days_come_after_the_night_in_their_order(rows):
    found = waits(customers(*[(silence, float(days), gap, spread) for silence, days, gap, spread in rows]))
    early, middle, late = (found[name] for name in DAYS)
    assert ((early >= 1) & (early <= middle) & (middle <= late) & (late <= FURTHEST_DAYS)).all()


@pytest.mark.parametrize("rhythm", [{}, {"gap_mean_days": [None, None]}])
def test_without_any_second_purchase_none_is_expected(rhythm):
    frame = pl.DataFrame({"customer_id": ["a", "b"], "recency_days": [1, 2], "purchase_days": [1, 1], **rhythm}).cast(
        dict.fromkeys(rhythm, pl.Float32)
    )
    assert waits(frame).null_count().row(0) == (2, 2, 2)


def test_a_contract_ends_when_it_ends():
    frame = pl.DataFrame(
        {"customer_id": ["a"], "days_to_expiry": [7.0]}, schema_overrides={"days_to_expiry": pl.Float32}
    )
    assert next_purchase(frame, NIGHT).row(0) == ("a", *(NIGHT + timedelta(days=7),) * 3)


def test_whoever_is_asked_about_is_told_the_same_as_among_all():
    frame = customers(*[(float(n), 3.0 + n, 20.0 + n, 0.5) for n in range(9)])
    some = pl.col("customer_id") % 2 == 0
    assert next_purchase(frame, NIGHT, some).equals(next_purchase(frame, NIGHT).filter(some))
