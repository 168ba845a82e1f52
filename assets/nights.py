"""The night, which is the partition of every table, and how nights look back at each other."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

NIGHT_TAG = "dagster/partition"
"""Tag by which Dagster notes the night of a run."""

FIRST_NIGHT = date(1990, 1, 1)
_EVER = -(10**5)


def nights_from(first: date) -> dg.DailyPartitionsDefinition:
    """The nights from one on: Dagster's pages show and offer no others.

    They end with the current day, so that a zone behind UTC finds its night; ingestion refuses a night that is not over
    in the zone of the settings.
    """
    return dg.DailyPartitionsDefinition(start_date=first.isoformat(), end_offset=1)


NIGHTS = nights_from(FIRST_NIGHT)
"""Every night; `pipelines.definitions` gives a shop those from its first one on."""

# What had arrived by the end of a night. A night that never ran has no partition, and needs none.
UP_TO_TONIGHT = dg.TimeWindowPartitionMapping(start_offset=_EVER, end_offset=0)
BEFORE_TONIGHT = dg.TimeWindowPartitionMapping(start_offset=_EVER, end_offset=-1)


def night_just_ended(moment: datetime, zone: ZoneInfo) -> date:
    """The last day that is over in a zone at a moment."""
    return moment.astimezone(zone).date() - timedelta(days=1)


def as_night(partition_key: str) -> date:
    """The as-of date that a partition key ``YYYY-MM-DD`` stands for."""
    return date.fromisoformat(partition_key)
