"""A logistic regression on the logarithms of a few or many features: the plain statistician's churn score."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

from models.ranking import Vector

_AT_ONCE = 50_000  # rows scored at once, which bounds the memory


@dataclass(frozen=True)
class LogisticRule:
    """Linear in log(1 + feature); what is unknown counts as average.

    Attributes:
        inputs: the features.
        centre: mean of sign(feature) log(1 + |feature|), per input.
        scale: standard deviation of it, per input.
        weights: log-odds towards churn per standard deviation, per input.
        intercept: log-odds of the average customer.
    """

    inputs: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, examples: pl.DataFrame, inputs: tuple[str, ...], ridge: float = 1.0) -> "LogisticRule":
        """Penalised maximum likelihood, by Newton's method with steps halved where they overshoot.

        Args:
            examples: the inputs and `churned`, in an order that does not depend on chance.
            inputs: names of the features.
            ridge: shrinkage of the weights, in customers' worth of doubt.

        Examples of a single outcome have no maximum: they give everybody their rate, with half a customer more of each
        outcome, and weigh nothing.
        """
        logs = _logs(examples, inputs)
        known = np.maximum((~np.isnan(logs)).sum(0), 1)
        centre = np.nansum(logs, 0) / known
        spread = np.sqrt(np.nansum((logs - centre) ** 2, 0) / known)
        scale = np.where(spread > 1e-9, spread, 1.0)
        design = np.column_stack([np.ones(len(logs)), _standard(logs, centre, scale)])
        churned = examples["churned"].to_numpy().astype(np.float64)
        doubt = np.diag([0.0] + [ridge] * len(inputs))
        rate = (churned.sum() + 0.5) / (len(churned) + 1)
        weights = np.array([np.log(rate / (1 - rate))] + [0.0] * len(inputs))

        def loss(guess: Vector) -> float:
            score = design @ guess
            return float((np.logaddexp(0, score) - churned * score).sum() + guess @ doubt @ guess / 2)

        now = loss(weights)
        for _ in range(50 if 0 < churned.sum() < len(churned) else 0):
            fitted = expit(design @ weights)
            slope = design.T @ (churned - fitted) - doubt @ weights
            curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + doubt
            step = np.linalg.solve(curvature, slope)
            # Where nearly everybody churns a whole step may overshoot and never come back.
            while (after := loss(weights + step)) > now + 1e-9 * abs(now) and np.abs(step).max() > 1e-9:
                step = step / 2
            weights, now = weights + step, after
            if np.abs(step).max() < 1e-9:
                break
        intercept, *per_input = (float(weight) for weight in weights)
        return cls(inputs, tuple(centre.tolist()), tuple(scale.tolist()), tuple(per_input), intercept)

    def log_odds(self, frame: pl.DataFrame) -> Vector:
        """Log-odds of churn, one per row."""
        parts = [self._terms(part).sum(1) for part in frame.iter_slices(_AT_ONCE)]
        return self.intercept + np.concatenate([*parts, np.zeros(0)])

    def contributions(self, frame: pl.DataFrame) -> dict[str, Vector]:
        """The linear terms: log-odds towards churn against the average customer, per input."""
        return dict(zip(self.inputs, self._terms(frame).T, strict=True))

    def describe(self) -> dict[str, Any]:
        """JSON-ready; `LogisticRule.restore` is its inverse."""
        return asdict(self)

    @classmethod
    def restore(cls, described: dict[str, Any]) -> "LogisticRule":
        """The rule that `describe` described."""
        inputs, centre, scale, weights = (tuple(described[name]) for name in ("inputs", "centre", "scale", "weights"))
        return cls(inputs, centre, scale, weights, described["intercept"])

    def _terms(self, frame: pl.DataFrame) -> Vector:
        standard = _standard(_logs(frame, self.inputs), np.array(self.centre), np.array(self.scale))
        return np.asarray(standard * np.array(self.weights))


def _logs(frame: pl.DataFrame, names: tuple[str, ...]) -> Vector:
    values = frame.select(names).to_numpy(order="c").astype(np.float64)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _standard(logs: Vector, centre: Vector, scale: Vector) -> Vector:
    """Standard deviations from the centre, four at most: nobody's score hangs on one wild value."""
    return np.asarray(np.nan_to_num(np.clip((logs - centre) / scale, -4, 4)))
