"""The CRM tables in PostgreSQL: for shops whose systems share a database server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl

from assets.postgresql import connected, is_away, refusal
from models.mapping import DeliveryError

URL_VARIABLE = "CHURN__CRM__DATABASE"


class PostgresqlStore:
    """One open transaction on a PostgreSQL database, in the first schema of its search path."""

    types: Mapping[str, str] = {
        "Date": "date",
        "String": "text",
        "Datetime": "timestamptz",
        "Float64": "double precision",
        "Int16": "smallint",
        "Int64": "bigint",
        "Boolean": "boolean",
    }

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    @classmethod
    @contextmanager
    def transaction(cls, url: str) -> Iterator["PostgresqlStore"]:
        """Connect, wait for other publishers, and commit at the end or undo everything.

        Readers neither wait nor are waited for: nothing here drops, renames or truncates what they read,
        and so their views and grants stay as well.

        Raises:
            AwayError: If the server does not answer or hangs up; nothing is published then.
            DeliveryError: If it refuses the user or to be written, or there is no such database.
        """
        from adbc_driver_manager import Error

        with connected(url, URL_VARIABLE, autocommit=False) as cursor:
            try:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext('at_risk_segments'))")
                cursor.fetchall()
                yield cls(cursor)
            except Error as error:
                if is_away(error):
                    raise
                raise DeliveryError(
                    f"the CRM's database refuses the delivery: {refusal(error)}. Let the user in {URL_VARIABLE} create "
                    "and write tables in the first schema of its search path, or correct the URL."
                ) from error

    def execute(self, statement: str) -> None:
        """Run a statement."""
        self._cursor.execute(statement)

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view; none when it is not there."""
        self._cursor.execute(
            "SELECT column_name::text FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
            [table],
        )
        return [name for (name,) in self._cursor.fetchall()]

    def read(self, query: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The rows of a query, with these types."""
        self._cursor.execute(query)
        return pl.DataFrame(self._cursor.fetch_arrow_table(), schema=dict(schema))

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows, by binary COPY."""
        if frame.height:
            # The driver knows the plain text type of Arrow, not the one with views.
            self._cursor.adbc_ingest(table, frame.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
