"""What files bring on a night: the new, the changed, and those with rows that were not due before."""

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from assets.files import File, FileSource, readable, remedy
from assets.network import AwayError
from models.definition import ChurnDefinition
from models.deliveries import Arrival, due, numbered
from models.delivery_notes import EMPTY, NUL, PASSED_OVER, SKIPPED, Note, drift, foreign_encodings
from models.mapping import DeliveryError, canonical


def untaken(files: Iterable[File], manifest: pl.DataFrame, *, night: date) -> list[File]:
    """The files that are new, changed, or hold rows that were not due before the night.

    Raises:
        DeliveryError: If a file cannot be read for its digest.
    """
    taken = _newest_lines(manifest)
    return [file for file in files if _is_due(taken.get(file.digest), night)]


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
        AwayError: If the store does not answer; the files may be good.
        DeliveryError: If files cannot be read and may not be skipped: a sentence for each of them.
    """
    taken = _newest_lines(manifest)
    bad: list[str] = []
    encodings: dict[str, Any] = {}
    for place, file in enumerate(source.files()):
        try:
            before = taken.get(file.digest)
            if _is_due(before, night):
                arrival = _read(source, file, definition, night, before, scratch, scratch / f"{place}.parquet")
                encodings[file.name] = (arrival.line or {}).get("encoding")
                yield arrival
        except AwayError:
            raise
        except DeliveryError as error:
            bad.append(str(error))
            if source.on_bad_file == "skip":
                yield Arrival([(file.name, SKIPPED, str(error))])
    if bad and source.on_bad_file == "stop":
        raise DeliveryError("\n".join(bad))
    notes = [(name, PASSED_OVER, remedy(name)) for name in source.passed_over()]
    earlier = manifest["encoding"].drop_nulls()
    yield Arrival([*notes, *foreign_encodings(encodings, earlier)])


def _newest_lines(manifest: pl.DataFrame) -> dict[str, dict[str, Any]]:
    last = manifest.sort("night").unique("digest", keep="last")
    return {row["digest"]: row for row in last.iter_rows(named=True)}


def _is_due(line: dict[str, Any] | None, night: date) -> bool:
    return line is None or (line["next_day"] is not None and line["next_day"] <= night)


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
        contents = source.contents(file, scratch)
        notes: list[Note] = list(drift(contents.rows.collect_schema().names(), source.columns, file=file.name))
        if contents.nul_lines:
            notes.append((file.name, NUL, ", ".join(map(str, contents.nul_lines))))
        read = canonical(contents.rows, source.columns, source.reading, timezone=definition.timezone, file=file.name)
        # Damage may stand anywhere in a file: what is taken has been read to its end.
        numbered(read, source.identity).sink_parquet(copy, compression="lz4", row_group_size=122_880)
    rows = pl.scan_parquet(copy)
    tonight = due(rows, night=night, after=before["night"] if before else None)
    # Python knows no year beyond 9999; rows of such a day never come.
    next_day = pl.col("day").min().clip(upper_bound=date.max)
    later = rows.filter(pl.col("day") > night).select(later=pl.len(), next_day=next_day)
    counts = pl.collect_all([rows.select(rows=pl.len()), tonight.select(due=pl.len()), later])
    line = {
        "night": night,
        "source_file": file.name,
        "digest": file.digest,
        "identity": ", ".join(sorted(source.identity)),
        "size": file.size,
    }
    line |= pl.concat(counts, how="horizontal").row(0, named=True) | {"encoding": contents.encoding}
    if not line["rows"]:
        notes.append((file.name, EMPTY, ""))
    return Arrival(notes, line, tonight if line["due"] else None)
