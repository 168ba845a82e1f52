"""The simple rules: what they learn, what they read, and that they can be written down and read again."""

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.baselines import BASELINES, MbgNbdRule, fit_baselines, restore_baselines
from models.logistic_rule import LogisticRule

NIGHT = date(2026, 3, 31)


def examples(count=400, seed=0):
    random = np.random.default_rng(seed)
    recency = random.integers(0, 200, count)
    return pl.DataFrame(
        {
            "recency_days": recency.astype(np.float32),
            "purchase_days": random.integers(1, 20, count).astype(np.float32),
            "tenure_days": (recency + random.integers(0, 300, count)).astype(np.float32),
            "spend": random.lognormal(3, 1, count).astype(np.float32),
            "churned": random.random(count) < expit((recency - 100) / 40),
        }
    )


def histories(count=300, seed=0):
    random = np.random.default_rng(seed)
    last = random.integers(0, 200, count)
    more = random.integers(0, 300, count)
    return pl.DataFrame(
        {
            "customer_id": [f"c{n:04d}" for n in range(count)],
            "purchase_days": np.where(more > 0, 2 + random.poisson(3, count), 1),
            "first_day": [NIGHT - timedelta(days=int(a + b)) for a, b in zip(last, more, strict=True)],
            "last_day": [NIGHT - timedelta(days=int(a)) for a in last],
        }
    )


def rules(frame=None, past=None):
    frame = examples() if frame is None else frame
    past = histories() if past is None else past
    return fit_baselines(frame, past, as_of=NIGHT, horizon_days=60)


def test_with_both_outcomes_there_is_every_rule():
    assert list(rules()) == list(BASELINES)


@pytest.mark.parametrize("churned", [True, False])
def test_without_both_outcomes_only_mbg_nbd_is_left(churned):
    assert list(rules(examples().with_columns(churned=pl.lit(churned)))) == ["mbg_nbd"]


def test_without_examples_only_mbg_nbd_is_left():
    assert list(rules(examples().clear())) == ["mbg_nbd"]


def test_without_amounts_rfm_does_without_them():
    rule = rules(examples().drop("spend"))["logistic_rfm"]
    assert isinstance(rule, LogisticRule)
    assert rule.inputs == ("recency_days", "purchase_days", "tenure_days")


def test_the_logistic_rule_is_the_ridge_regression_of_scikit_learn():
    frame, inputs = examples(), ("recency_days", "purchase_days")
    logs = np.log1p(frame.select(inputs).to_numpy().astype(float))
    standard = (logs - logs.mean(0)) / logs.std(0)
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(standard.clip(-4, 4), frame["churned"].to_numpy())
    found = LogisticRule.fit(frame, inputs, ridge=1.0)
    assert found.weights == pytest.approx(other.coef_[0], abs=1e-4)
    assert found.intercept == pytest.approx(other.intercept_[0], abs=1e-4)


def test_recency_learns_that_silence_is_a_bad_sign():
    rule = rules()["recency"]
    near, far = rule.log_odds(pl.DataFrame({"recency_days": [1.0, 150.0]}))
    assert near < far


def test_what_is_unknown_counts_as_average():
    rule = LogisticRule.fit(examples(), ("spend",))
    assert rule.log_odds(pl.DataFrame({"spend": [None]}, schema={"spend": pl.Float32}))[0] == rule.intercept


def test_the_order_of_the_histories_changes_nothing():
    assert rules(past=histories().reverse())["mbg_nbd"] == rules()["mbg_nbd"]


@pytest.mark.parametrize("name", list(BASELINES))
def test_contributions_add_up_to_the_log_odds_but_for_a_constant(name):
    frame, rule = examples(), rules()[name]
    terms = rule.contributions(frame)
    rest = rule.log_odds(frame) - sum(terms.values())
    assert set(terms) == set(BASELINES[name])
    assert rest == pytest.approx(rest[0], abs=1e-9)


def test_the_median_customer_of_mbg_nbd_needs_no_explanation():
    rule = rules()["mbg_nbd"]
    assert isinstance(rule, MbgNbdRule)
    median = pl.DataFrame({name: [value] for name, value in zip(BASELINES["mbg_nbd"], rule.centre, strict=True)})
    assert all(term[0] == pytest.approx(0) for term in rule.contributions(median).values())


def test_rules_survive_being_written_as_json():
    every = rules()
    written = json.dumps({name: rule.describe() for name, rule in every.items()})
    assert restore_baselines(json.loads(written)) == every


def test_a_history_from_after_the_night_is_refused():
    with pytest.raises(ValueError, match="a history ends on 2026-03-31, after the night 2026-03-30"):
        MbgNbdRule.fit(
            histories().with_columns(last_day=pl.lit(NIGHT)), as_of=NIGHT - timedelta(days=1), horizon_days=60
        )


def test_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one customer"):
        rules(past=histories().clear())
