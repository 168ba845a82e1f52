"""Scarce hands and money go where they earn most, and never further than they reach."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from models.allocation import Limits, allocate, earned, upper_bound

CHANNEL = {"call": "phone", "visit": "phone", "mail": "email"}
CALLS = Limits({("action", "call"): 1})


def table(rows):
    """Offers from (customer, action, cost, profit) and, for the control, a fifth element."""
    return pl.DataFrame(
        [(who, what, CHANNEL[what], float(cost), profit, not control) for who, what, cost, profit, *control in rows],
        schema={
            "customer_id": pl.String,
            "action": pl.String,
            "channel": pl.String,
            "cost": pl.Float64,
            "profit": pl.Float64,
            "takes_room": pl.Boolean,
        },
        orient="row",
    )


def granted(rows, limits):
    return {row[0]: row[1] or row[2] for row in allocate(table(rows), limits).rows()}


@st.composite
def offers(draw, most=8):
    pairs = draw(
        st.sets(st.tuples(st.integers(0, most), st.sampled_from(sorted(CHANNEL))), min_size=1, max_size=3 * most)
    )
    control = draw(st.sets(st.integers(0, most), max_size=2))
    money = st.integers(1, 400).map(lambda cents: cents / 100)
    rows = [
        (f"c{who}", what, draw(money), draw(money)) + (who in control,) * (who in control)
        for who, what in sorted(pairs)
    ]
    return table(rows)


limits = st.builds(
    Limits,
    st.dictionaries(
        st.sampled_from([("action", "call"), ("action", "mail"), ("channel", "phone"), ("channel", "email")]),
        st.integers(0, 4),
    ),
    st.none() | st.integers(0, 800).map(lambda cents: cents / 100),
)


def test_with_room_for_everybody_each_gets_what_earns_most():
    rows = [("a", "call", 8, 20.0), ("a", "mail", 1, 5.0), ("b", "mail", 1, 3.0)]
    assert granted(rows, Limits()) == {"a": "call", "b": "mail"}


def test_the_call_goes_to_whom_it_earns_most_with_and_the_other_gets_a_mail():
    rows = [("a", "call", 8, 20.0), ("a", "mail", 1, 5.0), ("b", "call", 8, 30.0)]
    assert granted(rows, CALLS) == {"b": "call", "a": "mail"}


def test_whoever_finds_no_room_is_told_why():
    rows = [("a", "call", 8, 20.0), ("b", "call", 8, 30.0)]
    assert granted(rows, CALLS) == {"b": "call", "a": "capacity"}
    assert granted(rows, Limits(budget=10)) == {"b": "call", "a": "budget"}


def test_two_actions_share_the_hands_of_their_channel():
    rows = [("a", "call", 8, 20.0), ("b", "visit", 30, 90.0), ("c", "mail", 1, 1.0)]
    assert granted(rows, Limits({("channel", "phone"): 1})) == {"b": "visit", "a": "capacity", "c": "mail"}


def test_a_short_budget_buys_many_mails_instead_of_one_call():
    rows = [("a", "call", 8, 20.0)] + [(f"m{n}", "mail", 1, 10.0) for n in range(8)]
    assert set(granted(rows, Limits(budget=8)).values()) == {"budget", "mail"}


def test_the_control_takes_no_room():
    rows = [("a", "call", 8, 30.0, "control"), ("b", "call", 8, 20.0), ("c", "call", 8, 10.0)]
    assert granted(rows, CALLS) == {"a": "call", "b": "call", "c": "capacity"}


def test_the_control_finds_no_room_where_the_treated_find_none():
    rows = [("a", "call", 8, 30.0), ("b", "call", 8, 20.0, "control"), ("c", "call", 8, 10.0)]
    assert granted(rows, CALLS) == {"a": "call", "b": "call", "c": "capacity"}
    later = [*rows, ("d", "call", 8, 5.0, "control"), ("e", "mail", 1, 1.0, "control")]
    assert granted(later, CALLS)["d"] == "capacity"
    assert granted(later, CALLS)["e"] == "mail"


def test_without_profits_offers_are_granted_in_their_order():
    rows = [("z", "mail", 1, None), ("z", "call", 8, None), ("a", "mail", 1, None)]
    assert granted(rows, Limits({("action", "mail"): 1})) == {"z": "mail", "a": "capacity"}


def test_nothing_to_offer_is_nothing_granted():
    assert allocate(table([]), CALLS).is_empty()
    assert upper_bound(table([]), CALLS, 0.0) == 0


@settings(max_examples=40, deadline=None)
@given(offers(), limits)
def test_no_limit_is_exceeded_and_nobody_gets_two_actions(frame, limit):
    outcome = allocate(frame, limit)
    assert outcome["customer_id"].is_unique().all()
    assert set(outcome["customer_id"]) == set(frame["customer_id"])
    assert (outcome["action"].is_null() == outcome["refused"].is_not_null()).all()
    taken = frame.filter("takes_room").join(outcome, on=["customer_id", "action"])
    for (column, name), places in limit.capacity.items():
        assert taken.filter(pl.col(column) == name).height <= places
    if limit.budget is not None:
        assert taken["cost"].sum() <= limit.budget + 1e-9


@settings(max_examples=30, deadline=None)
@given(offers(), limits, st.lists(st.integers(0, 1500), min_size=2, max_size=4))
def test_a_larger_budget_never_earns_less(frame, limit, cents):
    budgets = [amount / 100 for amount in sorted(cents)] + [None]
    profits = [earned(frame, allocate(frame, Limits(limit.capacity, budget))) for budget in budgets]
    assert all(more >= less for less, more in pairwise(profits))


@settings(max_examples=30, deadline=None)
@given(offers(), limits, st.randoms(use_true_random=False))
def test_the_order_of_the_offers_does_not_matter(frame, limit, random):
    rows = list(range(frame.height))
    random.shuffle(rows)
    key = ["customer_id"]
    assert allocate(frame[rows], limit).sort(key).equals(allocate(frame, limit).sort(key))


def optimum(frame, limit):
    """The linear programme, solved."""
    frame = frame.filter("takes_room")
    if frame.is_empty():
        return 0.0
    rows = [(frame["customer_id"] == who).cast(pl.Float64).to_numpy() for who in frame["customer_id"].unique()]
    right = [1.0] * len(rows)
    for (column, name), places in limit.capacity.items():
        rows.append((frame[column] == name).cast(pl.Float64).to_numpy())
        right.append(float(places))
    if limit.budget is not None:
        rows.append(frame["cost"].to_numpy())
        right.append(limit.budget)
    solved = linprog(-frame["profit"].to_numpy(), A_ub=np.array(rows), b_ub=right, bounds=(0, 1), method="highs")
    return -solved.fun


@settings(max_examples=30, deadline=None)
@given(offers(), limits)
def test_the_bound_lies_above_the_linear_programme(frame, limit):
    reached = earned(frame, allocate(frame, limit))
    best = optimum(frame, limit)
    assert reached <= best + 1e-6
    assert upper_bound(frame, limit, reached) >= best - 1e-6


@pytest.mark.parametrize("budget", [None, 60.0, 400.0])
def test_with_many_customers_the_rule_and_the_bound_are_both_within_two_percent_of_the_best(budget):
    random = np.random.default_rng(7)
    worth = random.gamma(1.0, 40.0, 300)
    rows = [
        (f"c{n:03}", action, cost, float(rate * worth[n] * random.uniform(0.8, 1.2)))
        for n in range(300)
        for action, cost, rate in (("call", 8.0, 0.3), ("mail", 0.5, 0.05), ("visit", 30.0, 0.6))
    ]
    frame = table(rows)
    limit = Limits({("action", "call"): 30, ("channel", "phone"): 40}, budget)
    reached, best = earned(frame, allocate(frame, limit)), optimum(frame, limit)
    assert reached >= 0.98 * best
    assert best - 1e-6 <= upper_bound(frame, limit, reached) <= 1.02 * best
