"""A process of its own that asks Spark: started by Dagster Pipes, with all that it has to know."""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import polars as pl
from dagster_pipes import open_dagster_pipes
from pydantic import TypeAdapter

from assets.addresses import shown
from assets.engine import Engine
from assets.lake import SCHEMAS, Lake
from assets.raw_judgement import judge_raw
from assets.spark_features import Features, Stored
from assets.spark_scores import compute
from assets.spark_session import spark_session
from assets.stored_scorer import restore
from assets.verdict import Finding
from models.transactions import ValidationRules

_ROOT = Path(__file__).resolve().parents[1]
_CONTRACTS = ("customer_id", "day", "is_return", "contract_until", "product")
"""Columns of transactions that terms are read from."""


@dataclass(frozen=True)
class FeatureJob:
    """Features of nights.

    Attributes:
        engine: Where, and in how many parts.
        files: Of each table of `models.census.KNOWN`.
        features: What is asked.
        target: Folder that the Parquet files are written to.
    """

    engine: Engine
    files: Mapping[str, list[Path]]
    features: Features
    target: Path
    task: Literal["features"] = "features"

    def run(self) -> None:
        """Compute and write."""
        lake = {name: Stored(SCHEMAS[name].create_empty().schema, files) for name, files in self.files.items()}
        terms = {name: lake["transactions"].schema[name] for name in _CONTRACTS}
        sold = Stored(terms, self.files["transactions"] if self.features.churn.grace is not None else [])
        with spark_session(self.engine) as spark:
            self.features.compute(spark, lake | {"transactions": sold}, self.target, self.engine.buckets)


@dataclass(frozen=True)
class ScoreJob:
    """Scores of a night.

    Attributes:
        engine: Where.
        features: File of the night's features.
        scorer: Folder of the scorer, see `assets.stored_scorer.save`.
        target: Folder that the Parquet files are written to.
    """

    engine: Engine
    features: Path
    scorer: Path
    target: Path
    task: Literal["scores"] = "scores"

    def run(self) -> None:
        """Compute and write."""
        features = Stored(pl.read_parquet_schema(self.features), [self.features])
        with spark_session(self.engine) as spark:
            compute(spark, features, restore(self.scorer), self.target)


@dataclass(frozen=True)
class ValidationJob:
    """The verdict on the raw lines of a night.

    A process that has judged a table of its own can no longer judge one of Spark: it has told Great Expectations that
    there is no Spark, to be spared its import.

    Attributes:
        engine: Where.
        lake: Its folder.
        night: As-of date.
        rules: The limits.
        mapped: Canonical columns that the source delivers.
        docs_root: Folder of Data Docs.
        target: Folder that the findings are written to.
    """

    engine: Engine
    lake: Path
    night: date
    rules: ValidationRules
    mapped: tuple[str, ...]
    docs_root: Path
    target: Path
    task: Literal["verdicts"] = "verdicts"

    def run(self) -> None:
        """Judge and write."""
        with spark_session(self.engine) as spark:
            found = judge_raw(
                Lake(root=str(self.lake)), self.night, self.rules, self.mapped, docs_root=self.docs_root, spark=spark
            )
        self._file.write_bytes(_FINDINGS.dump_json(found))

    def found(self) -> list[Finding]:
        """What it wrote."""
        return _FINDINGS.validate_json(self._file.read_bytes())

    @property
    def _file(self) -> Path:
        return self.target / "findings.json"


_FINDINGS: TypeAdapter[list[Finding]] = TypeAdapter(list[Finding])
Job = FeatureJob | ScoreJob | ValidationJob
_JOB: TypeAdapter[Job] = TypeAdapter(Job)


def on_spark(job: Job, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[Path]:
    """Run a job in a process of its own; returns the files that it wrote, by name."""
    given: dict[str, Any] = _JOB.dump_python(job, mode="json")
    command = [sys.executable, "-m", "assets.spark_job"]
    with warnings.catch_warnings():
        # What Dagster's own Pipes ask of its own context and readers.
        warnings.filterwarnings("ignore", "AssetExecutionContext.run_id is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", ".*PipesMessageReader.expected_writer_count", dg.PreviewWarning)
        inner = context.op_execution_context if isinstance(context, dg.AssetCheckExecutionContext) else context
        dg.PipesSubprocessClient(cwd=str(_ROOT)).run(context=inner, command=command, extras={"job": given})
    return sorted(job.target.glob("*.parquet"))


def main() -> None:
    """Run the job that Dagster handed over."""
    with open_dagster_pipes() as pipes:
        job = _JOB.validate_python(pipes.get_extra("job"))
        job.run()
        pipes.log.info(f"Spark computed {job.task} at {shown(job.engine.master)}")


if __name__ == "__main__":
    main()
