"""What is undefined is absent, and no result hangs on the last digit of a processor.

`make test` runs these under every kernel of OpenBLAS that the processor can run.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.optimize import minimize
from scipy.special import expit, logit

from models.calibration import Calibration, calibrate
from models.evaluation import calibration_table, compare, evaluate, gain_table, threshold_table
from models.gate import gate
from models.logistic_rule import LogisticRule
from models.mbg_nbd import fit_mbg_nbd
from models.ranking import EvaluationRecipe, tied
from models.scorer import Scorer
from models.settlement import SettledOutcome, performance
from models.uplift import retention_uplift

QUICK = EvaluationRecipe(replicates=20)
NOISE = 1e-15
"""More than processors differ by."""

OUTCOMES = st.lists(st.booleans(), min_size=1, max_size=60).map(np.array)
SHARES = st.floats(1e-6, 1 - 1e-6)


def shaken(probability, seed=0):
    """Probabilities as another processor may give them."""
    return probability * (1 + np.random.default_rng(seed).uniform(-NOISE, NOISE, len(probability)))


@given(OUTCOMES, SHARES, st.integers(2, 20), st.booleans())
@settings(max_examples=20, deadline=None)
def test_equal_probabilities_have_no_slope_and_all_else_that_is_defined(churned, share, replicates, noisy):
    probability = np.full(len(churned), share)
    found = evaluate(churned, shaken(probability) if noisy else probability, EvaluationRecipe(replicates=replicates))
    assert not [name for name in found if name.startswith("calibration_slope")]
    assert np.isfinite(list(found.values())).all()
    both = 0 < churned.sum() < len(churned)
    assert ("auroc" in found) == ("calibration_intercept" in found) == both
    if both:
        assert found["auroc"] == 0.5
        # The intercept moves the one probability to the rate.
        assert found["calibration_intercept"] == pytest.approx(logit(churned.mean()) - logit(share), abs=1e-6)


def test_the_night_that_gave_a_slope_of_rounding_has_none():
    churned = np.arange(72) < 12
    found = evaluate(churned, np.full(72, float(np.float32(0.15774722))), QUICK)
    assert "calibration_slope" not in found
    assert "calibration_slope_low" not in found


@pytest.mark.parametrize("gap", [0.4, 1e-3, 1e-9])
@pytest.mark.parametrize("turned", [False, True])
def test_separated_outcomes_have_no_slope(gap, turned):
    churned = np.arange(30) < 10
    probability = np.where(churned != turned, 0.5 + gap, 0.5 - gap)
    assert "calibration_slope" not in evaluate(churned, probability, QUICK)


@pytest.mark.parametrize("spread", [1e-7, 1e-3, 1.0, 3.0])
@pytest.mark.parametrize("middle", [-12.0, -2.0, 0.0, 5.0])
def test_the_slope_is_that_of_a_logistic_regression_however_little_customers_differ(spread, middle):
    random = np.random.default_rng(7)
    standard = random.normal(size=400)
    churned = random.random(400) < expit(standard)
    found = evaluate(churned, expit(middle + spread * standard), QUICK)

    def loss(fit):
        score = fit[0] + fit[1] * standard
        return (np.logaddexp(0, score) - churned * score).sum()

    expected = minimize(loss, [0.0, 1.0], options={"gtol": 1e-8}).x[1]
    assert found["calibration_slope"] * spread == pytest.approx(expected, rel=1e-3)
    assert found["calibration_slope_low"] < found["calibration_slope"] < found["calibration_slope_high"]


@given(OUTCOMES, st.integers(0, 9))
@settings(max_examples=12, deadline=None)
def test_the_last_digits_decide_nothing(churned, seed):
    probability = np.random.default_rng(seed).choice([0.05, 0.2, 0.2000001, 0.7, 0.999], len(churned))
    other = shaken(probability, seed)
    assert evaluate(churned, other, QUICK) == pytest.approx(evaluate(churned, probability, QUICK), abs=1e-9)
    assert compare(churned, other, probability, QUICK) == pytest.approx(
        dict.fromkeys(compare(churned, probability, probability, QUICK), 0.0), abs=1e-9
    )
    for table in (gain_table, calibration_table, threshold_table):
        assert_frame_equal(table(churned, other), table(churned, probability))


def test_probabilities_that_really_differ_keep_their_order():
    probability = np.array([1e-9, 1.000001e-9, 0.3, 0.3 + 1e-11, 1 - 1e-9])
    assert (np.diff(tied(probability)) > 0).all()
    assert len(set(tied(shaken(np.full(1000, 0.3))))) == 1


@pytest.mark.parametrize("rate", [0, 1])
@given(probability=st.lists(SHARES, min_size=1, max_size=40).map(np.array))
@settings(max_examples=10, deadline=None)
def test_a_single_outcome_leaves_no_figure_that_is_no_number(rate, probability):
    churned = np.full(len(probability), bool(rate))
    assert np.isfinite(list(evaluate(churned, probability, EvaluationRecipe(replicates=2)).values())).all()
    for table in (gain_table, calibration_table, threshold_table):
        floats = table(churned, probability).select(pl.col(pl.Float64))
        assert floats.select(pl.all().is_nan().any()).row(0) == (False,) * floats.width
    assert gain_table(churned, probability)["recall"].null_count() == (0 if rate else 100)
    assert calibration_table(churned, probability)["lift"].is_null().all() == (not rate)
    assert calibrate(probability, churned) == Calibration()


@pytest.mark.parametrize("replicates", [2, 500])
@pytest.mark.parametrize("churned", [True, False])
def test_one_customer_is_judged_without_an_exception(churned, replicates):
    recipe = EvaluationRecipe(replicates=replicates, seed=3)
    found = evaluate(np.array([churned]), np.array([0.3]), recipe)
    assert found["customers"] == 1
    verdict = gate(np.array([churned]), pl.DataFrame({"committee": [0.3], "recency": [0.4]}), evaluation=recipe)
    assert not verdict.passed


def test_a_challenger_without_a_slope_is_refused_in_words():
    random = np.random.default_rng(0)
    churned = random.random(400) < 0.3
    verdict = gate(churned, pl.DataFrame({"committee": np.full(400, 0.3), "recency": np.full(400, 0.9)}))
    assert not verdict.passed
    assert "slope undefined" in verdict.sentence
    assert "nan" not in verdict.sentence


def test_the_figures_of_a_night_are_stored_where_nobody_can_be_told_apart():
    rows = 30
    night = pl.DataFrame(
        {
            "night": [date(2026, 1, 31)] * rows,
            "churned": [n < 9 for n in range(rows)],
            "churn_probability": [0.3] * rows,
        }
    )
    outcomes = pl.concat([SettledOutcome.create_empty(), night], how="diagonal")
    found = performance(outcomes, QUICK)
    assert found["value"].is_finite().all()
    assert not found["figure"].str.starts_with("calibration_slope").any()


@pytest.mark.parametrize("level", [0.0, 0.8])
def test_a_correction_of_equal_probabilities_moves_nobody_and_hangs_on_no_last_digit(level):
    random = np.random.default_rng(1)
    probability = np.where(random.random(600) < level, 0.2, 0.6)
    churned = random.random(600) < np.where(probability > 0.5, 0.9, 0.1)
    first, second = (calibrate(shaken(probability, seed), churned) for seed in (1, 2))
    assert first.kind == second.kind == ("none" if level == 0 else first.kind)
    grid = np.linspace(0.01, 0.99, 99)
    assert first.apply(grid) == pytest.approx(second.apply(grid), abs=1e-6)


def test_a_correction_of_an_order_without_mistakes_stays_finite():
    probability = np.linspace(0.01, 0.99, 200)
    found = calibrate(probability, probability > 0.5)
    assert np.isfinite(found.parameters).all()
    assert ((found.apply(probability) > 0) & (found.apply(probability) < 1)).all()


@pytest.mark.parametrize("churners", [0, 1, 39, 40])
@pytest.mark.parametrize("ridge", [0.0001, 1.0])
def test_a_regression_on_one_outcome_or_on_equal_customers_is_the_rate(churners, ridge):
    rows = pl.DataFrame({"age": [5.0] * 40, "gap": [None] * 40, "churned": [n < churners for n in range(40)]})
    rows = rows.with_columns(pl.col("gap").cast(pl.Float64))
    rule = LogisticRule.fit(rows, ("age", "gap"), ridge)
    assert expit(rule.log_odds(rows)) == pytest.approx(churners / 40, abs=0.02)
    told = LogisticRule.fit(rows.with_columns(age=pl.int_range(40).cast(pl.Float64)), ("age",), ridge)
    assert np.isfinite([*told.weights, told.intercept]).all()


def test_the_last_digits_of_a_model_part_no_customers():
    rows = pl.DataFrame({"recency_days": np.arange(1.0, 90.0), "churned": np.arange(89) % 3 == 0})
    rule = LogisticRule.fit(rows, ("recency_days",))
    nothing = Calibration()
    scorer = Scorer(None, None, (), nothing, ("recency_days",), {"recency": rule}, "recency", date.max, 30, ())
    other = replace(scorer, baselines={"recency": replace(rule, intercept=rule.intercept * (1 + NOISE))})
    assert scorer.predict(rows).equals(other.predict(rows))
    told = logit(scorer.predict(rows)["recency"].to_numpy())
    assert np.abs(told - told.round(9)).max() < 1e-12
    # In the tails as anywhere: a rounded probability would not do.
    assert np.abs(told - rule.log_odds(rows)).max() < 1e-9


@pytest.mark.parametrize(
    ("repeats", "last", "age"),
    [
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
        ([0] * 50, [0] * 50, range(50)),
        ([3] * 50, [90] * 50, [100] * 50),
        ([1], [1], [1]),
        ([300] * 5, [300] * 5, [300] * 5),
    ],
)
def test_a_population_that_tells_little_still_has_a_chance_for_everybody(repeats, last, age):
    bought, until, known = (np.array(list(each), np.float64) for each in (repeats, last, age))
    silent = fit_mbg_nbd(bought, until, known).no_purchase(bought, until, known, 30)
    assert ((silent >= 0) & (silent <= 1)).all()


def enrolled(arms, probability, churned, contacted):
    """Settled customers of one action and segment."""
    return pl.DataFrame(
        {
            "experiment_id": "e",
            "customer_id": [f"c{number}" for number in range(len(arms))],
            "arm": arms,
            "action": "call",
            "segment": "a",
            "churned": churned,
            "churn_probability": probability,
            "contacted": contacted,
            "outcome_spend": 10.0,
            "action_cost": 1.0,
        },
        schema_overrides={"contacted": pl.Boolean},
    )


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, True, False])), min_size=1, max_size=30),
    st.sampled_from(["constant", "outcome", "drawn"]),
    st.integers(0, 5),
)
@settings(max_examples=20, deadline=None)
def test_every_experiment_is_told_in_numbers_or_not_at_all(rows, score, seed):
    treated, churned, contacted = (list(each) for each in zip(*rows, strict=True))
    drawn = np.random.default_rng(seed).random(len(rows))
    probability = {"constant": drawn * 0 + 0.15774722, "outcome": np.where(churned, 0.9, 0.1), "drawn": drawn}[score]
    arms = ["treated" if each else "control" for each in treated]
    found = retention_uplift(enrolled(arms, probability, churned, contacted), night=date(2026, 1, 31), margin=0.3)
    for name in found.select(pl.col(pl.Float64)).columns:
        assert found[name].drop_nulls().is_finite().all(), name
    if score == "constant" and found["uplift"].null_count() == 0:
        assert found["adjusted"].to_list() == pytest.approx(found["uplift"].to_list())
