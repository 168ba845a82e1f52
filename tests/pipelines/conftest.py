"""Ingestion alone, on real Dagster: what many nights of many deliveries are tried on."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.commands import CONFIG_VARIABLE
from pipelines import console
from pipelines.definitions import definitions
from pipelines.settings import load_settings

SUMS = dg.AssetSelection.assets("customer_days", "customer_items")
INGESTION = dg.AssetSelection.groups("ingestion") | SUMS
GATE = dg.AssetSelection.checks_for_assets("raw_transactions")


@pytest.fixture(autouse=True)
def _command_line_undone() -> Iterator[None]:
    """Undo what a command does to its process: it names the settings in use, and may write a log."""
    yield
    os.environ.pop(CONFIG_VARIABLE, None)
    for terminal in (console.CONSOLE, console._ERRORS):
        terminal.log_format = None


class Ingestion:
    """A folder with settings and deliveries, whose nights run from the source to `customer_days`."""

    def __init__(self, folder: Path, settings: str, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        (folder / "landing").mkdir(parents=True)
        (folder / "churn.toml").write_text(settings, encoding="utf-8")
        whole = definitions(load_settings(folder / "churn.toml"))
        jobs = [
            dg.define_asset_job("ingestion", selection=INGESTION),
            # The gate takes more than half of a small night.
            dg.define_asset_job("ungated", selection=INGESTION - GATE),
            dg.define_asset_job("half", selection=INGESTION - GATE - SUMS),
        ]
        self.parts = dg.Definitions(
            assets=whole.assets,
            asset_checks=whole.asset_checks,
            jobs=jobs,
            resources=whole.resources,
            executor=whole.executor,
        )

    def run(self, night: date, job: str = "ingestion") -> dg.ExecuteInProcessResult:
        return self.parts.resolve_job_def(job).execute_in_process(
            partition_key=f"{night}",
            instance=self.instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def table(self, name: str, *nights: date) -> pl.DataFrame:
        """Nights of a table, or all of them."""
        wanted = [f"night={night}" for night in nights] or ["night=*"]
        return pl.concat(pl.read_parquet(self.folder / "lake" / name / each / "data.parquet") for each in wanted)

    def digests(self, tables: Collection[str] = ("*",)) -> dict[str, str]:
        """What the stored nights are, byte for byte."""
        lake = self.folder / "lake"
        files = [file for table in tables for file in sorted(lake.glob(f"{table}/night=*/data.parquet"))]
        return {str(file.relative_to(lake)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="session")
def ingestion() -> Iterator[Callable[[Path, str], Ingestion]]:
    """Make an ingestion in an empty folder; all of them share a history of runs."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda folder, settings: Ingestion(folder, settings, instance)
