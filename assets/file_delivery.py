"""What files bring on a night: the new, the changed, and those with rows that were not due before."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from assets.files import File, FileSource, readable
from models.definition import ChurnDefinition
from models.deliveries import Arrival, due, numbered
from models.delivery_notes import SKIPPED, drift
from models.mapping import DeliveryError, canonical


def read_files(
    source: FileSource, definition: ChurnDefinition, *, night: date, manifest: pl.DataFrame, scratch: Path
) -> Iterator[Arrival]:
    """Read the files of a source that a night has not seen whole; one whose rows all came earlier is not opened.

    Args:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        manifest: What earlier nights took in.
        scratch: A folder for copies that outlive this function.

    Yields:
        A file's line in the manifest, its due rows and its notes; of a file that is skipped the notes alone.

    Raises:
        DeliveryError: If files cannot be read and may not be skipped: a sentence for each of them.
    """
    last = manifest.sort("night").unique("digest", keep="last")
    seen = {row["digest"]: row for row in last.iter_rows(named=True)}
    bad = []
    for place, file in enumerate(source.files()):
        try:
            before = seen.get(file.digest)
            if before is None or before["later"]:
                yield _read(source, file, definition, night, before, scratch, scratch / f"{place}.parquet")
        except DeliveryError as error:
            bad.append(str(error))
            if source.on_bad_file == "skip":
                yield Arrival([(file.name, SKIPPED, str(error))])
    if bad and source.on_bad_file == "stop":
        raise DeliveryError("\n".join(bad))


def _read(
    source: FileSource,
    file: File,
    definition: ChurnDefinition,
    night: date,
    before: dict[str, Any] | None,
    scratch: Path,
    copy: Path,
) -> Arrival:
    with readable(file.name):
        frame = source.read(file, scratch)
        notes = list(drift(frame.collect_schema().names(), source.columns, file=file.name))
        read = canonical(frame, source.columns, source.reading, timezone=definition.timezone, file=file.name)
        # Damage may stand anywhere in a file: what is taken has been read to its end.
        numbered(read, source.identity).sink_parquet(copy, compression="lz4", row_group_size=122_880)
    rows = pl.scan_parquet(copy)
    tonight = due(rows, night=night, after=before["night"] if before else None)
    later = pl.col("day") > night
    total, count, waiting = pl.collect_all([rows.select(pl.len()), tonight.select(pl.len()), rows.select(later.sum())])
    line = {
        "night": night,
        "source_file": file.name,
        "digest": file.digest,
        "identity": ", ".join(sorted(source.identity)),
        "size": file.size,
        "rows": total.item(),
        "due": count.item(),
        "later": waiting.item(),
    }
    return Arrival(notes, line, tonight)
