"""Value is the customer's own spend as far as it can be believed."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.value import ValueRule, value

RULE = ValueRule(margin=0.5, horizon_days=100)


def customers(**columns):
    count = len(next(iter(columns.values())))
    base = {"customer_id": [f"c{n}" for n in range(count)], "recency_days": [10] * count, "tenure_days": [999] * count}
    return pl.DataFrame({**base, "purchase_days": [2] * count, "orders_365d": [4] * count, **columns}, strict=False)


def test_customers_who_differ_only_by_chance_are_worth_the_mean():
    # Two orders a year and four: the mean is 3 orders of 100 in 365 days.
    worth = value(customers(spend_365d=[200.0, 400.0], orders_365d=[2, 4]), RULE)
    assert worth["value"].to_list() == [round(300 / 365 * 100 * 0.5, 2)] * 2


def test_the_more_customers_differ_the_more_their_own_past_counts():
    # t = 365 each; rates 1/365 and 10000/365 per day, 50 orders each.
    spend = [1.0, 10_000.0]
    mean = sum(spend) / 730
    within = (1**2 / 50 + 10_000**2 / 50) / 730
    between = (365 * sum((s / 365 - mean) ** 2 for s in spend) - within) / (730 - 2 * 365**2 / 730)
    weight = 365 / (365 + within / between)
    expected = [round((weight * s / 365 + (1 - weight) * mean) * 50, 2) for s in spend]
    assert value(customers(spend_365d=spend, orders_365d=[50, 50]), RULE)["value"].to_list() == expected
    assert weight > 0.9


def test_a_short_past_counts_less_than_a_long_one():
    spend = {"spend_365d": [0.0] * 50 + [5_000.0] * 50 + [5_000.0], "orders_365d": [40] * 101}
    worth = value(customers(**spend, tenure_days=[900] * 100 + [9]), RULE)["value"]
    assert worth[100] < 365 / 10 * worth[99]


def test_what_was_sent_back_is_not_spend():
    worth = value(customers(spend_365d=[100.0, 100.0], refunds_share_365d=[1.0, None]), RULE)
    assert worth["value"].sum() == pytest.approx(value(customers(spend_365d=[100.0, 0.0]), RULE)["value"].sum())


@pytest.mark.parametrize("amounts", [{}, {"spend_365d": [None, None]}])
def test_without_amounts_the_value_is_unknown(amounts):
    assert value(customers(recency_days=[1, 2], **amounts), RULE)["value"].to_list() == [None, None]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(1, 60), st.integers(0, 900)), min_size=1, max_size=20))
def test_nobody_is_worth_less_than_nothing_or_more_than_the_best_rate(past):
    spend, orders, tenure = zip(*past, strict=True)
    frame = customers(spend_365d=list(spend), orders_365d=list(orders), tenure_days=list(tenure))
    worth = value(frame, RULE)["value"]
    best = max(s / min(t + 1, 365) for s, t in zip(spend, tenure, strict=True)) * 50
    assert worth.is_between(0, best + 0.01).all()


@pytest.mark.parametrize(("arguments", "sentence"), [({"margin": 30}, "margin is 30"), ({"horizon_days": 0}, "1 day")])
def test_an_impossible_rule_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        ValueRule(**arguments)
