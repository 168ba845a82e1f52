"""Figures of parts of the customers are those of the part alone."""

import numpy as np
import polars as pl
import pytest

from models.evaluation import evaluate, threshold_table
from models.ranking import EvaluationRecipe
from models.slices import FEWEST, by_slice

RECIPE = EvaluationRecipe(replicates=20)


@pytest.fixture(scope="module")
def jury() -> pl.DataFrame:
    chance = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "purchase_days": chance.integers(1, 6, 2000),
            "recency_days": chance.integers(0, 200, 2000),
            "churned": chance.random(2000) < 0.6,
        }
    )


@pytest.fixture(scope="module")
def probability() -> np.ndarray:
    return np.random.default_rng(4).uniform(0.1, 0.9, 2000)


def test_a_part_is_judged_by_itself(jury, probability):
    found = by_slice(jury, probability, RECIPE, 60)
    rows = (jury["purchase_days"] == 1).to_numpy()
    assert found["purchases=one"] == evaluate(jury["churned"].to_numpy()[rows], probability[rows], RECIPE)
    kinds = {"purchases": 0.0, "silence": 0.0}
    for name, figures in found.items():
        kinds[name.partition("=")[0]] += figures["customers"]
    assert kinds == {"purchases": jury.height, "silence": jury.height}


def test_what_the_features_do_not_tell_is_left_out(jury, probability):
    assert not [name for name in by_slice(jury, probability, RECIPE, 60) if name.startswith(("tenure", "spend"))]


def test_a_part_of_a_few_customers_has_no_figures(jury, probability):
    few = jury.head(FEWEST).with_columns(purchase_days=pl.lit(1))
    assert set(by_slice(few, probability[:FEWEST], RECIPE, 1000)) == {"purchases=one", "silence=within the horizon"}
    fewer = few.head(FEWEST - 1)
    assert by_slice(fewer, probability[: FEWEST - 1], RECIPE, 1000) == {}


def test_a_part_in_which_everybody_left_has_no_figures(jury, probability):
    assert by_slice(jury.with_columns(churned=pl.lit(value=True)), probability, RECIPE, 60) == {}


def test_thresholds_count_who_lies_above_them():
    churned, probability = np.array([True, False, True, False]), np.array([0.95, 0.62, 0.6, 0.01])
    table = threshold_table(churned, probability)
    at = {row["threshold"]: row for row in table.to_dicts()}
    assert at[0.6] == {"threshold": 0.6, "contacted": 2, "precision": 0.5, "recall": 0.5}
    assert at[0.05]["contacted"] == 3
    assert at[0.95] == {"threshold": 0.95, "contacted": 0, "precision": None, "recall": 0.0}
