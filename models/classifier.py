"""The gradient boosting behind the churn probability: many small trees, each correcting the ones before it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xgboost as xgb

_RISING = r"recency_days|overdue_days"
_FALLING = r"purchase_days|orders_per_30d|orders_\d+d|return_share|similar_return_share|return_chance"


@dataclass(frozen=True)
class ClassifierRecipe:
    """How trees are grown. The defaults are cautious: they suit a thousand customers as well as a million.

    Attributes:
        depth: questions that one tree asks in a row.
        learning_rate: share of each tree's correction that is kept.
        rounds: trees at most; a later night may stop them sooner.
        patience: rounds without improvement after which growing stops.
        untested_rounds: trees where no later night can tell when to stop.
        min_child_weight: least evidence in a leaf (about four customers of uncertain outcome make one).
        ridge: shrinkage of the leaves.
        rows: share of the examples that a tree sees.
        columns: share of the features that a tree sees.
        bins: values that a feature is cut into.
        monotone: whether buying more, or of late, never raises the risk (`direction`).
        seed: of both samples.
        threads: processor threads; any number gives the same trees.
        device: `cpu`, or `cuda` with the GPU build of XGBoost.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    depth: int = 3
    learning_rate: float = 0.03
    rounds: int = 2000
    patience: int = 50
    untested_rounds: int = 150
    min_child_weight: float = 20.0
    ridge: float = 10.0
    rows: float = 0.5
    columns: float = 0.4
    bins: int = 64
    monotone: bool = True
    seed: int = 0
    threads: int = 2
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"bins = {self.bins} must be at least 2")
        for name in ("depth", "rounds", "patience", "untested_rounds", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        for name in ("learning_rate", "rows", "columns"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be above 0 and at most 1")
        for name in ("min_child_weight", "ridge"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} must not be negative")


def train(
    examples: pl.DataFrame | pl.LazyFrame,
    features: tuple[str, ...],
    recipe: ClassifierRecipe,
    *,
    rounds: int | None = None,
    later: pl.DataFrame | None = None,
    cache: Path | None = None,
) -> "xgb.Booster":
    """Grows the trees.

    Args:
        examples: the features, `churned` and `weight`, in an order that does not depend on chance.
        features: columns to learn from.
        recipe: how trees are grown.
        rounds: trees to grow; `recipe.rounds` if absent.
        later: examples of a later night; growing stops when it does not improve any more, and the booster is cut back
            to its best number of trees.
        cache: an empty folder where XGBoost keeps the bins instead of in memory, and from which it removes them; the
            trees are the same.
    """
    import xgboost as xgb

    learn = _binned(examples, features, recipe, cache=cache)
    if later is None:
        return xgb.train(parameters(recipe, features), learn, rounds or recipe.rounds)
    stop = xgb.callback.EarlyStopping(rounds=recipe.patience, save_best=True)
    return xgb.train(
        parameters(recipe, features),
        learn,
        rounds or recipe.rounds,
        evals=[(_binned(later, features, recipe, like=learn), "later")],
        callbacks=[stop],
        verbose_eval=False,
    )


def parameters(recipe: ClassifierRecipe, features: tuple[str, ...]) -> dict[str, Any]:
    """The recipe in the words of XGBoost."""
    found: dict[str, Any] = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": recipe.device,
        "max_depth": recipe.depth,
        "learning_rate": recipe.learning_rate,
        "min_child_weight": recipe.min_child_weight,
        "reg_lambda": recipe.ridge,
        "max_bin": recipe.bins,
        "subsample": recipe.rows,
        "colsample_bytree": recipe.columns,
        "seed": recipe.seed,
        "nthread": recipe.threads,
    }
    if recipe.monotone:
        found["monotone_constraints"] = f"({','.join(str(direction(name)) for name in features)})"
    return found


def log_odds(booster: "xgb.Booster", frame: pl.DataFrame, features: tuple[str, ...]) -> NDArray[np.float64]:
    """Log-odds of churn, one per row."""
    return np.asarray(booster.predict(_matrix(frame, features), output_margin=True), np.float64)


def contributions(booster: "xgb.Booster", frame: pl.DataFrame, features: tuple[str, ...]) -> NDArray[np.float64]:
    """Exact Shapley values of the trees: log-odds towards churn; shape (rows, features)."""
    return np.asarray(booster.predict(_matrix(frame, features), pred_contribs=True), np.float64)[:, :-1]


def _matrix(frame: pl.DataFrame, features: tuple[str, ...]) -> "xgb.DMatrix":
    import xgboost as xgb

    # XGBoost compares names only on this path; predicting in place on reordered columns would be silently wrong.
    return xgb.DMatrix(frame.select(pl.col(*features).cast(pl.Float32)))


def _binned(
    frame: pl.DataFrame | pl.LazyFrame,
    features: tuple[str, ...],
    recipe: ClassifierRecipe,
    *,
    like: "xgb.DMatrix | None" = None,
    cache: Path | None = None,
) -> "xgb.DMatrix":
    import xgboost as xgb

    from models.batches import Batches

    batches = Batches(frame, features, cache)
    kind = xgb.QuantileDMatrix if cache is None else xgb.ExtMemQuantileDMatrix
    return kind(batches, max_bin=recipe.bins, ref=like, nthread=recipe.threads)


def direction(feature: str) -> int:
    """Where the field knows it: 1 for a feature that speaks for churn the larger it is, -1 against it; else 0."""
    return 1 if re.fullmatch(_RISING, feature) else -1 if re.fullmatch(_FALLING, feature) else 0
