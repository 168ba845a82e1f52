"""The table that a CRM reads every morning: who may leave, why, what it is worth, and what to do about it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from hashlib import sha256

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.actions import Policy
from models.consent import ConsentRule, contactable, profiled
from models.experiment import Experiment, assign
from models.matrix import CODES, Segments, named
from models.next_purchase import QUANTILES, next_purchase
from models.policy import decide
from models.reasons import reasons
from models.tiers import Tiers, risk
from models.value import ValueRule, value

CONTRACT_VERSION = "1"

NOT_PROFILED = "not_profiled"
"""Why a row is suppressed for the last time: the customer objected to profiling, or does not agree to it any more."""

VOLATILE = (
    "night",
    *QUANTILES,
    "reason_1",
    "reason_2",
    "reason_3",
    "status",
    "model_version",
    "policy_version",
    "snapshot_id",
    "contract_version",
)
"""Columns whose change alone is no news to a CRM: where a row comes from, what counts days (the codes of
the reasons are news, the days in their texts are not), and `stayed` after `entered`."""


def _one_of(*allowed: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column.is_in(allowed)


class AtRiskSegment(dy.Schema):
    """`at_risk_segments`, version 1: one row per customer at risk, and one for each who is so no longer."""

    night = dy.Date(primary_key=True)
    customer_id = dy.String(primary_key=True, min_length=1)
    churn_probability = dy.Float64(nullable=True, min=0, max=1)
    risk_percentile = dy.Int16(nullable=True, min=1, max=100)
    risk_tier = dy.String(nullable=False, check=_one_of("none", "low", "medium", "high"))
    value = dy.Float64(nullable=True, min=0)
    value_at_risk = dy.Float64(nullable=True, min=0)
    currency = dy.String(nullable=True)
    expected_next_purchase = dy.Date(nullable=True)
    next_purchase_from = dy.Date(nullable=True)
    next_purchase_until = dy.Date(nullable=True)
    segment = dy.String(nullable=False, check=_one_of("none", *CODES))
    reason_1 = dy.String(nullable=True)
    reason_2 = dy.String(nullable=True)
    reason_3 = dy.String(nullable=True)
    reason_1_code = dy.String(nullable=True)
    reason_2_code = dy.String(nullable=True)
    reason_3_code = dy.String(nullable=True)
    action = dy.String(nullable=False)
    channel = dy.String(nullable=False)
    contact_from = dy.Date(nullable=True)
    contact_until = dy.Date(nullable=True)
    action_cost = dy.Float64(nullable=False, min=0)
    expected_profit = dy.Float64(nullable=True, min=0)
    is_control = dy.Bool(nullable=False)
    experiment_id = dy.String(nullable=False)
    stratum = dy.String(nullable=False)
    deliver = dy.Bool(nullable=False)
    suppressed_reason = dy.String(nullable=True)
    status = dy.String(nullable=False, check=_one_of("entered", "stayed", "left"))
    entered_on = dy.Date(nullable=False)
    model_version = dy.String(nullable=False)
    policy_version = dy.String(nullable=False)
    snapshot_id = dy.String(nullable=False)
    contract_version = dy.String(nullable=False)

    @dy.rule()
    def leaving_is_said_explicitly(cls) -> pl.Expr:
        """Who left has no tier and no action; who is at risk has a tier and a probability."""
        nothing = (pl.col("segment") == "none") & (pl.col("action") == "none") & ~pl.col("deliver")
        at_risk = (pl.col("risk_tier") != "none") & pl.col("churn_probability").is_not_null()
        return pl.when(pl.col("status") == "left").then(nothing & (pl.col("risk_tier") == "none")).otherwise(at_risk)

    @dy.rule()
    def what_is_not_delivered_says_why(cls) -> pl.Expr:
        """A row is delivered or names what keeps it back; the control never is."""
        return (pl.col("deliver") == pl.col("suppressed_reason").is_null()) & ~(
            pl.col("deliver") & pl.col("is_control")
        )

    @dy.rule()
    def a_delivery_has_an_action_and_a_time(cls) -> pl.Expr:
        """Whoever is contacted is contacted with something, after the night, within a window."""
        timed = (pl.col("contact_from") > pl.col("night")) & (pl.col("contact_until") >= pl.col("contact_from"))
        return ~pl.col("deliver") | ((pl.col("action") != "none") & timed.fill_null(False))


BUSINESS = tuple(name for name in AtRiskSegment.column_names() if name not in VOLATILE)
"""The columns whose change moves `updated_at`."""


def at_risk_segments(
    scores: pl.DataFrame,
    features: pl.DataFrame,
    contributions: Callable[[pl.DataFrame], pl.DataFrame],
    previous: pl.DataFrame,
    *,
    night: date,
    tiers: Tiers | None = None,
    worth: ValueRule | None = None,
    policy: Policy | None = None,
    experiment: Experiment | None = None,
    segments: Segments | None = None,
    language: str = "en",
    consent: pl.DataFrame | None = None,
    profiled: pl.Series | None = None,
    spend: Callable[[pl.DataFrame, int], NDArray[np.float64]] | None = None,
    rates: pl.DataFrame | None = None,
    crowds: pl.Series | None = None,
) -> pl.DataFrame:
    """The at-risk table of a night.

    Args:
        scores: churn_scores of the night: customer_id, churn_probability and one model_version.
        features: the features of the same customers.
        contributions: gives the log-odds per feature for some rows of the features; asked only about
            customers at risk.
        previous: at_risk_segments of earlier nights, as far back as the longest cooldown. The newest of
            them decides who entered, stayed and left; later nights are not looked at.
        night: the as-of date.
        tiers: where risk begins.
        worth: how spend becomes value.
        policy: what can be done.
        experiment: who is left alone.
        segments: where the value tiers begin.
        language: language of the reasons.
        consent: see `models.policy.decide`.
        profiled: customers of earlier nights who may be profiled; None is all of them. Of whoever may not, nothing
            is told but that he has left, and why.
        spend: see `models.value.value`.
        crowds: see `models.policy.decide`.
        rates: see `models.policy.decide`; they are a part of the policy's version.

    Returns:
        `AtRiskSegment`, sorted by customer_id.

    Raises:
        ValueError: when a scored customer has no features or the scores come from several models.
    """
    tiers, worth, policy, experiment = (
        tiers or Tiers(),
        worth or ValueRule(),
        policy or Policy(),
        experiment or Experiment(),
    )
    segments = segments or Segments()
    settings = (tiers, segments, worth, policy, experiment)
    if (versions := scores["model_version"].n_unique()) > 1:
        raise ValueError(f"the scores of {night} come from {versions} models; score the night again with one")
    earlier = previous.filter(pl.col("night") < night)
    last = earlier.filter(pl.col("night") == pl.col("night").max(), pl.col("status") != "left")
    placed = risk(scores, last, tiers)
    active = named(placed, value(features, worth, spend), segments)
    at_risk = active.filter(pl.col("risk_tier") != "none")
    in_table = pl.concat([at_risk["customer_id"], last["customer_id"]]).unique()
    expected = next_purchase(features, night, pl.col("customer_id").is_in(in_table.implode()))
    at_risk = at_risk.join(expected, on="customer_id", how="left", maintain_order="left")
    known = features.join(at_risk, on="customer_id", how="semi").sort("customer_id")
    # A model need not be asked about nobody.
    pushes = contributions(known) if known.height else known.select(pl.exclude("night", "customer_id"))
    why = reasons(known, pushes, language=language)
    chosen = decide(
        assign(at_risk.hstack(why), earlier, experiment),
        earlier,
        night,
        policy,
        consent,
        rates,
        crowds=crowds,
        salt=f"{night}|{experiment.experiment_id}",
    )
    entered = last.select("customer_id", entered_on="entered_on")
    rows = chosen.join(entered, on="customer_id", how="left").with_columns(
        night=pl.lit(night),
        status=pl.when(pl.col("entered_on").is_null()).then(pl.lit("entered")).otherwise(pl.lit("stayed")),
        entered_on=pl.col("entered_on").fill_null(night),
        snapshot_id=pl.lit(""),
    )
    gone = departed(last.join(at_risk, on="customer_id", how="anti"), night)
    tonight = active.select("customer_id", "churn_probability", "risk_percentile", "value", "value_at_risk")
    gone = gone.drop(*tonight.columns[1:], *QUANTILES)
    gone = gone.join(tonight, on="customer_id", how="left").join(expected, on="customer_id", how="left")
    if profiled is not None:
        barred = ~pl.col("customer_id").is_in(profiled.implode())
        why_gone = pl.when(barred).then(pl.lit(NOT_PROFILED)).otherwise("suppressed_reason")
        gone = gone.with_columns(suppressed_reason=why_gone)
    counted = [] if rates is None else rates.drop("night", strict=False).sort("action", "segment").rows()
    table = (
        pl.concat([rows, gone], how="diagonal")
        .with_columns(
            model_version=pl.lit(scores["model_version"].first()).fill_null(pl.col("model_version")),
            policy_version=pl.lit(_digest(json.dumps([asdict(part) for part in settings] + counted, sort_keys=True))),
            contract_version=pl.lit(CONTRACT_VERSION),
            currency=pl.lit(worth.currency, pl.String),
        )
        .select(AtRiskSegment.column_names())
        .sort("customer_id")
    )
    version = str(table["model_version"].first())
    digest = _digest(table.write_csv(null_value="\\N"))
    return AtRiskSegment.validate(table.with_columns(snapshot_id=pl.lit(f"{night}_{version}_{digest}")))


def departed(rows: pl.DataFrame, night: date) -> pl.DataFrame:
    """The rows of customers who are at risk no longer, as they are told to a CRM.

    A null clears no field in most CRMs, so that leaving is spelled out: no tier, no segment, no action.
    The control, the experiment and the day of entering are kept.
    """
    unknown = ["churn_probability", "risk_percentile", "value", "value_at_risk", *QUANTILES]
    unknown += [name for name in rows.columns if name.startswith(("reason_", "contact_"))]
    return rows.with_columns(
        pl.lit(None).cast(AtRiskSegment.columns()[name].dtype).alias(name) for name in unknown
    ).with_columns(
        night=pl.lit(night),
        risk_tier=pl.lit("none"),
        segment=pl.lit("none"),
        action=pl.lit("none"),
        channel=pl.lit("none"),
        action_cost=0.0,
        expected_profit=0.0,
        deliver=False,
        suppressed_reason=pl.lit("left"),
        status=pl.lit("left"),
    )


def as_permitted(rows: pl.DataFrame, consents: pl.LazyFrame, rule: ConsentRule, until: date) -> pl.DataFrame:
    """Rows of a night as they may be published later, when some of their customers may have objected since.

    Args:
        rows: `AtRiskSegment` of one night.
        consents: `models.consent.Consent`.
        rule: What silence means.
        until: The night up to which objections are heard.

    Returns:
        The same customers; who may not be contacted by the channel of the row is not, and of who may not be profiled
        nothing is told but that he has left.
    """
    due = rows.filter("deliver")
    allowed = contactable(due["customer_id"], consents, rule, due["channel"].unique(), until)
    if allowed is None or rows.is_empty():
        return rows
    night: date = rows["night"][0]
    profiles = profiled(rows.select("customer_id").lazy(), consents, rule, until).collect()["customer_id"]
    flags = allowed.unpivot(index="customer_id", variable_name="channel", value_name="permitted")
    objected = due.join(flags.filter(~pl.col("permitted").cast(pl.Boolean)), on=["customer_id", "channel"], how="semi")
    barred = ~pl.col("customer_id").is_in(profiles.implode())
    withheld = ~barred & pl.col("customer_id").is_in(objected["customer_id"].implode())
    gone = departed(rows.filter(barred), night).with_columns(suppressed_reason=pl.lit(NOT_PROFILED))
    kept = rows.filter(withheld).with_columns(
        action=pl.lit("none"),
        channel=pl.lit("none"),
        action_cost=0.0,
        expected_profit=0.0,
        contact_from=pl.lit(None, pl.Date),
        contact_until=pl.lit(None, pl.Date),
        deliver=False,
        suppressed_reason=pl.lit("no_consent"),
    )
    parts = [rows.filter(~barred & ~withheld), gone.select(rows.columns), kept]
    return pl.concat(parts).sort("customer_id")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
