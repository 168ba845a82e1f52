"""What became of the customers of a past night, beside what was said of them and done for them."""

from collections.abc import Sequence
from datetime import date, timedelta

import dataframely as dy
import polars as pl

from models.evaluation import evaluate
from models.labels import labels
from models.ranking import EvaluationRecipe
from models.scorer import MODELS


class SettledOutcome(dy.Schema):
    """One active customer of a ripe night: what was said by every scorer, what was done, and what happened."""

    night = dy.Date(primary_key=True)
    customer_id = dy.String(primary_key=True)
    churned = dy.Bool(nullable=False)
    outcome_spend = dy.Float64(nullable=True)
    churn_probability = dy.Float64(nullable=False)
    model_version = dy.String(nullable=False)
    risk_tier = dy.String(nullable=False)
    segment = dy.String(nullable=False)
    action = dy.String(nullable=False)
    is_control = dy.Bool(nullable=False)
    deliver = dy.Bool(nullable=False)
    committee = dy.Float64(nullable=True)
    recency = dy.Float64(nullable=True)
    frequency = dy.Float64(nullable=True)
    logistic_rfm = dy.Float64(nullable=True)
    mbg_nbd = dy.Float64(nullable=True)


class Performance(dy.Schema):
    """One figure of one scorer on a settled night."""

    night = dy.Date(primary_key=True)
    scorer = dy.String(primary_key=True)
    figure = dy.String(primary_key=True)
    value = dy.Float64(nullable=False)


SERVED = "champion"
"""The name under which what served stands among the scorers."""


def ripe(scored: Sequence[date], settled: Sequence[date], *, night: date, horizon_days: int) -> list[date]:
    """The scored nights whose horizon has passed by a night and that no earlier night has settled."""
    last = night - timedelta(days=horizon_days)
    return sorted({past for past in scored if past <= last} - set(settled))


def settle(scores: pl.LazyFrame, delivered: pl.LazyFrame, days: pl.LazyFrame, horizon_days: int) -> pl.LazyFrame:
    """Join what was said of each active customer of ripe nights with what happened.

    Args:
        scores: ``churn_scores`` of the ripe nights.
        delivered: ``at_risk_segments`` of the same nights.
        days: ``customer_days`` as known tonight.
        horizon_days: Length of the outcome window.

    Returns:
        ``SettledOutcome``, sorted by night and customer; a customer who was not at risk has the tier, segment and
        action ``none``.
    """
    nights = scores.select(pl.col("night").unique().sort()).collect()["night"].to_list()
    if not nights:
        return SettledOutcome.create_empty(lazy=True)
    done = delivered.filter(pl.col("status") != "left")
    key = ["night", "customer_id"]
    return (
        scores.join(labels(days, nights, horizon_days), on=key, how="inner")
        .join(done.select(*key, "risk_tier", "segment", "action", "is_control", "deliver"), on=key, how="left")
        .with_columns(
            pl.col("risk_tier", "segment", "action").fill_null("none"),
            pl.col("is_control", "deliver").fill_null(value=False),
        )
        .select(SettledOutcome.column_names())
        .sort(key)
    )


def performance(outcomes: pl.DataFrame, recipe: EvaluationRecipe) -> pl.DataFrame:
    """Every figure of merit of what served and of each scorer, night by night.

    Args:
        outcomes: ``SettledOutcome`` of any number of nights.
        recipe: How probabilities are judged.

    Returns:
        ``Performance``, in the order of nights, what served first.
    """
    rows = []
    for (night,), customers in outcomes.group_by("night", maintain_order=True):
        churned = customers["churned"].to_numpy()
        for scorer, column in ((SERVED, "churn_probability"), *zip(MODELS, MODELS, strict=True)):
            if customers[column].null_count() == 0:
                figures = evaluate(churned, customers[column].to_numpy(), recipe)
                rows += [(night, scorer, figure, value) for figure, value in figures.items()]
    return pl.DataFrame(rows, schema=Performance.create_empty().schema, orient="row")
