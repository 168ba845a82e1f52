"""A past night is settled once, when its horizon has passed, against what was said and done then."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.definition import ChurnDefinition
from models.ranking import EvaluationRecipe
from models.settlement import SERVED, UNTREATED, Performance, SettledOutcome, performance, ripe, settle

NIGHT = date(2026, 1, 31)
CHURN = ChurnDefinition(horizon_days=30)
QUICK = EvaluationRecipe(replicates=20)


def day(number):
    return NIGHT + timedelta(days=number)


@pytest.mark.parametrize(
    ("scored", "settled", "expected"),
    [
        ([], [], []),
        ([-30], [], [-30]),
        ([-29], [], []),
        ([-30, -29, -31], [], [-31, -30]),
        ([-30, -31], [-31], [-30]),
        ([-31, -31], [], [-31]),
        ([-30], [-30], []),
        ([-30], [-99], [-30]),
    ],
)
def test_a_night_is_ripe_when_its_horizon_has_passed_and_it_is_not_settled(scored, settled, expected):
    found = ripe([day(n) for n in scored], [day(n) for n in settled], night=NIGHT, horizon_days=30)
    assert found == [day(n) for n in expected]


def scores(rows, night=NIGHT):
    return pl.DataFrame(
        {
            "night": [night] * len(rows),
            "customer_id": [name for name, _ in rows],
            "churn_probability": [told for _, told in rows],
            "committee": [told for _, told in rows],
            "recency": [0.5] * len(rows),
            "frequency": [0.4] * len(rows),
            "logistic_rfm": [None] * len(rows),
            "mbg_nbd": [1 - told for _, told in rows],
            "model_version": ["7"] * len(rows),
        },
        schema_overrides={"logistic_rfm": pl.Float64},
    )


def delivered(*rows):
    names = ["night", "customer_id", "status", "risk_tier", "segment", "action", "is_control", "deliver"]
    kinds = [pl.Date, *[pl.String] * 5, pl.Boolean, pl.Boolean]
    table = pl.LazyFrame([(NIGHT, *row) for row in rows], schema=dict(zip(names, kinds, strict=True)), orient="row")
    held_back = pl.when("is_control").then(pl.lit("control"))
    return table.with_columns(suppressed_reason=held_back, experiment_id=pl.lit("e"), action_cost=pl.lit(8.0))


def days(*rows):
    """Rows of (customer, days after the night, orders, spend)."""
    return pl.LazyFrame(
        {
            "customer_id": [row[0] for row in rows],
            "day": [day(row[1]) for row in rows],
            "orders": [row[2] for row in rows],
            "lines": [row[2] for row in rows],
            "quantity": [10_000 * row[2] for row in rows],
            "spend": [int(10_000 * row[3]) for row in rows],
            "refunds": [0 for _ in rows],
            "returns": [0 for _ in rows],
            "discount": [0 for _ in rows],
        }
    )


PAST = [("ann", -5, 1, 10), ("bob", -9, 1, 10), ("cyd", -1, 2, 10)]


def test_what_was_said_and_done_stands_beside_what_happened():
    found = settle(
        scores([("cyd", 0.2), ("ann", 0.9), ("bob", 0.7)]).lazy(),
        delivered(
            ("ann", "new", "high", "save_now", "call", False, True), ("bob", "left", "low", "x", "y", True, True)
        ),
        days(*PAST, ("ann", 30, 1, 25), ("bob", 31, 1, 99), ("cyd", 0, 1, 5)),
        CHURN,
    ).collect()
    SettledOutcome.validate(found)
    columns = ["customer_id", "churned", "outcome_spend", "risk_tier", "segment", "action", "is_control", "deliver"]
    assert found.select(columns).rows() == [
        ("ann", False, 25.0, "high", "save_now", "call", False, True),
        ("bob", True, 0.0, "none", "none", "none", False, False),
        ("cyd", True, 0.0, "none", "none", "none", False, False),
    ]
    assert found["churn_probability"].to_list() == [0.9, 0.7, 0.2]
    assert found["arm"].to_list() == ["treated", None, None]
    assert found["action_cost"].to_list() == [8.0, 0.0, 0.0]
    assert found["contacted"].null_count() == 3
    assert found["model_version"].unique().to_list() == ["7"]


def test_where_contacts_are_told_everybody_was_contacted_within_the_horizon_or_not():
    who = ["ann", "bob", "cyd"]
    contacts = pl.LazyFrame({"customer_id": ["ann", "bob", "cyd", "eve"], "day": [day(30), day(31), day(0), day(1)]})
    rows = [(name, "new", "high", "save_now", "call", name == "bob", name != "bob") for name in who]
    found = settle(
        scores([(name, 0.5) for name in who]).lazy(), delivered(*rows), days(*PAST), CHURN, contacts
    ).collect()
    assert found["contacted"].to_list() == [True, False, False]
    assert found["arm"].to_list() == ["treated", "control", "treated"]


def test_customers_who_were_not_scored_are_not_settled():
    found = settle(scores([("ann", 0.9)]).lazy(), delivered(), days(*PAST), CHURN).collect()
    assert found["customer_id"].to_list() == ["ann"]


def test_without_ripe_nights_there_is_nothing_to_settle():
    found = settle(scores([]).lazy().cast({"night": pl.Date}), delivered(), days(*PAST), CHURN).collect()
    assert found.is_empty()
    assert found.columns == SettledOutcome.column_names()


def outcomes(count=200):
    random = np.random.default_rng(0)
    told = random.uniform(0.05, 0.95, count)
    night = scores([(f"c{n:03d}", float(p)) for n, p in enumerate(told)])
    return night.with_columns(
        churned=pl.Series(random.random(count) < told),
        outcome_spend=pl.lit(0.0),
        is_control=pl.lit(value=False),
        deliver=pl.lit(value=True),
        action_cost=pl.lit(0.0),
        contacted=pl.lit(None, pl.Boolean),
        **dict.fromkeys(("experiment_id", "arm"), pl.lit(None, pl.String)),
        **dict.fromkeys(("risk_tier", "segment", "action"), pl.lit("none")),
    ).select(SettledOutcome.column_names())


def test_performance_holds_every_scorer_that_scored_all_and_what_served_first():
    past = outcomes()
    found = performance(past, QUICK)
    Performance.validate(found)
    assert found["scorer"].unique(maintain_order=True).to_list() == [
        SERVED,
        "committee",
        "recency",
        "frequency",
        "mbg_nbd",
    ]

    def figure(scorer, name):
        return found.filter(scorer=scorer, figure=name)["value"].item()

    churned, told = past["churned"].to_numpy(), past["churn_probability"].to_numpy()
    assert figure(SERVED, "auroc") == pytest.approx(roc_auc_score(churned, told))
    assert figure("mbg_nbd", "auroc") == pytest.approx(1 - figure("committee", "auroc"))
    assert figure("recency", "brier") == pytest.approx(brier_score_loss(churned, np.full(200, 0.5)))


def test_each_night_is_judged_on_its_own():
    past = outcomes()
    other = past.with_columns(night=pl.lit(day(1)), churned=~pl.col("churned"))
    both = performance(pl.concat([past, other]), QUICK)
    assert both.filter(night=NIGHT).equals(performance(past, QUICK))
    auroc = both.filter(scorer=SERVED, figure="auroc")
    assert auroc["night"].to_list() == [NIGHT, day(1)]
    assert auroc["value"].sum() == pytest.approx(1)


def test_what_served_is_judged_once_more_on_those_whom_no_contact_reached():
    past = outcomes()
    assert performance(past, QUICK, past).equals(performance(past, QUICK))
    alone = past[: past.height // 2]
    found = performance(past, QUICK, alone)
    assert found.filter(pl.col("scorer") != UNTREATED).equals(performance(past, QUICK))
    without = found.filter(scorer=UNTREATED).drop("scorer")
    assert without.equals(performance(alone, QUICK).filter(scorer=SERVED).drop("scorer"))


def test_no_outcomes_have_no_performance():
    found = performance(outcomes().clear(), QUICK)
    assert found.is_empty()
    assert found.columns == Performance.column_names()
