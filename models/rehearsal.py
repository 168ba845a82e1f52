"""Tries out on the newest known night what was learned from older nights and other customers, before it counts.

It settles how many trees to grow, how much of the answer to leave to the simpler members, and how to correct the
probabilities. Nights that lie close together share most of their outcomes, so that a later night alone would reward
learning customers by heart: whoever is tried out has not been learned from on any night.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from models import classifier
from models.baselines import LogisticRule, MbgNbdRule
from models.calibration import Calibration, calibrate
from models.classifier import ClassifierRecipe
from models.ranking import Vector

FOLDS = 3
RECENT = 3
"""Nights, newest first, from which the simpler members learn: the world of long ago fits them badly."""
RIDGE = 100.0
PRIOR = 100.0
WEIGHTS = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Rehearsal:
    """What was settled.

    Attributes:
        rounds: trees to grow.
        weights: share of the trees, the linear member and MBG/NBD in the log-odds; they add up to 1.
        calibration: correction of the probabilities.
    """

    rounds: int
    weights: tuple[float, float, float] = WEIGHTS
    calibration: Calibration = Calibration()


def recent(examples: pl.DataFrame) -> pl.DataFrame:
    """The examples of the newest nights."""
    return examples.filter(pl.col("night").rank("dense", descending=True) <= RECENT)


def rehearse(
    examples: pl.DataFrame, features: tuple[str, ...], rule: MbgNbdRule, recipe: ClassifierRecipe
) -> Rehearsal:
    """Learns from all nights but the newest two, stops growing on the second newest, tries out on the newest.

    Args:
        examples: ripe nights, sorted by night and customer.
        features: columns to learn from.
        rule: the MBG/NBD member.
        recipe: how trees are grown.
    """
    nights = examples["night"].unique().sort()
    if len(nights) < 3:
        return Rehearsal(recipe.untested_rounds)
    split = examples.with_columns(fold=pl.col("customer_id").rank("dense") % FOLDS)
    rounds, scores, outcomes = [], [], []
    for number in range(FOLDS):
        others, own = split.filter(pl.col("fold") != number), split.filter(pl.col("fold") == number)
        older = others.filter(pl.col("night") < nights[-2])
        later, tried = own.filter(pl.col("night") == nights[-2]), own.filter(pl.col("night") == nights[-1])
        if later.is_empty() or older["churned"].n_unique() < 2:
            return Rehearsal(recipe.untested_rounds)
        booster = classifier.train(older, features, recipe, later=later)
        linear = LogisticRule.fit(recent(older), features, ridge=RIDGE)
        rounds.append(booster.num_boosted_rounds())
        trees = classifier.log_odds(booster, tried, features)
        scores.append(np.column_stack([trees, linear.log_odds(tried), rule.log_odds(tried)]))
        outcomes.append(tried["churned"].to_numpy())
    score, churned = np.concatenate(scores), np.concatenate(outcomes)
    if not 0 < churned.sum() < len(churned):
        return Rehearsal(int(np.median(rounds)))
    weights, level = _weights(score, churned)
    return Rehearsal(int(np.median(rounds)), weights, calibrate(expit(score @ weights + level), churned))


def _weights(score: Vector, churned: NDArray[np.bool_]) -> tuple[tuple[float, float, float], float]:
    """Weights that add up to 1 and fit best, held near `WEIGHTS` by `PRIOR`; and the level of this night.

    The level is only there to be left out: base rates swing from night to night by more than a night's sample error
    and mostly swing back, so that following the newest one makes later probabilities worse.
    """
    start = np.array(WEIGHTS)

    def loss(guess: Vector) -> tuple[float, Vector]:
        level, weights = guess[0], guess[1:]
        total = score @ weights + level
        missed = expit(total) - churned
        value = (np.logaddexp(0, total) - churned * total).sum() + PRIOR / 2 * ((weights - start) ** 2).sum()
        slope = np.concatenate([[missed.sum()], missed @ score + PRIOR * (weights - start)])
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
