"""Features in buckets of customers, one after another: each takes its share of the memory."""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from pathlib import Path
from tempfile import mkdtemp

import polars as pl

from models.catalogue import FeatureRecipe
from models.census import Tables, bucket, in_buckets
from models.definition import ChurnDefinition


def features_in_buckets(
    tables: Tables, nights: Sequence[date], churn: ChurnDefinition, recipe: FeatureRecipe, *, folder: Path, count: int
) -> pl.LazyFrame:
    """What `models.census.described` says of the tables, computed bucket by bucket and put in order from disk.

    Args:
        tables: Of all customers.
        nights: As-of days.
        churn: The definition.
        recipe: Which features.
        folder: A place for the buckets, which has to stay for as long as the frame is read.
        count: How many buckets.
    """
    place, found = Path(mkdtemp(dir=folder)), []
    for number, features in enumerate(in_buckets(_divided(tables, place, count), nights, churn, recipe)):
        file = place / f"features-{number}.parquet"
        features.sink_parquet(file)
        found.append(pl.scan_parquet(file))
    ordered = [[each.filter(pl.col("night") == night) for each in found] for night in sorted(set(nights))]
    return pl.concat([reduce(lambda one, other: one.merge_sorted(other, "customer_id"), each) for each in ordered])


def _divided(tables: Tables, folder: Path, count: int) -> list[Tables]:
    """Write each table, read once, into a folder for each bucket."""
    number = pl.col("customer_id").map_batches(lambda who: bucket(who, count), pl.UInt32, is_elementwise=True)
    for name, table in vars(tables).items():
        parts = pl.PartitionBy(folder / name, key={"bucket": number}, include_key=False)
        table.sink_parquet(parts, mkdir=True)

    def part(name: str, table: pl.LazyFrame, bucket: int) -> pl.LazyFrame:
        files = sorted((folder / name / f"bucket={bucket}").glob("*.parquet"))
        empty = pl.LazyFrame(schema=table.collect_schema())
        return pl.scan_parquet(files, hive_partitioning=False) if files else empty

    return [Tables(*(part(name, table, each) for name, table in vars(tables).items())) for each in range(count)]
