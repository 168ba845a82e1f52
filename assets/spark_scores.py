"""Scores on Spark: the scorer goes to the executors, and no row moves."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.spark_features import Batches, Stored, batches_of, spark_schema
from models.scorer import Scorer

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

KEY = ("night", "customer_id")


def score(features: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """night, customer_id and the columns of `Scorer.predict`, rows as in the features."""
    return features.select(KEY).hstack(scorer.predict(features))


def compute(spark: "SparkSession", features: Stored, scorer: Scorer, target: Path) -> None:
    """Write what :func:`score` says of stored features as Parquet files, in no order."""

    def scored(batches: Batches) -> Iterator["pa.RecordBatch"]:
        for batch in batches:
            yield from batches_of(score(pl.DataFrame(pl.from_arrow(batch)), scorer))

    schema = score(pl.DataFrame(schema=features.schema), scorer).schema
    features.read(spark).mapInArrow(scored, spark_schema(schema)).write.parquet(str(target))
