"""The night in a few figures."""

from models.segments import AtRiskSegment
from models.summary import summary
from tests.at_risk import KEPT_BACK, LEFT, at_risk

WHOLE = {"value": 100.0, "value_at_risk": 80.0, "expected_profit": 12.0, "status": "entered"}


def rows(*changes):
    return AtRiskSegment.validate(at_risk({f"c{n}": WHOLE | change for n, change in enumerate(changes)}))


def test_a_night_is_summed_up():
    table = rows(
        {},
        {"expected_profit": 30.0, "status": "stayed", "risk_tier": "medium"},
        {"deliver": False, "is_control": True, "suppressed_reason": "control", "expected_profit": 99.0},
        {**KEPT_BACK, "risk_tier": "low", "segment": "nurture"},
        LEFT,
    )
    found = summary(table, active=50)
    top = found.pop("top")
    assert found == {
        "active": 50,
        "at_risk": 4,
        "by_tier": {"high": 2, "medium": 1, "low": 1},
        "by_segment": {"save_now": 3, "nurture": 1},
        "by_action": {"service_call": 2},
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
    assert top[0]["reason_1"] == "34 days since the last order; usually every 12 days"


def test_without_amounts_the_riskiest_come_first_and_money_is_unknown():
    unknown = {"value": None, "value_at_risk": None, "expected_profit": None}
    found = summary(rows(unknown, unknown | {"churn_probability": 0.9}), active=2)
    assert (found["value_at_risk"], found["expected_profit"]) == (None, None)
    assert [row["customer_id"] for row in found["top"]] == ["c1", "c0"]


def test_an_empty_night_has_nothing_to_say():
    found = summary(rows(), active=9)
    assert (found["active"], found["at_risk"], found["delivered"], found["top"]) == (9, 0, 0, [])
