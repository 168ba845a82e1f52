"""The shop that never was is the same every time, and its customers leave as often as it says."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import simulator

FIRST = date(2025, 1, 1)


def orders(shop, days=200, seed=1):
    return simulator.transactions(shop, first_day=FIRST, days=days, seed=seed)


def test_the_same_seed_gives_the_same_shop():
    shop = simulator.customers(50, seed=3)
    assert_frame_equal(shop, simulator.customers(50, seed=3))
    assert_frame_equal(orders(shop), orders(shop))
    assert not shop.equals(simulator.customers(50, seed=4))
    assert not orders(shop).equals(orders(shop, seed=2))


def test_orders_come_in_the_order_of_time_within_the_span():
    bought = orders(simulator.customers(300, seed=3))
    when = bought["timestamp"]
    assert when.is_sorted()
    assert datetime(2025, 1, 1) <= when.min() < when.max() < datetime(2025, 1, 1) + timedelta(days=200)  # noqa: DTZ001
    assert bought["transaction_id"].is_unique().all()
    assert bought["amount"].min() > 0
    assert bought["quantity"].min() >= 1


def test_every_customer_buys_at_least_once():
    shop = simulator.customers(300, seed=3)
    assert set(orders(shop)["customer_id"]) == set(shop["customer_id"])


@pytest.mark.parametrize(
    ("rate", "loss", "expected"),
    [(0.0, 0.1, 1.0), (0.1, 0.0, np.exp(-3)), (0.1, 0.1, (1 + np.exp(-6)) / 2)],
)
def test_true_churn_is_the_formula(rate, loss, expected):
    shop = pl.DataFrame({"customer_id": ["a"], "rate": [rate], "loss": [loss]})
    assert simulator.true_churn(shop, 30)["churn_probability"].to_list() == pytest.approx([expected])


def test_customers_churn_as_often_as_the_truth_says():
    shop = simulator.customers(20_000, seed=5, lost_after_days=100).with_columns(joins=pl.lit(0.0))
    once = orders(shop, days=60).group_by("customer_id").agg(churned=pl.len() == 1)
    truth = simulator.true_churn(shop, 60).join(once, on="customer_id").sort("churn_probability")
    for group in np.array_split(np.arange(truth.height), 10):
        told, happened = (truth[name].to_numpy()[group].mean() for name in ("churn_probability", "churned"))
        assert abs(told - happened) < 4 * np.sqrt(told * (1 - told) / len(group))


def test_who_is_lost_sooner_buys_less():
    soon, late = (orders(simulator.customers(500, seed=6, lost_after_days=days)).height for days in (20, 2000))
    assert soon < late


def test_a_season_moves_purchases_to_its_peak_and_churn_with_them():
    shop = simulator.customers(20_000, seed=5, lost_after_days=2000).with_columns(joins=pl.lit(0.0))
    bought = simulator.transactions(shop, first_day=FIRST, days=365, seed=1, amplitude=0.5)
    months = bought["timestamp"].dt.month()
    assert months.filter(months == 12).len() > 1.5 * months.filter(months == 6).len()
    night = date(2025, 5, 31)
    told = [simulator.true_churn(shop, 30, night=night, amplitude=amplitude) for amplitude in (0.5, 0.0)]
    assert_frame_equal(told[1], simulator.true_churn(shop, 30))
    summer, steady = (float(each.to_series(1).to_numpy().mean()) for each in told)
    assert summer > steady
    within = bought.filter(pl.col("timestamp").dt.date().is_between(night, night + timedelta(days=30), closed="right"))
    before = bought.filter(pl.col("timestamp").dt.date() <= night)
    # Among those whose lifetime is long, hardly anybody was lost before the night.
    silent = 1 - within["customer_id"].n_unique() / before["customer_id"].n_unique()
    assert silent == pytest.approx(summer, abs=0.05)
    with pytest.raises(ValueError, match="amplitude is"):
        simulator.transactions(shop, first_day=FIRST, days=30, seed=1, amplitude=1.5)
