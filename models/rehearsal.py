"""Tries out on the newest known night what was learned from older nights and other customers, before it counts.

It settles how many trees to grow, how much of the answer to leave to the simpler members, and how to correct the
probabilities. Nights that lie close together share most of their outcomes, so that a later night alone would reward
learning customers by heart: whoever is tried out has not been learned from on any night.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models import classifier
from models.baselines import Rule
from models.calibration import Calibration, calibrate
from models.classifier import ClassifierRecipe
from models.logistic_rule import LogisticRule
from models.ranking import Vector

_RIDGE = 100.0
_SURE = 5.0
_FOLDS = 3
_WEIGHTS = (0.6, 0.2, 0.2)
_PRIOR = 100.0  # confidence in these weights, in the curvature of the log loss summed over customers


@dataclass(frozen=True)
class Rehearsal:
    """What was settled.

    Attributes:
        rounds: trees to grow.
        weights: share of the trees, the linear member and the rule in the log-odds; they add up to 1.
        calibration: correction of the probabilities.
    """

    rounds: int
    weights: tuple[float, float, float] = _WEIGHTS
    calibration: Calibration = field(default_factory=Calibration)


def recent(examples: pl.DataFrame, nights: int = 6) -> pl.DataFrame:
    """The examples of the newest nights: members that cannot bend fit the world of long ago badly."""
    return examples.filter(pl.col("night").rank("dense", descending=True) <= nights)


def linear_member(examples: pl.DataFrame, features: tuple[str, ...]) -> LogisticRule:
    """A regression on everything that tells the customers of one night apart.

    What is the same for everybody, such as the season, would be told apart by a handful of nights only, and a straight
    line through them leads anywhere.
    """
    within = examples.group_by("night").agg(pl.col(features).max() - pl.col(features).min()).select(features).max()
    telling = tuple(name for name in features if (within[name].item() or 0) > 0)
    return LogisticRule.fit(recent(examples), telling, ridge=_RIDGE)


def steadied(rule: Rule, frame: pl.DataFrame) -> Vector:
    """Log-odds of the rule as a member: at most 150 to 1, so that four numbers never settle a customer alone."""
    return np.clip(rule.log_odds(frame), -_SURE, _SURE)


@dataclass(frozen=True)
class Split:
    """A part of the customers on the newest two nights, and the others on the nights before.

    Attributes:
        older: what is learned from.
        later: where growing stops, and where recipes are compared.
        tried: where what was learned is tried out.
    """

    older: pl.DataFrame
    later: pl.DataFrame
    tried: pl.DataFrame


def splits(examples: pl.DataFrame) -> list[Split]:
    """The parts in turn; none where nights or outcomes are too few.

    Args:
        examples: ripe nights, sorted by night and customer.
    """
    nights = examples["night"].unique().sort()
    if len(nights) < 3:
        return []
    numbered = examples.with_columns(fold=pl.col("customer_id").rank("dense") % _FOLDS)
    found = []
    for number in range(_FOLDS):
        others, own = numbered.filter(pl.col("fold") != number), numbered.filter(pl.col("fold") == number)
        later, tried = own.filter(pl.col("night") == nights[-2]), own.filter(pl.col("night") == nights[-1])
        found.append(Split(others.filter(pl.col("night") < nights[-2]), later, tried))
    enough = all(
        split.older["churned"].n_unique() == 2 and split.later.height and split.tried.height for split in found
    )
    return found if enough else []


def rehearse(examples: pl.DataFrame, features: tuple[str, ...], rule: Rule, recipe: ClassifierRecipe) -> Rehearsal:
    """Learns from all nights but the newest two, stops growing on the second newest, tries out on the newest.

    Args:
        examples: ripe nights, sorted by night and customer.
        features: columns to learn from.
        rule: the member from histories as of the newest of these nights: it must not have seen the outcome either.
        recipe: how trees are grown.
    """
    rounds, scores, outcomes = [], [], []
    for split in splits(examples):
        booster = classifier.train(split.older, features, recipe, later=split.later)
        linear = linear_member(split.older, features)
        rounds.append(booster.num_boosted_rounds())
        trees = classifier.log_odds(booster, split.tried, features)
        scores.append(np.column_stack([trees, linear.log_odds(split.tried), steadied(rule, split.tried)]))
        outcomes.append(split.tried["churned"].to_numpy())
    if not rounds:
        return Rehearsal(recipe.untested_rounds)
    score, churned = np.concatenate(scores), np.concatenate(outcomes)
    if not 0 < churned.sum() < len(churned):
        return Rehearsal(int(np.median(rounds)))
    weights, level = _weights(score, churned)
    return Rehearsal(int(np.median(rounds)), weights, calibrate(expit(score @ weights + level), churned))


def _weights(score: Vector, churned: NDArray[np.bool_]) -> tuple[tuple[float, float, float], float]:
    """Weights that add up to 1 and fit best, held near `_WEIGHTS` by `_PRIOR`; and the level of this night.

    The level is only there to be left out: base rates swing from night to night by more than a night's sample error
    and mostly swing back, so that following the newest one makes later probabilities worse.
    """
    start = np.array(_WEIGHTS)

    def loss(guess: Vector) -> tuple[float, Vector]:
        level, weights = guess[0], guess[1:]
        total = score @ weights + level
        missed = expit(total) - churned
        value = (np.logaddexp(0, total) - churned * total).sum() + _PRIOR / 2 * ((weights - start) ** 2).sum()
        slope = np.concatenate([[missed.sum()], missed @ score + _PRIOR * (weights - start)])
        return value / len(churned), slope / len(churned)

    found = minimize(
        loss,
        np.concatenate([[0.0], start]),
        jac=True,
        method="SLSQP",
        bounds=[(None, None), *[(0, 1)] * 3],
        constraints={"type": "eq", "fun": lambda guess: guess[1:].sum() - 1, "jac": lambda _: np.array([0.0, 1, 1, 1])},
    )
    level, trees, linear, rule = (float(value) for value in found.x)
    return (trees, linear, rule), level
