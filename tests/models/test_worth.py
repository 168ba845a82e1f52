"""The learned value knows nothing of the future, is judged against the rules, and steps back where it has not won."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.challenge import Question
from models.classifier import ClassifierRecipe
from models.customer_days import customer_days
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.ranking import EvaluationRecipe
from models.simulator import customers, transactions
from models.worth import WorthModel, appraise, deviance, gini, judge, window_days

FIRST, NIGHT = date(2024, 1, 1), date(2025, 1, 31)
QUESTION = Question(
    ChurnDefinition(horizon_days=30, active_days=120),
    FeatureRecipe(families=("recency", "frequency", "money", "tenure")),
    TrainingRecipe(classifier=ClassifierRecipe(threads=1)),
    EvaluationRecipe(),
    GateRecipe(),
)


@pytest.fixture(scope="module")
def days() -> pl.LazyFrame:
    """A year and some days that come after the night."""
    rows = transactions(customers(1200, seed=5), first_day=FIRST, days=(NIGHT - FIRST).days + 60, seed=5)
    missing = [name for name in ("discount", "is_return") if name not in rows.columns]
    rows = rows.with_columns(
        *(pl.lit(None if name == "discount" else False).alias(name) for name in missing),
        day=pl.col("timestamp").dt.date(),
    )
    return customer_days(rows.lazy()).collect().lazy()


def test_nothing_after_the_night_is_known_and_the_same_night_gives_the_same_model(days):
    whole = appraise(days, NIGHT, QUESTION, 365)
    past = appraise(days.filter(pl.col("day") <= NIGHT), NIGHT, QUESTION, 365)
    assert whole.figures == past.figures
    assert whole.sentence == past.sentence
    assert (whole.model is None) == (past.model is None)
    if whole.model is not None and past.model is not None:
        assert whole.model.booster.save_raw() == past.model.booster.save_raw()


def test_the_model_serves_only_where_it_gains_on_every_rule_beyond_chance(days):
    found = appraise(days, NIGHT, QUESTION, 365)
    gains = [found.figures[f"gain/{rule}"]["deviance_low"] for rule in ("premium", "own_rate", "mean")]
    assert (found.model is not None) == (min(gains) > 0)
    assert set(found.deciles["candidate"]) == {"learned", "premium", "own_rate", "mean"}


def test_a_short_history_leaves_the_value_to_the_premium(days):
    found = appraise(days, FIRST + timedelta(days=100), QUESTION, 365)
    assert found.model is None
    assert "the history is too short" in found.sentence


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 365), st.integers(1, 800), st.integers(0, 60))
def test_a_window_can_be_learned_and_then_judged(span, horizon, value_days, least):
    days = window_days(span, horizon_days=horizon, value_days=value_days, min_history_days=least)
    if days is not None:
        assert 2 * days <= span - least
        assert days == value_days or 2 * horizon <= days < value_days


def test_beyond_the_window_spend_goes_on_at_the_pace_after_the_horizon():
    # Half of 180 days' spend came within the first 30, the other half in 150: from then on 1/300 of it a day.
    model = WorthModel(None, (), 1.0, 180, 30, 0.5)  # type: ignore[arg-type]
    assert [model.stretch(days) for days in (90, 180, 480)] == [0.5, 1.0, 2.0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=40).map(np.array))
def test_who_foresees_everything_is_perfect_and_who_says_the_mean_orders_nobody(spent):
    perfect = judge(spent, spent)
    assert perfect["deviance"] == pytest.approx(0, abs=1e-6)
    assert perfect["total_error"] == pytest.approx(0, abs=1e-9)
    assert perfect["decile_error"] == pytest.approx(0, abs=1e-9)
    assert gini(spent, np.ones(len(spent))) == pytest.approx(0, abs=1e-9)
    assert (deviance(spent, np.full(len(spent), spent.mean())) >= -1e-9).all()
