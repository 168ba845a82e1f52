"""Features in buckets of customers, one after another: each takes its share of the memory."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import polars as pl
from polars.io.plugins import register_io_source

from models.catalogue import FeatureRecipe
from models.census import Tables, bucket, in_buckets
from models.definition import ChurnDefinition

_ROWS = 16_384
"""Customers of a bucket that are read together."""


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
        features.sink_parquet(file, row_group_size=_ROWS)
        found.append(pl.scan_parquet(file, glob=False))
    return _in_order(found, sorted(set(nights)))


def _in_order(found: Sequence[pl.LazyFrame], nights: Sequence[date]) -> pl.LazyFrame:
    """Frames that are each sorted by night and customer, as one: some customers of all of them at a time."""

    def steps(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        for night in nights:
            tonight = [each.filter(pl.col("night") == night) for each in found]
            # Buckets are alike: where one has so many customers, so have the others.
            marks = tonight[0].select(pl.col("customer_id").gather_every(_ROWS)).collect()["customer_id"]
            for low, high in pairwise([None, *marks[1:], None]):
                above = pl.lit(value=True) if low is None else pl.col("customer_id") >= low
                below = pl.lit(value=True) if high is None else pl.col("customer_id") < high
                rows = pl.concat([each.filter(above, below) for each in tonight]).collect().sort("customer_id")
                rows = rows if predicate is None else rows.filter(predicate)
                rows = (rows if columns is None else rows.select(columns)).slice(0, limit)
                yield rows
                if limit is not None and (limit := limit - rows.height) == 0:
                    return

    return register_io_source(steps, schema=found[0].collect_schema())


def _divided(tables: Tables, folder: Path, count: int) -> list[Tables]:
    """Write each table, read once, into a folder for each bucket."""
    number = pl.col("customer_id").map_batches(lambda who: bucket(who, count), pl.UInt32, is_elementwise=True)
    for name, table in vars(tables).items():
        parts = pl.PartitionBy(folder / name, key={"bucket": number}, include_key=False)
        table.sink_parquet(parts, mkdir=True)

    def part(name: str, table: pl.LazyFrame, bucket: int) -> pl.LazyFrame:
        files = sorted((folder / name / f"bucket={bucket}").glob("*.parquet"))
        empty = pl.LazyFrame(schema=table.collect_schema())
        return pl.scan_parquet(files, hive_partitioning=False, glob=False) if files else empty

    return [Tables(*(part(name, table, each) for name, table in vars(tables).items())) for each in range(count)]
