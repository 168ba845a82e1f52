"""The renewal rate as a rule: counted terms, drawn towards all where they are few."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from models.renewal_rule import INPUTS, WEIGHT, RenewalRule

NIGHT = date(2026, 4, 1)


def fitted(*terms):
    """A rule from (renewals before, days from the renewal to the end or None, count)."""
    rows = [(renewals, lead) for renewals, lead, count in terms for _ in range(count)]
    frame = pl.DataFrame(rows, schema={"renewals": pl.Int64, "lead": pl.Int64}, orient="row")
    return RenewalRule.fit(frame, as_of=NIGHT, horizon_days=44)


RULE = fitted((0, None, 40), (0, 20, 40), (0, -3, 20), (1, None, 10), (1, 10, 90))


def test_a_contract_is_compared_with_those_that_were_still_open_as_long_before_their_end():
    everybody = {30: 50.5 / 201, 4: 50.5 / 71}
    asked = RULE.churn(np.array([0.0, 0, 1, 1]), np.array([30.0, 4, 30, 4]))
    assert asked == pytest.approx(
        [
            (40 + WEIGHT * everybody[30]) / (100 + WEIGHT),
            (40 + WEIGHT * everybody[4]) / (60 + WEIGHT),
            (10 + WEIGHT * everybody[30]) / (100 + WEIGHT),
            (10 + WEIGHT * everybody[4]) / (10 + WEIGHT),
        ]
    )


def test_who_renewed_as_often_as_nobody_before_is_taken_for_everybody():
    assert RULE.churn(np.array([9.0]), np.array([30.0])) == pytest.approx([50.5 / 201])


def test_without_any_term_the_chance_is_even():
    assert fitted().churn(np.array([0.0]), np.array([9.0])) == pytest.approx([0.5])


def test_contributions_add_up_and_a_rule_survives_being_written_as_json():
    frame = pl.DataFrame({"renewals": [0, 1, 7], "days_to_expiry": [1, 15, 40]})
    restored = RenewalRule.restore(json.loads(json.dumps(RULE.describe())))
    assert restored == RULE
    usual = pl.DataFrame([RULE.centre], schema=list(INPUTS), orient="row")
    total = sum(RULE.contributions(frame).values()) + RULE.log_odds(usual)
    assert total == pytest.approx(RULE.log_odds(frame))
    assert expit(RULE.log_odds(frame)) == pytest.approx(RULE.churn(np.array([0.0, 1, 7]), np.array([1.0, 15, 40])))
