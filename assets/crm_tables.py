"""The tables that a CRM finds in its database, and how a night becomes the current one."""
# ruff: noqa: S608 - the statements are made of the names below and of dates, of nothing that anybody sends

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import polars as pl

from models.fingerprint import fingerprints
from models.segments import BUSINESS, AtRiskSegment, departed

CURRENT = "at_risk_segments"
HISTORY = "at_risk_segments_history"
CHANGES = "at_risk_segments_changes"
DEPARTED = "at_risk_segments_departed"
POINTER = "at_risk_segments_pointer"
LOG = "publication_log"

Schema = Mapping[str, pl.DataType]
INSTANT = pl.Datetime("us", "UTC")
ROW: Schema = {**AtRiskSegment.create_empty().schema, "updated_at": INSTANT}
ENTRY: Schema = {
    "snapshot_id": pl.String(),
    "night": pl.Date(),
    "run_id": pl.String(),
    "rows": pl.Int64(),
    "published_at": INSTANT,
}
COLUMNS = ", ".join(ROW)
NEWS = [name for name in BUSINESS if name != "customer_id"]
STORED: Schema = {"updated_at": INSTANT, "fingerprint": pl.Int64(), **ROW}
"""A row as it is kept: with a number that moves when its business content does, and first what each night asks for."""


@dataclass(frozen=True)
class Entry:
    """A publication as the log holds it."""

    snapshot_id: str
    night: date
    run_id: str
    rows: int
    published_at: datetime


