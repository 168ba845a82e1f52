"""Which model scores tonight: the champion, or a challenger that was due, was trained and won."""

import hashlib
import json
import subprocess
from dataclasses import asdict
from datetime import date, timedelta
from io import BytesIO
from typing import Literal

import dagster as dg
import polars as pl

from assets.figures import training_figures
from assets.lake import Lake
from assets.model_card import TrainingRecord
from assets.nights import NIGHTS, UP_TO_TONIGHT, as_night
from assets.tracking import Tracking, Version
from models.challenge import Challenge, Question, challenge, is_due
from models.evaluation import calibration_table, gain_table
from models.settlement import SERVED

_EXPLAINED = 2000
"""Customers of the judged night whose contributions are averaged in the picture."""


class Training(dg.Config):
    """When to train.

    Attributes:
        due: ``auto``: when nobody serves or the champion is older than the settings allow; ``now``: in any case.
    """

    due: Literal["auto", "now"] = "auto"


@dg.asset(
    partitions_def=NIGHTS,
    ins={"customer_days": dg.AssetIn(partition_mapping=UP_TO_TONIGHT)},
    deps=["customer_features"],
    pool="training",
    group_name="training",
    kinds={"xgboost", "mlflow"},
)
def churn_model(
    context: dg.AssetExecutionContext,
    config: Training,
    lake: dg.ResourceParam[Lake],
    tracking: Tracking,
    question: dg.ResourceParam[Question],
    customer_days: pl.LazyFrame,
) -> pl.DataFrame:
    """The version that scores tonight, pinned, so that the night can run again after a later champion."""
    night, auto = as_night(context.partition_key), config.due == "auto"
    if auto and night in lake.nights("churn_model"):
        return lake.scan("churn_model", [night]).collect()
    serving = tracking.champion(night if auto else night - timedelta(days=1))
    if auto and serving is not None and not is_due(night, serving.trained_as_of, question.training):
        return pinned(night, serving, "No challenger was due.")
    context.log.info("training a challenger, once to be judged and once to serve")
    rival = None if serving is None else tracking.load_judged(serving.version)
    outcome = challenge(customer_days, night, question, rival)
    tracking.record_training(record_of(outcome, night, question, run_id=context.run.run_id))
    champion = tracking.champion(night)
    assert champion is not None  # whoever is recorded first serves
    return pinned(night, champion, outcome.verdict.sentence)


def pinned(night: date, version: Version, verdict: str) -> pl.DataFrame:
    """One row: the version that scores a night, and the verdict on the newest challenger."""
    facts = {"night": night, "model_version": version.version, "trained_as_of": version.trained_as_of}
    return pl.DataFrame([facts | {"serves": version.serves, "verdict": verdict}])


def record_of(outcome: Challenge, night: date, question: Question, *, run_id: str) -> TrainingRecord:
    """What is kept of a training in MLflow: figures, tables and pictures, no customers."""
    churn, settings = question.churn, asdict(question)
    buffer = BytesIO()
    outcome.examples.write_ipc(buffer)
    tables, found = {}, {}
    if outcome.trials.height:
        tables["trials"] = outcome.trials
        (chosen,) = outcome.trials.filter("chosen").drop("chosen").iter_rows(named=True)
        found = {f"tuned.{key}": value for key, value in chosen.items()}
    for name, probability in outcome.probabilities.items():
        tables[f"calibration_{name}"] = calibration_table(outcome.churned, probability)
        tables[f"gain_{name}"] = gain_table(outcome.churned, probability)
    figures = {}
    if "committee" in outcome.probabilities:
        explained = outcome.judged.contributions(outcome.jury.head(_EXPLAINED))
        figures = training_figures(outcome.churned, outcome.probabilities, explained, recipe=question.evaluation)
    return TrainingRecord(
        night=night,
        judged_night=outcome.judged_night,
        learned_from=outcome.serving.nights,
        definition=(
            f"A customer with a purchase in the last {churn.active_days} days churns by making none in the next "
            f"{churn.horizon_days}."
        ),
        serving=outcome.serving,
        judged=outcome.judged,
        metrics=outcome.metrics,
        rivals=outcome.rivals,
        passed=outcome.verdict.passed,
        sentence=outcome.verdict.sentence,
        data_digest=hashlib.sha256(buffer.getvalue()).hexdigest(),
        settings_digest=hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest(),
        promote=outcome.verdict.serves != SERVED,
        params={f"{part}.{key}": value for part, values in settings.items() for key, value in values.items()} | found,
        tags={"git_sha": revision(), "dagster.run_id": run_id, "dagster.partition": f"{night}"},
        tables=tables,
        figures=figures,
    )


def revision() -> str:
    """The git revision of the code that runs, with a plus sign if it was changed since; ``unknown`` outside of git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
