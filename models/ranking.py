"""The figures of merit themselves: customers lined up from the riskiest to the safest, with how often each one counts.

Equal probabilities share their rank, so that no figure depends on the order of the rows. Counting each customer a
random number of times is a bootstrap, and every figure here is computed for many such counts at once.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import betaincc, expit, logit

Vector: TypeAlias = NDArray[np.float64]

_ALIKE = 1e-9
"""Spread of log-odds, and share of their variance, below which customers are alike and have no slope."""

_STEPS, _CONVERGED = 25, 1e-9
"""Newton steps of a calibration at most, and the step at which it is done; a fit that exists takes about eight."""

ROUNDING = 1e-12
"""Share of a probability up to which two of them are the same: processors differ by a hundredth of it."""


@dataclass(frozen=True)
class EvaluationRecipe:
    """How probabilities are judged.

    Attributes:
        replicates: bootstrap samples behind every interval.
        confidence: share of the bootstrap inside an interval.
        seed: of the bootstrap.
        bins: equal-count bins of the calibration error.
        top: share of customers contacted in `lift` and `recall`.
        value: worth of a kept customer in the expected maximum profit, where customers have no value of their own.
        offer_cost: cost of the incentive, paid to whoever takes it.
        contact_cost: cost of one contact.
        save_alpha: first parameter of the Beta that describes which share of contacted churners accepts and stays.
        save_beta: second parameter of it.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    replicates: int = 500
    confidence: float = 0.95
    seed: int = 0
    bins: int = 10
    top: float = 0.1
    value: float = 200.0
    offer_cost: float = 10.0
    contact_cost: float = 1.0
    save_alpha: float = 6.0
    save_beta: float = 14.0

    def __post_init__(self) -> None:
        for name in ("confidence", "top"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must lie between 0 and 1")
        for name in ("replicates", "bins"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 2")
        for name in ("contact_cost", "save_alpha", "save_beta"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be above 0")


class Ranking:
    """Customers in groups of equal rank, the riskiest first.

    Attributes:
        count: rows per group; shape (groups, 2), first those who stayed, then those who churned.
        customers: by the number of rows that a customer has, how many such customers each group has; shape as `count`.
    """

    def __init__(
        self,
        churned: NDArray[np.bool_],
        probability: Vector,
        worth: Vector,
        recipe: EvaluationRecipe,
        cells: int,
        copies: NDArray[np.int64] | None = None,
    ) -> None:
        """Groups customers of equal probability, and neighbours too where that would give more than `cells` groups.

        `copies` says of each row how many rows its customer has; one if absent.
        """
        _, number, size = np.unique(-probability, return_inverse=True, return_counts=True)
        first = np.cumsum(size) - size
        group = np.unique((first * cells // len(number))[number], return_inverse=True)[1]
        cell = 2 * group + churned
        # Sums of floats depend on their order, and no figure may depend on that of the rows.
        order = np.lexsort((worth, probability, cell))
        shape = (int(group.max()) + 1, 2)

        def total(values: Vector) -> Vector:
            return np.asarray(np.bincount(cell[order], values[order], 2 * shape[0]).reshape(shape), np.float64)

        self.count = total(np.ones(len(cell)))
        alone = np.ones(len(cell), np.int64) if copies is None else copies
        self.customers = {int(rows): total((alone == rows) / rows).round() for rows in np.unique(alone)}
        several = np.maximum(self.count, 1)
        self._recipe = recipe
        self._excess = total(probability - churned) / several
        self._log_loss = total(log_loss(churned, probability)) / several
        self._brier = total((probability - churned) ** 2) / several
        self._gain = total(worth - recipe.offer_cost) / several
        self._score = total(logit(probability)) / several
        # In standard deviations from the mean: the raw determinant of a slope would be all rounding where customers
        # hardly differ.
        self._mean = float((self.count * self._score).sum() / len(cell))
        self._spread = max(np.sqrt((self.count * (self._score - self._mean) ** 2).sum() / len(cell)), _ALIKE)
        self._standard = np.where(self.count > 0, (self._score - self._mean) / self._spread, 0.0)
        size = self.count.sum(1)
        self._bin = ((np.cumsum(size) - size / 2) * recipe.bins / len(cell)).astype(np.int64)

    def figures(self, counts: Vector) -> dict[str, Vector]:
        """Every figure for every set of counts; not finite where the outcomes leave it undefined.

        Args:
            counts: how often the customers of each group count; shape (sets, groups, 2).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            everybody = counts.sum((1, 2))
            recall = self.recall(counts, np.array([self._recipe.top]))[:, 0]
            slope, intercept = self._calibration(counts)
            profit, share = self._profit(counts)
            return {
                "log_loss": _dot(counts, self._log_loss) / everybody,
                "brier": _dot(counts, self._brier) / everybody,
                "prediction_minus_rate": _dot(counts, self._excess) / everybody,
                "calibration_slope": slope,
                "calibration_intercept": intercept,
                "ece": self._calibration_error(counts) / everybody,
                "auroc": self._auroc(counts),
                "pr_auc": self._average_precision(counts),
                "recall": recall,
                "lift": recall / self._recipe.top,
                "profit": profit / everybody,
                "profit_share": share / everybody,
            }

    def recall(self, counts: Vector, shares: Vector) -> Vector:
        """Share of all churners among the riskiest `shares` of the customers; shape (sets, shares)."""
        reached = np.cumsum(np.concatenate([np.zeros((len(counts), 1, 2)), counts], 1), 1)
        customers, churners = reached.sum(2), reached[..., 1]
        found = [np.interp(shares * n[-1], n, k) / k[-1] for n, k in zip(customers, churners, strict=True)]
        return np.stack(found)

    def _auroc(self, counts: Vector) -> Vector:
        stayed, churned = counts[..., 0], counts[..., 1]
        safer = stayed.sum(1, keepdims=True) - np.cumsum(stayed, 1) + stayed / 2
        return np.asarray((churned * safer).sum(1) / (stayed.sum(1) * churned.sum(1)))

    def _average_precision(self, counts: Vector) -> Vector:
        reached = np.cumsum(counts, 1)
        precision = reached[..., 1] / np.maximum(reached.sum(2), 1)
        return np.asarray((counts[..., 1] * precision).sum(1) / counts[..., 1].sum(1))

    def _calibration_error(self, counts: Vector) -> Vector:
        inside = self._bin[:, None] == np.arange(self._recipe.bins)
        return np.asarray(np.abs((counts * self._excess).sum(2) @ inside).sum(1))

    def _calibration(self, counts: Vector) -> tuple[Vector, Vector]:
        """Slope of a logistic regression of the outcome on the log-odds, and intercept with the slope held at 1.

        What was observed is fitted to convergence; a resample moves one Newton step from there, which is the bootstrap
        to first order at a fraction of its cost. A figure is NaN where no fit exists: there is no slope where all
        probabilities are equal or the outcomes are separated, and no intercept with a single outcome.
        """
        fit, step = np.array([self._spread, self._mean, 0.0]), np.full(3, np.inf)
        for _ in range(_STEPS if self.count.sum(0).all() else 0):
            step = self._newton(self.count[None], fit)[:, 0].clip(-1, 1)
            fit = fit + step
            if (np.abs(step) < _CONVERGED).all():
                break
        converged = np.abs(step) < _CONVERGED
        steps = self._newton(counts, fit)
        slope = (fit[0] + steps[0]) / self._spread if converged[:2].all() else np.full(len(counts), np.nan)
        intercept = fit[2] + steps[2] if converged[2] else np.full(len(counts), np.nan)
        return slope, intercept

    def _newton(self, counts: Vector, fit: Vector) -> Vector:
        """Newton steps of slope and level together, and of the offset alone; shape (3, sets).

        The slope is that on `_standard`, the offset that of the raw log-odds.
        """
        score, churned = self._standard, np.array([0.0, 1.0])
        slope, level, offset = fit
        fitted, shifted = expit(slope * score + level), expit(self._score + offset)
        spread = fitted * (1 - fitted)
        by_slope, by_level = _dot(counts, (churned - fitted) * score), _dot(counts, churned - fitted)
        a, b, c = _dot(counts, spread * score**2), _dot(counts, spread * score), _dot(counts, spread)
        # The variance of their log-odds among those who count: of customers who are alike it is rounding.
        determinant = a * c - b * b
        both = np.stack([c * by_slope - b * by_level, a * by_level - b * by_slope])
        both /= np.where(determinant > _ALIKE * c * c, determinant, np.nan)
        return np.vstack([both, _dot(counts, churned - shifted) / _dot(counts, shifted * (1 - shifted))])

    def _profit(self, counts: Vector) -> tuple[Vector, Vector]:
        """Expected maximum profit, and how many customers it contacts (Verbraken et al. 2013, equation 16).

        Contacting a group earns gamma * gains - costs, where gamma is the share of churners who accept the offer. The
        best cut-off for a given gamma lies on the convex hull of the ranking, whose slopes are a monotone regression
        of gains / costs; a group is contacted if gamma exceeds costs / gains, so that the mean over gamma ~ Beta is
        closed.
        """
        recipe = self._recipe
        profit, share = np.zeros(len(counts)), np.zeros(len(counts))
        gains = counts[..., 1] * self._gain[:, 1]
        costs = counts @ np.array([recipe.offer_cost + recipe.contact_cost, recipe.contact_cost])
        mean = recipe.save_alpha / (recipe.save_alpha + recipe.save_beta)
        for row, counted in enumerate(costs > 0):
            gain, cost, customers = gains[row, counted], costs[row, counted], counts[row, counted].sum(1)
            edges = isotonic_regression(gain / cost, weights=cost, increasing=False).blocks[:-1]
            gain, cost, customers = (np.add.reduceat(figure, edges) for figure in (gain, cost, customers))
            needed = 1 / np.maximum(gain / cost, 1)
            taken = betaincc(recipe.save_alpha, recipe.save_beta, needed)
            profit[row] = mean * gain @ betaincc(recipe.save_alpha + 1, recipe.save_beta, needed) - cost @ taken
            share[row] = customers @ taken
        return profit, share


def tied(probability: Vector) -> Vector:
    """Probabilities of which those that differ by rounding alone are equal, so that they share a rank."""
    distinct, number = np.unique(probability, return_inverse=True)
    first = np.append(True, np.diff(distinct) > ROUNDING * distinct[1:])
    return np.asarray(distinct[first][np.cumsum(first) - 1][number])


def log_loss(churned: NDArray[np.bool_], probability: Vector) -> Vector:
    """Minus the logarithm of the probability given to what happened, one per customer."""
    return np.asarray(-np.log(np.where(churned, probability, 1 - probability)))


def _dot(counts: Vector, figure: Vector) -> Vector:
    return np.asarray(np.tensordot(counts, figure))
