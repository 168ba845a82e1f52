"""Which model scores tonight: the champion, or a challenger that was due, was trained and won."""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import polars as pl

from assets.engine import Engine
from assets.features import ARRIVED, features_on_spark, tables_of
from assets.lake import Lake
from assets.model_card import TrainingRecord
from assets.nights import NIGHTS, as_night
from assets.spark_examples import store_of
from assets.spark_features import Features
from assets.tracking import Tracking, Version
from assets.wording import definition_of
from models.challenge import Challenge, Question, challenge, is_due
from models.consent import ConsentRule
from models.contamination import act
from models.drift import DriftLimits, profile
from models.evaluation import calibration_table, gain_table, threshold_table
from models.experiment import Experiment
from models.settlement import SERVED
from models.slices import by_slice
from models.value import ValueRule
from models.worth import appraise

_SHOWN = {"auroc": "test/auroc", "log_loss": "test/log_loss", "calibration_error": "test/ece"}
"""Figures of the challenger on the judged night, by what Dagster's pages call them."""
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
    deps=[*ARRIVED, "customer_features"],
    group_name="training",
    kinds={"xgboost", "mlflow"},
)
def churn_model(
    context: dg.AssetExecutionContext,
    config: Training,
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[Tracking],
    question: dg.ResourceParam[Question],
    settings_text: dg.ResourceParam[str],
    drift_limits: dg.ResourceParam[DriftLimits],
    consent_rule: dg.ResourceParam[ConsentRule],
    worth: dg.ResourceParam[ValueRule],
    experiment: dg.ResourceParam[Experiment],
    engine: dg.ResourceParam[Engine],
    scratch: dg.ResourceParam[Path],
) -> dg.Output[pl.DataFrame]:
    """The version that scores tonight, pinned, so that the night can run again after a later champion."""
    night, auto = as_night(context.partition_key), config.due == "auto"
    if auto and night in lake.nights("churn_model"):
        return _told(lake.scan("churn_model", [night]).collect(), tracking)
    tracking.finish_appointment()
    serving = tracking.champion(night if auto else night - timedelta(days=1))
    if auto and serving is not None and not is_due(night, serving.trained_as_of, question.training):
        if not _stale(serving, tracking, night, drift_limits):
            return _told(pinned(night, serving, "No challenger was due."), tracking)
        context.log.info(f"version {serving.version} is stale: {serving.tags['stale']}")
    context.log.info("training a challenger, once to be judged and once to serve")
    rival = None if serving is None else tracking.load_judged(serving.version)
    known = tables_of(lake, question.churn, consent_rule, night)
    delivered = treated(lake, night, question, experiment)

    def on_spark(nights: Sequence[date]) -> list[Path]:
        asked = Features(tuple(nights), question.churn, question.features, consent_rule, heard=night)
        return features_on_spark(context, asked, engine, lake, scratch)

    with store_of(question.training.memory, engine, scratch, on_spark) as store:
        outcome = challenge(
            known.days,
            night,
            question,
            rival,
            items=known.items,
            facts=known.facts,
            terms=known.terms,
            delivered=delivered,
            store=store,
        )
    value = appraise(known.days, night, question, worth.horizon_days, items=known.items, facts=known.facts)
    context.log.info(value.sentence)
    tonight = lake.scan("customer_features", [night]).collect()
    record = record_of(outcome, night, question, tonight, run_id=context.run.run_id)
    tables = {**record.tables, **({"value_calibration": value.deciles} if value.figures else {})}
    tracking.record_training(replace(record, settings=settings_text, worth=value, tables=tables))
    champion = tracking.champion(night)
    assert champion is not None  # whoever is recorded first serves
    return _told(pinned(night, champion, outcome.verdict.sentence), tracking)


def _told(pin: pl.DataFrame, tracking: Tracking) -> dg.Output[pl.DataFrame]:
    """The version of a night, with what Dagster's pages show of it."""
    version = tracking.version(pin["model_version"].item())
    link, run = tracking.link(version), f"run {version.run_id} of the experiment {tracking.experiment}"
    figures = tracking.figures(version)
    metadata = {
        "version": version.version,
        "serves": version.serves,
        "trained_as_of": f"{version.trained_as_of}",
        "gate": "passed" if version.passed else "not passed",
        "verdict": dg.MetadataValue.md(pin["verdict"].item()),
        "mlflow": dg.MetadataValue.text(run) if link is None else dg.MetadataValue.url(link),
    }
    shown = {name: round(figures[key], 4) for name, key in _SHOWN.items() if key in figures}
    return dg.Output(pin, metadata={**metadata, **shown})


