"""The gate lets a better model through, and nothing that owes its success to chance."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit

from models.gate import GateRecipe, gate
from models.ranking import EvaluationRecipe

JUDGED = EvaluationRecipe(replicates=200)


def night(count=2000, seed=0):
    random = np.random.default_rng(seed)
    truth = expit(random.normal(-0.3, 1.3, count))
    blurred = {
        name: expit(0.5 * logit(truth) + random.normal(0, noise, count))
        for name, noise in (("recency", 0.7), ("frequency", 1.0), ("logistic_rfm", 0.3), ("mbg_nbd", 0.5))
    }
    return random.random(count) < truth, pl.DataFrame({"committee": truth, **blurred})


def test_a_better_model_passes():
    churned, predictions = night()
    verdict = gate(churned, predictions, evaluation=JUDGED)
    assert verdict.passed
    assert verdict.serves == "committee"
    assert verdict.calibrated
    assert all(comparison.passed and comparison.low > 0 for comparison in verdict.comparisons)
    assert "it serves" in verdict.sentence


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_outcomes_are_refused(seed):
    churned, predictions = night(seed=seed)
    verdict = gate(np.random.default_rng(seed).permutation(churned), predictions, evaluation=JUDGED)
    assert not verdict.passed
    assert verdict.serves != "committee"
    assert f"{verdict.serves} serves" in verdict.sentence


@pytest.mark.parametrize("seed", range(3))
def test_a_model_as_good_as_a_rival_does_not_replace_it(seed):
    churned, predictions = night(seed=seed)
    same = predictions["committee"].to_numpy()
    verdict = gate(churned, predictions, champion=same, evaluation=JUDGED)
    assert (verdict.passed, verdict.serves) == (False, "champion")


def test_a_worse_model_loses_to_the_champion():
    churned, predictions = night()
    blurred = predictions.with_columns(committee="recency")
    verdict = gate(churned, blurred, champion=predictions["committee"].to_numpy(), evaluation=JUDGED)
    assert (verdict.passed, verdict.serves) == (False, "champion")


def test_a_better_model_beats_the_champion():
    churned, predictions = night()
    verdict = gate(churned, predictions, champion=predictions["recency"].to_numpy(), evaluation=JUDGED)
    assert verdict.serves == "committee"
    assert "champion" in {comparison.rival for comparison in verdict.comparisons}


def test_a_model_that_ranks_well_but_exaggerates_is_refused():
    churned, predictions = night()
    bold = predictions.select(
        committee=pl.Series(expit(2 * logit(predictions["committee"].to_numpy()))), recency=pl.lit(0.5)
    )
    verdict = gate(churned, bold, evaluation=JUDGED)
    assert verdict.comparisons[0].passed
    assert not verdict.calibrated
    assert verdict.serves == "recency"
    assert "not calibrated" in verdict.sentence
    assert gate(churned, bold, recipe=GateRecipe(max_ece=0.5, min_slope=0.1), evaluation=JUDGED).passed


def test_rivals_come_with_the_strongest_first():
    churned, predictions = night()
    verdict = gate(churned, predictions, evaluation=JUDGED)
    losses = [comparison.log_loss for comparison in verdict.comparisons]
    assert losses == sorted(losses)
    assert all(each.gain == pytest.approx(each.log_loss - verdict.log_loss) for each in verdict.comparisons)


def test_a_rule_that_the_data_did_not_support_is_no_rival():
    churned, predictions = night()
    verdict = gate(churned, predictions.with_columns(recency=pl.lit(None, pl.Float64)), evaluation=JUDGED)
    assert "recency" not in {comparison.rival for comparison in verdict.comparisons}


def test_without_a_challenger_the_strongest_rule_serves():
    churned, predictions = night()
    verdict = gate(churned, predictions.with_columns(committee=pl.lit(None, pl.Float64)), evaluation=JUDGED)
    assert (verdict.passed, verdict.serves) == (False, "logistic_rfm")
    assert "no challenger" in verdict.sentence


def test_the_order_of_the_customers_does_not_matter():
    churned, predictions = night(500)
    order = np.random.default_rng(1).permutation(500)
    first, second = (
        gate(churned, predictions, evaluation=JUDGED),
        gate(churned[order], predictions[order], evaluation=JUDGED),
    )
    assert (first.passed, first.serves, first.sentence) == (second.passed, second.serves, second.sentence)


def test_without_a_rival_there_is_nothing_to_beat():
    churned, predictions = night(50)
    with pytest.raises(ValueError, match="no rival to beat"):
        gate(churned, predictions.select("committee"))


def test_no_customers_are_refused():
    churned, predictions = night(50)
    with pytest.raises(ValueError, match="at least one"):
        gate(churned[:0], predictions.clear())


@pytest.mark.parametrize("wrong", [{"max_ece": 0.0}, {"max_ece": 1.0}, {"min_slope": 1.1}, {"max_slope": 0.9}])
def test_an_impossible_recipe_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GateRecipe(**wrong)
