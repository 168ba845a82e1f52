"""The treated of the simulated shop answer as often as their response says, and nobody else changes."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import simulator
from models.simulated_response import KINDS, Response, contacted, react

FIRST, NIGHT, LAST, HORIZON = date(2025, 1, 1), date(2025, 7, 1), date(2025, 12, 31), 60
CALL = {("call", "all"): Response(saves=0.4, repels=0.1)}


@pytest.fixture(scope="module")
def shop():
    return simulator.customers(8_000, seed=1)


@pytest.fixture(scope="module")
def orders(shop):
    return simulator.transactions(shop, first_day=FIRST, days=365, seed=1)


@pytest.fixture(scope="module")
def contacts(shop):
    who = shop.filter(pl.col("joins") < 0.4).gather_every(2)
    return who.select("customer_id", night=pl.lit(NIGHT), action=pl.lit("call"), segment=pl.lit("all"))


@pytest.fixture(scope="module")
def met(orders, contacts):
    return contacted(orders, contacts, CALL, horizon_days=HORIZON, seed=2)


@pytest.fixture(scope="module")
def reacted(orders, shop, met):
    return react(orders, shop, met, horizon_days=HORIZON, last_day=LAST, seed=3)


def came(orders, met):
    """Whether each of those contacted bought within the horizon."""
    day = pl.col("timestamp").dt.date()
    within = orders.filter(day > NIGHT, day <= NIGHT + timedelta(days=HORIZON))
    return met["customer_id"].is_in(within["customer_id"].implode())


def test_each_kind_does_what_its_name_says(orders, met, reacted):
    alone, touched = came(orders, met), came(reacted, met)
    found = set(zip(met["kind"], alone, touched, strict=True))
    assert found == {
        ("persuadable", False, True),
        ("lost_cause", False, False),
        ("sure_thing", True, True),
        ("driven_away", True, False),
    }
    assert {kind for kind, *_ in found} == set(KINDS)


def test_customers_are_kept_and_driven_away_as_often_as_the_response_says(met):
    count = dict(met["kind"].value_counts().rows())
    assert count["persuadable"] / (count["persuadable"] + count["lost_cause"]) == pytest.approx(0.4, abs=0.05)
    assert count["driven_away"] / (count["driven_away"] + count["sure_thing"]) == pytest.approx(0.1, abs=0.03)


def test_nothing_changes_for_others_nor_before_the_contact(orders, met, reacted):
    others = ~pl.col("customer_id").is_in(met["customer_id"].implode())
    assert_frame_equal(reacted.filter(others), orders.filter(others))
    before = pl.col("timestamp").dt.date() <= NIGHT
    assert_frame_equal(reacted.filter(before), orders.filter(before), check_row_order=False)
    assert reacted["transaction_id"].is_unique().all()
    assert reacted["timestamp"].is_sorted()
    assert reacted["timestamp"].dt.date().max() <= LAST


def test_an_action_without_a_response_changes_nothing(orders, shop, contacts):
    idle = contacted(orders, contacts, {}, horizon_days=HORIZON, seed=2)
    assert set(idle["kind"]) == {"lost_cause", "sure_thing"}
    untouched = react(orders, shop, idle, horizon_days=HORIZON, last_day=LAST, seed=3)
    assert_frame_equal(untouched, orders, check_row_order=False)


def test_the_same_seed_gives_the_same_answers(orders, shop, contacts, met, reacted):
    shuffled = contacts.sample(fraction=1, shuffle=True, seed=9)
    again = contacted(orders, shuffled, CALL, horizon_days=HORIZON, seed=2)
    assert_frame_equal(again, met)
    assert_frame_equal(react(orders, shop, again, horizon_days=HORIZON, last_day=LAST, seed=3), reacted)
