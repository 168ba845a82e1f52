"""What became of the customers of a past night, beside what was said of them and done for them."""

from collections.abc import Sequence
from datetime import date, timedelta

import dataframely as dy
import polars as pl

from models.baselines import HISTORY
from models.contamination import copies_of
from models.definition import ChurnDefinition
from models.enrolment import ARM
from models.evaluation import evaluate
from models.labels import happened
from models.ranking import EvaluationRecipe
from models.scorer import SCORERS


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
    action_cost = dy.Float64(nullable=False)
    is_control = dy.Bool(nullable=False)
    deliver = dy.Bool(nullable=False)
    experiment_id = dy.String(nullable=True)
    arm = dy.String(nullable=True)
    contacted = dy.Bool(nullable=True)
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


DONE = ("risk_tier", "segment", "action", "action_cost", "is_control", "deliver", "experiment_id")
"""What ``at_risk_segments`` tells of what was done."""

SERVED = "champion"
"""The name under which what served stands among the scorers."""

UNTREATED = "champion_untreated"
"""The same, judged on customers whom no contact had reached."""


def ripe(scored: Sequence[date], settled: Sequence[date], *, night: date, horizon_days: int) -> list[date]:
    """The scored nights that are ripe by a night, `horizon_days` old, and that no earlier night has settled."""
    last = night - timedelta(days=horizon_days)
    return sorted({past for past in scored if past <= last} - set(settled))


def settle(
    scores: pl.LazyFrame,
    delivered: pl.LazyFrame,
    days: pl.LazyFrame,
    churn: ChurnDefinition,
    contacts: pl.LazyFrame | None = None,
    terms: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Join what was said of each active customer of ripe nights with what happened.

    Args:
        scores: ``churn_scores`` of the ripe nights.
        delivered: ``at_risk_segments`` of the same nights.
        days: ``customer_days`` as known tonight.
        churn: What counts as churn.
        contacts: customer_id and day of the contacts that were really made; None where nobody tells.
        terms: `models.terms.customer_terms` as known tonight; read where churn is by contract.

    Returns:
        ``SettledOutcome``, where churn is by contract with ``renewal_rate`` besides, sorted by night and customer; a
        customer who was not at risk has the tier, segment and action ``none``. ``arm`` is that of
        `models.enrolment.ARM`; ``contacted`` says whether a contact was made before the night was ripe, whatever was
        planned.
    """
    nights = scores.select(pl.col("night").unique().sort()).collect()["night"].to_list()
    further = [HISTORY[churn.definition]] if churn.grace is not None else []
    if not nights:
        return SettledOutcome.create_empty(lazy=True).with_columns(pl.lit(None, pl.Float64).alias(n) for n in further)
    done = delivered.filter(pl.col("status") != "left")
    key = ["night", "customer_id"]
    return (
        scores.join(happened(days, nights, churn, terms), on=key, how="inner")
        .join(done.select(*key, *DONE, ARM), on=key, how="left")
        .with_columns(
            pl.col("risk_tier", "segment", "action").fill_null("none"),
            pl.col("is_control", "deliver").fill_null(value=False),
            pl.col("action_cost").fill_null(0.0),
            contacted=_contacted(contacts, nights, churn.ripe_days),
        )
        .select(*SettledOutcome.column_names(), *further)
        .sort(key)
    )


def _contacted(contacts: pl.LazyFrame | None, nights: Sequence[date], horizon_days: int) -> pl.Expr:
    if contacts is None:
        return pl.lit(None, pl.Boolean)
    made = contacts.select("customer_id", "day").collect()
    within = pl.lit(value=False)
    for night in nights:
        window = pl.col("day").is_between(night, night + timedelta(days=horizon_days), closed="right")
        who = made.filter(window)["customer_id"].unique()
        within |= (pl.col("night") == night) & pl.col("customer_id").is_in(who.implode())
    return within


def performance(outcomes: pl.DataFrame, recipe: EvaluationRecipe, alone: pl.DataFrame | None = None) -> pl.DataFrame:
    """Every figure of merit of what served and of each scorer, night by night.

    Where actions work, fewer leave than was said: who served is judged once more without those who were contacted.

    Args:
        outcomes: ``SettledOutcome`` of any number of nights.
        recipe: How probabilities are judged.
        alone: The outcomes as if nobody had been contacted (`models.contamination.untreated`).

    Returns:
        ``Performance``, in the order of nights, what served first; last, under `UNTREATED`, what served on those alone,
        of nights on which they are others than all.
    """
    rows = []
    for (night,), customers in outcomes.group_by("night", maintain_order=True):
        churned = customers["churned"].to_numpy()
        for scorer, column in ((SERVED, "churn_probability"), *zip(SCORERS, SCORERS, strict=True)):
            if column in customers.columns and customers[column].null_count() == 0:
                figures = evaluate(churned, customers[column].to_numpy(), recipe)
                rows += [(night, scorer, figure, value) for figure, value in figures.items()]
        left = customers if alone is None else alone.filter(pl.col("night") == night)
        if left.height and not left.equals(customers):
            churned, said = left["churned"].to_numpy(), left["churn_probability"].to_numpy()
            figures = evaluate(churned, said, recipe, copies=copies_of(left))
            rows += [(night, UNTREATED, figure, value) for figure, value in figures.items()]
    return pl.DataFrame(rows, schema=Performance.create_empty().schema, orient="row")