class Store(Protocol):
    """An open transaction on the database of a CRM."""

    @property
    def types(self) -> Mapping[str, str]:
        """The name of each type in this database."""

    @property
    def among(self) -> str:
        """SQL after a column: whether it is in the one parameter, a list as JSON."""

    def execute(self, statement: str) -> None:
        """Run a statement."""

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view; none when it is not there."""

    def read(self, query: str, schema: Schema, parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of a query, with these types."""

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows."""

    def create_history(self, table: str, columns: str) -> None:
        """Create the table of all nights."""

    def load(self, table: str, night: date, rows: pl.DataFrame) -> None:
        """Put the rows of a night in place of those that it may have had."""

    def forget(self, table: str, before: date) -> None:
        """Delete the nights before a day."""

    def replace_history(self, table: str, columns: str) -> str:
        """Create the table of all nights anew, for all views on it, and return the name of the one set aside."""


def prepare(store: Store) -> None:
    """Create the tables where they are missing, and bring those of earlier versions of `churn` up to date.

    `at_risk_segments` is a view: the rows of the night that the pointer names, and those of customers who
    left before. A night is therefore written once, and becomes current in one step.

    Raises:
        ValueError: when the tables are there with other columns.
    """
    there = store.columns(HISTORY)
    if there == list(STORED):
        return
    if there == list(ROW):
        _add_fingerprints(store)
        return
    if there:
        differing = ", ".join(sorted(set(there) ^ set(STORED))) or "their order"
        raise ValueError(
            f"{HISTORY} in the CRM's database differs from the contract in: {differing}. It belongs to another "
            "version of the contract: deliver to another database or schema, or rename the old tables"
        )
    entry = ", ".join(f"{name} {store.types[str(dtype.base_type())]} NOT NULL" for name, dtype in ENTRY.items())
    store.create_history(HISTORY, _definitions(store))
    for statement in (
        f"CREATE TABLE {DEPARTED} ({_definitions(store)}, PRIMARY KEY (customer_id))",
        f"CREATE INDEX {DEPARTED}_updated_at ON {DEPARTED} (updated_at)",
        f"CREATE TABLE {POINTER} (night {store.types['Date']} NOT NULL)",
        f"CREATE TABLE {LOG} ({entry})",
        f"CREATE VIEW {CURRENT} AS SELECT {COLUMNS} FROM {HISTORY} WHERE night = (SELECT night FROM {POINTER}) "
        f"UNION ALL SELECT {COLUMNS} FROM {DEPARTED}",
        f"CREATE VIEW {CHANGES} AS SELECT {COLUMNS} FROM {HISTORY} WHERE status IN ('entered', 'left') "
        f"UNION SELECT {COLUMNS} FROM {DEPARTED}",
    ):
        store.execute(statement)


def _definitions(store: Store) -> str:
    nullable = {name for name, column in AtRiskSegment.columns().items() if column.nullable}
    return ", ".join(
        f"{name} {store.types[str(dtype.base_type())]}{'' if name in nullable else ' NOT NULL'}"
        for name, dtype in STORED.items()
    )


def _add_fingerprints(store: Store) -> None:
    nights = store.read(f"SELECT DISTINCT night FROM {HISTORY}", {"night": pl.Date()})["night"]
    before = store.replace_history(HISTORY, _definitions(store))
    for night in nights.sort():
        rows = store.read(f"SELECT {COLUMNS} FROM {before} WHERE night = '{night}'", ROW)
        store.load(HISTORY, night, _marked(rows).select(list(STORED)))
    store.execute(f"DROP TABLE {before}")
    left = store.read(f"SELECT {COLUMNS} FROM {DEPARTED}", ROW)
    store.execute(f"DELETE FROM {DEPARTED}")
    store.execute(f"ALTER TABLE {DEPARTED} ADD COLUMN fingerprint {store.types['Int64']} NOT NULL DEFAULT 0")
    store.insert(DEPARTED, _marked(left).select(list(STORED)))


def _marked(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(fingerprint=fingerprints(rows, NEWS))


def log(store: Store) -> list[Entry]:
    """The publications so far, the oldest first."""
    entries = store.read(f"SELECT {', '.join(ENTRY)} FROM {LOG} ORDER BY published_at", ENTRY)
    return [Entry(*row) for row in entries.rows()]


def enter(store: Store, entry: Entry) -> None:
    """Enter a publication in the log."""
    store.insert(LOG, pl.DataFrame([entry], schema=dict(ENTRY)))


def pointed(store: Store) -> date | None:
    """The night that the CRM reads."""
    nights = store.read(f"SELECT night FROM {POINTER}", {"night": pl.Date()}).rows()
    return nights[0][0] if nights else None


def stored(store: Store, night: date) -> pl.DataFrame:
    """The rows of a night as they were delivered."""
    return store.read(f"SELECT {COLUMNS} FROM {HISTORY} WHERE night = '{night}'", ROW)


def write(store: Store, rows: pl.DataFrame, night: date) -> None:
    """Put the rows of a night in place of those that it may have had.

    Raises:
        RuntimeError: when the database holds another number of rows afterwards.
    """
    store.load(HISTORY, night, rows.select(list(STORED)))
    there = store.read(f"SELECT count(*) AS n FROM {HISTORY} WHERE night = '{night}'", {"n": pl.Int64()}).item()
    if there != rows.height:
        raise RuntimeError(f"{there} of {rows.height} rows arrived for {night}; nothing is published, publish it again")


def write_behind(store: Store, rows: pl.DataFrame, night: date) -> None:
    """Write a night that is older than the current one, with its own date as stamp: to a watermark it is no news."""
    stamp = pl.lit(datetime.combine(night, time.max, UTC), INSTANT)
    write(store, _marked(rows).with_columns(updated_at=stamp), night)


def make_current(store: Store, rows: pl.DataFrame, night: date, now: datetime, *, departed_days: int) -> int:
    """Write a night and let the CRM read it.

    A row keeps its `updated_at` as long as none of `models.segments.BUSINESS` changes. Customers whom the
    CRM knows as at risk and of whom the night says nothing are told to have left. Whoever left stays in
    the current table for `departed_days` after that night, or until at risk again.

    Returns:
        How many rows of the current table have changed.
    """
    names = ("customer_id", "updated_at", "fingerprint")
    known = store.read(
        f"SELECT {', '.join(names)} FROM {HISTORY} WHERE night = (SELECT night FROM {POINTER}) "
        f"UNION ALL SELECT {', '.join(names)} FROM {DEPARTED}",
        {name: STORED[name] for name in names},
    )
    stamp = pl.lit(now, INSTANT)
    same = pl.col("fingerprint").eq_missing(pl.col("fingerprint_before"))
    stamped = (
        _marked(rows.drop("updated_at", strict=False))
        .join(known, on="customer_id", how="left", suffix="_before", maintain_order="left")
        .with_columns(updated_at=pl.when(same).then("updated_at").otherwise(stamp))
    )
    gone = _rows(store, known.join(rows, on="customer_id", how="anti")["customer_id"])
    told = pl.col("status") == "left"
    missed = departed(gone.filter(~told), night).with_columns(updated_at=stamp)
    left = pl.concat([gone.filter(told), missed]).filter(pl.col("night") > night - timedelta(days=departed_days))
    store.execute(f"DELETE FROM {DEPARTED}")
    store.insert(DEPARTED, _marked(left).sort("customer_id"))
    write(store, stamped, night)
    store.execute(f"DELETE FROM {POINTER}")
    store.insert(POINTER, pl.DataFrame({"night": [night]}))
    return stamped.filter(pl.col("updated_at") == now).height + missed.height


def _rows(store: Store, customers: pl.Series) -> pl.DataFrame:
    """What the CRM reads of some customers."""
    if customers.is_empty():
        return pl.DataFrame(schema=dict(ROW))
    query = f"SELECT {COLUMNS} FROM {CURRENT} WHERE customer_id {store.among}"
    return store.read(query, ROW, [json.dumps(customers.to_list())])


def forget(store: Store, before: date) -> None:
    """Delete the nights before a day from the history."""
    store.forget(HISTORY, before)
