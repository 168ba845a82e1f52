"""Too little to learn from is said in figures, and what is said is what training does."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from models import simulator
from models.challenge import Question, challenge
from models.customer_days import customer_days
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import ClassifierRecipe, TrainingRecipe
from models.ranking import EvaluationRecipe
from models.sufficiency import needed_days, refusal, shortfall

FIRST = date(2024, 1, 1)
QUESTION = Question(
    churn=ChurnDefinition(horizon_days=90, active_days=365),
    features=FeatureRecipe(families=("recency", "frequency", "tenure")),
    training=TrainingRecipe(nights=3, classifier=ClassifierRecipe(rounds=10, patience=5)),
    evaluation=EvaluationRecipe(replicates=20),
    gate=GateRecipe(),
)


def outcomes(churned: int, stayed: int, nights: int = 1) -> pl.DataFrame:
    one = pl.DataFrame(
        {"customer_id": [f"C{n}" for n in range(churned + stayed)], "churned": [True] * churned + [False] * stayed}
    )
    return pl.concat([one] * nights)


def days_of(shop: pl.DataFrame, span: int) -> pl.LazyFrame:
    lines = simulator.transactions(shop, first_day=FIRST, days=span, seed=3).with_columns(
        day=pl.col("timestamp").dt.date(), is_return=pl.lit(value=False), discount=pl.lit(None, pl.Float64)
    )
    return customer_days(lines.lazy())


def test_both_outcomes_have_to_be_seen_often_enough():
    assert shortfall(outcomes(100, 100), min_outcomes=100) is None
    assert "only 99 customers ever stayed" in (shortfall(outcomes(100, 99), min_outcomes=100) or "")
    assert "only 12 customers ever churned" in (shortfall(outcomes(12, 5000), min_outcomes=100) or "")


def test_the_same_customers_on_many_nights_are_no_more_evidence():
    assert shortfall(outcomes(60, 500, nights=12), min_outcomes=100) == shortfall(outcomes(60, 500), min_outcomes=100)


def test_where_hardly_anybody_comes_back_nothing_is_learned_however_many_there_are():
    assert "99.8%" in (shortfall(outcomes(99_800, 200), min_outcomes=100) or "")
    assert shortfall(outcomes(200, 99_800), min_outcomes=100) is None


@pytest.mark.parametrize(("span", "enough"), [(209, False), (210, True)])
def test_one_horizon_to_learn_one_to_judge_and_some_history_have_to_fit(span, enough):
    found = refusal(outcomes(500, 500), span_days=span, horizon_days=90, min_history_days=30, min_outcomes=100)
    assert (found is None) is enough
    assert needed_days(90, 30) == 210


def test_four_months_and_a_horizon_of_90_days_train_no_model_and_the_rule_without_outcomes_serves():
    days = days_of(simulator.customers(600, seed=1), 121)
    outcome = challenge(days, FIRST + timedelta(days=120), QUESTION, None)
    assert outcome.verdict.serves == outcome.serving.serves == "mbg_nbd"
    assert outcome.judged.booster is None
    assert outcome.serving.booster is None
    assert outcome.verdict.sentence.startswith(
        "No model is trained: the data span 120 days, and a horizon of 90 days needs 210"
    )


def test_of_99_8_percent_churn_no_model_is_trained_and_the_best_rule_serves():
    lost = simulator.customers(5000, seed=1, lost_after_days=20.0).with_columns(
        rate=pl.when(pl.int_range(pl.len()) < 10).then(0.05).otherwise(0.0), loss=pl.lit(0.001)
    )
    outcome = challenge(days_of(lost, 400), FIRST + timedelta(days=399), QUESTION, None)
    assert outcome.judged.booster is None
    assert outcome.serving.booster is None
    losses = {name: figures["log_loss"] for name, figures in outcome.metrics.items()}
    assert outcome.verdict.serves == min(losses, key=lambda name: losses[name])
    assert "the churn rate is 99." in outcome.verdict.sentence
    assert f"{outcome.verdict.serves} serves." in outcome.verdict.sentence


def test_the_gate_speaks_for_itself_where_the_data_are_enough():
    days = days_of(simulator.customers(600, seed=1), 400)
    easier = replace(QUESTION, churn=ChurnDefinition(horizon_days=60, active_days=120))
    outcome = challenge(days, FIRST + timedelta(days=399), easier, None)
    assert outcome.judged.booster is not None
    assert "No model is trained" not in outcome.verdict.sentence
