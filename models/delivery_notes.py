"""What is worth saying about a delivery that did not stop the night."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

import dataframely as dy
import polars as pl

from models.headers import tell_names
from models.mapping import ColumnMapping, resolve

SKIPPED, UNUSED, ABSENT, ERASED = "skipped", "columns_unused", "columns_absent", "erased"
"""The file was left out; it has columns that nothing is mapped to; it lacks columns that something is mapped to; it has
rows of customers who were erased."""

_SENTENCES = {
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
