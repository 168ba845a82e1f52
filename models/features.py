"""What is known about each active customer on a night: one row of figures, from the past alone."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import repeat

import polars as pl
from polars.io.plugins import register_io_source

from models.catalogue import Feature, FeatureRecipe, catalogue
from models.customer_items import TRAITS, carried
from models.facts import Told, records, told
from models.formulas import YEAR
from models.history import MEASURES, blocks, measured
from models.labels import contracts
from models.population import Returns, returns, with_population
from models.priors import Prior
from models.renewals import standing
from models.rhythm import by_length
from models.snapshot import Reach, snapshot
from models.stock import stock
from models.terms import Terms

__all__ = ["FeatureRecipe", "feature_names", "features"]

KEY = ("night", "customer_id")
POPULATION = {"population_share", "similar_share", "season_share"}


def features(
    days: pl.LazyFrame,
    nights: Sequence[date],
    *,
    active_days: int,
    recipe: FeatureRecipe | None = None,
    horizon_days: int | None = None,
    held: Mapping[str, pl.DataType] | None = None,
    context: Mapping[date, Returns] | None = None,
    items: pl.LazyFrame | None = None,
    facts: pl.LazyFrame | None = None,
    inputs: tuple[Told, ...] | None = None,
    priors: Mapping[tuple[date, str, str], Prior] | None = None,
    terms: pl.LazyFrame | None = None,
    ended: Mapping[date, pl.DataFrame] | None = None,
    grace_days: int | None = None,
) -> pl.LazyFrame:
    """Features of the active customers as of each night; of those whose contract ends, where churn is by contract.

    Calling it looks at the bounds of the measures; the rest is computed when the frame is collected,
    night by night and some customers at a time.

    Args:
        days: `customer_days`; rows of one customer and day are added up, days after a night are not seen.
        nights: As-of days.
        active_days: A customer with a purchase day in (night - active_days, night] is active.
        recipe: Which features; all by default.
        horizon_days: Length of the outcome window, for the features that look that far ahead.
        held: `models.history.measured` of the days and `models.customer_items.carried` of the items, looked up
            when not given; a feature whose measure or trait holds nothing is left out. Buckets of customers
            take those of the whole tables.
        context: `models.population.returns` by the day on which their horizon ends, that of each night and,
            for a horizon below a year, of 365 - horizon_days before it; counted in the days when not given.
            Buckets of customers take those of the whole table.
        items: `customer_items`; without them the features on products, categories and channels are left out.
        facts: `customer_facts`, the rows of optional inputs; without them their features are left out.
        inputs: `models.facts.told` of the facts, looked up when not given. Buckets of customers take that of the
            whole table.
        priors: `models.priors.prior` by night, trait and ``main`` or ``first``, and `Records.prior` by night, input
            and ``last``, counted when not given. Buckets of customers take those of the whole tables.
        terms: `models.terms.customer_terms`; read under the definition ``contract`` alone, and looked back on in full.
        ended: `models.terms.Terms.ended` within the lookback by night, looked up when not given. Buckets of customers
            take those of all.
        grace_days: Days of grace after a contract; None where churn is inactivity.

    Returns:
        night, customer_id and Float32 columns (no NaN, no infinity; unknown is null), sorted by night
        and customer_id.

    Raises:
        ValueError: When there is no night, active_days reaches beyond the lookback, or, at collection, contracts are
            asked about without their terms.
    """
    recipe = recipe or FeatureRecipe()
    if not nights:
        raise ValueError("nights is empty; features need at least one night")
    if not 1 <= active_days <= recipe.lookback_days:
        raise ValueError(f"active_days is {active_days}; it must be from 1 to lookback_days ({recipe.lookback_days})")
    nights, horizon = sorted(set(nights)), horizon_days or 0
    oldest = max(recipe.lookback_days, active_days + max(horizon, YEAR))
    after, until = nights[0] - timedelta(days=oldest), nights[-1]
    if held is None:
        held = measured(days.filter(pl.col("day") > after, pl.col("day") <= until))
        held |= {} if items is None else carried(items.filter(pl.col("day") <= until))
    inputs = told(facts.filter(pl.col("day") <= until)) if inputs is None and facts is not None else inputs or ()
    chosen = [feature for feature in catalogue(recipe, horizon_days, inputs, grace_days) if _computable(feature, held)]
    reach = Reach(active_days, recipe.lookback_days, horizon)

    def night_by_night(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = [feature for feature in chosen if columns is None or feature.name in columns]
        names = {name for feature in wanted for name in feature.figures} | {f"purchase_days:{active_days}"}
        read = {"orders": pl.Int64()} | {
            k: v for k, v in held.items() if k in MEASURES and (k == "orders" or _is_wanted(k, names))
        }
        packed = blocks(days, after=after, until=until, measures=read)
        orders = [by_length(block) for block in packed] if _is_wanted("gap", names) else repeat(None)
        beside = stock(items, packed, names, reach, nights=nights, priors=priors)
        asked = [each for each in inputs if any(name.startswith(f"input@{each.name}@") for name in names)]
        windows = recipe.windows[-3:]
        sold = None if grace_days is None else Terms.of(contracts(terms), grace_days)
        ledger = records(facts, asked, packed, reach, windows=windows, until=until, priors=priors, sold=sold)

        def came_back(until: date) -> Returns:
            return context[until] if context is not None else returns(packed, until, active_days, horizon)

        for night in nights:
            now = came_back(night) if POPULATION & names else None
            year_ago = came_back(night - timedelta(days=YEAR - horizon)) if "season_share" in names else None
            shares, recorded = beside.shares(night), ledger.tonight(night)
            contract = None if sold is None else standing(sold, night, reach, None if ended is None else ended[night])
            for number, (block, order) in enumerate(zip(packed, orders, strict=False)):
                rows = snapshot(block, night, reach, names, order, contract)
                if now is not None:
                    rows = with_population(rows, now, year_ago, frequency=f"purchase_days:{active_days}")
                rows = beside.joined(rows, number, night, shares)
                rows = rows.join(recorded, on="customer_id", how="left", maintain_order="left") if asked else rows
                rows = rows.select(*KEY, *(feature.value.cast(pl.Float32).alias(feature.name) for feature in wanted))
                rows = rows if columns is None else rows.select(columns)
                rows = (rows if predicate is None else rows.filter(predicate)).slice(0, limit)
                yield rows
                if limit is not None and (limit := limit - rows.height) == 0:
                    return

    schema = {"night": pl.Date(), "customer_id": pl.String()} | dict.fromkeys((f.name for f in chosen), pl.Float32())
    return register_io_source(lambda *request: _on_one_thread(night_by_night(*request)), schema=schema)


def reach_days(recipe: FeatureRecipe, *, active_days: int, horizon_days: int) -> int:
    """How far back from a night the features see: no event day is looked at that lies so many days before it, or more.

    The population of a year ago counts, and the shares of those who returned look back from the last ripe night.
    """
    season = YEAR if horizon_days < YEAR <= recipe.lookback_days else horizon_days
    return max(recipe.lookback_days + horizon_days, active_days + season)


def feature_names(frame: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """The names of the feature columns: all but night and customer_id."""
    return [name for name in frame.lazy().collect_schema() if name not in KEY]


def _computable(feature: Feature, held: Collection[str]) -> bool:
    absent = {*MEASURES, *TRAITS} - {*held, "orders"}
    return absent.isdisjoint(re.split("[:._]", figure)[0] for figure in feature.figures)


def _is_wanted(kind: str, names: Collection[str]) -> bool:
    return any(name.startswith((f"{kind}:", f"{kind}_")) for name in names)


def _on_one_thread(steps: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Compute one step ahead on a thread of its own.

    Polars asks for each step from whichever of its threads is free, and the C library keeps freed memory
    by thread: without this, every thread would hold on to the working memory of a step.
    """
    with ThreadPoolExecutor(1) as worker:
        ahead = worker.submit(next, steps, None)
        while (step := ahead.result()) is not None:
            ahead = worker.submit(next, steps, None)
            yield step
