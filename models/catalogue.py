"""The list of everything the model may know about a customer: names, meanings, formulas."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from models.facts import Told
from models.formulas import FAMILIES as OF_PURCHASES
from models.formulas import Scope
from models.term_formulas import terms

FAMILIES = OF_PURCHASES | {"terms": terms}
"""All families; features stand in this order."""

UNPROVEN = ("first_purchase", "products", "weekdays")
"""Families that did not lower the log loss out of time on real shops."""


@dataclass(frozen=True)
class FeatureRecipe:
    """Which features are computed.

    Attributes:
        lookback_days: How far back a night looks at all.
        windows: Lengths in days of the windows in which orders and spend are counted, rising.
        families: Families that are computed. ``first_purchase``, ``products`` and ``weekdays`` are left out by
            default: out of time on real shops they gained nothing on average.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    lookback_days: int = 1095
    windows: tuple[int, ...] = (7, 14, 30, 60, 90, 180, 365)
    families: tuple[str, ...] = tuple(name for name in FAMILIES if name not in UNPROVEN)

    def __post_init__(self) -> None:
        """Refuse what cannot be computed."""
        if not self.windows or list(self.windows) != sorted(set(self.windows)) or self.windows[0] < 1:
            raise ValueError(f"windows are {self.windows}; they must be at least one length, from 1 day up, rising")
        if self.lookback_days < self.windows[-1]:
            raise ValueError(
                f"lookback_days is {self.lookback_days}, shorter than the window of {self.windows[-1]} days; "
                "lengthen it or drop the window"
            )
        if unknown := sorted(set(self.families) - set(FAMILIES)):
            raise ValueError(f"families names {unknown}; there are {', '.join(FAMILIES)}")


@dataclass(frozen=True)
class Feature:
    """A column of ``customer_features``.

    Attributes:
        name: ``<what>_<unit or window>``.
        family: One of ``FAMILIES``.
        meaning: Plain words with the unit.
        value: Formula over the whole numbers of the night.
    """

    name: str
    family: str
    meaning: str
    value: pl.Expr = field(compare=False)

    @property
    def figures(self) -> set[str]:
        """The names that the formula reads."""
        return set(self.value.meta.root_names())


def catalogue(
    recipe: FeatureRecipe,
    horizon_days: int | None = None,
    inputs: tuple[Told, ...] = (),
    grace_days: int | None = None,
) -> list[Feature]:
    """The features of a recipe, in the order of their columns.

    Args:
        recipe: Families, windows, lookback.
        horizon_days: Length of the outcome window; without it the features that need one are left out.
        inputs: Optional inputs of which something is on record.
        grace_days: Days of grace after a contract; None where churn is inactivity.
    """
    scope = Scope(recipe.windows, recipe.lookback_days, horizon_days, inputs, grace_days)
    return [
        Feature(name, family, meaning, value)
        for family, formulas in FAMILIES.items()
        if family in recipe.families
        for name, meaning, value in formulas(scope)
    ]


def meanings(
    recipe: FeatureRecipe | None = None,
    horizon_days: int | None = 90,
    inputs: tuple[Told, ...] = (),
    grace_days: int | None = None,
) -> dict[str, str]:
    """What each feature means, in plain words with its unit."""
    features = catalogue(recipe or FeatureRecipe(), horizon_days, inputs, grace_days)
    return {feature.name: feature.meaning for feature in features}
