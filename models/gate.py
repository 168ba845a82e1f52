"""Lets a new model score only if it has beaten the present one and every simple rule, beyond chance."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.baselines import RIVALS
from models.evaluation import compare, evaluate
from models.ranking import EvaluationRecipe, Vector, log_loss


@dataclass(frozen=True)
class GateRecipe:
    """What a challenger must fulfil besides beating its rivals.

    Attributes:
        max_ece: expected calibration error at most, beyond sampling error.
        min_slope: calibration slope at least, beyond sampling error.
        max_slope: calibration slope at most, beyond sampling error.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_ece: float = 0.08
    min_slope: float = 0.6
    max_slope: float = 1.6

    def __post_init__(self) -> None:
        if not 0 < self.max_ece < 1:
            raise ValueError(f"max_ece = {self.max_ece} must lie between 0 and 1")
        if not 0 < self.min_slope <= 1 <= self.max_slope:
            raise ValueError(
                f"min_slope = {self.min_slope} and max_slope = {self.max_slope} must enclose 1, the slope of a "
                "calibrated model"
            )


@dataclass(frozen=True)
class Comparison:
    """The challenger against one rival on the same customers.

    Attributes:
        rival: a baseline or `champion`.
        log_loss: of the rival.
        gain: log loss of the rival minus that of the challenger; above zero the challenger is better.
        low: lower bound of the gain by paired bootstrap.
        high: upper bound of it.
        passed: the lower bound is above zero.
    """

    rival: str
    log_loss: float
    gain: float
    low: float
    high: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """The decision and its arithmetic.

    Attributes:
        passed: the challenger may score.
        serves: what scores from now on: `committee`, `champion` or a baseline.
        log_loss: of the challenger.
        comparisons: one per rival, the strongest first.
        ece: calibration error of the challenger.
        slope: calibration slope of the challenger; NaN where it has none, as that of equal probabilities.
        calibrated: both lie within the bounds of the recipe.
        sentence: the decision in words.
    """

    passed: bool
    serves: str
    log_loss: float
    comparisons: tuple[Comparison, ...]
    ece: float
    slope: float
    calibrated: bool
    sentence: str


def gate(
    churned: NDArray[np.bool_],
    predictions: pl.DataFrame,
    champion: Vector | None = None,
    recipe: GateRecipe | None = None,
    evaluation: EvaluationRecipe | None = None,
    copies: NDArray[np.int64] | None = None,
) -> Verdict:
    """Judges a challenger on a ripe night that nothing of it has seen.

    Args:
        churned: outcome per customer.
        predictions: columns `committee` (the challenger) and baselines, as from `Scorer.predict`; all-null ones are
            left out.
        champion: probability by the present champion for the same customers, if there is one.
        recipe: bounds of calibration.
        evaluation: how probabilities are judged.
        copies: how many rows the customer of each row has; one if absent.

    Raises:
        ValueError: no customers, or there is nothing to compare.
    """
    recipe, evaluation = recipe or GateRecipe(), evaluation or EvaluationRecipe()
    rivals = {
        name: predictions[name].to_numpy()
        for name in RIVALS
        if name in predictions.columns and not predictions[name].is_null().any()
    }
    if champion is not None:
        rivals["champion"] = np.asarray(champion, np.float64)
    if len(churned) == 0:
        raise ValueError("a gate needs at least one customer of a ripe night, and there is none")
    if not rivals:
        raise ValueError("there is no rival to beat: pass the baselines' columns of Scorer.predict, or a champion")
    losses = {name: float(log_loss(churned, rival).mean()) for name, rival in rivals.items()}
    ranked = sorted(rivals, key=lambda name: (losses[name], name))
    if predictions["committee"].is_null().any():
        sentence = f"There is no challenger, the data do not support one: {ranked[0]} serves."
        return Verdict(False, ranked[0], np.nan, (), np.nan, np.nan, False, sentence)
    challenger = predictions["committee"].to_numpy()
    comparisons = []
    for name in ranked:
        found = compare(churned, challenger, rivals[name], evaluation, copies)
        gain, low, high = (found[f"log_loss_gain{end}"] for end in ("", "_low", "_high"))
        comparisons.append(Comparison(name, losses[name], gain, low, high, low > 0))
    figures = evaluate(churned, challenger, evaluation, copies=copies)
    slope = figures.get("calibration_slope", np.nan)
    calibrated = (
        figures.get("ece_low", np.nan) <= recipe.max_ece
        and figures.get("calibration_slope_high", np.nan) >= recipe.min_slope
        and figures.get("calibration_slope_low", np.nan) <= recipe.max_slope
    )
    passed = calibrated and all(comparison.passed for comparison in comparisons)
    serves = "committee" if passed else ranked[0]
    sentence = _sentence(figures["log_loss"], comparisons, figures["ece"], slope, calibrated, serves)
    return Verdict(passed, serves, figures["log_loss"], tuple(comparisons), figures["ece"], slope, calibrated, sentence)


def _sentence(
    loss: float, comparisons: list[Comparison], ece: float, slope: float, calibrated: bool, serves: str
) -> str:
    closest = min(comparisons, key=lambda comparison: comparison.low)
    gain = (
        f"log loss {loss:.4f}, against {closest.rival} {closest.log_loss:.4f}: "
        f"a gain of {closest.gain:+.4f} [{closest.low:+.4f}, {closest.high:+.4f}]"
    )
    errors = f"ECE {ece:.3f}, slope {'undefined' if np.isnan(slope) else f'{slope:.2f}'}"
    if not closest.passed:
        return f"The challenger is not better beyond chance ({gain}): {serves} serves."
    if not calibrated:
        return f"The challenger ranks well but is not calibrated ({errors}; {gain}): {serves} serves."
    return f"The challenger beats every rival ({gain}) and is calibrated ({errors}): it serves."
