"""Learns who leaves from nights whose outcome is known, and never from anything that happened later.

The ripe nights are used in their order in time: the trees grow on the older ones, a later one says when to stop, the
newest one says how to correct the probabilities. Then the same number of trees is grown once more on all of them.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from models import classifier
from models.baselines import fit_baselines
from models.calibration import Calibration, calibrate
from models.classifier import ClassifierRecipe
from models.ranking import Vector
from models.scorer import MODELS, Scorer
from models.sufficiency import shortfall

__all__ = ["MODELS", "ClassifierRecipe", "Scorer", "TrainingRecipe", "fit", "training_nights"]

_RECENT_NIGHTS = 3
KEYS = ("night", "customer_id", "churned", "outcome_spend")


@dataclass(frozen=True)
class TrainingRecipe:
    """Which nights are learned from, and how.

    Attributes:
        nights: as-of nights at most.
        step_days: days between two of them at most; closer where the history is short.
        min_step_days: days between two of them at least.
        min_history_days: days of transactions that a night must look back on.
        min_outcomes: customers who churned, and who stayed, that the trees need in all.
        max_examples: rows at most; beyond it a part of the customers is learned from.
        retrain_days: age of the champion, in days, from which a night trains a challenger.
        classifier: how trees are grown.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    nights: int = 12
    step_days: int = 30
    min_step_days: int = 7
    min_history_days: int = 30
    min_outcomes: int = 100
    max_examples: int = 1_000_000
    retrain_days: int = 30
    classifier: ClassifierRecipe = field(default_factory=ClassifierRecipe)

    def __post_init__(self) -> None:
        for name in ("nights", "step_days", "min_step_days", "min_outcomes", "max_examples", "retrain_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        if self.min_step_days > self.step_days:
            raise ValueError(f"min_step_days = {self.min_step_days} must not exceed step_days = {self.step_days}")
        if self.min_history_days < 0:
            raise ValueError(f"min_history_days = {self.min_history_days} must not be negative")


def training_nights(as_of: date, *, horizon_days: int, first_day: date, recipe: TrainingRecipe) -> list[date]:
    """The nights to learn from as of a night, newest first; none where the history is too short.

    Args:
        as_of: the night that knows everything up to its end.
        horizon_days: days after which a night is ripe.
        first_day: day of the first transaction.
        recipe: how many nights, how far apart.
    """
    newest = as_of - timedelta(days=horizon_days)
    span = (newest - first_day).days - recipe.min_history_days
    if span < 0:
        return []
    step = min(max(span // max(recipe.nights - 1, 1), recipe.min_step_days), recipe.step_days)
    return [newest - timedelta(days=back) for back in range(0, span + 1, step)][: recipe.nights]


def fit(
    examples: pl.DataFrame,
    histories: pl.DataFrame,
    *,
    as_of: date,
    horizon_days: int,
    recipe: TrainingRecipe,
    serves: str = "xgboost",
    trees: bool = True,
) -> Scorer:
    """Everything that can score, learned from what was known as of a night.

    Args:
        examples: night, customer_id, the features, churned; nights whose outcome was not yet known are left out.
        histories: customer_id, purchase_days, first_day, last_day of everybody as of `as_of`.
        as_of: the night.
        horizon_days: days ahead.
        recipe: how to learn.
        serves: what gives the churn probability if the data supports it; else MBG/NBD does, which needs no outcome.
        trees: whether trees are grown if the examples are enough for them (`models.sufficiency.shortfall`).

    Raises:
        ValueError: nobody has a history, or somebody's goes beyond the night.
    """
    features = tuple(name for name in examples.columns if name not in KEYS)
    known = examples.filter(pl.col("night") <= as_of - timedelta(days=horizon_days), pl.col("churned").is_not_null())
    known = _sample(known, recipe.max_examples).sort("night", "customer_id")
    nights = tuple(known["night"].unique().sort())
    # The few parameters of a rule cannot follow a world that changes: they learn from the newest nights alone.
    recent = known.filter(pl.col("night").is_in(nights[-_RECENT_NIGHTS:]))
    rules = fit_baselines(recent, histories, as_of=as_of, horizon_days=horizon_days)
    booster, calibration = None, Calibration()
    if trees and shortfall(known, min_outcomes=recipe.min_outcomes) is None:
        rounds, calibration = _rehearse(known, nights, features, recipe.classifier)
        booster = classifier.train(known, features, recipe.classifier, rounds=rounds)
    scorer = Scorer(booster, features, calibration, rules, "mbg_nbd", as_of, horizon_days, nights)
    return scorer.serving(serves) if serves in rules or (serves == "xgboost" and booster) else scorer


def _rehearse(
    known: pl.DataFrame, nights: tuple[date, ...], features: tuple[str, ...], recipe: ClassifierRecipe
) -> tuple[int, Calibration]:
    """How many trees to grow and how to correct them, from nights later than those that the trees grew on."""
    if len(nights) == 1:
        return recipe.untested_rounds, Calibration()
    judge = known.filter(pl.col("night") == nights[-1])
    later = known.filter(pl.col("night") == nights[-2]) if len(nights) > 2 else judge
    older = known.filter(pl.col("night") < later["night"][0])
    booster = classifier.train(older, features, recipe, later=later)
    rounds = booster.num_boosted_rounds()
    if len(nights) == 2:
        return rounds, Calibration()
    return rounds, _calibrate(classifier.probability(booster, judge, features), judge["churned"].to_numpy())


def _calibrate(probability: Vector, churned: NDArray[np.bool_]) -> Calibration:
    """The correction of shape that a night supports, leaving the level to all nights together.

    Base rates swing from night to night by more than a night's sample error, and mostly swing back: following the
    newest one made probabilities worse out of time on two of three real data sets.
    """
    if not 0 < churned.sum() < len(churned):
        return Calibration()
    score = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    offset = brentq(lambda shift: expit(score + shift).mean() - churned.mean(), -30, 30)
    return calibrate(expit(score + offset), churned)


def _sample(examples: pl.DataFrame, most: int) -> pl.DataFrame:
    """Every n-th customer with all nights, where there are too many rows."""
    part = -(-examples.height // most) if examples.height else 1
    return examples.filter(pl.col("customer_id").rank("dense") % part == 0) if part > 1 else examples
