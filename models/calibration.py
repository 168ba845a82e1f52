"""Corrects probabilities so that of a hundred customers at 70 % about seventy really leave.

Four corrections compete on a night that the model has not learned from: none, Platt (1999), beta (Kull, Silva Filho
and Flach 2017) and isotonic (Zadrozny and Elkan 2002). Each is fitted on some of the customers and judged by log loss
on the others, and must win by more than chance, so that the one with most freedom cannot win by learning the night by
heart. It must also save a hundredth of the log loss: finer detail belongs to the night on which it was found, and
following it into later nights made probabilities worse.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

Vector: TypeAlias = NDArray[np.float64]

_MARGIN = 1e-6  # no customer is lost or safe for certain
_FOLDS = 10
_DIGITS = 9
_STEEPEST = 100.0  # keeps the fit of an order without mistakes from running to infinity
_WORTHWHILE = 0.01


@dataclass(frozen=True)
class Calibration:
    """A monotone correction of probabilities.

    Attributes:
        kind: `none`, `platt`, `beta` or `isotonic`.
        parameters: intercept, weight of log p and weight of -log(1 - p) (`platt`: both weights equal); nothing for
            the others.
        knots: probabilities before and after correction (`isotonic`), straight lines between them.
    """

    kind: str = "none"
    parameters: tuple[float, ...] = ()
    knots: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def apply(self, probability: Vector) -> Vector:
        """Corrected probabilities, strictly between 0 and 1."""
        probability = np.clip(np.asarray(probability, np.float64), _MARGIN, 1 - _MARGIN)
        if self.kind == "isotonic":
            probability = np.interp(probability, *self.knots)
        elif self.kind != "none":
            intercept, low, high = self.parameters
            probability = expit(intercept + low * np.log(probability) - high * np.log1p(-probability))
        return np.clip(probability, _MARGIN, 1 - _MARGIN)

    def describe(self) -> dict[str, Any]:
        """JSON-ready; `Calibration.restore` is its inverse."""
        return asdict(self)

    @classmethod
    def restore(cls, described: dict[str, Any]) -> "Calibration":
        """The calibration that `describe` described."""
        first, second = described["knots"]
        return cls(described["kind"], tuple(described["parameters"]), (tuple(first), tuple(second)))


def calibrate(probability: Vector, churned: NDArray[np.bool_]) -> Calibration:
    """The correction that a night supports.

    Args:
        probability: predictions for customers from whom the model has not learned.
        churned: what they did.
    """
    # Folds and blocks must hang neither on the order of the rows nor on the last digit of a processor.
    probability = np.clip(np.asarray(probability, np.float64), _MARGIN, 1 - _MARGIN).round(_DIGITS)
    order = np.lexsort((churned, probability))
    probability, churned = probability[order], np.asarray(churned, np.bool_)[order]
    fold = np.arange(len(churned)) % _FOLDS
    # Of one probability nothing is known but its level, and base rates swing back.
    if min(churned.sum(), (~churned).sum()) < _FOLDS or probability[0] == probability[-1]:
        return Calibration()
    best, loss = "none", _loss(probability, churned)
    for kind, fit in _KINDS.items():
        rival = np.empty_like(loss)
        for test in range(_FOLDS):
            held = fold == test
            fitted = fit(probability[~held], churned[~held])
            rival[held] = _loss(fitted.apply(probability[held]), churned[held])
        gain = loss - rival
        if gain.mean() > max(gain.std() / np.sqrt(len(gain)), _WORTHWHILE * loss.mean()):
            best, loss = kind, rival
    return _KINDS[best](probability, churned) if best != "none" else Calibration()


def _loss(probability: Vector, churned: NDArray[np.bool_]) -> Vector:
    return np.asarray(-np.log(np.where(churned, probability, 1 - probability)))


def _platt(probability: Vector, churned: NDArray[np.bool_]) -> Calibration:
    intercept, slope = _logistic(logit(probability)[:, None], churned)
    return Calibration("platt", (intercept, slope, slope))


def _beta(probability: Vector, churned: NDArray[np.bool_]) -> Calibration:
    inputs = np.column_stack([np.log(probability), -np.log1p(-probability)])
    return Calibration("beta", tuple(_logistic(inputs, churned)))


def _isotonic(probability: Vector, churned: NDArray[np.bool_]) -> Calibration:
    distinct, number, count = np.unique(probability, return_inverse=True, return_counts=True)
    churners = np.bincount(number, churned)
    edges = isotonic_regression(churners / count, weights=count).blocks[:-1]
    customers, churners, total = (np.add.reduceat(x, edges) for x in (count, churners, count * distinct))
    after = (churners + 0.5) / (customers + 1)  # Krichevsky-Trofimov: a pure block is small, not certain
    return Calibration(
        "isotonic", knots=(tuple((total / customers).tolist()), tuple(np.maximum.accumulate(after).tolist()))
    )


def _logistic(inputs: Vector, churned: NDArray[np.bool_]) -> list[float]:
    """Intercept and weights, from 0 to `_STEEPEST`, of a logistic regression."""

    def loss(weights: Vector) -> tuple[float, Vector]:
        score = weights[0] + inputs @ weights[1:]
        missed = expit(score) - churned
        value = np.logaddexp(0, score) - churned * score
        return float(value.mean()), np.concatenate([[missed.mean()], missed @ inputs / len(score)])

    bounds = [(None, None)] + [(0, _STEEPEST)] * inputs.shape[1]
    start = np.array([0.0] + [1.0] * inputs.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    return [float(weight) for weight in found.x]


_KINDS: dict[str, Callable[[Vector, NDArray[np.bool_]], Calibration]] = {
    "platt": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
}
