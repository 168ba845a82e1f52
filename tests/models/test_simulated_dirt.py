"""Deliveries of the simulated shop are as dirty as asked, and nothing of the clean orders is lost in the dirt."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import simulator
from models.simulated_dirt import Dirt, deliveries

CLEAN = Dirt(0, 0, 0, 0)


@pytest.fixture(scope="module")
def orders():
    shop = simulator.customers(4_000, seed=1)
    return simulator.transactions(shop, first_day=date(2025, 1, 1), days=200, seed=1)


def test_without_dirt_everything_arrives_once_on_its_day(orders):
    found = deliveries(orders, CLEAN, seed=1)
    assert_frame_equal(found.drop("arrived").sort("transaction_id"), orders.sort("transaction_id"))
    assert (found["arrived"] == found["timestamp"].dt.date()).all()


def test_lines_come_twice_without_a_customer_back_and_late_as_often_as_asked(orders):
    dirt = Dirt(duplicates=0.1, missing_customers=0.05, returns=0.2, late=0.3, late_days=4)
    found = deliveries(orders, dirt, seed=1)
    lines = found.unique(found.columns[:-1])
    back = lines.filter(pl.col("amount") < 0)
    assert found.height / lines.height == pytest.approx(1.1, abs=0.02)
    assert lines["customer_id"].null_count() / lines.height == pytest.approx(0.05, abs=0.01)
    # Who buys in the last days takes back after the end.
    assert 0.15 < back.height / orders.height < 0.2
    first = found.group_by(found.columns[:-1]).agg(pl.col("arrived").min())
    delay = (first["arrived"] - first["timestamp"].dt.date()).dt.total_days()
    assert (delay > 0).mean() == pytest.approx(0.3, abs=0.02)
    assert delay.min() == 0
    assert delay.max() == 4


def test_a_return_takes_back_an_order_after_it_was_made(orders):
    found = deliveries(orders, Dirt(0, 0, 0.3, 0), seed=2)
    back = found.filter(pl.col("amount") < 0).with_columns(pl.col("transaction_id").str.slice(1))
    pairs = back.join(orders, on=["transaction_id", "customer_id"])
    assert pairs.height == back.height
    assert (pairs["amount"] == -pairs["amount_right"]).all()
    assert (pairs["timestamp"] > pairs["timestamp_right"]).all()


def test_the_same_seed_gives_the_same_dirt(orders):
    assert_frame_equal(deliveries(orders, Dirt(), seed=3), deliveries(orders, Dirt(), seed=3))
    assert not deliveries(orders, Dirt(), seed=4).equals(deliveries(orders, Dirt(), seed=3))


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"returns": 1.5}, "returns is 1.5"), ({"late_days": 0}, "late_days is 0")]
)
def test_impossible_dirt_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Dirt(**wrong)
