"""The figures of merit are those of the textbooks, and their intervals those of chance."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import beta
from sklearn import metrics

from models.evaluation import calibration_table, compare, evaluate, gain_table
from models.ranking import EvaluationRecipe

QUICK = EvaluationRecipe(replicates=20)


def night(count, seed, digits=9):
    random = np.random.default_rng(seed)
    truth = expit(random.normal(-0.5, 1.2, count)).round(digits).clip(0.001, 0.999)
    return random.random(count) < truth, truth


@st.composite
def judged(draw):
    size = draw(st.integers(4, 60))
    churned = np.array([True, False, *draw(st.lists(st.booleans(), min_size=size - 2, max_size=size - 2))])
    told = draw(st.lists(st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.7, 0.9, 0.99]), min_size=size, max_size=size))
    return churned, np.array(told)


@given(judged())
@settings(max_examples=12, deadline=None)
def test_the_figures_are_those_of_scikit_learn(case):
    churned, probability = case
    figures = evaluate(churned, probability, QUICK)
    expected = {
        "auroc": metrics.roc_auc_score(churned, probability),
        "pr_auc": metrics.average_precision_score(churned, probability),
        "log_loss": metrics.log_loss(churned, probability),
        "brier": metrics.brier_score_loss(churned, probability),
        "churn_rate": churned.mean(),
        "mean_prediction": probability.mean(),
        "prediction_minus_rate": probability.mean() - churned.mean(),
        "customers": len(churned),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_the_figures_are_those_of_scikit_learn_for_many_customers_too():
    churned, probability = night(5000, 1)
    figures = evaluate(churned, probability, QUICK)
    assert figures["auroc"] == pytest.approx(metrics.roc_auc_score(churned, probability))
    assert figures["pr_auc"] == pytest.approx(metrics.average_precision_score(churned, probability))


@given(judged(), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_the_order_of_the_rows_changes_nothing(case, random):
    churned, probability = case
    order = list(range(len(churned)))
    random.shuffle(order)
    assert evaluate(churned[order], probability[order], QUICK) == evaluate(churned, probability, QUICK)
    other = np.sqrt(probability)
    forward = compare(churned, probability, other, QUICK)
    assert compare(churned[order], probability[order], other[order], QUICK) == pytest.approx(forward, abs=1e-9)


def test_slope_and_intercept_tell_how_the_log_odds_were_bent():
    churned, truth = night(10_000, 2)
    bold = evaluate(churned, expit(2 * logit(truth)), QUICK)
    high = evaluate(churned, expit(logit(truth) + 1), QUICK)
    assert bold["calibration_slope"] == pytest.approx(0.5, abs=0.06)
    assert (high["calibration_slope"], high["calibration_intercept"]) == pytest.approx((1, -1), abs=0.06)


def test_the_truth_is_calibrated():
    figures = evaluate(*night(5000, 3))
    assert figures["calibration_slope_low"] < 1 < figures["calibration_slope_high"]
    assert figures["calibration_intercept_low"] < 0 < figures["calibration_intercept_high"]
    assert figures["prediction_minus_rate_low"] < 0 < figures["prediction_minus_rate_high"]
    assert figures["ece"] < 0.03


def test_the_calibration_error_is_the_gap_of_the_bins_weighted_by_customers():
    churned, probability = night(1000, 4)
    bins = np.array_split(np.argsort(-probability), 10)
    expected = sum(abs((probability - churned)[each].sum()) for each in bins) / 1000
    assert evaluate(churned, probability, QUICK)["ece"] == pytest.approx(expected)


def test_recall_and_lift_count_the_churners_at_the_top():
    probability = np.arange(20, 0, -1) / 21
    churned = np.isin(np.arange(20), [0, 1, 5, 9])
    figures = evaluate(churned, probability, EvaluationRecipe(replicates=20, top=0.1))
    assert (figures["recall"], figures["lift"]) == pytest.approx((0.5, 5.0))


@pytest.mark.parametrize("figure", ["brier", "log_loss"])
def test_an_interval_is_as_wide_as_theory_says(figure):
    churned, probability = night(1500, 5)
    loss = (
        (probability - churned) ** 2 if figure == "brier" else -np.log(np.where(churned, probability, 1 - probability))
    )
    figures = evaluate(churned, probability, EvaluationRecipe(replicates=1000))
    width = figures[f"{figure}_high"] - figures[f"{figure}_low"]
    assert width == pytest.approx(2 * 1.96 * loss.std() / np.sqrt(1500), rel=0.15)
    assert figures[f"{figure}_low"] < figures[figure] < figures[f"{figure}_high"]


def test_the_expected_maximum_profit_is_the_best_cut_off_for_every_share_of_saved_customers():
    churned, probability = night(300, 6)
    value = np.random.default_rng(6).lognormal(4, 0.5, 300)
    recipe = EvaluationRecipe(replicates=20)
    shares = beta(recipe.save_alpha, recipe.save_beta).ppf((np.arange(4000) + 0.5) / 4000)
    order = np.argsort(-probability)
    gain = np.cumsum(np.where(churned, value - recipe.offer_cost, 0)[order])
    cost = np.cumsum(np.where(churned, recipe.contact_cost, recipe.contact_cost + recipe.offer_cost)[order])
    best = np.maximum(np.outer(shares, gain) - cost, 0).max(1).mean() / 300
    assert evaluate(churned, probability, recipe, value)["profit"] == pytest.approx(best, rel=1e-3)


def test_where_nobody_churned_the_ranking_is_left_out():
    figures = evaluate(np.zeros(30, bool), np.linspace(0.1, 0.5, 30), QUICK)
    assert not {"auroc", "pr_auc", "recall", "lift", "calibration_slope"} & set(figures)
    assert all(np.isfinite(value) for value in figures.values())


@given(judged())
@settings(max_examples=12, deadline=None)
def test_what_one_gains_the_other_loses(case):
    churned, probability = case
    other = np.sqrt(probability)
    forward, back = compare(churned, probability, other, QUICK), compare(churned, other, probability, QUICK)
    loss = metrics.log_loss(churned, other) - metrics.log_loss(churned, probability)
    assert forward["log_loss_gain"] == pytest.approx(loss, abs=1e-9)
    assert back["log_loss_gain"] == pytest.approx(-loss, abs=1e-9)
    assert forward["auroc_gain"] == pytest.approx(0, abs=1e-9)


def test_the_difference_of_two_rankings_is_that_of_their_aurocs():
    churned, truth = night(1000, 7)
    blurred = expit(logit(truth) + np.random.default_rng(70).normal(0, 2, 1000))
    found = compare(churned, truth, blurred)
    expected = metrics.roc_auc_score(churned, truth) - metrics.roc_auc_score(churned, blurred)
    assert found["auroc_gain"] == pytest.approx(expected)
    assert found["auroc_gain_low"] > 0
    assert found["log_loss_gain_low"] > 0


def test_nobody_gains_over_himself():
    churned, truth = night(200, 8)
    assert set(compare(churned, truth, truth, QUICK).values()) == {0.0}


def test_the_same_seed_gives_the_same_figures():
    churned, truth = night(300, 9)
    other = evaluate(churned, truth, EvaluationRecipe(replicates=20, seed=1))
    assert evaluate(churned, truth, QUICK) == evaluate(churned, truth, QUICK)
    assert evaluate(churned, truth, QUICK)["brier_low"] != other["brier_low"]


def test_the_gain_table_of_four_customers():
    table = gain_table(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.3, 0.1]), points=4)
    assert table["share"].to_list() == [0.25, 0.5, 0.75, 1.0]
    assert table["recall"].to_list() == pytest.approx([0.5, 0.5, 1.0, 1.0])
    assert table["lift"].to_list() == pytest.approx([2.0, 1.0, 4 / 3, 1.0])


def test_the_calibration_table_of_four_customers():
    table = calibration_table(np.array([False, False, True, False]), np.array([0.1, 0.3, 0.8, 0.9]), bins=2)
    expected = pl.DataFrame(
        {
            "bin": [1, 2],
            "customers": [2, 2],
            "churners": [0, 1],
            "lowest": [0.1, 0.8],
            "mean": [0.2, 0.85],
            "highest": [0.3, 0.9],
            "churn_rate": [0.0, 0.5],
            "lift": [0.0, 2.0],
        }
    )
    assert table.select(expected.columns).rows() == [pytest.approx(row) for row in expected.rows()]
    assert table.select("churn_rate_low", "churn_rate_high").row(1) == pytest.approx((0.0945, 0.9055), abs=1e-3)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, float("nan")])
def test_a_probability_must_lie_strictly_between_0_and_1(wrong):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        evaluate(np.array([True, False]), np.array([0.5, wrong]))


@pytest.mark.parametrize("size", [0, 3])
def test_there_must_be_as_many_outcomes_as_probabilities(size):
    with pytest.raises(ValueError, match="there must be as many"):
        evaluate(np.zeros(size, bool), np.full(size and 2, 0.5))


@pytest.mark.parametrize(
    "wrong", [{"confidence": 1.0}, {"top": 0.0}, {"replicates": 1}, {"bins": 1}, {"contact_cost": 0}, {"save_beta": -1}]
)
def test_an_impossible_recipe_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EvaluationRecipe(**wrong)


def test_the_interval_of_the_calibration_error_knows_that_a_few_customers_are_never_calibrated():
    random = np.random.default_rng(3)
    truth = expit(random.normal(size=250))
    found = evaluate(random.random(250) < truth, truth)
    assert found["ece"] > 0.03
    assert found["ece_low"] == 0
    wrong = evaluate(random.random(250) < truth, expit(logit(truth) + 1.5))
    assert wrong["ece_low"] > 0.1


def repeated(times):
    """A night with and without each second customer repeated, and how many rows each has."""
    churned, probability = night(400, 3, digits=2)
    rival = np.clip(probability + np.random.default_rng(1).normal(0, 0.1, 400), 0.01, 0.99)
    rows = np.where(np.arange(400) % 2, times, 1)
    every = np.repeat(churned, rows), np.repeat(probability, rows), np.repeat(rival, rows)
    return (churned, probability, rival), every, np.repeat(rows, rows)


def widths(found):
    return {name: found[f"{name}_high"] - found[f"{name}_low"] for name in found if f"{name}_low" in found}


def test_a_customer_who_is_repeated_is_no_further_evidence():
    (churned, probability, rival), every, copies = repeated(9)
    judge = EvaluationRecipe(replicates=400)
    alone = widths(evaluate(churned, probability, judge) | compare(churned, probability, rival, judge))
    churned, probability, rival = every
    taken = widths(evaluate(churned, probability, judge) | compare(churned, probability, rival, judge))
    known = widths(
        evaluate(churned, probability, judge, copies=copies) | compare(churned, probability, rival, judge, copies)
    )
    for name in ("log_loss", "auroc", "brier", "log_loss_gain", "auroc_gain"):
        # Half of the customers count nine times as much as the others: they are as good as 0.6 of all.
        assert 1.1 < known[name] / alone[name] < 1.7, name
        assert taken[name] < 0.65 * known[name], name


def test_rows_of_different_customers_are_judged_as_ever():
    churned, probability = night(300, 4)
    assert evaluate(churned, probability, QUICK) == evaluate(churned, probability, QUICK, copies=np.ones(300, int))
