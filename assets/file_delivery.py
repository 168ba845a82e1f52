"""What files bring on a night: the new, the changed, and those with rows that were not due before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from assets.files import File, FileSource, readable, remedy
from assets.network import AwayError
from models.definition import ChurnDefinition
from models.deliveries import Arrival, due, numbered
from models.delivery_notes import (
    EMPTY,
    NO_SALES,
    NUL,
    PASSED_OVER,
    ROUNDED,
    SKIPPED,
    Note,
    drift,
    foreign_encodings,
    rounded_ids,
)
from models.mapping import DeliveryError, canonical, look_at, notation_of, resolve
from models.notation import Usual, contradictions, is_open, usual
from models.row_kinds import told_by_night


def untaken(files: Iterable[File], manifest: pl.DataFrame, *, night: date) -> list[File]:
    """The files that are new, changed, cannot be read, or hold rows that were not due before the night."""
    taken = _newest_lines(manifest)

    def is_untaken(file: File) -> bool:
        try:
            return _is_due(taken.get(file.digest), night)
        except DeliveryError:
            return True

    return [file for file in files if is_untaken(file)]


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
    reader = _Reader(source, definition, night, _newest_lines(manifest), scratch)
    written = manifest.select("source_file", "decimal_mark", "timestamp_pattern").rows()
    for place, file in enumerate(source.files()):
        yield from reader.read(place, file, None)
    # What a file leaves open, those beside it may tell.
    beside = usual([*((mark, pattern) for _, mark, pattern in written), *reader.written.values()])
    for place, file in reader.left_open:
        yield from reader.read(place, file, beside)
    notes = [(name, PASSED_OVER, remedy(name)) for name in source.passed_over()]
    foreign = foreign_encodings(reader.encodings, manifest["encoding"].drop_nulls())
    yield Arrival([*notes, *foreign, *contradictions(reader.written, written)])
    if reader.bad and source.on_bad_file == "stop":
        raise DeliveryError("\n".join(reader.bad))


@dataclass
class _Reader:
    """Reads the files of a night, and remembers what it came upon.

    Attributes:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        taken: Digest -> newest line of the manifest.
        scratch: A folder for copies.
        written: File -> its decimal mark and the pattern of its timestamp, None where it does not tell.
        encodings: File -> its encoding, None where there is none to tell.
        left_open: Place and file of those that do not tell how they are written.
        bad: A sentence for each file that cannot be read.
    """

    source: FileSource
    definition: ChurnDefinition
    night: date
    taken: dict[str, dict[str, Any]]
    scratch: Path
    written: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    encodings: dict[str, str | None] = field(default_factory=dict)
    left_open: list[tuple[int, File]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def read(self, place: int, file: File, beside: Usual | None) -> Iterator[Arrival]:
        """What a file brings; nothing yet if the files beside it have to tell how it is written."""
        try:
            before = self.taken.get(file.digest)
            if not _is_due(before, self.night):
                return
            copy = self.scratch / f"{place}.parquet"
            arrival = _read(self.source, file, self.definition, self.night, before, self.scratch, copy, beside)
            if arrival is None:
                self.left_open.append((place, file))
                return
            if arrival.line is not None:
                self.written[file.name] = arrival.line["decimal_mark"], arrival.line["timestamp_pattern"]
                self.encodings[file.name] = arrival.line["encoding"]
            yield arrival
        except AwayError:
            raise
        except DeliveryError as error:
            self.bad.append(str(error))
            if self.source.on_bad_file == "skip":
                yield Arrival([(file.name, SKIPPED, str(error))])


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
    beside: Usual | None,
) -> Arrival | None:
    """What a file brings; None if the files beside it are not known yet and have to tell how it is written."""
    with readable(file.name):
        contents = source.contents(file, scratch)
        frame = contents.rows
        mapped = resolve(frame.collect_schema().names(), source.columns, file=file.name).values()
        notes: list[Note] = list(drift(frame.collect_schema().names(), source.columns, file=file.name))
        if contents.nul_lines:
            notes.append((file.name, NUL, ", ".join(map(str, contents.nul_lines))))
        seen = look_at(frame, source.columns, file=file.name)
        if beside is None and is_open(seen, source.reading.timestamp_format, source.reading.decimal):
            return None
        notation = notation_of(seen, source.reading, file=file.name, beside=beside)
        notes += [(file.name, kind, detail) for kind, detail in notation.notes]
        read = canonical(
            frame, source.columns, source.reading, timezone=definition.timezone, file=file.name, notation=notation
        )
        # Damage may stand anywhere in a file: what is taken has been read to its end.
        numbered(read, source.identity).sink_parquet(copy, compression="lz4", row_group_size=122_880)
    rows = pl.scan_parquet(copy, glob=False)
    tonight = due(rows, night=night, after=before["night"] if before else None)
    # Python knows no year beyond 9999; rows of such a day never come.
    ahead = pl.col("day").clip(upper_bound=date.max)
    later = rows.filter(pl.col("day") > night).select(later=pl.len(), next_day=ahead.min(), last_day=ahead.max())
    counts = pl.collect_all([rows.select(rows=pl.len()), tonight.select(due=pl.len()), later])
    line = {
        "night": night,
        "source_file": file.name,
        "digest": file.digest,
        "identity": ", ".join(sorted(source.identity)),
        "size": file.size,
    }
    line |= pl.concat(counts, how="horizontal").row(0, named=True) | {"encoding": contents.encoding}
    line |= {"decimal_mark": seen.decimal, "timestamp_pattern": seen.pattern}
    if no_sales := told_by_night(frame, mapped):
        notes.append((file.name, NO_SALES, no_sales))
    if rounded := rounded_ids(rows):
        notes.append((file.name, ROUNDED, rounded))
    if not line["rows"]:
        notes.append((file.name, EMPTY, ""))
    return Arrival(notes, line, tonight if line["due"] else None)
