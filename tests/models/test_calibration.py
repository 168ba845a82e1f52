"""The correction of probabilities helps where they are wrong, keeps their order and does not learn noise by heart."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from models.calibration import Calibration, calibrate


def night(count, seed, told=lambda p: p):
    """Customers of known truth, told through a distortion."""
    random = np.random.default_rng(seed)
    truth = expit(random.normal(-0.5, 1.2, count))
    return truth, told(truth), random.random(count) < truth


DISTORTIONS = {
    "shy": lambda p: expit(0.4 * logit(p)),
    "bold": lambda p: expit(2.5 * logit(p)),
    "high": lambda p: expit(logit(p) + 1.5),
    "crooked": lambda p: np.where(p < 0.4, 0.2 + p / 10, 0.7 + p / 10),
}


@pytest.mark.parametrize("told", DISTORTIONS.values(), ids=DISTORTIONS)
def test_wrong_probabilities_are_corrected_for_customers_not_seen(told):
    _, probability, churned = night(2500, 1, told)
    found = calibrate(probability, churned)
    truth, fresh, outcome = night(4000, 2, told)
    assert found.kind != "none"
    assert log_loss(outcome, found.apply(fresh)) < log_loss(outcome, fresh)
    for group in np.array_split(np.argsort(fresh), 10):
        assert found.apply(fresh)[group].mean() == pytest.approx(truth[group].mean(), abs=0.06)


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_never_learns_pure_noise(seed):
    random = np.random.default_rng(seed)
    assert calibrate(random.random(800), random.random(800) < 0.3).kind != "isotonic"


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_is_never_chosen_for_what_is_right_already(seed):
    _, probability, churned = night(800, seed)
    assert calibrate(probability, churned).kind != "isotonic"


def test_what_is_right_is_hardly_moved():
    truth, probability, churned = night(4000, 3)
    assert np.abs(calibrate(probability, churned).apply(probability) - truth).mean() < 0.03


@pytest.mark.parametrize("churners", [0, 9, 191, 200])
def test_too_few_of_an_outcome_correct_nothing(churners):
    random = np.random.default_rng(0)
    assert calibrate(random.random(200), np.arange(200) < churners) == Calibration()


KINDS = st.sampled_from(
    [
        Calibration(),
        Calibration("platt", (-0.3, 1.7, 1.7)),
        Calibration("beta", (0.4, 0.5, 1.9)),
        Calibration("isotonic", knots=((0.1, 0.4, 0.9), (0.05, 0.5, 0.5))),
    ]
)


@given(KINDS, st.lists(st.floats(0, 1), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_correction_keeps_the_order_and_stays_between_0_and_1(correction, probabilities):
    corrected = correction.apply(np.sort(probabilities))
    assert ((corrected > 0) & (corrected < 1)).all()
    assert (np.diff(corrected) >= -1e-12).all()


@given(KINDS)
@settings(max_examples=20, deadline=None)
def test_a_correction_survives_being_written_as_json(correction):
    assert Calibration.restore(json.loads(json.dumps(correction.describe()))) == correction


def test_whatever_the_night_the_correction_is_monotone():
    grid = np.linspace(0, 1, 500)
    for seed in range(2):
        random = np.random.default_rng(seed)
        probability = random.random(400)
        found = calibrate(probability, random.random(400) < 1 - probability)
        assert (np.diff(found.apply(grid)) >= -1e-12).all()


def test_the_order_of_the_rows_changes_nothing():
    _, probability, churned = night(400, 5, DISTORTIONS["bold"])
    probability = probability.round(2)
    order = np.random.default_rng(0).permutation(400)
    assert calibrate(probability, churned) == calibrate(probability[order], churned[order])


def test_certainty_and_impossibility_are_allowed_in_and_never_come_out():
    probability = np.repeat([0.0, 1.0], 100)
    churned = np.tile([True, False, False, False], 50)
    corrected = calibrate(probability, churned).apply(probability)
    assert ((corrected > 0) & (corrected < 1)).all()
