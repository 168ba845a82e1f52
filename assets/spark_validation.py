"""The lines of a night as Spark reads them, with the columns that the gate asks about, each where its rows are."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.spark_features import Batches, Stored, batches_of, spark_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_KNOWN = "known_customer"


def gated_lines(
    spark: "SparkSession", raw: Stored, gate: Callable[[pl.LazyFrame], tuple[pl.LazyFrame, Any]], seen: Stored
) -> "DataFrame":
    """The lines with what `models.arrivals.raw_gate` adds to them.

    Args:
        spark: The session.
        raw: The lines of the night.
        gate: `raw_gate` with all that it asks for but the lines; executors get it, so that it should know no customers.
        seen: ``customer_id`` of everybody seen before, repeated; ``known_customer`` is answered by it, if it is asked.
    """

    def gated(batches: Batches) -> Iterator["pa.RecordBatch"]:
        for batch in batches:
            yield from batches_of(gate(pl.DataFrame(pl.from_arrow(batch)).lazy())[0].collect())

    schema = gate(pl.LazyFrame(schema=raw.schema))[0].collect_schema()
    lines = raw.read(spark).mapInArrow(gated, spark_schema(schema))
    if _KNOWN not in schema or not seen.files:
        return lines
    from pyspark.sql import functions as f

    known = seen.read(spark).select("customer_id", f.lit(True).alias(_KNOWN)).distinct()
    found = f.when(f.col("customer_id").isNotNull(), f.coalesce(_KNOWN, f.lit(False)))
    return lines.drop(_KNOWN).join(known, "customer_id", "left").withColumn(_KNOWN, found).select(*schema)
