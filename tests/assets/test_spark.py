"""What runs on Spark: all of it here, because one Java serves the tests of a file."""

from datetime import UTC, datetime

import pyarrow as pa


def test_a_session_keeps_moments_as_they_are_and_finds_our_code_on_its_executors(spark):
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)

    def told(batches):
        from models.customer_days import UNIT

        for batch in batches:
            yield pa.RecordBatch.from_arrays([*batch.columns, pa.array([UNIT] * batch.num_rows)], names=["at", "unit"])

    lines = spark.createDataFrame(pa.table({"at": [moment]})).mapInArrow(told, "at timestamp, unit long")
    assert lines.toArrow().to_pylist() == [{"at": moment, "unit": 10_000}]
