"""The search for a better recipe: repeatable, within its budget, blind to the nights that calibrate and judge."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import expit

from models.classifier import ClassifierRecipe
from models.tuning import tune

NAMES = ("recency_days", "spend")
START = ClassifierRecipe(threads=1, rounds=20, patience=5)
NEWEST = date(2026, 5, 31)


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    rows = 4 * 400
    recency, spend = random.integers(0, 100, rows), random.gamma(2, 20, rows)
    return pl.DataFrame(
        {
            "night": [NEWEST - timedelta(days=10 * back) for back in (3, 2, 1, 0) for _ in range(400)],
            "customer_id": [f"c{number:04d}" for number in range(400)] * 4,
            "recency_days": recency.astype(np.float32),
            "spend": spend.astype(np.float32),
            "churned": random.random(rows) < expit(recency / 10 - 5),
            "weight": 1.0,
        }
    )


@pytest.fixture(scope="module")
def found(examples):
    return tune(examples, NAMES, START, trials=4, minutes=10)


def test_the_same_budget_finds_the_same_with_any_number_of_threads(examples, found):
    again = tune(examples, NAMES, replace(START, threads=2), trials=4, minutes=10)
    assert_frame_equal(again.trials, found.trials, check_exact=True)
    assert replace(again.recipe, threads=1) == found.recipe


def test_the_first_trial_is_what_was_given_and_one_is_chosen(found):
    first, chosen = found.trials.row(0, named=True), found.trials.filter("chosen").row(0, named=True)
    assert found.trials.height == 4
    assert (first["depth"], first["learning_rate"], first["gain"]) == (START.depth, START.learning_rate, 0)
    assert chosen["trial"] == 0 or chosen["gain"] > chosen["standard_error"]
    assert found.recipe == replace(
        START,
        **{name: chosen[name] for name in ("depth", "learning_rate", "min_child_weight", "ridge", "rows", "columns")},
    )


def test_a_recipe_that_learns_too_little_is_replaced(examples):
    lazy = replace(START, learning_rate=0.01, min_child_weight=200.0)
    assert tune(examples, NAMES, lazy, trials=4, minutes=10).recipe != lazy


def test_the_newest_night_has_no_say(examples, found):
    turned = examples.with_columns(churned=pl.col("churned") ^ (pl.col("night") == NEWEST))
    assert tune(turned, NAMES, START, trials=4, minutes=10).recipe == found.recipe


@pytest.mark.parametrize(("nights", "trials"), [(2, 4), (4, 0), (4, 1)])
def test_without_a_budget_or_nights_enough_the_recipe_stays(examples, nights, trials):
    few = examples.filter(pl.col("night") > NEWEST - timedelta(days=10 * nights))
    stayed = tune(few, NAMES, START, trials=trials, minutes=10)
    assert stayed.recipe == START
    assert stayed.trials.is_empty()


def test_no_trial_starts_when_the_time_is_up(examples):
    assert tune(examples, NAMES, START, trials=1000, minutes=0).trials.height == 1
