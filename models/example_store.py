"""What a training learns from, and where it is when it is more than the memory of this process should hold."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Protocol

import polars as pl

from models.classifier import ClassifierRecipe
from models.contamination import untreated
from models.definition import ChurnDefinition
from models.features import FeatureRecipe, features

if TYPE_CHECKING:
    import xgboost as xgb

OfNights = Callable[[Sequence[date]], pl.LazyFrame]
"""Computes one row for each night and customer."""
KEY = ["night", "customer_id"]


class ExampleStore(Protocol):
    """Holds examples, and grows the trees that score from all of them."""

    def hold(self, features_of: OfNights, outcomes_of: OfNights, nights: Sequence[date]) -> pl.LazyFrame:
        """The examples of nights, oldest first, computed once; sorted by night and customer, read when asked for.

        Whoever computes features elsewhere need not ask `features_of`.
        """

    def grow(
        self, examples: pl.LazyFrame, features: tuple[str, ...], recipe: ClassifierRecipe, *, rounds: int
    ) -> "xgb.Booster":
        """Trees as by `models.classifier.train`, from examples that `hold` gave, with `weight`."""


def part_of(examples: pl.LazyFrame, most: int) -> pl.LazyFrame:
    """Every n-th customer with all nights where there are too many rows; sorted by night and customer."""
    part = -(-examples.select(pl.len()).collect().item() // most)
    if part > 1:
        chosen = examples.select(pl.col("customer_id").unique().sort().gather_every(part, part - 1))
        examples = examples.join(chosen, on="customer_id", how="semi")
    return examples.sort(KEY)


def features_by(
    churn: ChurnDefinition,
    recipe: FeatureRecipe,
    *,
    days: pl.LazyFrame,
    items: pl.LazyFrame | None,
    facts: pl.LazyFrame | None,
    terms: pl.LazyFrame | None,
) -> OfNights:
    """What computes the features of the customers whom the definition asks about."""
    return partial(
        features,
        days,
        active_days=churn.active_days,
        recipe=recipe,
        horizon_days=churn.horizon_days,
        items=items,
        facts=facts,
        terms=terms,
        grace_days=churn.grace,
    )


def held(
    features_of: OfNights,
    outcomes_of: OfNights,
    nights: Sequence[date],
    *,
    store: ExampleStore | None,
    delivered: pl.LazyFrame | None,
    horizon_days: int,
) -> pl.LazyFrame:
    """The examples of nights, as if nobody had been contacted, in the store or in memory.

    Args:
        features_of: What is known.
        outcomes_of: What became of it.
        nights: As-of nights, oldest first.
        store: Where they are held; in memory without it.
        delivered: ``at_risk_segments`` of earlier nights, to leave out the treated; nobody is left out without it.
        horizon_days: Length of the outcome window.
    """
    if store is not None:
        examples = store.hold(features_of, outcomes_of, nights)
        return examples if delivered is None else untreated(examples, delivered, horizon_days=horizon_days)
    examples = features_of(nights).join(outcomes_of(nights), on=KEY).sort(KEY).collect().lazy()
    return examples if delivered is None else untreated(examples, delivered, horizon_days=horizon_days).collect().lazy()
