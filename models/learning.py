"""Learns who leaves from nights whose outcome is known, and never from anything that happened later.

The ripe nights are used in their order in time: a rehearsal learns from the older ones and tries itself on the newest
two, and what it settled is then learned once more from all of them.
"""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import ClassVar, Literal

import polars as pl

from models import classifier
from models.baselines import RULES, fit_baselines
from models.classifier import ClassifierRecipe
from models.example_store import ExampleStore, part_of
from models.rehearsal import Rehearsal, linear_member, recent, rehearse
from models.scorer import MODELS, Scorer
from models.sufficiency import shortfall
from models.tuning import tune

__all__ = ["MODELS", "ClassifierRecipe", "Scorer", "TrainingRecipe", "fit", "training_nights", "tuned"]

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
        half_life: age, in horizons before the newest ripe night, at which an example counts half.
        max_examples: rows at most that are held in memory to learn from, and to judge on; beyond it a part of the
            customers.
        memory: ``ram``: the trees that score grow from `max_examples` too; ``disk``: from every example, read again
            and again from files beside the lake, into the same trees where `max_examples` suffice. ``auto``: from every
            example, by Spark, where `engine.kind` is ``spark`` (but for Spark Connect, by which XGBoost cannot train);
            else ``ram``.
        treated: customers whom actions reached: ``auto`` leaves them out once settled experiments show that actions
            change who stays, ``leave_out`` always, ``learn`` never (`models.contamination`).
        retrain_days: age of the champion, in days, from which a night trains a challenger.
        trials: recipes for the trees that are tried, `classifier` the first of them; 0 to take it as it is.
        minutes: time after which no further one is tried; what is found within them depends on the machine.
        classifier: how trees are grown.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    nights: int = 12
    step_days: int = 30
    min_step_days: int = 7
    min_history_days: int = 30
    min_outcomes: int = 100
    half_life: float = 1.0
    max_examples: int = 1_000_000
    memory: Literal["auto", "ram", "disk"] = "auto"
    treated: Literal["auto", "leave_out", "learn"] = "auto"
    retrain_days: int = 30
    trials: int = 0
    minutes: float = 30.0
    classifier: ClassifierRecipe = field(default_factory=ClassifierRecipe)

    def __post_init__(self) -> None:
        for name in ("nights", "step_days", "min_step_days", "min_outcomes", "max_examples", "retrain_days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        if self.min_step_days > self.step_days:
            raise ValueError(f"min_step_days = {self.min_step_days} must not exceed step_days = {self.step_days}")
        for name in ("half_life", "minutes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)} must be above 0")
        for name in ("min_history_days", "trials"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} must not be negative")


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
    examples: pl.DataFrame | pl.LazyFrame,
    histories: pl.DataFrame,
    earlier: pl.DataFrame,
    *,
    as_of: date,
    horizon_days: int,
    recipe: TrainingRecipe,
    serves: str = "committee",
    trees: bool = True,
    history: str = "mbg_nbd",
    store: ExampleStore | None = None,
) -> Scorer:
    """Everything that can score, learned from what was known as of a night.

    Args:
        examples: night, customer_id, the features, churned; nights whose outcome was not yet known are left out.
            Sorted by night and customer where `store` is given.
        histories: what `history` is fitted to as of `as_of`: for MBG/NBD customer_id, purchase_days, first_day,
            last_day of everybody, for the renewal rate the terms that ended.
        earlier: the same as of the newest ripe night, `horizon_days` before, for the rehearsal.
        as_of: the night.
        horizon_days: days until an outcome is known.
        recipe: how to learn.
        serves: what gives the churn probability if the data supports it; else `history` does, which needs no outcome.
        trees: whether trees are grown if the examples are enough for them (`models.sufficiency.shortfall`).
        history: the rule from histories, one of `models.baselines.RULES`.
        store: what grows the trees that score from every example. How many trees, the other members and the
            probabilities are settled on `recipe.max_examples` of them all the same: four numbers, a straight line and
            a curve gain nothing from more. Without it the trees grow from those too, in memory.

    Raises:
        ValueError: nobody has a history, or somebody's goes beyond the night.
    """
    ripe_ones = ripe(examples, as_of=as_of, horizon_days=horizon_days)
    known, features = ripe_examples(ripe_ones, as_of=as_of, horizon_days=horizon_days, recipe=recipe)
    nights = tuple(known["night"].unique().sort())
    rules = fit_baselines(recent(known, 3), histories, as_of=as_of, horizon_days=horizon_days, history=history)
    booster, linear, rehearsed = None, None, Rehearsal(0)
    if trees and shortfall(known, min_outcomes=recipe.min_outcomes) is None:
        newest = as_of - timedelta(days=horizon_days)
        rule = RULES[history].fit(earlier, as_of=newest, horizon_days=horizon_days)
        rehearsed = rehearse(known, features, rule, recipe.classifier)
        if store is None:
            booster = classifier.train(known, features, recipe.classifier, rounds=rehearsed.rounds)
        else:
            everything = weighted(ripe_ones, horizon_days=horizon_days, recipe=recipe)
            booster = store.grow(everything, features, recipe.classifier, rounds=rehearsed.rounds)
        linear = linear_member(known, features)
    weights, calibration = rehearsed.weights, rehearsed.calibration
    scorer = Scorer(booster, linear, weights, calibration, features, rules, history, as_of, horizon_days, nights)
    return scorer.serving(serves) if serves in rules or (serves == "committee" and booster) else scorer


