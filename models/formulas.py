"""What every feature says about a customer, and the formula behind it, family by family.

The formulas read the whole numbers of `models.snapshot`, `models.assortment`, `models.population` and
`models.priors`: `<measure>:<days>` is a sum over the last days, `<trait>.<figure>` a figure on the items of a
trait; the other names are explained where they are made. Unknown is null.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from models.customer_days import UNIT
from models.customer_items import TRAITS
from models.facts import Told

OWN = 2
"""How many of the customer's own breaks the customers in the same position weigh as much as."""

YEAR = 365

AUTO_RENEW = "auto_renew"
"""The input of attributes that says whether a contract renews by itself; the terms tell of it."""

Formulas = Iterator[tuple[str, str, pl.Expr]]


@dataclass(frozen=True)
class Scope:
    """What the formulas of a recipe are written for.

    Attributes:
        windows: Lengths of windows in days.
        lookback_days: How far back a night looks.
        horizon_days: Length of the outcome window; formulas that need it are left out without it.
        inputs: Optional inputs of which something is on record.
        grace_days: Days of grace after a contract; None where churn is inactivity, which has no terms.
    """

    windows: tuple[int, ...]
    lookback_days: int
    horizon_days: int | None
    inputs: tuple[Told, ...] = ()
    grace_days: int | None = None


def total(measure: str, days: int) -> pl.Expr:
    """The sum of a measure over the last days, in units and currency units."""
    value = pl.col(f"{measure}:{days}")
    return value / UNIT if measure in {"quantity", "spend", "refunds", "discount"} else value


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """The part per whole, unknown where there is no whole."""
    return pl.when(whole > 0).then(part / whole)


def _recency(_: Scope) -> Formulas:
    yield "recency_days", "days since the last purchase day", pl.col("recency")


def _tenure(_: Scope) -> Formulas:
    yield "tenure_days", "days since the first purchase day that is looked back on", pl.col("tenure")
    silent = "share of the time as a customer that has passed since the last purchase"
    yield "quiet_share", silent, ratio(pl.col("recency"), pl.col("tenure"))


def _frequency(scope: Scope) -> Formulas:
    orders = total("orders", scope.lookback_days)
    yield "purchase_days", "days with a purchase", total("purchase_days", scope.lookback_days)
    yield "orders", "orders", orders
    yield "orders_per_30d", "orders per 30 days as a customer", orders * 30 / (pl.col("tenure") + 30)
    for days in scope.windows:
        yield f"orders_{days}d", f"orders in the last {days} days", total("orders", days)


def _money(scope: Scope) -> Formulas:
    yield "spend", "spend in currency units", total("spend", scope.lookback_days)
    for days in scope.windows:
        yield f"spend_{days}d", f"spend in the last {days} days, in currency units", total("spend", days)


def _rhythm(scope: Scope) -> Formulas:
    count, recency, longer = pl.col("gap_count"), pl.col("recency"), pl.col("gap_longer")
    some = count > 0
    span = pl.col("tenure") - recency
    mean = ratio(span, count)
    median, longest = (pl.when(some).then(each) for each in (pl.col("gap_middle") / 2, pl.col("gap_longest")))
    variance = pl.when(count > 1).then((count * pl.col("gap_squares") - span**2) / (count * (count - 1)))
    spread = variance.sqrt()
    recent = ratio(pl.col("gap_recent"), pl.col("gap_recent_count"))
    late = (recency - mean) / pl.max_horizontal(spread, pl.lit(1.0))
    yield "gap_mean_days", "mean days between purchase days", mean
    yield "gap_median_days", "usual (median) days between purchase days", median
    yield "gap_spread_days", "standard deviation of the days between purchase days", spread
    yield "gap_longest_days", "longest break between purchase days, in days", longest
    yield "gap_last_days", "days between the last two purchase days", pl.when(some).then(pl.col("gap_last"))
    yield "gap_recent_ratio", "mean of the last three breaks as a multiple of the mean of all", recent / mean
    yield "gap_variation_ratio", "irregularity: spread of the breaks as a multiple of their mean", spread / mean
    yield "overdue_ratio", "days since the last purchase as a multiple of the usual break", recency / median
    yield "overdue_days", "days since the last purchase less the mean break", recency - mean
    yield "overdue_spreads", "the same as a multiple of the spread of the breaks (at least a day)", late
    yield "overdue_longest_ratio", "days since the last purchase as a multiple of the longest break", recency / longest
    yield "gap_longer_share", "share of the earlier breaks that were longer than the present one", ratio(longer, count)
    if scope.horizon_days is not None:
        ended = f"share of those longer breaks that were over within {scope.horizon_days} more days"
        yield "return_share", ended, ratio(pl.col("gap_ended"), longer)


