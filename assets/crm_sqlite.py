"""The CRM tables in one SQLite file: enough for a shop on one machine."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
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

    def execute(self, statement: str) -> None:
        """Run a statement."""
        self._connection.execute(statement)

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view; none when it is not there."""
        return [row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")]

    def read(self, query: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The rows of a query, with these types."""
        stored = {name: _stored(dtype) for name, dtype in schema.items()}
        frame = pl.DataFrame(self._connection.execute(query).fetchall(), schema=stored, orient="row")
        return frame.with_columns(_restored(name, dtype) for name, dtype in schema.items())

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows."""
        names, places = ", ".join(frame.columns), ", ".join("?" * frame.width)
        rows = frame.select(_plain(name, dtype) for name, dtype in frame.schema.items())
        self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows.iter_rows())  # noqa: S608


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
