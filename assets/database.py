"""Transactions from a database: a night asks for what arrived since the last one, and for nothing else."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from models.definition import ChurnDefinition
from models.deliveries import numbered
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, resolve

URL_VARIABLE = "CHURN__SOURCE__URL"

_MOMENTS = {"date", "timestamp", "timestamptz"}
_DECIMALS = {"numeric", "money"}
_NUMBERS = {"int2", "int4", "int8", "float4", "float8"} | _DECIMALS
_TEXTS = {"text", "varchar", "bpchar"}
_READABLE = (
    {name: _MOMENTS | _TEXTS for name in ("timestamp", "contract_until")}
    | {name: _NUMBERS | _TEXTS for name in ("amount", "quantity", "unit_price", "discount")}
)
_CONNECTING = {
    "could not translate host name": "Correct the host in {variable}.",
    "Connection refused": "Start the server, or correct host and port in {variable}.",
    "timeout expired": "Start the server, or correct host and port in {variable}.",
    "password": "Correct user and password in {variable}; reserved characters are percent-encoded, @ as %40.",
    "role": "Correct the user in {variable}.",
    "database": "Correct the database in {variable}.",
}


@dataclass(frozen=True)
class DatabaseSource:
    """A table or a query of a PostgreSQL database.

    Attributes:
        url: ``postgresql://user:password@host:5432/database``; a secret.
        columns: Which of its columns mean what.
        reading: How text becomes moments and numbers.
        table: Name of a table or view, with its schema where it is not on the search path.
        query: A SELECT, in place of a table.
        arrived_column: When a row arrived: a date, timestamp or timestamptz. Without it a row counts as arrived when
            it happened, so that one which comes later than the night of its day is never seen.

    """

    url: str = field(repr=False)
    columns: ColumnMapping
    reading: Reading = field(default_factory=Reading)
    table: str | None = None
    query: str | None = None
    arrived_column: str | None = None

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
        if self.query is not None:
            return f"(\n{self.query.strip().rstrip(';')}\n) AS delivery"
        return ".".join(_quoted(part) for part in self.name.split("."))


def read_database(
    source: DatabaseSource, definition: ChurnDefinition, *, night: date, manifest: pl.DataFrame, scratch: Path
) -> Iterator[tuple[dict[str, object], pl.LazyFrame]]:
    """Read what arrived after the last ingested night and by the end of this one; the first night takes all before it.

    Rows without a time of arrival come with the first night.

    Args:
        source: Where transactions come from.
        definition: Gives the zone whose midnights divide the days.
        night: As-of date.
        manifest: What earlier nights took in.
        scratch: Folder that holds the rows, sorted by all their columns so that a night's bytes do not depend on the
            order in which the database gives them. It has to stay as long as the frame is used.

    Yields:
        The night's line in the manifest (with `arrived_from` and `arrived_until`, the half-open span in UTC, the former
        null on the first night), and its rows.

    Raises:
        DeliveryError: If the database cannot be reached or read, or lacks a column.

    """
    last = manifest.filter(pl.col("source_file") == source.name)["night"].max()
    after = last if isinstance(last, date) else None
    path = scratch / f"{night}.parquet"
    with _connected(source) as cursor:
        cursor.execute(_select(source, _types(source, cursor), after=after, night=night, definition=definition))
        arrived = pl.scan_arrow_c_stream(cursor.fetch_arrow())
        arrived.sort(pl.all()).sink_parquet(path, row_group_size=122_880)
    rows = pl.scan_parquet(path)
    count = rows.select(pl.len()).collect().item()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    line = {
        "night": night,
        "source_file": source.name,
        "digest": digest,
        "size": path.stat().st_size,
        "rows": count,
        "due": count,
        "later": 0,
        "arrived_from": after and _end(after, definition).astimezone(UTC),
        "arrived_until": _end(night, definition).astimezone(UTC),
    }
    read = canonical(rows, source.columns, source.reading, timezone=definition.timezone, file=source.name)
    yield line, numbered(read)


def _end(night: date, definition: ChurnDefinition) -> datetime:
    return datetime.combine(night + timedelta(days=1), time(), definition.zone)


def _types(source: DatabaseSource, cursor: Any) -> dict[str, str]:
    """PostgreSQL's name for the type of each column."""
    schema = cursor.adbc_execute_schema(f"SELECT * FROM {source.relation}")  # noqa: S608 (its parts are quoted)
    return {column.name: column.metadata[b"POSTGRESQL:type"].decode() for column in schema}


def _select(
    source: DatabaseSource, types: dict[str, str], *, after: date | None, night: date, definition: ChurnDefinition
) -> str:
    found = resolve(list(types), source.columns, file=source.name)
    for column, own in found.items():
        if types[own] not in _READABLE.get(column, {types[own]}):
            raise DeliveryError(
                f"{source.name}: column {own!r} is of type {types[own]}, which cannot be read as {column}. Cast it in "
                "source.query, or correct source.columns in churn.toml."
            )
    watermark = source.arrived_column or found["timestamp"]
    if watermark not in types:
        near = get_close_matches(watermark, types, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" It has: {', '.join(map(repr, types))}."
        raise DeliveryError(f"{source.name}: no column {watermark!r}.{hint} Set source.arrived_column in churn.toml.")
    if types[watermark] not in _MOMENTS:
        raise DeliveryError(
            f"{source.name}: column {watermark!r} is of type {types[watermark]}, but what arrived by a night is told by a "
            "date or timestamp. Set source.arrived_column to such a column, or cast it in source.query."
        )

    def literal(night: date) -> str:
        end = _end(night, definition)
        return f"timestamptz '{end.isoformat()}'" if types[watermark] == "timestamptz" else f"timestamp '{end:%F %T}'"

    column = _quoted(watermark)
    span = f"{column} < {literal(night)}"
    span += f" OR {column} IS NULL" if after is None else f" AND {column} >= {literal(after)}"
    columns = ", ".join(f"{_read(own, types[own])} AS {_quoted(own)}" for own in sorted(set(found.values())))
    return f"SELECT {columns} FROM {source.relation} WHERE {span}"  # noqa: S608 (its parts are quoted)


def _read(column: str, type_: str) -> str:
    """A column as a type that Arrow has; endless dates become the last and the first that a calendar shows."""
    quoted = _quoted(column)
    if type_ in _MOMENTS:
        last, first = (f"{type_} '{day}'" for day in ("9999-12-30", "0001-01-02"))
        return f"CASE WHEN {quoted} > {last} THEN {last} WHEN {quoted} < {first} THEN {first} ELSE {quoted} END"
    if type_ in _DECIMALS:
        return f"{quoted}::numeric::float8"
    return quoted if type_ in _NUMBERS | _TEXTS else f"{quoted}::text"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _connected(source: DatabaseSource) -> Iterator[Any]:
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    patience = "" if "connect_timeout" in source.url else f"{'&' if '?' in source.url else '?'}connect_timeout=10"
    try:
        connection = dbapi.connect(source.url + patience, autocommit=True)
    except Error as error:
        raise DeliveryError(_unreachable(str(error))) from None
    with connection, connection.cursor() as cursor:
        try:
            yield cursor
        except (Error, pl.exceptions.ComputeError) as error:
            raise DeliveryError(_refused(source, error, cursor)) from None
