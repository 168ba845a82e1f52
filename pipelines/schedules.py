"""The schedule of the nightly job: the night that has just ended, once."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.jobs import NIGHTLY
from pipelines.settings import Settings


def night_just_ended(moment: datetime, zone: ZoneInfo) -> date:
    """The last day that is over in a zone at a moment."""
    return moment.astimezone(zone).date() - timedelta(days=1)


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The nightly job by the cron of the settings; turned on by them or in the Dagster UI."""
    wanted, churn = settings.schedule, settings.churn

    @dg.schedule(
        name="every_night",
        job=NIGHTLY,
        cron_schedule=wanted.cron,
        execution_timezone=wanted.zone(churn.zone).key,
        default_status=dg.DefaultScheduleStatus.RUNNING if wanted.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"The night that has just ended in {churn.timezone}, once.",
    )
    def every_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # A daemon that was away makes up for several ticks at once: all of them ask for the newest night, which takes
        # the rows of those that were missed, and the run key lets one of them through.
        now = max(context.scheduled_execution_time, datetime.now(UTC))
        night = night_just_ended(now, churn.zone)
        return dg.RunRequest(run_key=f"{night}", partition_key=f"{night}")

    return every_night
