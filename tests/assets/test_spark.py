"""What runs on Spark, and the same in this process: all of it here, because one Java serves the tests of a file."""

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from models.simulator import customers, transactions
from pipelines.definitions import definitions
from pipelines.settings import load_settings

FIRST_DAY, TRAINED, SCORED = date(2024, 1, 1), date(2024, 10, 1), date(2024, 10, 20)
SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "customer_id"
timestamp = "timestamp"
transaction_id = "transaction_id"
quantity = "quantity"
amount = "amount"
[churn]
horizon_days = 20
active_days = 90
[training]
nights = 3
[training.classifier]
rounds = 20
[engine]
"""
TABLES = "customer_features", "churn_scores", "at_risk_segments"


class Shop:
    """A folder whose nights are computed by an engine of the settings."""

    def __init__(self, folder: Path, engine: str = "") -> None:
        self.folder = folder
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        (folder / "churn.toml").write_text(SETTINGS + engine, encoding="utf-8")

    def run(self, night: date) -> None:
        job = definitions(load_settings(self.folder / "churn.toml")).resolve_job_def("nightly")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(partition_key=f"{night}", instance=instance, run_config=quiet).success

    def digests(self, night: date) -> dict[str, str]:
        files = {table: self.folder / "lake" / table / f"night={night}" / "data.parquet" for table in TABLES}
        return {table: hashlib.sha256(file.read_bytes()).hexdigest() for table, file in files.items()}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Shop]:
    """A shop whose model was trained in this process, and whose next night is computed by an engine."""
    trained = Shop(tmp_path_factory.mktemp("shop") / "trained")
    rows = transactions(customers(600, seed=1), first_day=FIRST_DAY, days=300, seed=1)
    rows.write_csv(trained.folder / "landing" / "history.csv")
    trained.run(TRAINED)

    def run(name: str, engine: str) -> Shop:
        shutil.copytree(trained.folder, folder := trained.folder.with_name(name))
        shop = Shop(folder, engine)
        shop.run(SCORED)
        return shop

    return run


@pytest.fixture(scope="module")
def whole(scored: Callable[[str, str], Shop]) -> dict[str, str]:
    """The tables of the night, computed at once in this process."""
    return scored("whole", "").digests(SCORED)


def test_a_night_in_buckets_is_the_night_as_a_whole_byte_for_byte(scored, whole):
    assert scored("parted", "buckets = 3").digests(SCORED) == whole


def test_a_session_keeps_moments_as_they_are_and_finds_our_code_on_its_executors(spark):
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)

    def told(batches):
        from models.customer_days import UNIT

        for batch in batches:
            yield pa.RecordBatch.from_arrays([*batch.columns, pa.array([UNIT] * batch.num_rows)], names=["at", "unit"])

    lines = spark.createDataFrame(pa.table({"at": [moment]})).mapInArrow(told, "at timestamp, unit long")
    assert lines.toArrow().to_pylist() == [{"at": moment, "unit": 10_000}]
