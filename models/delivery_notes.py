"""What is worth saying about a delivery that did not stop the night."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

import dataframely as dy
import polars as pl

from models.headers import tell_names
from models.mapping import IDS, ColumnMapping, resolve
from models.notation import DAY_UNCLEAR, GROUPED, INEXACT, MIXED_MARKS, OTHER_MARK, OTHER_ORDER, PARTLY_READ
from models.row_kinds import together

SKIPPED, UNUSED, ABSENT, ERASED = "skipped", "columns_unused", "columns_absent", "erased"
"""The file was left out; it has columns that nothing is mapped to; it lacks columns that something is mapped to; it has
rows of customers who were erased."""

PASSED_OVER, EMPTY, ENCODING, NUL = "passed_over", "no_rows", "encoding_differs", "nul_characters"
"""The file is there and nothing tells that it is a table; it is a header alone; it is written in another encoding than
most files; it held NUL characters."""

CHANGED, REPLACED, SHARED = "orders_changed", "orders_replaced", "lines_shared"
"""Orders of earlier nights came again with other lines; these count in place of the older ones; lines count once since
another file of the night, which has little else in common, holds them too."""

NO_SALES = "rows_no_sales"
"""Columns say of some rows that they are no sales, and they count as such."""

ROUNDED, WAITING, FUTURE = "ids_rounded", "rows_waiting", "rows_in_future"
"""Ids were rounded by a spreadsheet; rows happened after the night and wait for theirs; some of them are yet to happen
in more than a few days."""

_WRITTEN = (ROUNDED, INEXACT, MIXED_MARKS, OTHER_MARK, DAY_UNCLEAR, OTHER_ORDER, PARTLY_READ)
WARNINGS = (SKIPPED, PASSED_OVER, CHANGED, SHARED, ENCODING, NUL, *_WRITTEN, FUTURE)
REMARKS = (NO_SALES, REPLACED, EMPTY, ABSENT, UNUSED, ERASED, GROUPED, WAITING)
"""Kinds of notes that may mean lost or wrong rows, and those that are merely told."""

_SENTENCES = {
    NO_SALES: "Rows that seem to be no plain sales count as purchases: {detail}. Deliver the sales alone.",
    PASSED_OVER: "{file}: passed over: {detail}",
    EMPTY: "{file}: a header and no rows.",
    ENCODING: "{file}: {detail}",
    NUL: "{file}: NUL characters were taken out, first in line {detail}.",
    CHANGED: "{detail}",
    REPLACED: "Orders of earlier nights came again with other lines, which count from now on in their place: {detail}.",
    SHARED: "{file}: {detail}",
    GROUPED: "{file}: numbers are read as thousands, not decimals: {detail}. Set source.decimal if that is wrong.",
    MIXED_MARKS: "{file}: decimal commas and points stand in one column, the fewer are not read: {detail}.",
    OTHER_MARK: "{file}: numbers have {detail}. Look whether its amounts are right.",
    DAY_UNCLEAR: "{file}: nothing tells day from month: {detail}. Set source.timestamp_format.",
    OTHER_ORDER: "{file}: {detail}. Look whether its days are right, or set source.timestamp_format.",
    PARTLY_READ: "{file}: source.timestamp_format reads only {detail}.",
    INEXACT: "{file}: ids above 9007199254740992 came as floats and may be rounded: {detail}. Deliver them as text.",
    ROUNDED: "{file}: ids such as 4.00638E+12 were rounded by a spreadsheet and are no ids: {detail}. Deliver text.",
    WAITING: "{file}: rows of later days wait for their nights: {detail}.",
    FUTURE: "{file}: rows of days to come wait for their nights: {detail}. Is source.columns.timestamp the right one?",
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


def rounded_ids(rows: pl.LazyFrame) -> str | None:
    """Which ids of a delivery a spreadsheet rounded, with counts; None if there are none.

    Args:
        rows: Canonical rows; an id that was rounded is null and stands in `unreadable`.
    """
    said = pl.col("unreadable").drop_nulls()
    counts = rows.select(said.str.contains(f'"{role}":', literal=True).sum().alias(role) for role in IDS).collect()
    return ", ".join(f"{count:,} of {role}" for role, count in counts.row(0, named=True).items() if count) or None


def sentences(notes: pl.DataFrame, kind: str) -> list[str]:
    """The notes of a kind as sentences, one for all files of which the same is to be said.

    Args:
        notes: Columns of :class:`DeliveryNote`, of one night.
        kind: Which notes.
    """
    if kind == NO_SALES:
        told = notes.filter(pl.col("kind") == kind)["detail"]
        return [_SENTENCES[kind].format(detail=together(told))] if len(told) else []
    alike = notes.filter(pl.col("kind") == kind).group_by("detail", maintain_order=True).agg("source_file")
    return [
        _SENTENCES[kind].format(
            detail=detail, file=files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
        )
        for detail, files in alike.iter_rows()
    ]
