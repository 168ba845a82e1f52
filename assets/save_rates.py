"""What is believed of the actions tonight, and how likely it made what was chosen."""

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.nights import NIGHTS, UP_TO_TONIGHT, as_night
from assets.retention import resting
from models.actions import Policy
from models.consent import ConsentRule, contactable
from models.definition import ChurnDefinition
from models.enrolment import enrolments_apart
from models.experiment import Experiment
from models.matrix import CODES
from models.propensities import propensities
from models.save_rates import save_rates as rates_of

LEARNED = ("night", "customer_id", "experiment_id", "arm", "action", "segment", "churn_probability", "churned")
"""What save rates learn from."""


@dg.asset(
    partitions_def=NIGHTS,
    group_name="retention",
    kinds={"polars"},
)
def save_rates(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    policy: dg.ResourceParam[Policy],
    experiment: dg.ResourceParam[Experiment],
    churn: dg.ResourceParam[ChurnDefinition],
) -> pl.DataFrame:
    """The save rate of every action in every segment, as known from the nights that were settled before tonight."""
    night, stored = as_night(context.partition_key), lake.nights("save_rates")
    # Read by the lake: settlement follows from the at-risk table, which follows from this one, a night later.
    settled = experiment.acted_on(lake.scan("enrolments", lake.before("enrolments", night)))
    enrolled = enrolments_apart(settled.select(LEARNED), churn.ripe_days)
    table = rates_of(enrolled, policy, CODES, night=night)
    if night in stored and policy.learn:
        # A night that was missing may have been settled since: one that runs again counts on what it knew.
        known, assumed = lake.scan("save_rates", [night]).collect(), ["action", "segment", "prior_alpha", "prior_beta"]
        if known.select(assumed).equals(table.select(assumed)):
            return known
    return table


@dg.asset(
    partitions_def=NIGHTS,
    deps=[dg.AssetDep("customer_consents", partition_mapping=UP_TO_TONIGHT)],
    group_name="retention",
    kinds={"polars"},
)
def action_propensities(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    policy: dg.ResourceParam[Policy],
    experiment: dg.ResourceParam[Experiment],
    consent_rule: dg.ResourceParam[ConsentRule],
    save_rates: pl.DataFrame,
    at_risk_segments: pl.DataFrame,
) -> pl.DataFrame:
    """How likely each delivered action, and each place in control, was."""
    night, channels = as_night(context.partition_key), {action.channel for action in policy.actions}
    consents = lake.arrived("customer_consents", night)
    return propensities(
        at_risk_segments,
        resting(lake, policy, night),
        save_rates,
        policy,
        experiment,
        night=night,
        consent=contactable(at_risk_segments["customer_id"], consents, consent_rule, channels, night),
    )
