import math
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.purchase_gaps import HORIZONS_IN_SPAN, Suggestion, suggest

FIRST = date(2020, 1, 1)


def purchases(every: int, until: int, customers: int = 3) -> pl.DataFrame:
    """Customers who buy every so many days, each beginning a day later."""
    rows = [
        (f"K{customer}", FIRST + timedelta(days=day))
        for customer in range(customers)
        for day in range(customer, until, every)
    ]
    return pl.DataFrame(rows, schema={"customer_id": pl.String, "day": pl.Date}, orient="row")


@pytest.mark.parametrize(
    ("every", "until", "horizon_days", "active_days"),
    [(7, 1500, 14, 90), (28, 1500, 30, 90), (45, 1500, 45, 90), (100, 1500, 120, 365), (300, 1500, 180, 365)],
)
def test_the_horizon_follows_the_rhythm(every: int, until: int, horizon_days: int, active_days: int) -> None:
    found = suggest(purchases(every, until))

    assert (found.horizon_days, found.active_days) == (horizon_days, active_days)


def test_short_data_limit_the_horizon_and_say_so() -> None:
    found = suggest(purchases(50, 240))

    assert (found.horizon_days, found.fitting_days) == (45, 60)


def test_customers_who_come_back_in_time_have_not_churned() -> None:
    found = suggest(purchases(20, 1500))

    assert (found.active, found.churned) == (3, 0)


def test_long_gaps_weigh_more_because_they_are_seldom_seen() -> None:
    # In 101 days, ten gaps of 10 days and one of 50, which only half of the possible beginnings would have shown.
    often = [("A", FIRST + timedelta(days=day)) for day in range(0, 101, 10)]
    seldom = [("B", FIRST), ("B", FIRST + timedelta(days=50))]

    found = suggest(pl.DataFrame(often + seldom, schema={"customer_id": pl.String, "day": pl.Date}, orient="row"))

    assert found.returned == pytest.approx((10 * 101 / 91) / (10 * 101 / 91 + 101 / 51))


def test_one_purchase_says_nothing() -> None:
    found = suggest(pl.DataFrame({"customer_id": ["A"], "day": [FIRST]}))

    assert (found.horizon_days, found.gaps, found.active, math.isnan(found.churned)) == (1, 0, 0, True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 2000)), min_size=1, max_size=40))
def test_four_horizons_always_fit_and_the_order_of_rows_never_matters(events: list[tuple[str, int]]) -> None:
    rows = [(who, FIRST + timedelta(days=day)) for who, day in events]
    days = pl.DataFrame(rows, schema={"customer_id": pl.String, "day": pl.Date}, orient="row")

    found = suggest(days)

    assert found.horizon_days == 1 or found.horizon_days * HORIZONS_IN_SPAN <= found.span_days
    assert found.active_days >= 2 * found.horizon_days
    assert _figures(suggest(days.reverse())) == _figures(found)


def _figures(found: Suggestion) -> list[float]:
    return [found.horizon_days, found.active_days, found.span_days, found.gaps, found.active]
