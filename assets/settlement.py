"""How right earlier nights were: outcomes of the nights that are ripe, and the figures that follow from them."""

import hashlib
from datetime import date, timedelta

import dagster as dg
import polars as pl

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


@dg.asset(
    partitions_def=NIGHTS,
    ins={
        name: dg.AssetIn(partition_mapping=UP_TO_TONIGHT)
        for name in ("customer_days", "customer_facts", "transactions")
    },
    deps=[
        dg.AssetDep(table, partition_mapping=BEFORE_TONIGHT)
        for table in ("churn_scores", "at_risk_segments", "settled_outcomes")
    ],
    group_name="settlement",
    kinds={"polars"},
)
def settled_outcomes(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    churn: dg.ResourceParam[ChurnDefinition],
    contacts: dg.ResourceParam[tuple[str, ...]],
    customer_days: pl.LazyFrame,
    customer_facts: pl.LazyFrame,
    transactions: pl.LazyFrame,
) -> pl.LazyFrame:
    """What became of the active customers of every night that is ripe and was not settled before."""
    night = as_night(context.partition_key)
    scored, until = lake.nights("churn_scores"), settled_until(lake, night)
    settled = [past for past in scored if until is not None and past <= until]
    nights = ripe(scored, settled, night=night, horizon_days=churn.ripe_days)
    scores, delivered = lake.scan("churn_scores", nights), lake.scan("at_risk_segments", nights)
    made = customer_facts.filter(pl.col("input").is_in(contacts)) if contacts else None
    # Whoever was scored had bought within reach of that night; contracts may be older.
    if nights and churn.grace is None:
        customer_days = lake.scan("customer_days", lake.within_reach("customer_days", nights[0], night))
    return settle(scores, delivered, customer_days, churn, made, customer_terms(transactions))


@dg.asset(partitions_def=NIGHTS, group_name="settlement", kinds={"polars"})
def enrolments(settled_outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """Who of the nights settled tonight was delivered or kept back as control: what later nights learn from."""
    return enrolments_of(settled_outcomes)


def settled_until(lake: Lake, night: date) -> date | None:
    """The newest of the nights that earlier nights have settled, each of which settled all that were ripe by then."""
    for past in reversed(lake.before("settled_outcomes", night)):
        newest: date | None = lake.scan("settled_outcomes", [past]).select(pl.col("night").max()).collect().item()
        if newest is not None:
            return newest
    return None


@dg.asset(partitions_def=NIGHTS, group_name="settlement", kinds={"mlflow"})
def live_performance(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    tracking: Tracking,
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
        digest = hashlib.sha256(rows.write_csv().encode()).hexdigest()
        tracking.record_settlement(settled, metrics, digest=digest, tags={"dagster.run_id": context.run.run_id})
    return figures


@dg.asset(
    partitions_def=NIGHTS,
    ins={"enrolments": dg.AssetIn(partition_mapping=UP_TO_TONIGHT)},
    group_name="settlement",
    kinds={"polars"},
)
def retention_uplift(
    context: dg.AssetExecutionContext,
    worth: dg.ResourceParam[ValueRule],
    experiment: dg.ResourceParam[Experiment],
    enrolments: pl.LazyFrame,
) -> pl.DataFrame:
    """What the actions did, the treated against the control, of every experiment as far as its nights are settled."""
    enrolled = first_enrolments(experiment.acted_on(enrolments)).collect()
    return uplift_of(enrolled, night=as_night(context.partition_key), margin=worth.margin)
