"""Runs in this process: one, or many nights in order, with progress, a record in Dagster, and word of what failed."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from rich.text import Text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from assets.crm_layout import LOG
from assets.turn import LakeBusyError
from assets.validation import ACCEPT_TAG
from pipelines.alerts import TOLD_TAG, tell
from pipelines.console import CONSOLE, complain, sentence_of
from pipelines.definitions import definitions
from pipelines.failures import Failure, failure_of
from pipelines.jobs import NIGHTLY, TRAIN_NOW
from pipelines.preflight import refuse_unreachable
from pipelines.schedules import ran
from pipelines.settings import Settings
from pipelines.shop import open_instance, prepare_instance
from pipelines.stores import crm_of, lake_of
from pipelines.summary import print_report, print_summary

_NOBODY_ACTS = (
    "Nobody acts on nights of the past: set experiment.starts to the first night that the CRM acts on, so that those "
    "before it count in no uplift and no save rate."
)
DONE, FAILED = 0, 1
_RECENT = 20


def run_job(job: str, night: date, settings: Settings, accepted: Sequence[str] = ()) -> int:
    """Run a job for a night in this process, as a run that the Dagster UI shows.

    Args:
        job: Its name.
        night: As-of date.
        settings: What the pipeline is configured with.
        accepted: Checks whose failure does not stop this run; recorded in its tags.

    Returns:
        The exit code: 0 if the run succeeded, 1 if a step or a blocking check failed.
    """
    try:
        with open_instance(settings) as instance:
            done = _run(definitions(settings, [night]).resolve_job_def(job), night, settings, instance, accepted)
    except SQLAlchemyError as error:
        return _unrecorded(job, night, error, settings)
    if done == DONE and job != NIGHTLY:
        CONSOLE.print(_result(job, night, settings))
    return done


def _result(job: str, night: date, settings: Settings) -> str:
    """What a job without a report of its own came to, in a line."""
    lake = lake_of(settings)
    if job == "training":
        served = lake.scan("churn_model", [night]).collect().row(0, named=True)
        return (
            f"Version {served['model_version']}, trained as of {served['trained_as_of']}, serves night {night}: "
            f"{served['serves']}. {served['verdict']} `churn champion` lists all versions."
        )
    ripe = lake.scan("settled_outcomes", [night]).group_by("night").len().sort("night").collect()
    if ripe.is_empty():
        return f"No further night was ripe by {night}: nothing was settled."
    nights = ", ".join(f"{past} ({rows:,} customers)" for past, rows in ripe.rows())
    return f"Settled as of {night}: {nights}. The report of the next `churn run` tells of it."


def run_backtest(first: date, last: date, settings: Settings, *, step_days: int, fresh: bool) -> int:
    """Run a backtest in this process, as a run that the Dagster UI shows, and print its report.

    Args:
        first: First night.
        last: Last night at most.
        settings: What the pipeline is configured with.
        step_days: Days from one night to the next.
        fresh: Compute nights again that an earlier backtest has stored.

    Returns:
        The exit code: 0 if it succeeded, 1 if not; what it had finished is kept.
    """
    asked = {"first": f"{first}", "last": f"{last}", "step_days": step_days, "fresh": fresh}
    job = definitions(settings).resolve_job_def("backtest")
    try:
        with open_instance(settings) as instance:
            result = job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                tags={TOLD_TAG: "by the command"},
                run_config={"loggers": {"progress": {}}, "ops": {"backtest_nights": {"config": asked}}},
            )
    except SQLAlchemyError as error:
        complain(_of_history(error, settings))
        return FAILED
    if result.success:
        print_report("backtest", settings)
        return DONE
    _complain_of_all(result, "backtest")
    complain(f"the backtest failed; what it had finished is kept. `churn ui` shows the details of run {result.run_id}.")
    return FAILED


def run_nights(
    wanted: Sequence[date], settings: Settings, accepted: Sequence[str] = (), *, resume: bool = False
) -> int:
    """Run the nightly job for each night in order and tell how it went; stop at the first red one.

    Args:
        wanted: The nights, oldest first.
        settings: What the pipeline is configured with.
        accepted: Checks whose failure does not stop the runs.
        resume: Leave out the nights that ran to their end before.

    Returns:
        The exit code: 0 if all succeeded, 1 if one failed or another run kept the lake.
    """
    left = [night for night in wanted if not (resume and ran(night, settings))]
    if len(left) < len(wanted):
        CONSOLE.print(f"{len(wanted) - len(left)} of {len(wanted)} nights ran before")
    if left:
        try:
            refuse_unreachable(settings, CONSOLE.print)
        except ValueError as error:
            return _refused(left[0], error, settings)
    begun = time.monotonic()
    try:
        done = _run_each(left, wanted, settings, accepted)
    except SQLAlchemyError as error:
        return _unrecorded(NIGHTLY, left[0], error, settings)
    if done != DONE:
        return done
    print_summary(wanted[-1], settings)
    if len(wanted) > 1:
        CONSOLE.print(_totals(left, time.monotonic() - begun, settings))
    return DONE


def _run_each(left: Sequence[date], wanted: Sequence[date], settings: Settings, accepted: Sequence[str]) -> int:
    # One set of definitions and one connection to Dagster's history for all nights.
    job, seconds = definitions(settings, left).resolve_job_def(NIGHTLY), list[float]()
    with open_instance(settings) as instance, ExitStack() as held:
        if len(left) > 1:
            try:
                held.enter_context(settings.turn().taken(f"the nights {left[0]}..{left[-1]}", CONSOLE.print))
            except LakeBusyError as error:
                return _refused(left[0], error, settings)
        for place, night in enumerate(left):
            start = time.monotonic()
            title = Text.assemble((f"night {night}", "bold"), _progress(place, len(left), seconds))
            CONSOLE.rule(title, align="left")
            if _run(job, night, settings, instance, accepted) != DONE:
                if night != wanted[-1]:
                    complain(f"once it is mended: `churn nights {wanted[0]}..{wanted[-1]} --resume` goes on from here")
                return FAILED
            seconds.append(time.monotonic() - start)
    return DONE


def _run(
    job: dg.JobDefinition, night: date, settings: Settings, instance: dg.DagsterInstance, accepted: Sequence[str]
) -> int:
    try:
        result = job.execute_in_process(
            partition_key=night.isoformat(),
            instance=instance,
            raise_on_error=False,
            tags={TOLD_TAG: "by the command"} | ({ACCEPT_TAG: ",".join(accepted)} if accepted else {}),
            run_config={"loggers": {"progress": {}}} | (TRAIN_NOW if job.name == "training" else {}),
        )
    except SQLAlchemyError as error:
        return _unrecorded(job.name, night, error, settings)
    if result.success:
        return DONE
    _complain_of_all(result, job.name)
    failure = failure_of(result.dagster_run, instance)
    complain(f"night {night} is red. {failure.outcome} `churn ui` shows the details of run {result.run_id}.")
    tell(failure, settings.alerts, complain)
    return FAILED


def _complain_of_all(result: dg.ExecuteInProcessResult, job: str) -> None:
    for event in result.all_events:
        if event.is_step_failure:
            _complain_of(f"{event.step_key}", event.step_failure_data.error)
        elif event.is_failure and event.is_job_event and not event.job_failure_data.first_step_failure_event:
            _complain_of(job, event.job_failure_data.error)


def _complain_of(where: str, error: Any) -> None:
    if error is not None:
        complain(f"{where}: {sentence_of((error.cause or error).message)}")


def _refused(night: date, error: Exception, settings: Settings) -> int:
    """Tell of a night that did not begin."""
    complain(f"{error}")
    tell(Failure(None, "nightly", f"{night}", (f"{error}",), delivered=False), settings.alerts, complain)
    return FAILED


def _unrecorded(job: str, night: date, error: SQLAlchemyError, settings: Settings) -> int:
    """Tell of a run that Dagster's history would not record."""
    said, delivered = _of_history(error, settings), False
    # The history cannot tell any more; the CRM itself can.
    with suppress(Exception):
        delivered = night in crm_of(settings).read(LOG)["night"]
    failure = Failure(None, job, f"{night}", (said,), delivered=delivered)
    complain(f"{said} {failure.outcome}")
    tell(failure, settings.alerts, complain)
    return FAILED


def _of_history(error: SQLAlchemyError, settings: Settings) -> str:
    why = error.orig if isinstance(error, DBAPIError) else type(error).__name__
    return (
        f"{prepare_instance(settings)}: Dagster's history cannot be written ({why}). Make room, or free it of what "
        "holds it, and run the night again."
    )


def _progress(place: int, count: int, seconds: Sequence[float]) -> str:
    if count == 1:
        return ""
    recent = seconds[-_RECENT:]
    rest = f", about {_duration((count - place) * sum(recent) / len(recent))} left" if recent else ""
    return f" ({place + 1} of {count}, {place / count:.0%} done{rest})"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _totals(nights: Sequence[date], seconds: float, settings: Settings) -> str:
    if not nights:
        return "nothing was left to run"
    rows = lake_of(settings).scan("ledger", nights).select(pl.all().exclude("night").sum()).collect().row(0, named=True)
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    done = f"{len(nights)} nights in {_duration(seconds)}, {seconds / len(nights):.1f} s each; rows: {counts}"
    return done if settings.experiment.starts else f"{done}\n{_NOBODY_ACTS}"