def treated(lake: Lake, night: date, question: Question, experiment: Experiment) -> pl.LazyFrame | None:
    """The deliveries of earlier nights if whoever they reached is not learned from."""
    settled = lake.before("retention_uplift", night)[-1:]
    known = lake.scan("retention_uplift", settled).collect()
    if question.training.treated == "learn" or (question.training.treated == "auto" and not act(known)):
        return None
    earlier = lake.before("at_risk_segments", night)
    return experiment.acted_on(lake.scan("at_risk_segments", earlier))


def _stale(serving: Version, tracking: Tracking, night: date, limits: DriftLimits) -> bool:
    """Whether an earlier night marked a model stale, and the last training is long enough ago to try another."""
    if serving.stale_from is None or serving.stale_from >= night:
        return False
    trained = tracking.last_training(night)
    return trained is None or (night - trained).days >= limits.retrain_days


def pinned(night: date, version: Version, verdict: str) -> pl.DataFrame:
    """One row: the version that scores a night, and the verdict on the newest challenger."""
    facts = {"night": night, "model_version": version.version, "trained_as_of": version.trained_as_of}
    return pl.DataFrame([facts | {"serves": version.serves, "verdict": verdict}])


def record_of(
    outcome: Challenge, night: date, question: Question, customers: pl.DataFrame, *, run_id: str
) -> TrainingRecord:
    """What is kept of a training in MLflow: figures, tables and pictures, no customers."""
    churn, settings = question.churn, asdict(question)
    tables, found = {}, {}
    if outcome.trials.height:
        tables["trials"] = outcome.trials
        (chosen,) = outcome.trials.filter("chosen").drop("chosen").iter_rows(named=True)
        found = {f"tuned.{key}": value for key, value in chosen.items()}
    for name, probability in outcome.probabilities.items():
        tables[f"calibration_{name}"] = calibration_table(outcome.churned, probability)
        tables[f"gain_{name}"] = gain_table(outcome.churned, probability)
        tables[f"thresholds_{name}"] = threshold_table(outcome.churned, probability)
    known = profile(
        customers,
        outcome.serving.features,
        lambda rows: outcome.serving.predict(rows)["churn_probability"],
        churn_rate=float(outcome.churned.mean()) if len(outcome.churned) else None,
    )
    figures, segments = {}, {}
    if "committee" in outcome.probabilities:
        from assets.figures import training_figures

        explained = outcome.judged.serving("committee").contributions(outcome.jury.head(_EXPLAINED))
        figures = training_figures(outcome.churned, outcome.probabilities, explained, recipe=question.evaluation)
        segments = by_slice(
            outcome.jury, outcome.probabilities["committee"], question.evaluation, churn.horizon_days, outcome.copies
        )
        if segments:
            tables["segments"] = pl.DataFrame([{"segment": name, **found} for name, found in segments.items()])
    return TrainingRecord(
        night=night,
        judged_night=outcome.judged_night,
        learned_from=outcome.serving.nights,
        definition=definition_of(churn),
        serving=outcome.serving,
        judged=outcome.judged,
        metrics=outcome.metrics,
        rivals=outcome.rivals,
        segments=segments,
        profile=known,
        passed=outcome.verdict.passed,
        sentence=outcome.verdict.sentence,
        data_digest=_digest(outcome.examples),
        settings_digest=hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest(),
        promote=outcome.verdict.serves != SERVED,
        params=dict(_named(settings)) | found,
        tags={"git_sha": revision(), "dagster.run_id": run_id, "dagster.partition": f"{night}"},
        tables=tables,
        figures=figures,
    )


def _digest(examples: pl.LazyFrame) -> str:
    """Digest of the examples, of which one night at a time is in memory."""
    found = hashlib.sha256()
    for night in examples.select(pl.col("night").unique().sort()).collect().to_series():
        buffer = BytesIO()
        examples.filter(pl.col("night") == night).collect().write_ipc(buffer)
        found.update(buffer.getbuffer())
    return found.hexdigest()


def _named(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        yield from _named(value, f"{above}{key}.") if isinstance(value, dict) else [(f"{above}{key}", value)]


def revision() -> str:
    """The git revision of the code that runs, with a plus sign if it was changed since; ``unknown`` outside of git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
