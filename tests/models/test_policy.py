"""Everybody gets the action that pays best for him, if it may be done and there is room for it."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.actions import ACTIONS, Action, Policy
from models.matrix import SEGMENTS
from models.phrases import GROUPS
from models.policy import decide, offers, potential

NIGHT = date(2026, 3, 31)
GIFT = Action("gift", "post", 1.0, 10.0, save_alpha=3, save_beta=7, windfall=0.5)
CALL = Action("call", "phone", 8.0, save_alpha=1, save_beta=4, capacity=2, cooldown_days=60)
MAIL = Action("mail", "email", 0.5, save_alpha=1, save_beta=19)
PAST = pl.DataFrame(
    schema={
        "night": pl.Date,
        "customer_id": pl.String,
        "action": pl.String,
        "deliver": pl.Boolean,
        "suppressed_reason": pl.String,
    }
)


def customers(*rows, **columns):
    """Customers from (probability, value)."""
    count = len(rows)
    frame = {
        "customer_id": [f"c{n:02}" for n in range(count)],
        "churn_probability": [float(p) for p, _ in rows],
        "value": pl.Series([v for _, v in rows], dtype=pl.Float64),
        "segment": ["save_now"] * count,
        "reason_1_code": ["overdue"] * count,
        "reason_2_code": pl.Series([None] * count, dtype=pl.String),
        "reason_3_code": pl.Series([None] * count, dtype=pl.String),
        "is_control": [False] * count,
        "next_purchase_from": pl.Series([NIGHT + timedelta(days=1)] * count, dtype=pl.Date),
    }
    return pl.DataFrame({**frame, **columns})


def decided(frame, policy, previous=PAST, consent=None, crowds=None):
    chosen = decide(frame, previous, NIGHT, policy, consent, crowds=crowds)
    return {row["customer_id"]: row for row in chosen.rows(named=True)}


def test_nobody_is_called_under_a_name_that_many_share():
    found = decided(customers((0.9, 900.0), (0.8, 900.0)), Policy((GIFT,)), crowds=pl.Series(["c00"]))
    assert (found["c00"]["suppressed_reason"], found["c00"]["action"], found["c00"]["deliver"]) == (
        "not_one_person",
        "none",
        False,
    )
    assert found["c01"]["deliver"]


@pytest.mark.parametrize(
    ("p", "value", "action", "cost", "profit"),
    [
        # p g (V - offer) - (1 - p) offer windfall - contact = .6*.3*190 - .4*10*.5 - 1
        (0.6, 200.0, GIFT, 4.8, 31.2),
        # The retention field's figures: g = .3, offer 10, contact 1, everybody takes the gift.
        (0.5, 100.0, replace(GIFT, windfall=1.0), 7.5, 7.5),
        (1.0, 50.0, GIFT, 4.0, 11.0),
        (0.0, 50.0, GIFT, 6.0, -6.0),
        (0.5, 100.0, CALL, 8.0, 2.0),
        (0.7, 40.0, MAIL, 0.5, 0.9),
    ],
)
def test_the_arithmetic_of_an_offer(p, value, action, cost, profit):
    row = offers(customers((p, value)), Policy((action,))).row(0, named=True)
    assert (row["cost"], row["profit"]) == (cost, profit)


def test_the_action_that_pays_best_is_delivered():
    chosen = decided(customers((0.6, 200.0), (0.6, 30.0)), Policy((GIFT, CALL, MAIL)))
    assert [(row["action"], row["channel"], row["deliver"]) for row in chosen.values()] == [
        ("gift", "post", True),
        ("gift", "post", True),
    ]
    poor = decided(customers((0.3, 35.0)), Policy((GIFT, CALL, MAIL)))["c00"]
    assert (poor["action"], poor["action_cost"], poor["expected_profit"]) == ("mail", 0.5, 0.03)


def test_what_does_not_pay_is_left_undone():
    row = decided(customers((0.1, 10.0)), Policy((GIFT, CALL)))["c00"]
    assert (row["action"], row["channel"], row["deliver"], row["suppressed_reason"]) == (
        "none",
        "none",
        False,
        "unprofitable",
    )
    assert (row["action_cost"], row["expected_profit"], row["contact_from"]) == (0.0, 0.0, None)


def test_an_action_is_for_its_segments_and_reasons_only():
    calls = replace(CALL, capacity=None, suits_segments=("save_now",), suits_reasons=("more_returns",))
    frame = customers(
        *[(0.9, 900.0)] * 3,
        segment=["save_now", "nurture", "save_now"],
        reason_1_code=["overdue", "more_returns", "overdue"],
        reason_3_code=["more_returns", None, None],
    )
    found = [row["suppressed_reason"] for row in decided(frame, Policy((calls,))).values()]
    assert found == [None, "no_suitable_action", "no_suitable_action"]


def test_a_catalogue_without_actions_recommends_nothing():
    assert decided(customers((0.9, 900.0)), Policy(()))["c00"]["suppressed_reason"] == "no_suitable_action"


def test_silence_is_no_consent():
    consent = pl.DataFrame(
        {"customer_id": ["c00", "c01", "c02"], "phone": [True, None, False], "email": [False, True, False]}
    )
    chosen = decided(customers(*[(0.9, 900.0)] * 4), Policy((GIFT, CALL, MAIL)), consent=consent)
    assert [(row["action"], row["suppressed_reason"]) for row in chosen.values()] == [
        ("call", None),
        ("mail", None),
        ("none", "no_consent"),
        ("none", "no_consent"),
    ]


@pytest.mark.parametrize(
    ("ago", "row", "rests_until"),
    [
        (59, {"action": "call", "deliver": True}, NIGHT + timedelta(days=1)),
        (60, {"action": "call", "deliver": True}, None),
        (29, {"action": "mail", "deliver": True}, NIGHT + timedelta(days=1)),
        (30, {"action": "mail", "deliver": True}, None),
        (1, {"action": "mail", "deliver": False, "suppressed_reason": "control"}, NIGHT + timedelta(days=29)),
        (1, {"action": "mail", "deliver": False, "suppressed_reason": "capacity"}, None),
        (5, {"action": "forgotten", "deliver": True}, NIGHT + timedelta(days=55)),
    ],
)
def test_a_customer_is_left_in_peace_after_a_contact(ago, row, rests_until):
    past = pl.DataFrame([{"night": NIGHT - timedelta(days=ago), "customer_id": "c00", **row}], schema=dict(PAST.schema))
    chosen = decided(customers((0.9, 900.0)), Policy((CALL, MAIL)), previous=past)["c00"]
    if rests_until is None:
        assert chosen["deliver"]
    else:
        assert (chosen["suppressed_reason"], chosen["action"]) == ("cooldown", "call")
        assert chosen["contact_from"] == rests_until + timedelta(days=1)


def test_the_control_is_chosen_like_the_others_but_left_alone_and_takes_no_place():
    frame = customers((0.9, 900.0), (0.8, 900.0), (0.7, 900.0), (0.6, 900.0), is_control=[True, False, False, False])
    chosen = decided(frame, Policy((CALL,)))
    assert [(row["action"], row["suppressed_reason"]) for row in chosen.values()] == [
        ("call", "control"),
        ("call", None),
        ("call", None),
        ("call", "capacity"),
    ]


def test_without_amounts_the_riskiest_get_the_cheapest_suitable_action():
    frame = customers((0.6, None), (0.9, None), (0.8, None))
    chosen = decided(frame, Policy((CALL, replace(MAIL, capacity=1))))
    assert [row["action"] for row in chosen.values()] == ["call", "mail", "call"]
    assert all(row["deliver"] and row["expected_profit"] is None for row in chosen.values())


@pytest.mark.parametrize(
    ("expected", "opens"),
    [
        (NIGHT + timedelta(days=1), NIGHT + timedelta(days=1)),
        (NIGHT + timedelta(days=12), NIGHT + timedelta(days=5)),
        (NIGHT + timedelta(days=90), NIGHT + timedelta(days=14)),
        (None, NIGHT + timedelta(days=1)),
    ],
)
def test_the_contact_comes_before_a_purchase_becomes_likely_and_not_too_late(expected, opens):
    frame = customers((0.9, 900.0), next_purchase_from=pl.Series([expected], dtype=pl.Date))
    chosen = decided(frame, Policy((GIFT,)))["c00"]
    assert (chosen["contact_from"], chosen["contact_until"]) == (opens, opens + timedelta(days=6))


def nights(most=25):
    row = st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.integers(0, 60_000).map(lambda n: n / 100))
    return st.lists(st.tuples(row, st.booleans()), min_size=1, max_size=most).map(
        lambda found: customers(*[row for row, _ in found], is_control=[control for _, control in found])
    )


@settings(max_examples=40, deadline=None)
@given(nights(), st.integers(0, 5), st.integers(0, 5), st.none() | st.integers(0, 60))
def test_a_night_stays_within_capacity_and_budget(frame, calls, phones, budget):
    policy = Policy((GIFT, replace(CALL, capacity=calls), MAIL), budget, {"phone": phones, "post": 4})
    chosen = decide(frame, PAST, NIGHT, policy)
    done = chosen.filter("deliver")
    assert done.filter(pl.col("action") == "call").height <= min(calls, phones)
    assert done.filter(pl.col("channel") == "post").height <= 4
    assert budget is None or sum(done["action_cost"]) <= budget + 1e-9
    assert (done["expected_profit"] > 0).all()
    assert not done["is_control"].any()
    assert (chosen["deliver"] == chosen["suppressed_reason"].is_null()).all()
    table = chosen.with_columns(status=pl.lit("entered"))
    assert (potential(table, policy) or 0) >= sum(done["expected_profit"]) - 1e-6


@settings(max_examples=30, deadline=None)
@given(nights(), st.lists(st.integers(0, 150), min_size=2, max_size=4))
def test_a_larger_budget_never_lowers_the_expected_profit(frame, budgets):
    profits = [
        sum(decide(frame, PAST, NIGHT, Policy((GIFT, CALL, MAIL), budget)).filter("deliver")["expected_profit"])
        for budget in [*sorted(budgets), None]
    ]
    assert all(more >= less - 1e-9 for less, more in pairwise(profits))


def test_the_potential_is_unknown_without_values():
    table = decide(customers((0.6, None)), PAST, NIGHT, Policy((MAIL,))).with_columns(status=pl.lit("entered"))
    assert potential(table, Policy((MAIL,))) is None


def test_the_default_actions_name_reasons_and_segments_that_exist():
    reasons = {code for group in GROUPS for code, _ in group.variants}
    for action in ACTIONS:
        assert set(action.suits_reasons) <= reasons
        assert set(action.suits_segments) <= set(SEGMENTS.values())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Action("call", "phone", -1.0), "contact_cost is -1"),
        (lambda: Action("call", "phone", 1.0, windfall=2.0), "windfall is 2"),
        (lambda: Action("call", "phone", 1.0, save_alpha=0), "save_alpha and save_beta are 0 and 19"),
        (lambda: Action("none", "phone", 1.0), "needs a name other than `none`"),
        (lambda: Action("call", "phone", 1.0, capacity=-1), "cannot be negative"),
        (lambda: Policy((MAIL, MAIL)), "names mail twice"),
        (lambda: Policy((MAIL,), -1.0), "budget is -1"),
        (lambda: Policy((MAIL,), None, {"fax": 2}), "names fax, which no action uses"),
        (lambda: Policy((MAIL,), contact_days=0), "at least 1 day"),
    ],
)
def test_an_impossible_catalogue_is_refused_with_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
