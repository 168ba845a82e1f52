"""What the features of a customer need to know of all the others: counted in parts of the customers, and added up."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TypeVar
from zlib import crc32

import polars as pl

from models.catalogue import FeatureRecipe, catalogue
from models.consent import ConsentRule, profiled
from models.customer_items import carried
from models.definition import ChurnDefinition
from models.facts import Told, records, told
from models.features import POPULATION, features
from models.formulas import YEAR
from models.history import blocks, measured
from models.population import Returns, returns
from models.priors import Prior, prior
from models.snapshot import Reach
from models.stock import stock
from models.terms import Terms, customer_terms

KNOWN = ("customer_days", "customer_items", "customer_facts", "transactions", "customer_consents")
"""The tables of the lake that features are made of."""
_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")
_WIDTHS = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64())


@dataclass(frozen=True)
class Tables:
    """What is known of some customers, each of them whole; see :func:`models.features.features`."""

    days: pl.LazyFrame
    items: pl.LazyFrame
    facts: pl.LazyFrame
    terms: pl.LazyFrame

    @classmethod
    def of(cls, lake: Mapping[str, pl.LazyFrame], rule: ConsentRule, night: date) -> "Tables":
        """What `KNOWN` says of those who may be profiled as of a night."""
        days, items, facts, lines = (profiled(lake[name], lake[KNOWN[-1]], rule, night) for name in KNOWN[:-1])
        return cls(days, items, facts, customer_terms(lines))


@dataclass(frozen=True, eq=False)
class Census:
    """The parameters of `models.features.features` that buckets of customers take from the whole.

    The sum of the census of each bucket is the census of the whole, to the last digit: all of it is counts and bounds.
    """

    held: Mapping[str, pl.DataType]
    inputs: tuple[Told, ...]
    context: Mapping[date, Returns]
    priors: Mapping[tuple[date, str, str], Prior]
    ended: Mapping[date, pl.DataFrame]

    def __add__(self, other: "Census") -> "Census":
        inputs = {(each.name, each.kind): each for each in self.inputs}
        for each in other.inputs:
            known = inputs.get((each.name, each.kind), each)
            has = each.has_value or known.has_value, each.has_text or known.has_text
            inputs[each.name, each.kind] = Told(each.name, each.kind, *has)
        return Census(
            _merged(self.held, other.held, _wider),
            tuple(inputs[key] for key in sorted(inputs)),
            _merged(self.context, other.context, Returns.__add__),
            _merged(self.priors, other.priors, Prior.__add__),
            _merged(self.ended, other.ended, lambda ours, theirs: pl.concat([ours, theirs])),
        )


def bucket(customers: pl.Series, count: int) -> pl.Series:
    """The number, below `count`, of the bucket of each customer.

    By CRC-32, not by the hash of a library: a bucket may be computed on another machine, by another release.
    """
    return pl.Series(customers.name, list(map(crc32, customers.cast(pl.Binary).to_list())), dtype=pl.UInt32) % count


def described(
    tables: Tables, nights: Sequence[date], churn: ChurnDefinition, recipe: FeatureRecipe, census: Census | None = None
) -> pl.LazyFrame:
    """The features of some customers, see `models.features.features`; with the census of all, of any part of them."""
    return features(
        tables.days,
        nights,
        active_days=churn.active_days,
        recipe=recipe,
        horizon_days=churn.horizon_days,
        items=tables.items,
        facts=tables.facts,
        terms=tables.terms,
        grace_days=churn.grace,
        **({} if census is None else vars(census)),
    )


def in_buckets(
    buckets: Sequence[Tables], nights: Sequence[date], churn: ChurnDefinition, recipe: FeatureRecipe
) -> list[pl.LazyFrame]:
    """The features of each bucket, to be collected one after another; the census goes through all of them first."""
    census = reduce(Census.__add__, (count(tables, nights, churn, recipe) for tables in buckets))
    return [described(tables, nights, churn, recipe, census) for tables in buckets]


def earliest(nights: Sequence[date], churn: ChurnDefinition, recipe: FeatureRecipe) -> date:
    """The day up to which no feature of these nights looks at `customer_days`."""
    return min(nights) - timedelta(days=max(recipe.lookback_days, churn.active_days + max(churn.horizon_days, YEAR)))


def count(tables: Tables, nights: Sequence[date], churn: ChurnDefinition, recipe: FeatureRecipe) -> Census:
    """The census of some customers, each of them whole, for the features of some nights."""
    nights, horizon = sorted(set(nights)), churn.horizon_days
    reach = Reach(churn.active_days, recipe.lookback_days, horizon)
    after, until = earliest(nights, churn, recipe), nights[-1]
    days = tables.days.filter(pl.col("day") > after, pl.col("day") <= until)
    traits = carried(tables.items.filter(pl.col("day") <= until))
    inputs = told(tables.facts.filter(pl.col("day") <= until))
    names = {name for each in catalogue(recipe, horizon, inputs, churn.grace) for name in each.figures}
    packed = blocks(days, after=after, until=until, measures={"orders": pl.Int64()})

    ends = set(nights) if names & POPULATION else set()
    ends |= {night - timedelta(days=YEAR - horizon) for night in nights} if "season_share" in names else set()
    which = {(trait, each) for trait in traits for each in ("main", "first") if f"{trait}.{each}_share" in names}
    wanted = {f"{trait}.{each}_share" for trait, each in which}
    shelves = stock(tables.items, packed, wanted, reach, nights=nights, priors=None).shelves
    priors = {
        (night, trait, each): prior(packed, shelves.get(trait, []), each, night, reach)
        for night in nights
        for trait, each in which
    }
    sold = None if churn.grace is None else Terms.of(tables.terms, churn.grace)
    asked = [each for each in inputs if each.has_text and any(name.startswith(f"input@{each.name}@") for name in names)]
    ledger = records(tables.facts, asked, packed, reach, windows=(), until=until, priors=None, sold=sold)
    priors |= {(night, each.name, "last"): ledger.prior(each, night) for night in nights for each in asked}
    return Census(
        measured(days) | traits,
        inputs,
        {end: returns(packed, end, churn.active_days, horizon) for end in ends},
        priors,
        {} if sold is None else {night: sold.ended(night, recipe.lookback_days) for night in nights},
    )


def _merged(ours: Mapping[_K, _V], theirs: Mapping[_K, _V], add: Callable[[_V, _V], _V]) -> dict[_K, _V]:
    both = {key: add(ours[key], theirs[key]) for key in ours if key in theirs}
    return {**ours, **theirs, **both}


def _wider(ours: pl.DataType, theirs: pl.DataType) -> pl.DataType:
    return ours if ours == theirs else max(ours, theirs, key=_WIDTHS.index)
