"""How right earlier nights were: outcomes of the nights that are ripe, and the figures that follow from them."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets.features import nights_of
from assets.lake import Lake
from assets.nights import BEFORE_TONIGHT, NIGHTS, UP_TO_TONIGHT, as_night
from assets.tracking import Tracking
from models.contamination import untreated
from models.definition import ChurnDefinition
from models.enrolment import enrolments as enrolments_of
from models.enrolment import first_enrolments
from models.experiment import Experiment
from models.ranking import EvaluationRecipe
from models.settlement import performance, ripe, settle
from models.terms import customer_terms
from models.uplift import retention_uplift as uplift_of
from models.value import ValueRule

_MENDED_DAYS = 365
"""How late a night may be mended to be settled still."""
_HAPPENED = ("customer_days", "customer_facts", "transactions")
"""What tells outcomes."""


@dg.asset(
    partitions_def=NIGHTS,
    deps=[
        *(dg.AssetDep(name, partition_mapping=UP_TO_TONIGHT) for name in _HAPPENED),
        *(
            dg.AssetDep(table, partition_mapping=BEFORE_TONIGHT)
            for table in ("churn_scores", "at_risk_segments", "settled_outcomes")
        ),
    ],
    group_name="settlement",
    kinds={"polars"},
)
def settled_outcomes(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    churn: dg.ResourceParam[ChurnDefinition],
    contacts: dg.ResourceParam[tuple[str, ...]],
) -> pl.LazyFrame:
    """What became of the active customers of every night that is ripe and was not settled before."""
    night = as_night(context.partition_key)
    scored = lake.nights("churn_scores")
    nights = ripe(scored, settled_nights(lake, scored, night), night=night, horizon_days=churn.ripe_days)
    scores, delivered = lake.scan("churn_scores", nights), lake.scan("at_risk_segments", nights)
    # Whoever was scored had bought within reach of that night; contracts may be older.
    first = min(nights, default=night) if churn.grace is None else None
    arrived = nights_of(lake, churn, night, first)
    days, facts, lines = (lake.scan(name, arrived[name]) for name in _HAPPENED)
    made = facts.filter(pl.col("input").is_in(contacts)) if contacts else None
    return settle(scores, delivered, days, churn, made, customer_terms(lines))


@dg.asset(partitions_def=NIGHTS, group_name="settlement", kinds={"polars"})
def enrolments(settled_outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Who of the nights settled tonight was delivered or kept back as control: what later nights learn from."""
    return enrolments_of(settled_outcomes)


def settled_nights(lake: Lake, scored: Sequence[date], night: date) -> list[date]:
    """Which scored nights were settled by nights before a night, told from those of the last year and the newest.

    A night that was mended after a later one had settled its date is still to be settled; one of more than a year ago
    counts as settled with those after it, so that no night reads all of history.
    """
    since, earlier = night - timedelta(days=_MENDED_DAYS), lake.before("settled_outcomes", night)
    recent = lake.scan("settled_outcomes", earlier[bisect_left(earlier, since) :])
    found = set(recent.select(pl.col("night").unique()).collect().to_series())
    newest = max(found, default=None)
    for past in reversed(earlier[: bisect_left(earlier, since)]):
        if newest is not None:
            break
        newest = lake.scan("settled_outcomes", [past]).select(pl.col("night").max()).collect().item()
    return [past for past in scored if past in found or (newest is not None and past < since and past <= newest)]


@dg.asset(partitions_def=NIGHTS, group_name="settlement", kinds={"mlflow"})
def live_performance(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[Tracking],
    evaluation: dg.ResourceParam[EvaluationRecipe],
    experiment: dg.ResourceParam[Experiment],
    churn: dg.ResourceParam[ChurnDefinition],
    settled_outcomes: pl.DataFrame,
) -> pl.DataFrame:
    """Figures of merit of what served and of each rule on the nights settled tonight, also logged to MLflow."""
    night, horizon = as_night(context.partition_key), timedelta(days=churn.ripe_days)
    first = min(settled_outcomes["night"].unique().to_list(), default=night)
    around = [each for each in lake.nights("at_risk_segments") if first - horizon < each <= night]
    delivered = experiment.acted_on(lake.scan("at_risk_segments", around))
    alone = untreated(settled_outcomes.lazy(), delivered, horizon_days=churn.ripe_days)
    figures = performance(settled_outcomes, evaluation, alone.collect())
    for (settled,), rows in figures.group_by("night", maintain_order=True):
        metrics = {
            scorer: dict(zip(each["figure"], each["value"], strict=True))
            for (scorer,), each in rows.group_by("scorer", maintain_order=True)
        }
        # The last digits differ between processors, and the same outcomes on another machine are no new ones.
        told = rows.with_columns(pl.col("value").round_sig_figs(6))
        digest = hashlib.sha256(told.write_csv().encode()).hexdigest()
        tracking.record_settlement(settled, metrics, digest=digest, tags={"dagster.run_id": context.run.run_id})
    return figures


@dg.asset(
    partitions_def=NIGHTS,
    deps=[dg.AssetDep("enrolments", partition_mapping=UP_TO_TONIGHT)],
    group_name="settlement",
    kinds={"polars"},
)
def retention_uplift(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    worth: dg.ResourceParam[ValueRule],
    experiment: dg.ResourceParam[Experiment],
) -> pl.DataFrame:
    """What the actions did, the treated against the control, of every experiment as far as its nights are settled."""
    night = as_night(context.partition_key)
    enrolled = first_enrolments(experiment.acted_on(lake.arrived("enrolments", night))).collect()
    return uplift_of(enrolled, night=night, margin=worth.margin)
