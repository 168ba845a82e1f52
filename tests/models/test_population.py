from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from models.history import blocks
from models.population import Returns, active, histories, returns, standing

NIGHT = date(2024, 6, 30)


def days(*rows: tuple[str, int, int]) -> pl.LazyFrame:
    """Rows of (customer, days before the night, orders)."""
    schema = {"customer_id": pl.String, "day": pl.Date, "orders": pl.Int64}
    return pl.LazyFrame([(c, NIGHT - timedelta(days=d), o) for c, d, o in rows], schema=schema, orient="row")


@pytest.mark.parametrize(
    ("ago", "orders", "is_active"), [(0, 1, True), (29, 1, True), (30, 1, False), (-1, 1, False), (5, 0, False)]
)
def test_active_is_a_purchase_day_in_the_half_open_window(ago: int, orders: int, is_active: bool) -> None:
    assert active(days(("a", ago, orders)), [NIGHT], 30).collect().height == is_active


def test_active_customers_are_listed_once_a_night_and_sorted() -> None:
    known = days(("b", 3, 1), ("a", 3, 1), ("a", 4, 2), ("a", 3, 1))
    early = NIGHT - timedelta(days=4)
    assert active(known, [NIGHT, early], 30).collect().rows() == [(early, "a"), (NIGHT, "a"), (NIGHT, "b")]


def test_active_refuses_to_look_at_nothing() -> None:
    with pytest.raises(ValueError, match="a night and at least 1 active day"):
        active(days(), [NIGHT], 0)


def test_histories_hold_everyone_with_a_purchase_in_the_lookback() -> None:
    known = days(("b", 99, 1), ("b", 100, 1), ("a", 7, 1), ("a", 7, 2), ("a", 20, 1), ("a", -1, 1), ("c", 5, 0))
    assert histories(known, NIGHT, 100).collect().rows() == [
        ("a", 2, NIGHT - timedelta(days=20), NIGHT - timedelta(days=7)),
        ("b", 1, NIGHT - timedelta(days=99), NIGHT - timedelta(days=99)),
    ]


def counted(known: pl.LazyFrame, *, active_days: int = 100, horizon_days: int = 30) -> Returns:
    packed = blocks(known, after=date(2020, 1, 1), until=NIGHT, measures={"orders": pl.Int64()})
    return returns(packed, NIGHT, active_days, horizon_days)


def test_returns_are_counted_over_the_horizon_that_ends_with_the_night() -> None:
    known = days(
        ("back on the last day", 40, 1), ("back on the last day", 0, 1),
        ("back on the first day", 40, 1), ("back on the first day", 29, 1),
        ("bought before it", 40, 1), ("bought before it", 30, 1),
        ("not back", 129, 1), ("not active then", 130, 1), ("only a return", 35, 1), ("only a return", 3, 0),
    )  # fmt: skip
    result = counted(known)
    assert (result.customers.sum(), result.returned.sum()) == (5, 2)


def test_the_share_of_similar_customers_is_drawn_towards_that_of_all() -> None:
    customers, returned = np.zeros((2, 16, 8), dtype=np.int64)
    customers[0, 0], returned[0, 0] = 20, 20
    customers[5, 3], returned[5, 3] = 60, 0
    some = Returns(customers, returned)
    assert some.share() == 0.25
    # 20 of 20 with 20 more at the share of their band, (20 + 20 x 0.25) / 40.
    assert some.similar(np.array([3]), np.array([1])) == pytest.approx((20 + 20 * 0.625) / 40)
    # Nobody stood there: the band is all of 60 and 20 more, (0 + 20 x 0.25) / 80.
    assert some.similar(np.array([50]), np.array([30])) == pytest.approx(0.0625)
    assert some.similar(np.array([700]), np.array([1])) == pytest.approx(0.25)


@pytest.mark.parametrize(("customers", "is_known"), [(0, False), (19, False), (20, True)])
def test_few_customers_say_nothing_about_others(customers: int, is_known: bool) -> None:
    some = counted(days(*((f"c{n}", 40, 1) for n in range(customers))))
    assert np.isfinite(some.share()) == is_known
    assert np.isfinite(some.similar(np.array([3]), np.array([1]))).all() == is_known


def test_a_customer_stands_in_the_band_whose_bounds_hold_him() -> None:
    recency, purchases = np.array([0, 6, 7, 5000]), np.array([1, 3, 4, 900])
    assert standing(recency, purchases).tolist() == [0, 2, 8 + 3, 15 * 8 + 7]
