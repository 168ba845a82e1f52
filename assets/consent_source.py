"""Where consent comes from: files of people who objected, of flags per customer, or of changes one by one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from assets.files import FileSource, readable
from assets.input_source import InputTable, named, written_frames
from models.consent import MARKETING, flags
from models.definition import ChurnDefinition
from models.headers import tell_header
from models.mapping import DeliveryError, canonical
from models.notation import Notation


@dataclass(frozen=True)
class ConsentSource:
    """Where customers agree and object.

    Attributes:
        rows: Where the rows come from; the mapping has who and when.
        channels: Our name of each channel, and theirs: a value of `channel`, or without it a column of yes and no.
            Empty: every row is an objection to marketing as a whole.
        channel: Column that says what was said about; None where each channel has a column.
        given: Column that says yes or no, beside `channel`.
    """

    rows: FileSource | InputTable
    channels: Mapping[str, str]
    channel: str | None = None
    given: str | None = None

    def read(self, definition: ChurnDefinition, scratch: Path) -> Iterator[pl.LazyFrame]:
        """What every file, or the table, says, as of `models.consent.flags`.

        Raises:
            DeliveryError: If there is no file, one lacks a column, or says what is not understood.
        """
        theirs = {name: ours for ours, name in self.channels.items()}
        with named("consent"):
            for name, frame, notation in written_frames(self.rows, scratch):
                with readable(name):
                    said = pl.concat(self._said(frame, name, definition.timezone, notation))
                    yield flags(said, theirs or {MARKETING: MARKETING}, file=name)

    def _said(self, frame: pl.LazyFrame, name: str, timezone: str, notation: Notation) -> Iterator[pl.LazyFrame]:
        columns, wanted = self.rows.columns, ["customer_id", "timestamp", "day", "source_row"]
        needed = [*self.channels.values()] if self.channel is None else [self.channel, f"{self.given}"]
        _refuse_without(needed, frame.collect_schema().names(), name)

        def read(**more: str) -> pl.LazyFrame:
            mapping = replace(columns, **{role: (column,) for role, column in more.items()})
            return canonical(frame, mapping, self.rows.reading, timezone=timezone, file=name, notation=notation)

        if self.channel is not None:
            rows = read(channel=self.channel, category=f"{self.given}")
            yield rows.select(*wanted, about="channel", said="category")
        elif self.channels:
            for column in self.channels.values():
                yield read(category=column).select(*wanted, about=pl.lit(column), said="category")
        else:
            yield read().select(*wanted, about=pl.lit(MARKETING), said=pl.lit("objected"))


def _refuse_without(columns: Iterable[str], header: Sequence[str], file: str) -> None:
    """Refuse a file without a column: whoever objected in it would be contacted."""
    known = {name.strip().lower() for name in header}
    for column in columns:
        if column.strip().lower() not in known:
            raise DeliveryError(
                f"{file}: no column {column!r}. {tell_header(header)} Name the column in churn.toml, or mend the file."
            )
