from datetime import date, timedelta

import polars as pl
import pytest

from models.labels import labels

NIGHT = date(2024, 6, 30)
DAYS = {"customer_id": pl.String, "day": pl.Date, "orders": pl.Int64, "spend": pl.Float64, "refunds": pl.Float64}


def days(*rows: tuple[str, int, int, float | None, float | None]) -> pl.LazyFrame:
    """Rows of (customer, days after the night, orders, spend, refunds) in currency units."""
    frame = pl.LazyFrame([(c, NIGHT + timedelta(days=d), *rest) for c, d, *rest in rows], schema=DAYS, orient="row")
    return frame.with_columns((pl.col("spend", "refunds") * 10_000).cast(pl.Int64))


@pytest.mark.parametrize(
    ("after", "orders", "churned"),
    [
        pytest.param(0, 1, True, id="a purchase on the night itself is history"),
        pytest.param(1, 1, False, id="the day after is the first of the outcome"),
        pytest.param(30, 1, False, id="the last day of the horizon counts"),
        pytest.param(31, 1, True, id="the day after the horizon comes too late"),
        pytest.param(5, 0, True, id="a day of returns only is no purchase"),
    ],
)
def test_the_outcome_window_is_half_open(after: int, orders: int, churned: bool) -> None:
    result = labels(days(("a", -10, 1, 1.0, 0.0), ("a", after, orders, 1.0, 0.0)), [NIGHT], 30).collect()
    assert result.select("night", "customer_id", "churned").rows() == [(NIGHT, "a", churned)]


def test_outcome_spend_is_net_of_refunds_zero_without_a_purchase_and_null_where_unknown() -> None:
    result = labels(
        days(
            ("bought", -1, 1, 9.0, 0.0), ("bought", 3, 1, 20.5, 0.0), ("bought", 4, 0, 0.0, 5.25),
            ("gone", -1, 1, 9.0, 0.0), ("unpriced", -1, 1, None, None), ("unpriced", 3, 1, None, None),
        ),
        [NIGHT],
        30,
    ).collect()  # fmt: skip
    assert result.select("customer_id", "outcome_spend").rows() == [
        ("bought", 15.25),
        ("gone", 0.0),
        ("unpriced", None),
    ]


def test_only_customers_with_a_purchase_up_to_the_night_have_an_outcome() -> None:
    known = days(("new", 1, 1, 1.0, 0.0), ("returner", -1, 0, 0.0, 1.0), ("old", -900, 1, 1.0, 0.0))
    assert labels(known, [NIGHT], 30).collect()["customer_id"].to_list() == ["old"]


def test_rows_of_one_day_that_arrived_on_several_nights_count_together() -> None:
    known = days(("a", -1, 1, 1.0, 0.0), ("a", 2, 1, 1.5, 0.0), ("a", 2, 1, 2.5, 0.0))
    assert labels(known, [NIGHT], 30).collect().rows() == [(NIGHT, "a", False, 4.0)]


def test_nights_are_sorted_and_each_has_its_own_window() -> None:
    known = days(("b", -40, 1, 1.0, 0.0), ("a", -40, 1, 1.0, 0.0), ("a", 10, 1, 1.0, 0.0))
    early = NIGHT - timedelta(days=30)
    result = labels(known, [NIGHT, early], 30).collect()
    assert result.select("night", "customer_id", "churned").rows() == [
        (early, "a", True), (early, "b", True), (NIGHT, "a", False), (NIGHT, "b", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("nights", "horizon"), [([], 30), ([NIGHT], 0)])
def test_refuses_to_label_nothing(nights: list[date], horizon: int) -> None:
    with pytest.raises(ValueError, match="a night and a horizon"):
        labels(days(), nights, horizon)
