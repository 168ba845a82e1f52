"""The night in a few figures, for whoever runs retention."""

from typing import Any

import polars as pl

from models.policy import NOT_ONE_PERSON
from models.tiers import TIERS

TOP = 5


def summary(table: pl.DataFrame, *, active: int) -> dict[str, Any]:
    """What a night's at-risk table comes to.

    Args:
        table: at_risk_segments of one night.
        active: how many customers were active, and so looked at.

    Returns:
        active, at_risk, by_tier, by_segment and by_action (counts), entered, left, value_at_risk,
        action_cost and expected_profit of what is delivered (null without amounts), currency, delivered,
        control (drawn and, but for the draw, contacted), suppressed (counts by reason) and top: the rows
        most worth a contact, as dictionaries, by expected profit, else by value at risk, else by risk.
    """
    at_risk = table.filter(pl.col("status") != "left")
    delivered = at_risk.filter("deliver")
    valued = at_risk["value"].count() > 0
    suppressed = _counts(at_risk, "suppressed_reason")
    one_person = pl.col("suppressed_reason").ne_missing(NOT_ONE_PERSON)
    best = at_risk.filter(~pl.col("is_control"), one_person).sort(
        "deliver",
        "expected_profit",
        "value_at_risk",
        "churn_probability",
        "customer_id",
        descending=[True, True, True, True, False],
        nulls_last=True,
    )
    return {
        "active": active,
        "at_risk": at_risk.height,
        "by_tier": {tier: at_risk.filter(pl.col("risk_tier") == tier).height for tier in reversed(TIERS[1:])},
        "by_segment": _counts(at_risk, "segment"),
        "by_action": _counts(delivered, "action"),
        "entered": at_risk.filter(pl.col("status") == "entered").height,
        "left": table.height - at_risk.height,
        "value_at_risk": round(at_risk["value_at_risk"].sum(), 2) if valued else None,
        "action_cost": round(delivered["action_cost"].sum(), 2),
        "expected_profit": round(delivered["expected_profit"].sum(), 2) if valued else None,
        "currency": at_risk["currency"].first() if at_risk.height else None,
        "delivered": delivered.height,
        "control": suppressed.get("control", 0),
        "suppressed": suppressed,
        "top": best.head(TOP).to_dicts(),
    }


def _counts(table: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(table.drop_nulls(column).group_by(column).len().sort("len", column, descending=[True, False]).rows())
