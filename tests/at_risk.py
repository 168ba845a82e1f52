"""Rows of `at_risk_segments`, as tests of many modules need them."""

from collections.abc import Mapping
from datetime import date

import polars as pl

from models.segments import AtRiskSegment

NIGHT = date(2026, 3, 1)
SCHEMA = dict(AtRiskSegment.create_empty().schema)
AT_RISK: Mapping[str, object] = {
    "night": NIGHT,
    "churn_probability": 0.8,
    "risk_percentile": 90,
    "risk_tier": "high",
    "value": 100.25,
    "value_at_risk": 80.2,
    "currency": "EUR",
    "expected_next_purchase": NIGHT,
    "next_purchase_from": NIGHT,
    "next_purchase_until": NIGHT,
    "segment": "save_now",
    "reason_1": "34 days since the last order; usually every 12 days",
    "reason_1_code": "overdue",
    "action": "service_call",
    "channel": "phone",
    "contact_from": date(2027, 1, 1),
    "contact_until": date(2027, 1, 7),
    "action_cost": 8.0,
    "expected_profit": 12.01,
    "is_control": False,
    "experiment_id": "retention-1",
    "stratum": "save_now/high",
    "deliver": True,
    "status": "stayed",
    "entered_on": NIGHT,
    "model_version": "7",
    "policy_version": "p",
    "snapshot_id": "s",
    "contract_version": "1",
}
"""Somebody at high risk who is to be called."""

KEPT_BACK: Mapping[str, object] = {"deliver": False, "suppressed_reason": "capacity"}
LEFT: Mapping[str, object] = {
    "risk_tier": "none",
    "segment": "none",
    "action": "none",
    "channel": "none",
    "deliver": False,
    "suppressed_reason": "left",
    "status": "left",
}


def at_risk(customers: Mapping[str, Mapping[str, object]], **all_of_them: object) -> pl.DataFrame:
    """A table, sorted by customer: for each what differs from `AT_RISK`. Nothing is checked."""
    rows = [{**AT_RISK, **all_of_them, "customer_id": who, **customers[who]} for who in sorted(customers)]
    return pl.DataFrame(rows, schema=SCHEMA)
