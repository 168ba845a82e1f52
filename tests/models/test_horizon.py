"""What the advisor says of a horizon is what happened to these customers."""

from datetime import date, timedelta

import polars as pl
import pytest

from models import simulator
from models.customer_days import customer_days
from models.horizon import candidates, nights_for, recommend

FIRST = date(2024, 1, 1)


def days_of(lines: pl.DataFrame) -> pl.LazyFrame:
    full = lines.with_columns(
        day=pl.col("timestamp").dt.date(), is_return=pl.lit(value=False), discount=pl.lit(None, pl.Float64)
    )
    return customer_days(full.lazy())


@pytest.fixture(scope="module")
def shop() -> pl.DataFrame:
    return simulator.customers(1500, seed=2)


@pytest.fixture(scope="module")
def table(shop) -> pl.DataFrame:
    lines = simulator.transactions(shop, first_day=FIRST, days=400, seed=2)
    return candidates(days_of(lines), FIRST + timedelta(days=399), active_days=120, horizons=(30, 60, 90))


def punctual(gap: int, span: int, count: int = 60) -> pl.LazyFrame:
    """Customers who buy every `gap` days, and as many who bought once, on other days."""
    rows = [
        (f"{kind}{who}", FIRST + timedelta(days=day))
        for who in range(count)
        for kind, days in (("loyal", range(who % gap, span, gap)), ("once", [who * 5 % span]))
        for day in days
    ]
    return days_of(
        pl.DataFrame(rows, schema=["customer_id", "timestamp"], orient="row").with_columns(
            pl.col("timestamp").cast(pl.Datetime("us")),
            transaction_id=pl.lit(None, pl.String),
            quantity=pl.lit(1.0),
            amount=pl.lit(5.0),
        )
    )


def test_nights_lie_one_horizon_apart_with_history_before_them():
    nights = nights_for(90, as_of=FIRST + timedelta(days=299), first_day=FIRST)
    assert nights == [FIRST + timedelta(days=day) for day in (209, 119)]


def test_longer_horizons_have_less_churn_and_more_gaps_within(table):
    assert table["churn_rate"].is_sorted(descending=True)
    assert table["gaps_within"].is_sorted()
    assert table["lead_days"].is_sorted()
    assert (table["lead_days"] <= table["horizon_days"]).all()


def test_the_backtest_ranks_better_than_chance_within_its_range(table):
    assert (table["auroc"] > 0.6).all()
    assert (table["auroc_low"] <= table["auroc"]).all()
    assert (table["auroc"] <= table["auroc_high"]).all()
    assert (table["lift"] > 1).all()
    assert (table["lift"] <= 1 / table["churn_rate"] * 1.1).all()


def test_false_churn_is_the_share_of_the_churned_who_are_back_within_twice_the_horizon():
    found = candidates(punctual(50, 400), FIRST + timedelta(days=399), active_days=60, horizons=(30, 60))
    rows = {row["horizon_days"]: row for row in found.to_dicts()}
    assert rows[60]["false_churn"] == 0
    assert 0.5 < rows[30]["false_churn"] < 0.9
    assert (rows[30]["gaps_within"], rows[60]["gaps_within"]) == (0, 1)


def test_the_recommended_one_is_the_shortest_that_holds_four_fifths_of_the_gaps(table):
    advice = recommend(table.with_columns(gaps_within=pl.Series([0.7, 0.81, 0.9])))
    assert advice.horizon_days == 60
    assert "81% of the gaps" in advice.sentence


def test_where_none_is_long_enough_the_longest_that_can_be_judged_is_recommended_and_it_is_said(table):
    advice = recommend(table.with_columns(gaps_within=pl.Series([0.1, 0.2, 0.3])))
    assert advice.horizon_days == 90
    assert "asks for a longer one" in advice.sentence


def test_a_horizon_at_which_nearly_all_churn_is_not_recommended(table):
    rates = table.with_columns(gaps_within=pl.Series([0.9, 0.9, 0.9]), churn_rate=pl.Series([0.95, 0.8, 0.7]))
    assert recommend(rates).horizon_days == 60


def test_a_month_of_data_carries_no_candidate():
    table = candidates(punctual(5, 30), FIRST + timedelta(days=29), active_days=60)
    assert table.is_empty()
    assert recommend(table).horizon_days is None


def test_nothing_after_the_last_day_matters(shop, table):
    lines = simulator.transactions(shop, first_day=FIRST, days=400, seed=2)
    later = lines.with_columns(pl.col("timestamp") + pl.duration(days=400))
    days = days_of(pl.concat([lines, later]))
    again = candidates(days, FIRST + timedelta(days=399), active_days=120, horizons=(30, 60, 90))
    assert again.equals(table)
