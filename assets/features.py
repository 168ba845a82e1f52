"""What is known of each active customer as of the night."""

from datetime import date
from pathlib import Path
from tempfile import mkdtemp

import dagster as dg
import polars as pl

from assets.buckets import features_in_buckets
from assets.engine import Engine
from assets.lake import Lake
from assets.nights import NIGHTS, UP_TO_TONIGHT, as_night
from assets.spark_features import Features
from assets.spark_job import FeatureJob, on_spark
from models.census import KNOWN, Tables, described
from models.consent import ConsentRule
from models.customer_days import customer_days as sums_per_day
from models.customer_items import customer_items as lines_per_item
from models.definition import ChurnDefinition
from models.features import FeatureRecipe

ARRIVED = [dg.AssetDep(name, partition_mapping=UP_TO_TONIGHT) for name in KNOWN]
"""What features are made from: all that had arrived by the end of the night."""
SUMS = ("customer_days", "customer_items")
"""Those of them of which nothing older is seen than the lookback; attributes and contracts count from long ago."""


def nights_of(lake: Lake, churn: ChurnDefinition, night: date, first: date | None = None) -> dict[str, list[date]]:
    """The nights of each table of `KNOWN` that can say anything of the features of some nights.

    Args:
        lake: Where they are.
        churn: The definition; of transactions nothing is read but contracts.
        night: The last of the as-of nights.
        first: The first of them; all that was ever stored up to the last, if absent.
    """
    found = {table: lake.nights(table, until=night) for table in KNOWN if table not in SUMS}
    if churn.grace is None:
        found["transactions"] = []
    return found | {table: lake.within_reach(table, first, night) for table in SUMS}


def tables_of(lake: Lake, churn: ChurnDefinition, rule: ConsentRule, night: date, first: date | None = None) -> Tables:
    """What those nights say of those who may be profiled as of the last of them; see `nights_of`."""
    nights = nights_of(lake, churn, night, first)
    return Tables.of({table: lake.scan(table, found) for table, found in nights.items()}, rule, night)


@dg.asset(partitions_def=NIGHTS, group_name="features", kinds={"polars"})
def customer_days(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], transactions: pl.LazyFrame
) -> pl.LazyFrame:
    """Sums per customer and event day over the rows that arrived tonight."""
    return sums_per_day(lines_to_add_up(lake, as_night(context.partition_key), transactions))


@dg.asset(partitions_def=NIGHTS, group_name="features", kinds={"polars"})
def customer_items(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], transactions: pl.LazyFrame
) -> pl.LazyFrame:
    """Purchase lines per customer, event day and product, category or channel over the rows that arrived tonight."""
    return lines_per_item(lines_to_add_up(lake, as_night(context.partition_key), transactions))


def lines_to_add_up(lake: Lake, night: date, transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Tonight's lines; of days of which tonight replaces an order, all lines that count, for their sums begin anew."""
    orders = lake.scan("replaced_orders", lake.nights("replaced_orders", night, night))
    days = orders.select("customer_id", "day").unique().collect()
    if days.is_empty():
        return transactions
    since = lake.nights("transactions", min(days["day"]), night)
    of_days = lake.scan("transactions", since).join(days.lazy(), on=["customer_id", "day"], how="semi")
    return pl.concat([transactions.join(days.lazy(), on=["customer_id", "day"], how="anti"), of_days])


@dg.asset(partitions_def=NIGHTS, deps=ARRIVED, group_name="features", kinds={"polars"})
def customer_features(
    context: dg.AssetExecutionContext,
    churn: dg.ResourceParam[ChurnDefinition],
    feature_recipe: dg.ResourceParam[FeatureRecipe],
    consent_rule: dg.ResourceParam[ConsentRule],
    engine: dg.ResourceParam[Engine],
    lake: dg.ResourceParam[Lake],
    scratch: dg.ResourceParam[Path],
) -> dg.Output[pl.LazyFrame]:
    """One row per active customer of the night, or per one whose contract is about to end, who may be profiled."""
    night = as_night(context.partition_key)
    if engine.kind == "spark":
        asked = Features((night,), churn, feature_recipe, consent_rule, heard=night)
        return dg.Output(pl.scan_parquet(features_on_spark(context, asked, engine, lake, scratch)))
    tables = tables_of(lake, churn, consent_rule, night, night)
    if engine.buckets > 1:
        parts = features_in_buckets(tables, [night], churn, feature_recipe, folder=scratch, count=engine.buckets)
        return dg.Output(parts)
    return dg.Output(described(tables, [night], churn, feature_recipe))


def features_on_spark(
    context: dg.AssetExecutionContext, asked: Features, engine: Engine, lake: Lake, scratch: Path
) -> list[Path]:
    """Files of features that Spark computes from what the lake holds up to the night."""
    night = as_night(context.partition_key)
    nights = nights_of(lake, asked.churn, night, min(asked.nights))
    folder = Path(mkdtemp(dir=scratch))
    files = {table: _files(lake, table, found, folder) for table, found in nights.items()}
    return on_spark(FeatureJob(engine, files, asked, folder / "features"), context)


def _files(lake: Lake, table: str, nights: list[date], folder: Path) -> list[Path]:
    if not lake.replacing(table, nights):
        return [lake.file(table, each) for each in nights]
    counting = folder / f"{table}.parquet"
    lake.scan(table, nights).sink_parquet(counting)
    return [counting]
