"""Why a run failed, in sentences that may leave the house: figures and limits, never rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import dagster as dg

from assets.commands import with_settings
from assets.exports import PlacingError
from assets.nights import NIGHT_TAG

_SPEAK_FOR_THEMSELVES = frozenset(
    {
        *("AwayError", "DeliveryError", "LakeBusyError", "LostModelError", "OtherShopError"),
        *("MlflowException", "RestException", "StoreError"),
        PlacingError.__name__,
        *("FileNotFoundError", "OSError", "PermissionError"),
    }
)
"""Errors whose messages hold names, places and figures. Those of others may quote what they stumbled over."""

_CHECKS = frozenset({"DagsterAssetCheckFailedError"})
_DELIVERY = dg.AssetKey("crm_delivery")


@dataclass(frozen=True)
class Failure:
    """A run that failed, or a night that did not begin.

    Attributes:
        run_id: Dagster's id of it; none if it did not begin.
        job: Name of its job.
        night: Its night, YYYY-MM-DD.
        reasons: A sentence for each check or step that failed; at least one.
        delivered: Whether the CRM got the night before it failed.
    """

    run_id: str | None
    job: str
    night: str
    reasons: tuple[str, ...]
    delivered: bool

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"churn: night {self.night} is red" + ("" if self.job == "nightly" else f" ({self.job})")

    @property
    def outcome(self) -> str:
        """What it means for the CRM."""
        return "The CRM has the night already." if self.delivered else "The CRM keeps what it has."

    @property
    def text(self) -> str:
        """The whole message."""
        details = "" if self.run_id is None else f"`churn ui` shows the details of run {self.run_id}; "
        todo = f"What to do: {details}docs/operations.md, Red nights."
        lines = [self.title, *(f"- {reason}" for reason in self.reasons), self.outcome, todo]
        return with_settings("\n".join(lines), elsewhere=True)


def failure_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Failure:
    """What Dagster's history knows of a run that failed."""
    kinds = dg.DagsterEventType
    wanted = {
        *(kinds.ASSET_CHECK_EVALUATION, kinds.ASSET_MATERIALIZATION),
        *(kinds.STEP_FAILURE, kinds.RUN_FAILURE, kinds.RUN_CANCELED),
    }
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=wanted) if entry.dagster_event]
    reasons = tuple(chain.from_iterable(map(_reasons, events)))
    return Failure(
        run_id=run.run_id,
        job=run.job_name,
        night=run.tags.get(NIGHT_TAG, "of no date"),
        reasons=reasons or ("The run broke off; its process may have been ended.",),
        delivered=any(map(_delivers, events)),
    )


def _delivers(event: dg.DagsterEvent) -> bool:
    if event.is_step_failure:
        return getattr(_speaking(event.step_failure_data.error), "cls_name", None) == PlacingError.__name__
    return event.is_step_materialization and event.asset_key == _DELIVERY


def _reasons(event: dg.DagsterEvent) -> Iterator[str]:
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            yield f"{check.asset_key.to_user_string()}: {check.check_name}: {check.description}"
    elif event.is_step_failure:
        yield from _said(f"step {event.step_key}", event.step_failure_data.error)
    elif (
        event.event_type == dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.first_step_failure_event is None
    ):
        yield from _said("the run", event.job_failure_data.error)


def _speaking(error: object) -> object:
    """The first error of a chain of causes that speaks for itself, or the one at its root."""
    while (
        getattr(error, "cls_name", None) not in _SPEAK_FOR_THEMSELVES
        and (cause := getattr(error, "cause", None)) is not None
    ):
        error = cause
    return error


def _said(where: str, error: object) -> Iterator[str]:
    error = _speaking(error)
    name, message = getattr(error, "cls_name", None), getattr(error, "message", "")
    if name in _CHECKS or error is None:
        return
    if name in _SPEAK_FOR_THEMSELVES:
        yield f"{where}: {message.partition(': ')[2].strip()}"
    else:
        yield f"{where}: {name}; what it says may quote the data, so it stands in `churn ui` only"
