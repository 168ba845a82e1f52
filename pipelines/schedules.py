"""The schedule of the nightly job: the night that has just ended, once."""

from datetime import UTC, date, datetime

import dagster as dg

from assets.nights import night_just_ended
from pipelines.jobs import NIGHTLY
from pipelines.settings import Settings
from pipelines.stores import lake_of


def ran(night: date, settings: Settings) -> bool:
    """Whether a night ran to its end: its report is written last."""
    lake = lake_of(settings)
    report = settings.beside(settings.lake.reports) / f"{night}.md"
    return report.exists() and report.stat().st_size > 0 and lake.file("live_performance", night).exists()


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The nightly job by the cron of the settings; turned on by them or in the Dagster UI."""
    wanted, churn = settings.schedule, settings.churn

    @dg.schedule(
        name="every_night",
        job_name=NIGHTLY,
        cron_schedule=wanted.cron,
        execution_timezone=wanted.zone(churn.zone).key,
        default_status=dg.DefaultScheduleStatus.RUNNING if wanted.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"The night that has just ended in {churn.timezone}, once.",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        night = night_just_ended(context.scheduled_execution_time, churn.zone)
        newest = night_just_ended(datetime.now(UTC), churn.zone)
        # A daemon that was away makes up for several ticks at once, and a night cannot be run after a later one.
        if night < newest:
            return dg.SkipReason(f"night {night} was missed; night {newest} takes its rows")
        if ran(night, settings):
            return dg.SkipReason(f"night {night} has run")
        return dg.RunRequest(run_key=f"{night}", partition_key=f"{night}")

    return every_night
