"""The night in a few figures."""

from datetime import date

import polars as pl

from models.segments import AtRiskSegment
from models.summary import summary

NIGHT = date(2026, 3, 1)


def rows(*changes):
    plain = {
        "night": NIGHT,
        "churn_probability": 0.8,
        "risk_percentile": 90,
        "risk_tier": "high",
        "value": 100.0,
        "value_at_risk": 80.0,
        "currency": "EUR",
        "segment": "save_now",
        "reason_1": "Has bought only once so far",
        "reason_1_code": "bought_once",
        "action": "call",
        "channel": "phone",
        "contact_from": date(2026, 3, 2),
        "contact_until": date(2026, 3, 8),
        "action_cost": 8.0,
        "expected_profit": 12.0,
        "is_control": False,
        "experiment_id": "e",
        "stratum": "save_now/high",
        "deliver": True,
        "status": "entered",
        "entered_on": NIGHT,
        "model_version": "7",
        "policy_version": "p",
        "snapshot_id": "s",
        "contract_version": "1",
    }
    made = [{**plain, "customer_id": f"c{n}", **change} for n, change in enumerate(changes)]
    return AtRiskSegment.validate(pl.DataFrame(made, schema=dict(AtRiskSegment.create_empty().schema)))


KEPT_BACK = {"deliver": False, "contact_from": None, "contact_until": None}
LEFT = KEPT_BACK | {"status": "left", "risk_tier": "none", "segment": "none", "action": "none"}


def test_a_night_is_summed_up():
    table = rows(
        {},
        {"expected_profit": 30.0, "status": "stayed", "risk_tier": "medium"},
        KEPT_BACK | {"is_control": True, "suppressed_reason": "control", "expected_profit": 99.0},
        KEPT_BACK | {"suppressed_reason": "capacity", "risk_tier": "low", "segment": "nurture"},
        LEFT | {"suppressed_reason": "left"},
    )
    found = summary(table, active=50)
    top = found.pop("top")
    assert found == {
        "active": 50,
        "at_risk": 4,
        "by_tier": {"high": 2, "medium": 1, "low": 1},
        "by_segment": {"save_now": 3, "nurture": 1},
        "by_action": {"call": 2},
        "entered": 3,
        "left": 1,
        "value_at_risk": 320.0,
        "action_cost": 16.0,
        "expected_profit": 42.0,
        "currency": "EUR",
        "delivered": 2,
        "control": 1,
        "suppressed": {"capacity": 1, "control": 1},
    }
    assert [row["customer_id"] for row in top] == ["c1", "c0", "c3"]
    assert top[0]["reason_1"] == "Has bought only once so far"


def test_without_amounts_the_riskiest_come_first_and_money_is_unknown():
    unknown = {"value": None, "value_at_risk": None, "expected_profit": None}
    found = summary(rows(unknown, unknown | {"churn_probability": 0.9}), active=2)
    assert (found["value_at_risk"], found["expected_profit"]) == (None, None)
    assert [row["customer_id"] for row in found["top"]] == ["c1", "c0"]


def test_an_empty_night_has_nothing_to_say():
    found = summary(rows(), active=9)
    assert (found["active"], found["at_risk"], found["delivered"], found["top"]) == (9, 0, 0, [])
