"""Who is at risk tonight, what is done about it, and its delivery to the CRM."""

from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets.crm import Crm
from assets.lake import Lake
from assets.network import Network
from assets.nights import BEFORE_TONIGHT, NIGHTS, UP_TO_TONIGHT, as_night
from assets.push import Push
from assets.tracking import Tracking
from models.actions import Policy
from models.consent import ConsentRule, contactable, profiled
from models.experiment import Experiment
from models.matrix import Segments
from models.segments import as_permitted
from models.segments import at_risk_segments as segments_of
from models.spellings import crowds_of
from models.tiers import Tiers
from models.transactions import ValidationRules
from models.value import ValueRule

RESTING = ("night", "customer_id", "experiment_id", "is_control", "action", "deliver", "suppressed_reason")
"""What tells of a night before the last who rests, and who is control."""


@dg.asset(
    partitions_def=NIGHTS,
    deps=[
        dg.AssetDep("at_risk_segments", partition_mapping=BEFORE_TONIGHT),
        dg.AssetDep("customer_consents", partition_mapping=UP_TO_TONIGHT),
    ],
    group_name="retention",
    kinds={"polars"},
)
def at_risk_segments(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[Tracking],
    tiers: dg.ResourceParam[Tiers],
    worth: dg.ResourceParam[ValueRule],
    policy: dg.ResourceParam[Policy],
    experiment: dg.ResourceParam[Experiment],
    segments: dg.ResourceParam[Segments],
    language: dg.ResourceParam[str],
    consent_rule: dg.ResourceParam[ConsentRule],
    rules: dg.ResourceParam[ValidationRules],
    churn_scores: pl.DataFrame,
    customer_features: pl.DataFrame,
    save_rates: pl.DataFrame,
) -> pl.DataFrame:
    """The table that the CRM reads: who, why, how much is at stake, what to do, when, and who is in control."""
    night = as_night(context.partition_key)
    previous, consents = resting(lake, policy, night), lake.arrived("customer_consents", night)
    version = churn_scores["model_version"][0]
    learned = tracking.load_worth(version)
    channels = {action.channel for action in policy.actions}
    table = segments_of(
        churn_scores,
        customer_features,
        lambda at_risk: tracking.load(version).contributions(at_risk),
        previous,
        night=night,
        tiers=tiers,
        worth=worth,
        policy=policy,
        experiment=experiment,
        segments=segments,
        language=language,
        consent=contactable(churn_scores["customer_id"], consents, consent_rule, channels, night),
        spend=None if learned is None else learned.spend,
        profiled=profiled(previous.lazy(), consents, consent_rule, night).collect()["customer_id"],
        rates=save_rates,
        crowds=crowds_of(customer_features, rules.max_customer_share),
    )
    context.add_output_metadata(figures_of(table))
    return table


def figures_of(table: pl.DataFrame) -> dict[str, float]:
    """Counts and sums of a night's table: no row of it."""
    at_risk, due = table.filter(pl.col("status") != "left"), table.filter("deliver")
    counts = {"at_risk": at_risk.height, "to_contact": due.height, "control": int(table["is_control"].sum())}
    counts |= {name: int((table["status"] == name).sum()) for name in ("entered", "left")}
    money = {"value_at_risk": at_risk["value_at_risk"], "cost": due["action_cost"], "profit": due["expected_profit"]}
    return counts | {name: round(float(column.sum()), 2) for name, column in money.items() if column.count()}


def resting(lake: Lake, policy: Policy, night: date) -> pl.DataFrame:
    """The newest night before a night, and of those before it on which somebody may still rest who that may be."""
    earlier = lake.before("at_risk_segments", night)
    rested = night - timedelta(days=max((action.cooldown_days for action in policy.actions), default=0))
    newest, older = earlier[-1:], [past for past in earlier[:-1] if past >= rested]
    parts = [lake.scan("at_risk_segments", newest), lake.scan("at_risk_segments", older).select(RESTING)]
    return pl.concat(parts, how="diagonal").collect()


@dg.asset(partitions_def=NIGHTS, group_name="retention", kinds={"sqlite"})
def crm_delivery(
    context: dg.AssetExecutionContext,
    crm: dg.ResourceParam[Crm],
    lake: dg.ResourceParam[Lake],
    consent_rule: dg.ResourceParam[ConsentRule],
    network: dg.ResourceParam[Network],
    at_risk_segments: pl.DataFrame,
) -> dg.MaterializeResult[None]:
    """Publish the night to the CRM's tables and files, all of it or nothing; who objected since is left alone."""
    rows = permitted_today(at_risk_segments, lake, consent_rule)
    with network.patient(context):
        done = crm.publish(rows, as_night(context.partition_key), context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": done.rows,
            "changed": done.changed,
            "snapshot_id": done.snapshot_id,
            "outcome": done.outcome,
        }
    )


def permitted_today(rows: pl.DataFrame, lake: Lake, rule: ConsentRule) -> pl.DataFrame:
    """Rows of a night as they may be published now, by all that later nights have brought of consent."""
    nights = lake.nights("customer_consents")
    return as_permitted(rows, lake.scan("customer_consents", nights), rule, nights[-1]) if nights else rows


@dg.asset(partitions_def=NIGHTS, deps=["crm_delivery"], group_name="retention")
def crm_push(
    context: dg.AssetExecutionContext,
    crm: dg.ResourceParam[Crm],
    push: dg.ResourceParam[Push],
    network: dg.ResourceParam[Network],
) -> dg.MaterializeResult[None]:
    """Send the news to the web address of the settings, if there is one."""
    with network.patient(context):
        sent = push.send(crm, network)
    return dg.MaterializeResult(metadata={"dagster/row_count": sent})
