"""The raw lines of a night before the gate: judged in this process, or by Spark where the rows are."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.lake import Lake
from assets.past_nights import past_of, seen_nights
from assets.spark_features import Batches, Stored, batches_of, spark_schema
from assets.verdict import Finding, validate
from models.arrivals import raw_gate
from models.spellings import crowds, respelled
from models.transactions import ValidationRules

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

RAW = "raw_transactions"
_KNOWN = "known_customer"


def judge_raw(
    lake: Lake,
    night: date,
    rules: ValidationRules,
    mapped: Collection[str],
    *,
    docs_root: Path,
    spark: "SparkSession | None" = None,
) -> list[Finding]:
    """What became of the expectations of :func:`models.arrivals.raw_gate`, with their page.

    Args:
        lake: Holds the night, and those before.
        night: As-of date.
        rules: The limits.
        mapped: Canonical columns that the source delivers.
        docs_root: Folder of Data Docs.
        spark: Judges if given; this process does otherwise.
    """
    raw = lake.scan(RAW, [night])
    seen = seen_nights(lake, night)
    past = past_of(lake, night, customers=spark is None)
    # Where Spark judges, they may be more than memory holds.
    known = past.customers.to_frame("customer_id").lazy() if spark is None else lake.scan("customer_days", seen)
    tonight = raw.group_by("customer_id").agg(lines=pl.len()).drop_nulls("customer_id").collect()
    past = replace(
        past,
        respelled=respelled(tonight, known),
        crowds=crowds(tonight, rules.max_customer_share),
    )
    gate = partial(
        raw_gate,
        rules=rules,
        night=night,
        mapped=mapped,
        past=past,
        rows=raw.select(pl.len()).collect().item(),
    )
    frame, expectations = gate(raw)
    judge = partial(validate, expectations=expectations, table=RAW, night=night, docs_root=docs_root)
    if spark is None:
        return judge(frame)
    lines = Stored(raw.collect_schema(), [lake.file(RAW, night)])
    files = [lake.file("customer_days", each) for each in seen]
    return judge(_gated(spark, lines, gate, Stored({"customer_id": pl.String()}, files)))


def _gated(
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
