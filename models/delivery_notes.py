"""What is worth saying about a delivery that did not stop the night."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

import dataframely as dy
import polars as pl

from models.headers import tell_names
from models.mapping import ColumnMapping, resolve

SKIPPED, UNUSED, ABSENT, ERASED = "skipped", "columns_unused", "columns_absent", "erased"
"""The file was left out; it has columns that nothing is mapped to; it lacks columns that something is mapped to; it has
rows of customers who were erased."""

PASSED_OVER, EMPTY, ENCODING, NUL = "passed_over", "no_rows", "encoding_differs", "nul_characters"
"""The file is there and nothing tells that it is a table; it is a header alone; it is written in another encoding than
most files; it held NUL characters."""

CHANGED, SHARED = "orders_changed", "lines_shared"
"""Orders of earlier nights came again with other lines; lines count once because another file of the night, which has
little else in common, holds them too."""

WARNINGS = (SKIPPED, PASSED_OVER, CHANGED, SHARED, ENCODING, NUL)
REMARKS = (EMPTY, ABSENT, UNUSED, ERASED)
"""Kinds of notes that may mean lost or wrong rows, and those that are merely told."""

_SENTENCES = {
    PASSED_OVER: "{file}: passed over: {detail}",
    EMPTY: "{file}: a header and no rows.",
    ENCODING: "{file}: {detail}",
    NUL: "{file}: NUL characters were taken out, first in line {detail}.",
    CHANGED: "{file}: {detail}",
    SHARED: "{file}: {detail}",
    SKIPPED: "{detail} It was skipped and will be tried again the next night.",
    UNUSED: "{file}: columns that no setting names are left out: {detail}.",
    ERASED: "{file}: rows of customers who were erased are left out: {detail}.",
    ABSENT: "{file}: no column for {detail}, which source.columns names.",
}


class DeliveryNote(dy.Schema):
    """Something to know about one file of one night."""

    night = dy.Date(primary_key=True)
    source_file = dy.String(primary_key=True)
    kind = dy.String(primary_key=True)
    detail = dy.String()


Note = tuple[str, str, str]
"""File, kind and detail of a note."""


def drift(header: Sequence[str], mapping: ColumnMapping, *, file: str) -> Iterator[Note]:
    """How a header differs from what the settings name.

    Raises:
        DeliveryError: If the file lacks the customer or the timestamp.
    """
    found = resolve(header, mapping, file=file)
    if unused := [name for name in header if name not in found.values()]:
        yield file, UNUSED, tell_names(unused)
    mapped = [field.name for field in fields(mapping) if getattr(mapping, field.name)]
    if absent := [name for name in mapped if name not in found]:
        yield file, ABSENT, ", ".join(absent)


def foreign_encodings(encodings: Mapping[str, str | None], earlier: Iterable[str]) -> Iterator[Note]:
    """The files that are written in another encoding than most files of this and earlier nights.

    Args:
        encodings: Of tonight's files; None where there is none to tell.
        earlier: Of the files of earlier nights.
    """
    counts = Counter(each for each in (*earlier, *encodings.values()) if each is not None)
    if len(counts) < 2:
        return
    usual = max(counts, key=lambda encoding: (counts[encoding], encoding == "utf-8"))
    for file, encoding in encodings.items():
        if encoding not in {None, usual}:
            yield (
                file,
                ENCODING,
                f"read as {encoding}, most files as {usual}. Look at its names: if letters are wrong, deliver it as "
                "UTF-8.",
            )


def sentences(notes: pl.DataFrame, kind: str) -> list[str]:
    """The notes of a kind as sentences, one for all files of which the same is to be said.

    Args:
        notes: Columns of :class:`DeliveryNote`, of one night.
        kind: Which notes.
    """
    alike = notes.filter(pl.col("kind") == kind).group_by("detail", maintain_order=True).agg("source_file")
    return [
        _SENTENCES[kind].format(
            detail=detail, file=files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
        )
        for detail, files in alike.iter_rows()
    ]
