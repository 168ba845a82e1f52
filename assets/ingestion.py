"""What arrived tonight: every file that is new, changed, or holds rows that were not due before."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.database import DatabaseSource, read_database
from assets.files import File, FileSource, readable
from assets.lake import SCHEMAS, Lake
from assets.network import Network
from assets.nights import BEFORE_TONIGHT, NIGHTS, as_night
from models.definition import ChurnDefinition
from models.deliveries import Delivery, due, numbered
from models.mapping import DeliveryError, canonical


def newest_lines(manifest: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What the manifest last noted of each content, by its digest."""
    last = manifest.sort("night").unique("digest", keep="last")
    return {row["digest"]: row for row in last.iter_rows(named=True)}


def untaken(files: Iterable[File], manifest: pl.DataFrame, *, night: date) -> list[File]:
    """The files that are new, changed, or hold rows that were not due before the night."""
    taken = newest_lines(manifest)

    def is_due(file: File) -> bool:
        if (before := taken.get(file.digest)) is None:
            return True
        return before["next_day"] is not None and before["next_day"] <= night

    return [file for file in files if is_due(file)]


def read_source(
    source: FileSource | DatabaseSource,
    definition: ChurnDefinition,
    *,
    night: date,
    manifest: pl.DataFrame,
    scratch: Path,
) -> Iterator[tuple[dict[str, object], pl.LazyFrame]]:
    """Read what a source brings on a night.

    Args:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        manifest: What earlier nights took in.
        scratch: A folder for copies that outlive this function.

    Yields:
        A delivery's line in the manifest and its due rows; a file is opened only when it holds rows that are due.
    """
    if isinstance(source, DatabaseSource):
        yield from read_database(source, definition, night=night, manifest=manifest, scratch=scratch)
        return
    taken = newest_lines(manifest)
    for file in untaken(source.files(), manifest, night=night):
        before = taken.get(file.digest)
        with readable(file.name):
            read = source.read(file, scratch)
            rows = numbered(
                canonical(read, source.columns, source.reading, timezone=definition.timezone, file=file.name)
            )
            tonight = due(rows, night=night, after=before["night"] if before else None)
            later = rows.filter(pl.col("day") > night).select(later=pl.len(), next_day=pl.col("day").min())
            counts = pl.collect_all([rows.select(rows=pl.len()), tonight.select(due=pl.len()), later])
        line = {"night": night, "source_file": file.name, "digest": file.digest, "size": file.size}
        yield line | pl.concat(counts, how="horizontal").row(0, named=True), tonight


def refuse_unfinished(night: date, definition: ChurnDefinition) -> None:
    """Refuse a night that is not over: rows would be missing from it for ever.

    Raises:
        DeliveryError: If the night's midnight is still to come in the zone of the settings.
    """
    today = datetime.now(UTC).astimezone(definition.zone).date()
    if night >= today:
        raise DeliveryError(
            f"night {night} is not over in {definition.timezone}: the newest night that can run is "
            f"{today - timedelta(days=1)}"
        )


@dg.multi_asset(
    outs={"deliveries": dg.AssetOut(kinds={"polars"}), "raw_transactions": dg.AssetOut(kinds={"polars"})},
    ins={"earlier": dg.AssetIn("deliveries", partition_mapping=BEFORE_TONIGHT)},
    internal_asset_deps={"deliveries": {dg.AssetKey("deliveries")}, "raw_transactions": set()},
    partitions_def=NIGHTS,
    group_name="ingestion",
)
def arrivals(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    source: dg.ResourceParam[Any],
    scratch: dg.ResourceParam[Path],
    churn: dg.ResourceParam[ChurnDefinition],
    network: dg.ResourceParam[Network],
    earlier: pl.DataFrame,
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Take in what arrived by the end of the night; what was taken once is not asked for again."""
    night = as_night(context.partition_key)
    # Only nights that passed the gate count: what a blocked one brought arrives again, mended, with its next run.
    passed = lake.nights("transactions")
    if night in passed:
        context.log.info(f"night {night} was ingested before and is immutable: its rows are used as they are stored")
        return lake.scan("deliveries", [night]), lake.scan("raw_transactions", [night])
    refuse_unfinished(night, churn)
    if passed and passed[-1] > night:
        raise DeliveryError(
            f"night {night} was missed, and night {passed[-1]} has taken its rows since: nothing is left to ingest. "
            f"To have the nights one by one, remove the lake and run `churn nights {night}..{passed[-1]}`."
        )
    manifest = earlier.filter(pl.col("night").is_in(passed))
    with network.patient(context):
        taken = list(read_source(source, churn, night=night, manifest=manifest, scratch=scratch))
    raw = SCHEMAS["raw_transactions"]
    rows = pl.concat([raw.create_empty(lazy=True), *(frame for line, frame in taken if line["due"])], how="diagonal")
    deliveries = pl.LazyFrame([line for line, _ in taken], schema=Delivery.create_empty().schema)
    return deliveries, rows.select(raw.column_names())
