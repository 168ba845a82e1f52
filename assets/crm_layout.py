"""What a CRM finds in its database, table by table, and how it comes there."""
# ruff: noqa: S608 - the statements are made of the names below and of dates, of nothing that anybody sends

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import polars as pl

from assets.crm_views import Dialect, views
from models.fingerprint import fingerprints
from models.segments import BUSINESS, AtRiskSegment

CURRENT = "at_risk_segments"
HISTORY = "at_risk_segments_history"
CHANGES = "at_risk_segments_changes"
DEPARTED = "at_risk_segments_departed"
POINTER = "at_risk_segments_pointer"
SENT = "at_risk_segments_sent"
TOLD = "at_risk_segments_told"
"""Whom the receiver of the push believes to be contacted."""
LOG = "publication_log"
DRAFT = f"{HISTORY}_draft"
CUSTOMERS = (HISTORY, DEPARTED, DRAFT, TOLD)
"""The tables that hold customers; the draft of a night only for a moment, or after a crash."""

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


class Store(Dialect, Protocol):
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


def prepare(store: Store) -> None:
    """Create the tables where they are missing.

    `at_risk_segments` is a view: the rows of the night that the pointer names, and those of customers who
    left before. A night is therefore written once, and becomes current in one step.

    Raises:
        ValueError: when the tables are there with other columns.
    """
    there = store.columns(HISTORY)
    if not there:
        _create(store)
    elif there != list(STORED):
        differing = ", ".join(sorted(set(there) ^ set(STORED))) or "their order"
        raise ValueError(
            f"{HISTORY} in the CRM's database differs from the contract in: {differing}. It belongs to another "
            "version of the contract: deliver to another database or schema, or rename the old tables"
        )
    for name, query in views(store, CURRENT).items():
        if not store.columns(name):
            store.execute(f"CREATE VIEW {name} AS {query}")


def _create(store: Store) -> None:
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


def marked(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their fingerprints."""
    return rows.with_columns(fingerprint=fingerprints(rows, NEWS))
