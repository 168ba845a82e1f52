"""Looks for a better recipe for the trees within a budget, by their log loss on a later night and other customers.

The search is the tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna. The night on which recipes are
compared is the one on which growing stops: older than the one that calibrates, and much older than the one that judges.
"""

import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from models import classifier
from models.classifier import ClassifierRecipe
from models.ranking import Vector
from models.rehearsal import splits

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Tuning:
    """What came of a search.

    Attributes:
        recipe: the best one, if it is better than the first by more than one standard error; else the first.
        trials: one row per trial, the first with the recipe that was given: `trial`, `log_loss`, `gain` over the
            first, `standard_error` of the gain, `rounds`, `chosen` and what was tried.
    """

    recipe: ClassifierRecipe
    trials: pl.DataFrame


def tune(
    examples: pl.DataFrame, features: tuple[str, ...], recipe: ClassifierRecipe, *, trials: int, minutes: float
) -> Tuning:
    """Tries recipes; the same budget of trials always finds the same, as long as the minutes suffice.

    Args:
        examples: ripe nights, sorted by night and customer.
        features: columns to learn from.
        recipe: what to start from.
        trials: recipes to try, the first included.
        minutes: no trial starts after them.
    """
    parts = splits(examples) if trials > 1 else []
    if not parts:
        return Tuning(recipe, pl.DataFrame())
    import optuna

    churned = np.concatenate([part.later["churned"].to_numpy() for part in parts])
    losses: list[Vector] = []
    rows: list[dict[str, Any]] = []

    def objective(trial: "optuna.Trial") -> float:
        tried = _tried(trial, recipe)
        boosters = [classifier.train(part.older, features, tried, later=part.later) for part in parts]
        score = np.concatenate(
            [classifier.log_odds(booster, part.later, features) for booster, part in zip(boosters, parts, strict=True)]
        )
        losses.append(np.logaddexp(0, score) - churned * score)
        gain = losses[0] - losses[-1]
        figures = {"log_loss": losses[-1].mean(), "gain": gain.mean(), "standard_error": gain.std() / len(gain) ** 0.5}
        rounds = int(np.median([booster.num_boosted_rounds() for booster in boosters]))
        rows.append({"trial": trial.number, **figures, "rounds": rounds, **trial.params})
        return float(losses[-1].mean())

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # A recipe of the settings may lie outside of what is searched.
        warnings.filterwarnings("ignore", "Fixed parameter", UserWarning)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recipe.seed))
        study.enqueue_trial({name: asdict(recipe)[name] for name in _SPACE})
        study.optimize(objective, n_trials=1)
        study.optimize(objective, n_trials=trials - 1, timeout=60 * minutes)
    optuna.logging.set_verbosity(verbosity)
    best = min(rows, key=lambda row: (row["log_loss"], row["trial"]))
    chosen = best if best["gain"] > best["standard_error"] else rows[0]
    table = pl.DataFrame(rows).with_columns(chosen=pl.col("trial") == chosen["trial"])
    return Tuning(replace(recipe, **{name: chosen[name] for name in _SPACE}), table)


_SPACE: dict[str, tuple[float, float, bool]] = {
    "depth": (2, 6, False),
    "learning_rate": (0.01, 0.1, True),
    "min_child_weight": (3.0, 200.0, True),
    "ridge": (1.0, 100.0, True),
    "rows": (0.3, 1.0, False),
    "columns": (0.1, 1.0, False),
}
"""What is searched: lowest and highest value, and whether ratios count rather than differences."""


def _tried(trial: "optuna.Trial", recipe: ClassifierRecipe) -> ClassifierRecipe:
    values: dict[str, Any] = {
        name: trial.suggest_int(name, int(low), int(high))
        if name == "depth"
        else trial.suggest_float(name, low, high, log=log)
        for name, (low, high, log) in _SPACE.items()
    }
    return replace(recipe, **values)
