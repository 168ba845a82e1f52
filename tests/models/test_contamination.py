"""The treated do not teach the model that a high score means staying; the control stands for them."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import simulator
from models.backtest import backtest_night
from models.challenge import Question, challenge
from models.classifier import ClassifierRecipe
from models.contamination import act, untreated
from models.definition import ChurnDefinition
from models.experiment import draw
from models.features import FeatureRecipe, features
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.ranking import EvaluationRecipe
from models.simulated_response import Response, contacted, react

FIRST, NIGHT, HORIZON = date(2024, 1, 1), date(2025, 3, 1), 60
QUESTION = Question(
    churn=ChurnDefinition(horizon_days=HORIZON, active_days=120),
    features=FeatureRecipe(lookback_days=500, windows=(30, 90), families=("recency", "frequency", "tenure")),
    training=TrainingRecipe(nights=3, min_outcomes=50, classifier=ClassifierRecipe(rounds=10, patience=5)),
    evaluation=EvaluationRecipe(replicates=20),
    gate=GateRecipe(),
)


def days_of(orders):
    return (
        orders.group_by("customer_id", day=pl.col("timestamp").dt.date())
        .agg(orders=pl.len().cast(pl.Int64), lines=pl.len().cast(pl.Int64), quantity=pl.col("quantity").sum() * 10_000)
        .with_columns(pl.lit(None, pl.Int64).alias(name) for name in ("spend", "refunds", "discount"))
        .with_columns(returns=pl.lit(0, pl.Int64))
        .sort("customer_id", "day")
        .lazy()
    )


def rows(*enrolled, night):
    """at_risk_segments from (customer, delivered or control, segment)."""
    return pl.DataFrame(
        [
            (night, who, "stayed", segment, arm == "treated", None if arm == "treated" else arm)
            for who, arm, segment in enrolled
        ],
        schema={
            "night": pl.Date,
            "customer_id": pl.String,
            "status": pl.String,
            "segment": pl.String,
            "deliver": pl.Boolean,
            "suppressed_reason": pl.String,
        },
        orient="row",
    )


@pytest.fixture(scope="module")
def worlds():
    """A shop left alone, and the same one in which whoever was silent for a month was contacted, with great effect."""
    shop = simulator.customers(3000, seed=2)
    alone = simulator.transactions(shop, first_day=FIRST, days=480, seed=2)
    orders, table = alone, []
    for back in range(300, 0, -20):
        night = NIGHT - timedelta(days=back)
        last = (
            orders.filter(pl.col("timestamp").dt.date() <= night).group_by("customer_id").agg(pl.col("timestamp").max())
        )
        silent = last.filter((pl.lit(night) - pl.col("timestamp").dt.date()).dt.total_days().is_between(30, 100))
        who = silent["customer_id"].sort()
        arms = (draw(who, "e") < 0.2).replace_strict({True: "control", False: "treated"}, return_dtype=pl.String)
        enrolled = rows(*((customer, arm, "save_now") for customer, arm in zip(who, arms, strict=True)), night=night)
        table.append(enrolled)
        treated = enrolled.filter("deliver").select("customer_id", "night", "segment", action=pl.lit("call"))
        met = contacted(orders, treated, {("call", "save_now"): Response(0.8)}, horizon_days=HORIZON, seed=back)
        orders = react(orders, shop, met, horizon_days=HORIZON, last_day=FIRST + timedelta(days=479), seed=back)
    return days_of(alone), days_of(orders), pl.concat(table).lazy()


def test_a_high_score_is_not_learned_to_mean_staying(worlds):
    alone, reacted, delivered = worlds
    tonight = features(alone, [NIGHT], active_days=120, recipe=QUESTION.features, horizon_days=HORIZON).collect()
    risky = tonight.filter(pl.col("recency_days").is_between(40, 100))

    def told(days, table):
        scorer = challenge(days, NIGHT, QUESTION, None, delivered=table).serving
        return scorer.predict(risky)["committee"].to_numpy().mean()

    truth, fooled, freed = told(alone, None), told(reacted, None), told(reacted, delivered)
    assert fooled < truth - 0.2
    assert freed == pytest.approx(truth, abs=0.07)


def test_a_backtest_neither_learns_from_the_treated_nor_judges_on_them(worlds):
    _, reacted, delivered = worlds
    night = NIGHT - timedelta(days=HORIZON)
    near = delivered.filter((pl.col("night") - pl.lit(night)).dt.total_days().abs() < HORIZON).collect()
    outcomes = backtest_night(reacted, night, QUESTION, None, delivered=delivered).outcomes
    treated = near.filter("deliver")["customer_id"]
    assert not outcomes["customer_id"].is_in(treated.implode()).any()
    repeated = outcomes.filter(pl.len().over("customer_id") > 1)
    assert repeated.height > 100
    assert repeated["customer_id"].is_in(near["customer_id"].implode()).all()


def example(*customers, night=NIGHT):
    return pl.DataFrame(
        {"night": [night] * len(customers), "customer_id": customers, "churned": [True] * len(customers)}
    )


def test_the_treated_are_left_out_and_their_control_counts_for_them():
    who = [f"t{n}" for n in range(4)] + ["c0", "never"]
    enrolled = [(name, "control" if name == "c0" else "treated", "save_now") for name in who[:-1]]
    found = untreated(example(*who).lazy(), rows(*enrolled, night=NIGHT).lazy(), horizon_days=HORIZON).collect()
    assert found["customer_id"].to_list() == ["c0"] * 5 + ["never"]


@pytest.mark.parametrize(("apart", "kept"), [(-60, True), (-59, False), (0, False), (59, False), (60, True)])
def test_an_example_is_in_doubt_as_long_as_the_contact_may_reach_its_outcome(apart, kept):
    table = rows(("a", "treated", "x"), ("b", "control", "x"), night=NIGHT + timedelta(days=apart)).lazy()
    assert ("a" in untreated(example("a", "b").lazy(), table, horizon_days=HORIZON).collect()["customer_id"]) == kept


def test_without_control_or_without_deliveries_nothing_is_left_out():
    for enrolled in ([], [("a", "treated", "x")], [("a", "no_consent", "x")]):
        table = rows(*enrolled, night=NIGHT).lazy()
        assert_frame_equal(
            untreated(example("a", "b").lazy(), table, horizon_days=HORIZON).collect(), example("a", "b")
        )


def test_each_segment_is_stood_for_by_its_own_control():
    enrolled = [*((f"x{n}", "treated", "x") for n in range(3)), ("xc", "control", "x"), ("yc", "control", "y")]
    table = rows(*enrolled, ("z0", "treated", "z"), night=NIGHT).lazy()
    found = untreated(example("xc", "yc", "x0", "x1", "x2", "z0").lazy(), table, horizon_days=HORIZON).collect()
    assert found["customer_id"].to_list() == ["xc"] * 4 + ["yc"]


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.01, 0.05, True), (-0.05, -0.01, True), (-0.01, 0.02, False), (None, None, False)]
)
def test_actions_count_as_working_once_their_effect_on_all_is_beyond_chance(low, high, found):
    row = {"action": "all", "segment": "all", "adjusted_low": low, "adjusted_high": high}
    one = {"action": "service_call", "segment": "all", "adjusted_low": 0.2, "adjusted_high": 0.3}
    texts, numbers = ("action", "segment"), ("adjusted_low", "adjusted_high")
    schema = dict.fromkeys(texts, pl.String) | dict.fromkeys(numbers, pl.Float64)
    assert act(pl.DataFrame([row, one], schema=schema)) == found
    assert not act(pl.DataFrame(schema=schema))
