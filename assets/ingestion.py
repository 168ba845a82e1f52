"""What arrived tonight: every file that is new, changed, or holds rows that were not due before."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from assets.lake import SCHEMAS, Lake
from assets.nights import BEFORE_TONIGHT, NIGHTS, as_night
from models.definition import ChurnDefinition
from models.deliveries import Delivery, due, numbered
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical

ENDINGS = (".csv", ".csv.gz", ".parquet", ".ndjson")


@dataclass(frozen=True)
class FileSource:
    """A folder or file of transactions.

    Attributes:
        path: A folder, read with its subfolders in the order of names, or one file.
        columns: Which of its columns mean what.
        reading: How text becomes moments and numbers.

    """

    path: Path
    columns: ColumnMapping
    reading: Reading

    def files(self) -> list[Path]:
        """The files that the source holds now.

        Raises:
            DeliveryError: If there are none.

        """
        if not self.path.exists():
            raise DeliveryError(f"{self.path}: no such file or folder. Set source.path in churn.toml.")
        inside = [self.path] if self.path.is_file() else sorted(self.path.rglob("*"))
        files = [file for file in inside if file.is_file() and file.name.endswith(ENDINGS)]
        if not files:
            raise DeliveryError(
                f"{self.path}: no file that ends in {', '.join(ENDINGS)}. Set source.path in churn.toml."
            )
        return files

    def name(self, file: Path) -> str:
        """How a file is called in the lake: relative to the source, so that the folder may move."""
        return file.name if file == self.path else file.relative_to(self.path).as_posix()


def read_file(file: Path) -> pl.LazyFrame:
    """A file as it is; columns of a CSV as text, because only the mapping knows that 00042 is an id.

    Raises:
        DeliveryError: If the file cannot be read.

    """
    try:
        if file.name.endswith(".parquet"):
            return pl.scan_parquet(file, hive_partitioning=False)
        if file.name.endswith(".ndjson"):
            return pl.scan_ndjson(file, infer_schema_length=None)
        frame = pl.read_csv(file, separator=_delimiter(file), infer_schema=False, encoding="utf8-lossy").lazy()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DeliveryError(
            f"{file}: not readable ({error}). Deliver it again or remove it from the source."
        ) from error
    return frame


def _delimiter(file: Path) -> str:
    head = pl.read_csv(file, n_rows=50, has_header=False, separator="\x01", quote_char=None, encoding="utf8-lossy")
    try:
        return csv.Sniffer().sniff("\n".join(head.to_series().drop_nulls()), delimiters=",;\t|").delimiter
    except csv.Error:
        return ","


def read_source(
    source: FileSource, definition: ChurnDefinition, *, night: date, manifest: pl.DataFrame
) -> Iterator[tuple[dict[str, object], pl.LazyFrame]]:
    """Read what each file brings on a night.

    Args:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        manifest: What earlier nights took in.

    Yields:
        A file's line in the manifest and its due rows; a file whose rows all came earlier is not opened.

    """
    last = manifest.sort("night").unique("digest", keep="last")
    seen = {row["digest"]: row for row in last.iter_rows(named=True)}
    for file in source.files():
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        before = seen.get(digest)
        if before is not None and before["later"] == 0:
            continue
        name = source.name(file)
        rows = numbered(
            canonical(read_file(file), source.columns, source.reading, timezone=definition.timezone, file=name)
        )
        tonight = due(rows, night=night, after=before and before["night"])
        total, later, count = pl.collect_all(
            [
                rows.select(pl.len()),
                rows.filter(pl.col("day") > night).select(pl.len()),
                tonight.select(pl.len()),
            ]
        )
        line = {"night": night, "source_file": name, "digest": digest, "size": file.stat().st_size}
        yield line | {"rows": total.item(), "due": count.item(), "later": later.item()}, tonight


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
    source: dg.ResourceParam[FileSource],
    churn: dg.ResourceParam[ChurnDefinition],
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
    taken = list(read_source(source, churn, night=night, manifest=manifest))
    raw = SCHEMAS["raw_transactions"]
    rows = pl.concat([raw.create_empty(lazy=True), *(frame for _, frame in taken)], how="diagonal")
    deliveries = pl.LazyFrame([line for line, _ in taken], schema=Delivery.create_empty().schema)
    return deliveries, rows.select(raw.column_names())
