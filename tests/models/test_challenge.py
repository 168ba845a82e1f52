"""A challenger meets its rivals on a night that it has not seen, and the whole of it hangs on what was known."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.baselines import BASELINES
from models.challenge import Question, challenge, is_due
from models.definition import ChurnDefinition
from models.evaluation import compare
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import MODELS, ClassifierRecipe, TrainingRecipe
from models.ranking import EvaluationRecipe
from tests.shops import bought

FIRST = date(2024, 1, 1)
NIGHT = date(2025, 3, 1)
QUESTION = Question(
    churn=ChurnDefinition(horizon_days=60, active_days=120),
    features=FeatureRecipe(lookback_days=500, windows=(30, 90), families=("recency", "frequency", "tenure")),
    training=TrainingRecipe(nights=3, min_outcomes=50, classifier=ClassifierRecipe(rounds=10, patience=5)),
    evaluation=EvaluationRecipe(replicates=40),
    gate=GateRecipe(),
)
RIPE = NIGHT - timedelta(days=60)


@pytest.fixture(scope="module")
def days():
    return bought(FIRST, 600)


@pytest.fixture(scope="module")
def first(days):
    return challenge(days, NIGHT, QUESTION, None)


def test_the_jury_is_the_newest_ripe_night_and_the_judged_one_has_not_seen_it(first):
    assert first.judged_night == RIPE
    assert first.jury["night"].unique().to_list() == [RIPE]
    assert first.judged.as_of == RIPE
    assert max(first.judged.nights) == RIPE - timedelta(days=60)
    assert first.serving.as_of == NIGHT
    assert max(first.serving.nights) == RIPE
    assert first.churned.tolist() == first.jury["churned"].to_list()


def test_every_scorer_is_measured_on_the_same_customers(first):
    assert set(first.probabilities) == set(first.metrics) == set(MODELS)
    assert set(first.rivals) == set(MODELS) - {"committee"}
    assert_frame_equal(
        first.judged.predict(first.jury).select(MODELS), pl.DataFrame(dict(first.probabilities)).select(MODELS)
    )
    assert {figures["customers"] for figures in first.metrics.values()} == {first.jury.height}


def test_the_rivals_are_those_of_the_verdict(first):
    found = compare(
        first.churned, first.probabilities["committee"], first.probabilities["recency"], QUESTION.evaluation
    )
    assert first.rivals["recency"] == found
    gains = {comparison.rival: comparison.gain for comparison in first.verdict.comparisons}
    assert gains == {name: figures["log_loss_gain"] for name, figures in first.rivals.items()}


def test_what_won_serves(first):
    assert first.serving.serves == first.verdict.serves


def test_nothing_from_after_the_night_matters(days, first):
    again = challenge(days.filter(pl.col("day") <= NIGHT), NIGHT, QUESTION, None)
    assert again.verdict == first.verdict
    assert again.serving.describe() == first.serving.describe()
    assert_frame_equal(again.examples, first.examples)


def test_a_champion_joins_the_rivals_and_stays_against_itself(days, first):
    champion = first.judged
    again = challenge(days, NIGHT, QUESTION, champion)
    assert np.array_equal(again.probabilities["champion"], champion.predict(again.jury)["churn_probability"].to_numpy())
    assert "champion" in again.rivals
    assert not again.verdict.passed


def test_a_rule_that_serves_meets_the_next_challenger_as_that_rule(days):
    strict = replace(QUESTION, gate=GateRecipe(max_ece=1e-9))
    lost = challenge(days, NIGHT, strict, None)
    rule = lost.verdict.serves
    assert rule in BASELINES
    assert (lost.judged.serves, lost.serving.serves) == (rule, rule)
    again = challenge(days, NIGHT, QUESTION, lost.judged)
    assert np.array_equal(again.probabilities["champion"], lost.judged.predict(again.jury)[rule].to_numpy())
    assert not np.array_equal(again.probabilities["champion"], again.probabilities["committee"])


def test_without_a_ripe_night_the_rule_that_needs_no_outcome_serves():
    young = challenge(bought(FIRST, 600), FIRST + timedelta(days=40), QUESTION, None)
    assert young.serving.serves == "mbg_nbd"
    assert not young.verdict.passed
    assert (dict(young.metrics), dict(young.rivals)) == ({}, {})
    assert "No night is ripe" in young.verdict.sentence


@pytest.mark.parametrize(("age", "due"), [(0, False), (29, False), (30, True), (31, True)])
def test_a_champion_is_challenged_when_it_is_old_enough(age, due):
    assert is_due(NIGHT, NIGHT - timedelta(days=age), replace(QUESTION.training, retrain_days=30)) is due


def test_the_search_for_a_recipe_does_not_know_the_judged_outcome(days):
    searching = replace(QUESTION, training=replace(QUESTION.training, trials=3))
    # From the day after the judged night on, everybody buys every day.
    bought = days.filter(pl.col("day") <= NIGHT - timedelta(days=60)).collect()
    later = bought.unique("customer_id", keep="first", maintain_order=True)
    flood = pl.concat([later.with_columns(day=pl.lit(RIPE + timedelta(days=each))) for each in (1, 20)])
    found, other = (challenge(each, NIGHT, searching, None) for each in (days, pl.concat([bought, flood]).lazy()))
    assert found.trials.height == 3
    assert_frame_equal(found.trials, other.trials, check_exact=True)
