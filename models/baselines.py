"""The simple rules that a model has to beat before anyone believes it: recency, frequency, RFM and MBG/NBD."""

from dataclasses import asdict, dataclass
from datetime import date
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit, logit

from models.mbg_nbd import MbgNbd, Vector, fit_mbg_nbd

BASELINES = {
    "recency": ("recency_days",),
    "frequency": ("purchase_days",),
    "logistic_rfm": ("recency_days", "purchase_days", "spend", "tenure_days"),
    "mbg_nbd": ("recency_days", "purchase_days", "tenure_days"),
}
"""Each baseline and the features that it reads; `spend` is left out where there is none."""


@dataclass(frozen=True)
class LogisticRule:
    """A logistic regression on the logarithms of a few features.

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
        """Maximum likelihood with a ridge, by Newton's method.

        Args:
            examples: the inputs and `churned`.
            inputs: names of the features.
            ridge: shrinkage of the weights, in observations' worth of doubt.
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
        for _ in range(50):
            fitted = expit(design @ weights)
            slope = design.T @ (churned - fitted) - doubt @ weights
            curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + doubt
            step = np.linalg.solve(curvature, slope)
            weights = weights + step
            if np.abs(step).max() < 1e-10:
                break
        intercept, *per_input = (float(w) for w in weights)
        return cls(inputs, tuple(centre.tolist()), tuple(scale.tolist()), tuple(per_input), intercept)

    def log_odds(self, frame: pl.DataFrame) -> Vector:
        """Log-odds of churn, one per row."""
        return self.intercept + np.asarray(self._terms(frame).sum(1))

    def contributions(self, frame: pl.DataFrame) -> dict[str, Vector]:
        """The linear terms: log-odds towards churn against the average customer, per input."""
        return dict(zip(self.inputs, self._terms(frame).T, strict=True))

    def _terms(self, frame: pl.DataFrame) -> Vector:
        standard = _standard(_logs(frame, self.inputs), np.array(self.centre), np.array(self.scale))
        return np.asarray(standard * np.array(self.weights))


@dataclass(frozen=True)
class MbgNbdRule:
    """MBG/NBD as a rule for churn within a horizon.

    Attributes:
        model: the population.
        horizon_days: days ahead.
        centre: median recency, purchase days and tenure, against which a customer is explained.
    """

    model: MbgNbd
    horizon_days: int
    centre: tuple[float, ...]

    @classmethod
    def fit(cls, histories: pl.DataFrame, *, as_of: date, horizon_days: int) -> "MbgNbdRule":
        """Fits everybody's history as of a night; needs no outcome.

        Args:
            histories: customer_id, purchase_days, first_day, last_day of everybody who ever bought.
            as_of: the night.
            horizon_days: days ahead.

        Raises:
            ValueError: nobody has a history, or somebody's goes beyond the night.
        """
        latest = histories.select(pl.col("last_day").max()).item()
        if latest is not None and latest > as_of:
            raise ValueError(
                f"a history ends on {latest:%Y-%m-%d}, after the night {as_of}: take histories as of that night"
            )
        profile = histories.select(
            recency_days=(pl.lit(as_of) - pl.col("last_day")).dt.total_days(),
            purchase_days="purchase_days",
            tenure_days=(pl.lit(as_of) - pl.col("first_day")).dt.total_days(),
        )
        recency, purchases, tenure = _columns(profile, BASELINES["mbg_nbd"])
        model = fit_mbg_nbd(purchases - 1, tenure - recency, tenure)
        return cls(model, horizon_days, tuple(float(np.median(x)) for x in (recency, purchases, tenure)))

    def log_odds(self, frame: pl.DataFrame) -> Vector:
        """Log-odds of churn, one per row."""
        return self._log_odds(*_columns(frame, BASELINES["mbg_nbd"]))

    def contributions(self, frame: pl.DataFrame) -> dict[str, Vector]:
        """Shapley values against the median customer: log-odds towards churn per input, adding up exactly."""
        own = _columns(frame, BASELINES["mbg_nbd"])
        seen: dict[frozenset[int], Vector] = {}
        for size in range(4):
            for known in map(frozenset, combinations(range(3), size)):
                mixed = [own[i] if i in known else np.full(frame.height, self.centre[i]) for i in range(3)]
                seen[known] = self._log_odds(*mixed)
        share = (1 / 3, 1 / 6, 1 / 3)  # of the orders in which 0, 1 or 2 other inputs come first
        return {
            name: np.asarray(sum(share[len(s)] * (seen[s | {i}] - seen[s]) for s in seen if i not in s))
            for i, name in enumerate(BASELINES["mbg_nbd"])
        }

    def _log_odds(self, recency: Vector, purchases: Vector, tenure: Vector) -> Vector:
        tenure = np.maximum(tenure, recency)
        silent = self.model.no_purchase(purchases - 1, tenure - recency, tenure, self.horizon_days)
        return np.asarray(logit(np.clip(silent, 1e-6, 1 - 1e-6)))


def fit_baselines(
    examples: pl.DataFrame, histories: pl.DataFrame, *, as_of: date, horizon_days: int
) -> dict[str, LogisticRule | MbgNbdRule]:
    """Every baseline that the data supports, by name: without both outcomes among the examples only `mbg_nbd`."""
    rules: dict[str, LogisticRule | MbgNbdRule] = {}
    if examples.height and examples["churned"].n_unique() == 2:
        for name in ("recency", "frequency", "logistic_rfm"):
            rules[name] = LogisticRule.fit(examples, tuple(i for i in BASELINES[name] if i in examples.columns))
    rules["mbg_nbd"] = MbgNbdRule.fit(histories, as_of=as_of, horizon_days=horizon_days)
    return rules


def describe(rule: LogisticRule | MbgNbdRule) -> dict[str, Any]:
    """JSON-ready; `restore` is its inverse."""
    return asdict(rule)


def restore(described: dict[str, Any]) -> LogisticRule | MbgNbdRule:
    """The rule that `describe` described."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list | tuple) else value for key, value in described.items()
    }
    if "model" in fields:
        return MbgNbdRule(**fields | {"model": MbgNbd(**fields["model"])})
    return LogisticRule(**fields)


def _columns(frame: pl.DataFrame, names: tuple[str, ...]) -> list[Vector]:
    return [frame[name].to_numpy().astype(np.float64) for name in names]


def _logs(frame: pl.DataFrame, names: tuple[str, ...]) -> Vector:
    values = frame.select(names).to_numpy().astype(np.float64)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _standard(logs: Vector, centre: Vector, scale: Vector) -> Vector:
    """Standard deviations from the centre, four at most; what is unknown is average."""
    return np.asarray(np.nan_to_num(np.clip((logs - centre) / scale, -4, 4)))
