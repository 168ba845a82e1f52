"""The CRM tables in one SQLite file: enough for a shop on one machine."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import polars as pl

from models.mapping import DeliveryError

INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"


class SqliteStore:
    """One open transaction on a SQLite file; dates and times are ISO 8601 text, times in UTC with a Z."""

    types: Mapping[str, str] = {
        "Date": "TEXT",
        "String": "TEXT",
        "Datetime": "TEXT",
        "Float64": "REAL",
        "Int16": "INTEGER",
        "Int64": "INTEGER",
        "Boolean": "INTEGER",
    }
    json_object = "json_object"
    among = "IN (SELECT value FROM json_each(?))"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def transaction(cls, path: str) -> Iterator["SqliteStore"]:
        """Open the file, lock it for writing, and commit at the end or undo everything.

        Only the standard library ever touches the file: a second SQLite library in the same process
        would undo the locks of the first.

        Raises:
            DeliveryError: If the file cannot be opened or written.
        """
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
                # With a write-ahead log readers go on reading the night before while this one is written.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield cls(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise DeliveryError(
                f"{path}: the CRM's database cannot be written ({error}). Set crm.database in churn.toml to a file "
                "that this user may write, or free this one of what holds it."
            ) from error

    def as_text(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as text: ISO dates, `true` and `false`; null stays null."""
        if dtype == pl.Boolean():
            return f"CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        return f"CAST({column} AS TEXT)"

    def as_json(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as it stands in a JSON object."""
        return f"json({self.as_text(column, dtype)})" if dtype == pl.Boolean() else column

    def execute(self, statement: str) -> None:
        """Run a statement."""
        self._connection.execute(statement)

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view; none when it is not there."""
        return [row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")]

    def read(self, query: str, schema: Mapping[str, pl.DataType], parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of a query, with these types."""
        stored = {name: _stored(dtype) for name, dtype in schema.items()}
        found = self._connection.execute(query, parameters).fetchall()
        frame = pl.DataFrame(found, schema=stored, orient="row")
        return frame.with_columns(_restored(name, dtype) for name, dtype in schema.items())

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows."""
        names, places = ", ".join(frame.columns), ", ".join("?" * frame.width)
        rows = frame.select(_plain(name, dtype) for name, dtype in frame.schema.items())
        self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows.iter_rows())  # noqa: S608

    def create_history(self, table: str, columns: str) -> None:
        """Create the table of all nights."""
        self.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY (night, customer_id))")
        self.execute(f"CREATE INDEX {table}_updated_at ON {table} (night, updated_at)")

    def load(self, table: str, night: date, rows: pl.DataFrame) -> None:
        """Put the rows of a night in place of those that it may have had."""
        self.execute(f"DELETE FROM {table} WHERE night = '{night}'")  # noqa: S608
        self.insert(table, rows)

    def forget(self, table: str, before: date) -> None:
        """Delete the nights before a day."""
        self.execute(f"DELETE FROM {table} WHERE night < '{before}'")  # noqa: S608


def clear_pages(path: str) -> None:
    """Write a file anew without what was deleted, which stays in its pages and its log until then.

    Raises:
        DeliveryError: If somebody reads the file, so that old pages stay.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
            connection.execute("VACUUM")
            # A writer is over soon, a reader may stay for hours.
            connection.execute("PRAGMA busy_timeout = 2000")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        busy = True
        reason = f"{error}"
    else:
        reason = "another program reads it"
    if busy:
        raise DeliveryError(
            f"{path}: what was deleted is still in pages of the file ({reason}). Close what has it open, and run this "
            "again."
        )


def _stored(dtype: pl.DataType) -> pl.DataType:
    if dtype.is_temporal():
        return pl.String()
    return pl.Int64() if dtype == pl.Boolean() else dtype


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    return pl.col(name).dt.strftime(INSTANT) if isinstance(dtype, pl.Datetime) else pl.col(name).cast(_stored(dtype))


def _restored(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).str.to_datetime(INSTANT, time_unit="us").dt.replace_time_zone("UTC")
    return pl.col(name).str.to_date("%Y-%m-%d") if dtype == pl.Date() else pl.col(name).cast(dtype)