def _trends(scope: Scope) -> Formulas:
    for measure in ("orders", "spend"):
        for days in scope.windows:
            if days >= 30 and 2 * days <= scope.lookback_days:
                now, both = total(measure, days), total(measure, 2 * days)
                meaning = f"{measure} of the last {days} days less those of the {days} before, as a share of both"
                yield f"{measure}_trend_{days}d", f"{meaning} (-1 to 1)", ratio(2 * now - both, both)


def _shares(scope: Scope, name: str, meaning: str, part: str, whole: str) -> Formulas:
    life, year = scope.lookback_days, scope.windows[-1]
    yield name, meaning, ratio(total(part, life), total(whole, life))
    if year < life:
        yield f"{name}_{year}d", f"{meaning}, in the last {year} days", ratio(total(part, year), total(whole, year))


def _basket(scope: Scope) -> Formulas:
    yield from _shares(scope, "lines_per_order", "lines per order", "lines", "orders")
    yield from _shares(scope, "quantity_per_order", "quantity per order", "quantity", "orders")
    yield from _shares(scope, "spend_per_order", "spend per order, in currency units", "spend", "orders")


def _returns(scope: Scope) -> Formulas:
    yield from _shares(scope, "returns_share", "return lines per purchase line", "returns", "lines")
    yield from _shares(scope, "refunds_share", "money given back as a share of spend", "refunds", "spend")


def _discounts(scope: Scope) -> Formulas:
    yield from _shares(scope, "discount_share", "discount as a share of spend", "discount", "spend")


def _first_purchase(_: Scope) -> Formulas:
    spend = pl.col("spend_first") / UNIT
    yield "first_lines", "lines of the first purchase day that is looked back on", pl.col("lines_first")
    yield "first_quantity", "quantity of that day", pl.col("quantity_first") / UNIT
    yield "first_spend", "spend of that day, in currency units", spend
    yield (
        "first_discount_share",
        "discount of that day as a share of its spend",
        ratio(pl.col("discount_first") / UNIT, spend),
    )


def _items(trait: str, plural: str) -> Callable[[Scope], Formulas]:
    """Shares and diversity of the items of a trait: products, categories or channels."""

    def family(scope: Scope) -> Formulas:
        life = scope.lookback_days
        kinds, lines, most = (pl.col(f"{trait}.{name}") for name in (f"kinds.{life}", f"lines.{life}", "most"))
        yield plural, f"different {plural} bought", kinds
        for days in scope.windows[-3:]:
            lately = pl.col(f"{trait}.kinds.{days}")
            yield f"{plural}_{days}d", f"different {plural} bought in the last {days} days", lately
        yield f"{trait}_main_share", f"share of the lines that the main {trait} has", ratio(most, lines)
        even = f"concentration of the lines on few {plural}: the sum of the squared shares (0 to 1)"
        yield f"{trait}_concentration", even, ratio(pl.col(f"{trait}.squares"), lines**2)
        again, visits = f"share of the days with a {trait} that were not its first", pl.col(f"{trait}.visits")
        yield f"{trait}_again_share", again, ratio(visits - kinds, visits)
        away, quiet = f"days from the last purchase of the main {trait} to the last purchase", pl.col(f"{trait}.quiet")
        yield f"{trait}_main_quiet_days", away, pl.when(lines > 0).then(quiet - pl.col("recency"))
        for days in scope.windows[-3:]:
            if days < life:
                new = f"share of the lines of the last {days} days in {plural} not bought before"
                part, whole = (pl.col(f"{trait}.{name}.{days}") for name in ("new", "lines"))
                yield f"{trait}_new_share_{days}d", new, ratio(part, whole)

    return family


