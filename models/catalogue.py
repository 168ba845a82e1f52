"""The list of everything the model may know about a customer, each with its meaning and its formula."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from models.customer_days import UNIT

FAMILIES = {
    "recency": (),
    "frequency": (),
    "money": ("spend",),
    "tenure": (),
    "rhythm": (),
    "trends": (),
    "basket": ("lines",),
    "returns": ("returns",),
    "discounts": ("discount", "spend"),
    "calendar": (),
    "population": (),
}
"""Families of features and the columns of `customer_days` without which a family is left out."""


OWN = 2
"""Weight of similar customers against the customer's own breaks, in breaks."""


@dataclass(frozen=True)
class FeatureRecipe:
    """Which features are computed.

    Attributes:
        lookback_days: how far back a night looks at all.
        windows: lengths in days of the windows in which orders and spend are counted.
        families: the families that are computed, of `FAMILIES`.

    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    lookback_days: int = 1095
    windows: tuple[int, ...] = (7, 14, 30, 60, 90, 180, 365)
    families: tuple[str, ...] = tuple(FAMILIES)

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
    """A column of `customer_features`.

    Attributes:
        name: `<what>_<unit or window>`.
        family: one of `FAMILIES`.
        meaning: plain words with the unit.
        value: formula over the figures of the night; unknown is null.

    """

    name: str
    family: str
    meaning: str
    value: pl.Expr = field(compare=False)


def catalogue(recipe: FeatureRecipe, horizon_days: int | None = None) -> list[Feature]:
    """The features of a recipe, in the order of their columns.

    Their formulas read figures of one customer and night: `<measure>:<days>` (a sum over the last
    days, money and quantity in ten-thousandths), `recency`, `tenure`, the figures of
    `models.rhythm` and, with a horizon, those of `models.population`.

    Args:
        recipe: families, windows, lookback.
        horizon_days: length of the outcome window; without it the features that need one are left out.

    """
    features = [*_purchases(recipe), *_rhythm(), *_trends(recipe), *_habits(recipe)]
    if horizon_days is not None:
        features += _outlook(recipe, horizon_days)
    return [feature for feature in features if feature.family in recipe.families]


def meanings(recipe: FeatureRecipe | None = None, horizon_days: int | None = 90) -> dict[str, str]:
    """What each feature means, in plain words with its unit."""
    return {f.name: f.meaning for f in catalogue(recipe or FeatureRecipe(), horizon_days)}


def _total(measure: str, days: int) -> pl.Expr:
    value = pl.col(f"{measure}:{days}")
    return value / UNIT if measure in ("quantity", "spend", "refunds", "discount") else value


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _purchases(recipe: FeatureRecipe) -> Iterator[Feature]:
    life = recipe.lookback_days
    recency, tenure = pl.col("recency"), pl.col("tenure")
    yield Feature("recency_days", "recency", "days since the last purchase day", recency)
    yield Feature("tenure_days", "tenure", "days since the first purchase day that is looked back on", tenure)
    yield Feature(
        "quiet_share",
        "tenure",
        "share of the time as a customer that has passed since the last purchase",
        _ratio(recency, tenure),
    )
    yield Feature("purchase_days", "frequency", "days with a purchase", _total("purchase_days", life))
    yield Feature("orders", "frequency", "orders", _total("orders", life))
    yield Feature(
        "orders_per_30d",
        "frequency",
        "orders per 30 days as a customer",
        _total("orders", life) * 30 / (tenure + 30),
    )
    for days in recipe.windows:
        yield Feature(f"orders_{days}d", "frequency", f"orders in the last {days} days", _total("orders", days))
    yield Feature("spend", "money", "spend in currency units", _total("spend", life))
    for days in recipe.windows:
        yield Feature(f"spend_{days}d", "money", f"spend in the last {days} days", _total("spend", days))


def _rhythm() -> Iterator[Feature]:
    count, recency = pl.col("gap_count"), pl.col("recency")
    span = pl.col("tenure") - recency
    mean, median = _ratio(span, count), _ratio(pl.col("gap_middle"), 2 * count.sign())
    # Integers until the division: the spread is the same in every order of rows.
    variance = pl.when(count > 1).then((count * pl.col("gap_squares") - span**2) / (count * (count - 1)))
    spread = variance.sqrt()

    def known(value: pl.Expr) -> pl.Expr:
        return pl.when(count > 0).then(value)

    for name, meaning, value in (
        ("gap_mean_days", "mean days between purchase days", mean),
        ("gap_median_days", "usual (median) days between purchase days", median),
        ("gap_spread_days", "standard deviation of the days between purchase days", spread),
        ("gap_longest_days", "longest break between purchase days, in days", known(pl.col("gap_longest"))),
        ("gap_last_days", "days between the last two purchase days", known(pl.col("gap_last"))),
        (
            "gap_recent_ratio",
            "mean of the last three breaks as a multiple of the mean of all",
            _ratio(_ratio(pl.col("gap_recent"), pl.col("gap_recent_count")), mean),
        ),
        ("gap_variation_ratio", "irregularity: spread of the breaks as a multiple of their mean", spread / mean),
        ("overdue_ratio", "days since the last purchase as a multiple of the usual break", recency / median),
        ("overdue_days", "days since the last purchase less the mean break", recency - mean),
        (
            "overdue_spreads",
            "days overdue against the mean break, as a multiple of the spread (at least one day)",
            (recency - mean) / pl.max_horizontal(spread, pl.lit(1.0)),
        ),
        (
            "overdue_longest_ratio",
            "days since the last purchase as a multiple of the longest break",
            recency / known(pl.col("gap_longest")),
        ),
        (
            "gap_longer_share",
            "share of the earlier breaks that were longer than the current one",
            _ratio(pl.col("gap_longer"), count),
        ),
    ):
        yield Feature(name, "rhythm", meaning, value)


def _trends(recipe: FeatureRecipe) -> Iterator[Feature]:
    for measure in ("orders", "spend"):
        for days in recipe.windows:
            if days >= 30 and 2 * days <= recipe.lookback_days:
                both = _total(measure, 2 * days)
                yield Feature(
                    f"{measure}_trend_{days}d",
                    "trends",
                    f"{measure} of the last {days} days less those of the {days} days before, "
                    "as a share of both (-1 to 1)",
                    _ratio(2 * _total(measure, days) - both, both),
                )


def _habits(recipe: FeatureRecipe) -> Iterator[Feature]:
    life, year = recipe.lookback_days, recipe.windows[-1]
    for family, name, meaning, part, whole in (
        ("basket", "lines_per_order", "lines per order", "lines", "orders"),
        ("basket", "quantity_per_order", "quantity per order", "quantity", "orders"),
        ("basket", "spend_per_order", "spend per order", "spend", "orders"),
        ("returns", "returns_share", "return lines per purchase line", "returns", "lines"),
        ("returns", "refunds_share", "money returned as a share of spend", "refunds", "spend"),
        ("discounts", "discount_share", "discount as a share of spend", "discount", "spend"),
    ):
        whole_life = _ratio(_total(part, life), _total(whole, life))
        yield Feature(name, family, meaning, whole_life)
        if year < life:
            recent = _ratio(_total(part, year), _total(whole, year))
            yield Feature(f"{name}_{year}d", family, f"{meaning} in the last {year} days", recent)


def _outlook(recipe: FeatureRecipe, horizon: int) -> Iterator[Feature]:
    longer, ended, similar = pl.col("gap_longer"), pl.col("gap_ended"), pl.col("similar_share").fill_nan(None)
    yield Feature(
        "return_share",
        "rhythm",
        f"of the earlier breaks longer than the present one, the share that ended within another {horizon} days",
        _ratio(ended, longer),
    )
    yield Feature(
        "population_return_share",
        "population",
        f"share of all active customers who bought within the {horizon} days up to the night",
        pl.col("population_share").fill_nan(None),
    )
    yield Feature(
        "similar_return_share",
        "population",
        "the same share among customers who stood where this one stands: as long since the last "
        "purchase, as many purchase days",
        similar,
    )
    yield Feature(
        "return_chance",
        "population",
        f"chance of a purchase in the next {horizon} days: the customer's own breaks, weighed with similar customers",
        (ended + OWN * similar) / (longer + OWN),
    )
    if horizon < 365 <= recipe.lookback_days:
        yield Feature(
            "orders_season",
            "calendar",
            f"orders a year ago in the same {horizon} days that now lie ahead",
            _total("orders", 365) - _total("orders", 365 - horizon),
        )
