"""What the daemon watches: files that arrive, and runs that fail."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from assets.file_delivery import untaken
from assets.files import File, FileSource
from assets.lake import Lake
from assets.nights import night_just_ended
from models.mapping import DeliveryError
from pipelines.alerts import TOLD_TAG, tell
from pipelines.failures import failure_of
from pipelines.jobs import NIGHTLY, jobs
from pipelines.settings import Settings
from pipelines.stores import lake_of

_LOOK_SECONDS = 30


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensors that these settings ask for."""
    source = settings.transactions()
    wanted = []
    if settings.schedule.on_arrival and isinstance(source, FileSource):
        wanted.append(arrival_sensor(source, settings))
    if settings.alerts.wanted:
        wanted.append(failure_sensor(settings))
    return wanted


def arrival_sensor(source: FileSource, settings: Settings) -> dg.SensorDefinition:
    """Files that no night has taken start the last night that is over, once they have come to rest."""
    lake, settle = lake_of(settings), settings.schedule.settle_seconds

    @dg.sensor(
        name="deliveries_arrived",
        job_name=NIGHTLY,
        minimum_interval_seconds=_LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the last night that is over when files are there that no night has taken.",
    )
    def deliveries_arrived(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = datetime.now(UTC)
        night = night_just_ended(now, settings.churn.zone)
        if night in lake.nights("transactions"):
            return dg.SkipReason(f"night {night} has run; what arrives now belongs to the next one")
        try:
            files = source.files()
        except DeliveryError as error:
            return dg.SkipReason(str(error))
        state, cursor = _state(files), json.loads(context.cursor or "{}")
        if cursor.get("state") != state:
            cursor = {"state": state, "since": now.timestamp()}
        rest = now.timestamp() - cursor["since"]
        if rest < settle:
            context.update_cursor(json.dumps(cursor))
            return dg.SkipReason(f"files changed {rest:.0f} seconds ago; they are read after {settle} seconds of rest")
        if cursor.get("night") == f"{night}":
            return dg.SkipReason(f"night {night} was started for these files or needs none of them")
        context.update_cursor(json.dumps(cursor | {"night": f"{night}"}))
        if not (new := _untaken(files, lake, night)):
            return dg.SkipReason(f"every file was taken by an earlier night or holds nothing of night {night}")
        context.log.info(f"night {night} starts for {len(new)} new or changed files, {new[0].name} among them")
        return dg.RunRequest(run_key=f"{night} {state}", partition_key=f"{night}")

    return deliveries_arrived


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Tell of every failed run but those whose command tells it itself."""
    ours = {job.name for job in jobs({})}

    @dg.run_failure_sensor(
        name="run_failed",
        monitor_all_code_locations=True,
        minimum_interval_seconds=_LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells by webhook and e-mail that a run failed.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.job_name not in ours or TOLD_TAG in run.tags:
            return dg.SkipReason(f"run {run.run_id} is told by the command that started it")
        tell(failure_of(run, context.instance), settings.alerts, context.log.warning)
        return None

    return run_failed


def _state(files: Sequence[File]) -> str:
    listed = "\n".join(f"{file.name}\t{file.size}\t{file.version}" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def _untaken(files: Sequence[File], lake: Lake, night: date) -> list[File]:
    passed = lake.before("transactions", night)
    return untaken(files, lake.scan("deliveries", passed).collect(), night=night)