def ripe_examples(
    examples: pl.DataFrame | pl.LazyFrame, *, as_of: date, horizon_days: int, recipe: TrainingRecipe
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """What may be learned from as of a night, sorted by night and customer, with `weight`; and the features of it."""
    features = tuple(name for name in examples.lazy().collect_schema().names() if name not in KEYS)
    known = part_of(ripe(examples, as_of=as_of, horizon_days=horizon_days), recipe.max_examples)
    return weighted(known, horizon_days=horizon_days, recipe=recipe).collect(), features


def ripe(examples: pl.DataFrame | pl.LazyFrame, *, as_of: date, horizon_days: int) -> pl.LazyFrame:
    """The examples whose outcome is known as of a night."""
    newest = as_of - timedelta(days=horizon_days)
    return examples.lazy().filter(pl.col("night") <= newest, pl.col("churned").is_not_null())


def weighted(examples: pl.LazyFrame, *, horizon_days: int, recipe: TrainingRecipe) -> pl.LazyFrame:
    """The examples with `weight`: halved with every half-life before the newest night, 1 on average."""
    age = (pl.col("night").max() - pl.col("night")).dt.total_days() / (recipe.half_life * horizon_days)
    nights = examples.group_by("night").len().sort("night").with_columns(weight=pl.lit(0.5).pow(age)).collect()
    # Summed by night, so that rows in memory and rows read from a file come to the same last bit.
    mean = nights.select((pl.col("weight") * pl.col("len")).sum() / pl.col("len").sum()).item()
    weight = pl.col("night").replace_strict(nights["night"], nights["weight"] / mean, return_dtype=pl.Float64)
    return examples.with_columns(weight=weight)


def tuned(
    examples: pl.DataFrame | pl.LazyFrame, *, as_of: date, horizon_days: int, recipe: TrainingRecipe
) -> tuple[TrainingRecipe, pl.DataFrame]:
    """The recipe with the best trees that its budget finds as of a night, and the table of the trials.

    Args:
        examples: as for `fit`.
        as_of: the night.
        horizon_days: days ahead.
        recipe: how to learn, and `trials` and `minutes` of the search.
    """
    known, features = ripe_examples(examples, as_of=as_of, horizon_days=horizon_days, recipe=recipe)
    if shortfall(known, min_outcomes=recipe.min_outcomes):
        return recipe, pl.DataFrame()
    found = tune(known, features, recipe.classifier, trials=recipe.trials, minutes=recipe.minutes)
    return replace(recipe, classifier=found.recipe), found.trials
