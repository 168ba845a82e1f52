"""Features on Spark: it reads the lake, brings the rows of a customer together and carries them to the same code."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from models.catalogue import FeatureRecipe
from models.census import Census, Tables, count, described, earliest
from models.consent import ConsentRule
from models.definition import ChurnDefinition

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Batches = Iterator["pa.RecordBatch"]
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Stored:
    """A table of the lake: its columns, and the files in which they are."""

    schema: Mapping[str, Any]
    files: Sequence[Path]

    def read(self, spark: "SparkSession") -> "DataFrame":
        """The rows, as Spark sees them; a column that a file lacks is null."""
        return spark.read.schema(spark_schema(self.schema)).parquet(*map(str, self.files))


@dataclass(frozen=True)
class Features:
    """What is asked of the tables of the lake; executors get all of it.

    Attributes:
        nights: As-of days, rising; consent is heard up to the last.
        churn: The definition.
        recipe: Which features.
        rule: Who may be profiled.
    """

    nights: tuple[date, ...]
    churn: ChurnDefinition
    recipe: FeatureRecipe
    rule: ConsentRule

    def compute(self, spark: "SparkSession", lake: Mapping[str, Stored], target: Path, parts: int) -> None:
        """Write the features as Parquet files, each sorted by night and customer; in the order of names all are.

        A range of customers is a part: it holds them whole, wherever it is computed again, and the files of the parts
        one after another are in order without another shuffle.

        Args:
            spark: The session.
            lake: The tables of `models.census.KNOWN`; of transactions nothing is read but contracts.
            target: Folder of the files.
            parts: How many ranges; 1 leaves it to Spark.
        """
        from pyspark import StorageLevel

        schemas = {name: stored.schema for name, stored in lake.items()}
        rows = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), self._read(spark, lake))
        ranges = rows.repartitionByRange(parts, "customer_id") if parts > 1 else rows.repartitionByRange("customer_id")
        # Shuffled once for the census and the features.
        ranges = ranges.persist(StorageLevel.DISK_ONLY)

        def counted(batches: Batches) -> Iterator["pa.RecordBatch"]:
            import pyarrow as pa

            for tables in self._tables(batches, schemas):
                census = count(tables, self.nights, self.churn, self.recipe)
                yield pa.RecordBatch.from_pydict({"census": [pickle.dumps(census)]})

        nobody = self._of({name: pl.LazyFrame(schema=schema) for name, schema in schemas.items()})
        counts = ranges.mapInArrow(counted, "census binary").toArrow().column("census").to_pylist()
        nothing = count(nobody, self.nights, self.churn, self.recipe)
        # Ours, a moment ago: Spark moves its own rows in the same way.
        census: Census = reduce(Census.__add__, map(pickle.loads, counts), nothing)
        schema = described(nobody, self.nights, self.churn, self.recipe, census).collect_schema()

        def computed(batches: Batches) -> Iterator["pa.RecordBatch"]:
            for tables in self._tables(batches, schemas):
                found = described(tables, self.nights, self.churn, self.recipe, census).collect()
                yield from batches_of(found)

        ranges.mapInArrow(computed, spark_schema(schema)).write.parquet(str(target))

    def _read(self, spark: "SparkSession", lake: Mapping[str, Stored]) -> Iterator["DataFrame"]:
        from pyspark.sql import functions as f

        after = earliest(self.nights, self.churn, self.recipe)
        for name, stored in lake.items():
            if stored.files:
                rows = stored.read(spark)
                rows = rows.filter(f.col("day") > after) if name == "customer_days" else rows
                yield rows.select(f.lit(name).alias("table"), "*")

    def _tables(self, batches: Batches, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Tables]:
        """The tables of one part; none where it has no rows."""
        if parts := list(batches):
            rows = pl.DataFrame(pl.from_arrow(parts)).lazy()
            yield self._of(
                {
                    name: rows.filter(pl.col("table") == name).select(
                        pl.col(key).cast(kind) for key, kind in schema.items()
                    )
                    for name, schema in schemas.items()
                }
            )

    def _of(self, lake: Mapping[str, pl.LazyFrame]) -> Tables:
        return Tables.of(lake, self.rule, self.nights[-1])


def batches_of(frame: pl.DataFrame) -> list["pa.RecordBatch"]:
    """A frame as Spark takes it."""
    batches: list[pa.RecordBatch] = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches(_BATCH_ROWS)
    return batches


def spark_schema(schema: Mapping[str, Any]) -> Any:
    """Columns of Polars as Spark calls them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest()).schema)
