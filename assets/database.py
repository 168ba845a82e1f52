"""Transactions from a database: a night asks for what arrived since the last one, and for nothing else."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl

from assets.other_database import answer, count_other, limited, read_other
from assets.postgresql import (
    MOMENTS,
    NUMBERS,
    TEXTS,
    as_arrow,
    connected,
    is_away,
    is_postgresql,
    quoted,
    refusal,
    relation_of,
    types_of,
)
from models.definition import ChurnDefinition
from models.deliveries import IDENTITY, Arrival, numbered
from models.delivery_notes import ABSENT, drift
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, look_at, notation_of, resolve
from models.notation import usual

URL_VARIABLE = "CHURN__SOURCE__URL"

_READ_FROM = dict.fromkeys(("timestamp", "contract_until"), MOMENTS | TEXTS) | dict.fromkeys(
    ("amount", "quantity", "unit_price", "discount"), NUMBERS | TEXTS
)


@dataclass(frozen=True)
class DatabaseSource:
    """A table or a query of a database.

    Attributes:
        url: ``postgresql://user:password@host:5432/database``, or that of another database; a secret.
        columns: Which of its columns mean what.
        reading: How text becomes moments and numbers.
        table: Name of a table or view, with its schema where it is not on the search path.
        query: A SELECT, in place of a table.
        arrived_column: When a row arrived: a date, timestamp or timestamptz. Without it a row counts as arrived when
            it happened, so that one which comes after the night of its day is never seen.
        identity: Columns in which two rows of the same line agree.
        overlap_days: Days before the last night that are asked for again: a row that was stamped before a night and
            committed after it would be missed for ever.
    """

    url: str = field(repr=False)
    columns: ColumnMapping
    reading: Reading = field(default_factory=Reading)
    table: str | None = None
    query: str | None = None
    arrived_column: str | None = None
    identity: tuple[str, ...] = IDENTITY
    overlap_days: int = 0
    corrections: ClassVar[Literal["add"]] = "add"
    """A changed row comes without the others of its order, which it must not replace."""

    def __post_init__(self) -> None:
        """Refuse a source that says twice, or not at all, what to read.

        Raises:
            ValueError: Names the settings.
        """
        if (self.table is None) == (self.query is None):
            raise ValueError("a database is read by a table or by a query: set one of source.table and source.query")

    @property
    def name(self) -> str:
        """What the lake calls the source."""
        return self.table or "query"

    @property
    def relation(self) -> str:
        """What stands after FROM."""
        return relation_of(self.name, self.query)


def read_database(
    source: DatabaseSource, definition: ChurnDefinition, *, night: date, manifest: pl.DataFrame, scratch: Path
) -> Iterator[Arrival]:
    """Read what arrived after the last ingested night and by the end of this one; the first night takes all before it.

    The days of the overlap before it, and rows without a time of arrival, are read again each night.

    Args:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        manifest: What earlier nights took in.
        scratch: Folder for the rows, sorted by all their columns, so that a night's bytes do not depend on the order in
            which the database gives them. It has to stay as long as the frame is used.

    Yields:
        The night's line in the manifest, with the span of arrival in UTC (`arrived_from`, null on the first night, is
        part of it, `arrived_until` is not), its rows, and a note where it lacks columns. That a table has columns of
        which nobody asks is nothing to note.

    Raises:
        DeliveryError: If the database cannot be reached or read, or lacks a column.
    """
    last = manifest.filter(pl.col("source_file") == source.name)["night"].max()
    after = last - timedelta(days=source.overlap_days) if isinstance(last, date) else None
    path = scratch / f"{night}.parquet"
    if is_postgresql(source.url):
        with connected(source.url, URL_VARIABLE) as cursor, _explained(source, cursor):
            types = types_of(source.relation, cursor)
            cursor.execute(_select(source, types, definition, after=after, night=night))
            delivered = pl.scan_arrow_c_stream(cursor.fetch_arrow())
            delivered.sort(pl.all()).sink_parquet(path, row_group_size=122_880)
    else:
        read_other(
            source.url,
            source.name if source.query is None else source.relation,
            source.arrived_column,
            source.columns,
            name=source.name,
            variable=URL_VARIABLE,
            after=after,
            night=night,
        ).sort(pl.all()).write_parquet(path, row_group_size=122_880)
    rows = pl.scan_parquet(path, glob=False)
    count = rows.select(pl.len()).collect().item()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    line: dict[str, object] = {
        "night": night,
        "source_file": source.name,
        "digest": digest,
        "identity": ", ".join(sorted(source.identity)),
        "size": path.stat().st_size,
    }
    span = {"arrived_from": after and _end(after, definition), "arrived_until": _end(night, definition)}
    seen = look_at(rows, source.columns, file=source.name)
    beside = usual(manifest.select("decimal_mark", "timestamp_pattern").iter_rows())
    notation = notation_of(seen, source.reading, file=source.name, beside=beside)
    line |= {"decimal_mark": seen.decimal, "timestamp_pattern": seen.pattern}
    read = canonical(
        rows, source.columns, source.reading, timezone=definition.timezone, file=source.name, notation=notation
    )
    notes = [note for note in drift(rows.collect_schema().names(), source.columns, file=source.name) if ABSENT in note]
    notes += [(source.name, kind, detail) for kind, detail in notation.notes]
    line |= {"rows": count, "due": count, "later": 0} | span
    yield Arrival(notes, line, numbered(read, source.identity))


def first_rows(source: DatabaseSource, most: int, scratch: Path) -> pl.LazyFrame:
    """Some rows of the table or query with all of its columns, in whatever order the database gives them.

    Args:
        source: What to read; its columns are not asked for.
        most: How many rows at most.
        scratch: Folder for the rows; it has to stay as long as the frame is used.

    Raises:
        DeliveryError: If the database cannot be reached or read.
    """
    path = scratch / "first.parquet"
    if is_postgresql(source.url):
        with connected(source.url, URL_VARIABLE) as cursor, _explained(source, cursor):
            columns = ", ".join(as_arrow(name, kind) for name, kind in types_of(source.relation, cursor).items())
            cursor.execute(f"SELECT {columns} FROM {source.relation} LIMIT {most}")  # noqa: S608 (names are quoted)
            pl.scan_arrow_c_stream(cursor.fetch_arrow()).sink_parquet(path)
    else:
        relation = source.name if source.query is None else source.relation
        top, limit = limited(source.url, most)
        statement = f"SELECT {top}* FROM {relation}{limit}"  # noqa: S608 (from settings)
        answer(source.url, statement, name=source.name, variable=URL_VARIABLE).write_parquet(path)
    return pl.scan_parquet(path)


def arrived_by(source: DatabaseSource, definition: ChurnDefinition, night: date) -> int:
    """Number of the rows that had arrived by the end of a night, as the database has them now.

    Raises:
        AwayError: If the server does not answer or hangs up.
        DeliveryError: If the database cannot be reached or read, or lacks a column.
    """
    if not is_postgresql(source.url):
        relation = source.name if source.query is None else source.relation
        return count_other(
            source.url,
            relation,
            source.arrived_column,
            source.columns,
            name=source.name,
            variable=URL_VARIABLE,
            night=night,
        )
    with connected(source.url, URL_VARIABLE) as cursor, _explained(source, cursor):
        types = types_of(source.relation, cursor)
        rows = _select(source, types, definition, after=None, night=night)
        cursor.execute(f"SELECT count(*) FROM ({rows}) arrived")  # noqa: S608 (names are quoted)
        return int(cursor.fetchone()[0])


def _end(night: date, definition: ChurnDefinition) -> datetime:
    return datetime.combine(night + timedelta(days=1), time(), definition.zone).astimezone(UTC)


def _select(
    source: DatabaseSource, types: dict[str, str], definition: ChurnDefinition, *, after: date | None, night: date
) -> str:
    found = resolve(list(types), source.columns, file=source.name)
    for column, own in found.items():
        if types[own] not in _READ_FROM.get(column, {types[own]}):
            raise DeliveryError(
                f"{source.name}: column {own!r} is of type {types[own]} and cannot be read as {column}. Cast it in "
                "source.query, or correct source.columns in churn.toml."
            )
    arrived = source.arrived_column or found["timestamp"]
    if arrived not in types:
        near = get_close_matches(arrived, types, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(map(repr, types))}."
        raise DeliveryError(f"{source.name}: no column {arrived!r}. {hint} Set source.arrived_column in churn.toml.")
    if types[arrived] not in MOMENTS:
        raise DeliveryError(
            f"{source.name}: column {arrived!r} is of type {types[arrived]} and cannot tell what arrived by a night. "
            "Set source.arrived_column to a date or timestamp, or cast it in source.query."
        )

    def midnight(night: date) -> str:
        if types[arrived] == "timestamptz":
            return f"timestamptz '{_end(night, definition).isoformat()}'"
        return f"timestamp '{night + timedelta(days=1)}'"

    span = f"{quoted(arrived)} < {midnight(night)}"
    span += "" if after is None else f" AND {quoted(arrived)} >= {midnight(after)}"
    columns = ", ".join(as_arrow(own, types[own]) for own in sorted(set(found.values())))
    return f"SELECT {columns} FROM {source.relation} WHERE {span} OR {quoted(arrived)} IS NULL"  # noqa: S608 (names are quoted)


@contextmanager
def _explained(source: DatabaseSource, cursor: Any) -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, pl.exceptions.ComputeError) as error:
        if isinstance(error, Error) and is_away(error):
            raise
        state, reason = getattr(error, "sqlstate", None), refusal(error)
        if source.query is not None:
            sentence = f"source.query fails: {reason}. Correct it in churn.toml."
        elif state == "42P01":
            sentence = f"{source.name}: the database has no such table.{_hint(source.name, cursor)}"
        elif state == "42501":
            sentence = f"{source.name}: {reason}. Grant SELECT on it to the user in {URL_VARIABLE}."
        else:
            sentence = f"{source.name}: {reason}. Correct the table, or read it by a source.query."
        raise DeliveryError(sentence) from None


def _hint(table: str, cursor: Any) -> str:
    cursor.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    known = [name for (full,) in cursor.fetchall() for name in (full, full.partition(".")[2])]
    near = get_close_matches(table, known, n=1)
    return (f" Did you mean {near[0]!r}?" if near else "") + " Set source.table in churn.toml."
