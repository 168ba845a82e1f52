"""What is known of the customers: the lake, or, before a night ran, what a night would take in from the source."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import polars as pl

from assets.lake import Lake
from assets.scratch import scratch_folder
from models.consent import ConsentRule, profiled
from models.terms import customer_terms
from pipelines.console import sentence_of
from pipelines.settings import Settings
from pipelines.stores import lake_of

TABLE = "customer_days"


class NothingKnownError(Exception):
    """There is nothing to give advice on; the message says what to do."""


@contextmanager
def known_lake(settings: Settings) -> Iterator[tuple[Lake, str]]:
    """The lake, if a night ran; else one made for the moment from all that the source delivers.

    The ingestion is the one of a night, so that the advice is about the rows that a night would see; it stops short of
    the checks, writes beside the lake and leaves nothing behind.

    Yields:
        A lake with at least one night of `customer_days`, and where it comes from, in words.

    Raises:
        NothingKnownError: If the source cannot be read.
    """
    lake = lake_of(settings)
    if nights := lake.nights(TABLE):
        ran = "1 night" if len(nights) == 1 else f"{len(nights):,} nights"
        yield lake, f"the lake, {ran} up to {nights[-1]}"
        return
    home = settings.beside(settings.lake.path)
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home) as folder:
        moment = Lake(root=f"{folder}")
        _take_in(settings, moment)
        yield moment, "the source, because no night ran yet"


def purchases(lake: Lake, consent: ConsentRule) -> tuple[pl.LazyFrame, date]:
    """`customer_days` of every night, of those who may be profiled, and the last day on which one of them bought.

    Raises:
        NothingKnownError: If nobody ever bought.
    """
    nights = lake.nights(TABLE)
    consents = lake.scan("customer_consents", lake.nights("customer_consents"))
    days = profiled(lake.scan(TABLE, nights), consents, consent, nights[-1])
    last = days.filter(pl.col("orders") > 0).select(pl.col("day").max()).collect().item()
    if last is None:
        raise NothingKnownError("There is no usable purchase: bring deliveries with rows, or mend source.columns.")
    return days, last


def contracts(lake: Lake, consent: ConsentRule) -> pl.LazyFrame:
    """The terms of all nights, of those who may be profiled, as `models.terms.customer_terms`."""
    consents = lake.scan("customer_consents", lake.nights("customer_consents"))
    lines = lake.scan("transactions", lake.nights("transactions"))
    return customer_terms(profiled(lines, consents, consent, lake.nights(TABLE)[-1]))


def _take_in(settings: Settings, lake: Lake) -> None:
    import dagster as dg

    from assets.consents import customer_consents
    from assets.features import customer_days
    from assets.ingestion import arrivals
    from assets.nights import night_just_ended
    from assets.transactions import parted_rows
    from pipelines.definitions import resources

    last = night_just_ended(datetime.now(UTC), settings.churn.zone)
    result = dg.materialize(
        [arrivals, parted_rows, customer_days, customer_consents],
        partition_key=f"{last}",
        resources={**resources(settings), "lake": lake, "io_manager": lake},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    for event in result.all_events:
        if event.is_step_failure and (error := event.step_failure_data.error) is not None:
            raise NothingKnownError(sentence_of((error.cause or error).message))