def _priors(scope: Scope) -> Formulas:
    if scope.horizon_days is None or scope.grace_days is not None:
        return
    for trait in TRAITS[1:]:
        for which in ("main", "first"):
            meaning = (
                f"share who bought within the {scope.horizon_days} days up to the night, of customers who had the same "
                f"{which} {trait} when these began"
            )
            yield f"{which}_{trait}_return_share", meaning, pl.col(f"{trait}.{which}_share")


def _inputs(scope: Scope) -> Formulas:
    for each in scope.inputs:
        if scope.grace_days is not None and (each.name, each.kind) == (AUTO_RENEW, "attributes"):
            continue
        of, name = f"input@{each.name}", f"input_{each.name}"
        if each.kind == "events":
            for days in scope.windows[-3:]:
                counted = f"rows of the input {each.name} in the last {days} days"
                yield f"{name}_count_{days}d", counted, pl.col(f"{of}@count@{days}").fill_null(0)
            yield f"{name}_days", f"days since the last row of the input {each.name}", pl.col(f"{of}@age")
        if each.has_value:
            yield f"{name}_value", f"last known value of the input {each.name}", pl.col(f"{of}@value")
        if each.has_value and each.kind == "events":
            yield f"{name}_mean_value", f"mean value of the input {each.name}", pl.col(f"{of}@mean")
        if each.has_text and scope.horizon_days is not None:
            stayed = (
                f"bought within the {scope.horizon_days} days up to the night"
                if scope.grace_days is None
                else "renewed the contract on the newest night whose outcome is known"
            )
            alike = f"share who {stayed}, of customers whose last text of the input {each.name} was the same then"
            yield f"{name}_return_share", alike, pl.col(f"{of}@share")


def _season(scope: Scope) -> Formulas:
    yield "winter_season", "how near the night is to New Year (1) or to the middle of the year (-1)", pl.col("winter")
    yield "spring_season", "how near the night is to the start of April (1) or of October (-1)", pl.col("spring")
    if scope.horizon_days is not None and scope.horizon_days < YEAR <= scope.lookback_days:
        ahead = total("orders", YEAR) - total("orders", YEAR - scope.horizon_days)
        yield "orders_season", f"orders a year ago in the same {scope.horizon_days} days that now lie ahead", ahead


def _weekdays(scope: Scope) -> Formulas:
    purchases = total("purchase_days", scope.lookback_days)
    yield "weekend_share", "share of purchase days on Saturday or Sunday", ratio(pl.col("weekend"), purchases)
    yield "weekday_share", "share of purchase days on the favourite weekday", ratio(pl.col("weekday"), purchases)
    early = "share of purchase days in the first ten days of a month"
    yield "month_start_share", early, ratio(pl.col("month_start"), purchases)


def _population(scope: Scope) -> Formulas:
    if scope.horizon_days is None or scope.grace_days is not None:
        return
    days, similar = scope.horizon_days, pl.col("similar_share")
    everybody = f"share of all active customers who bought within the {days} days up to the night"
    yield "population_return_share", everybody, pl.col("population_share")
    if days < YEAR:
        last_year = f"share of the customers active a year ago who bought within the {days} days from then"
        yield "season_return_share", last_year, pl.col("season_share")
    alike = (
        f"share who bought within the {days} days up to the night, of customers who stood where this one stands: "
        "as long since the last purchase, as many purchase days"
    )
    yield "similar_return_share", alike, similar
    chance = f"chance of a purchase within {days} days, from the customer's own breaks and from similar customers"
    yield "return_chance", chance, (pl.col("gap_ended") + OWN * similar) / (pl.col("gap_longer") + OWN)


FAMILIES: dict[str, Callable[[Scope], Formulas]] = {
    "recency": _recency,
    "frequency": _frequency,
    "money": _money,
    "tenure": _tenure,
    "rhythm": _rhythm,
    "trends": _trends,
    "basket": _basket,
    "returns": _returns,
    "discounts": _discounts,
    "first_purchase": _first_purchase,
    "products": _items("product", "products"),
    "categories": _items("category", "categories"),
    "channels": _items("channel", "channels"),
    "season": _season,
    "population": _population,
    "priors": _priors,
    "inputs": _inputs,
    "weekdays": _weekdays,
}
"""The families that every definition of churn has."""
