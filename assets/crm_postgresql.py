"""The CRM tables in PostgreSQL: for shops whose systems share a database server."""
# ruff: noqa: S608 - the statements are made of the names of tables and of dates, of nothing that anybody sends

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import cycle
from typing import Any

import polars as pl

from assets.crm_layout import DRAFT
from assets.postgresql import connected, is_away, literal, refusal
from models.mapping import DeliveryError

URL_VARIABLE = "CHURN__CRM__DATABASE"
_BATCH = 500


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
    json_object = "json_build_object"
    among = "= ANY (ARRAY(SELECT json_array_elements_text($1::json)))"

    def __init__(self, cursor: Any, url: str | None = None) -> None:
        """Take a cursor; with the URL of its database others can copy beside it."""
        self._cursor = cursor
        self._url = url

    @classmethod
    @contextmanager
    def transaction(cls, url: str) -> Iterator["PostgresqlStore"]:
        """Connect, wait for other publishers, and commit at the end or undo everything that a reader could see.

        Readers do not wait: nothing here drops, renames or truncates what they read, and so their views and grants
        stay as well.

        Raises:
            AwayError: If the server does not answer or hangs up; nothing is published then.
            DeliveryError: If it refuses the user or to be written, or there is no such database.
        """
        from adbc_driver_manager import Error

        with connected(url, URL_VARIABLE, autocommit=False) as cursor:
            try:
                # While others copy beside this connection it says nothing, and has to see what they have copied.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext('at_risk_segments'))")
                cursor.fetchall()
                yield cls(cursor, url)
            except Error as error:
                if is_away(error):
                    raise
                raise DeliveryError(
                    f"the CRM's database refuses the delivery: {refusal(error)}. Let the user in {URL_VARIABLE} create "
                    "and write tables in the first schema of its search path, or correct the URL."
                ) from error

    def as_text(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as text: ISO dates, `true` and `false`; null stays null."""
        return f"to_char({column}, 'YYYY-MM-DD')" if dtype == pl.Date() else f"{column}::text"

    def as_json(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as it stands in a JSON object."""
        return column

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

    def read(self, query: str, schema: Mapping[str, pl.DataType], parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of a query, with these types."""
        self._cursor.execute(query, list(parameters) or None)
        return pl.DataFrame(self._cursor.fetch_arrow_table(), schema=dict(schema))

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Append rows, by binary COPY."""
        if frame.height:
            # The driver knows the plain text type of Arrow, not the one with views. It encodes a batch before it sends
            # it: in small ones the server works while the next is encoded.
            rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_reader(max_chunksize=_BATCH)
            self._cursor.adbc_ingest(table, rows, mode="append")

    def create_history(self, table: str, columns: str) -> None:
        """Create the table of all nights, each of which is a partition."""
        self.execute(f"CREATE TABLE {table} ({columns}) PARTITION BY LIST (night)")
        self._url = None

    def load(self, table: str, night: date, rows: pl.DataFrame) -> None:
        """Put the rows of a night in place of those that it may have had.

        A new night is copied into a draft, which is indexed afterwards and attached. One that is there keeps its table,
        for to drop it would let readers wait.

        The server works on one processor for each connection, so two of them copy a half each. What they commit nobody
        reads before this transaction ends; a draft that a crash has left is dropped by the next night.
        """
        part, draft = f"{table}_{night:%Y_%m_%d}", DRAFT
        if part in self._nights(table):
            self.execute(f"DELETE FROM {part}")
            self.insert(part, rows)
            return
        # Who asks for news asks for what is newer than the publication before: an index of those rows is small. A night
        # has at most as many stamps as rows, a microsecond apart.
        span = pl.duration(microseconds=pl.len())
        stamp = pl.col("updated_at")
        before = rows.select(stamp.filter(stamp < stamp.max() - span).max()).item()
        news = "" if before is None else f"WHERE updated_at > {literal(before)}"
        with self._lanes() as lanes, ThreadPoolExecutor(len(lanes)) as pool:
            lanes[0].execute(f"DROP TABLE IF EXISTS {draft}")
            # The constraint spares the server a look at every row when the table is attached.
            lanes[0].execute(f"CREATE TABLE {draft} (LIKE {table} INCLUDING ALL, CHECK (night = '{night}'))")
            # What all rows have alike, such as the versions, the draft adds to each by itself.
            for name, value in (alike := _alike(rows)).items():
                lanes[0].execute(f"ALTER TABLE {draft} ALTER {name} SET DEFAULT {literal(value)}")
            halves = rows.drop(alike).iter_slices(max(1, -(-rows.height // len(lanes))))
            deque(pool.map(lambda lane, half: lane.insert(draft, half), lanes, halves), 0)
            indexes = f"UNIQUE INDEX {part}_pkey ON {draft} (customer_id)", f"INDEX ON {draft} (updated_at) {news}"
            deque(pool.map(lambda lane, index: lane.execute(f"CREATE {index}"), cycle(lanes), indexes), 0)
        self.execute(f"ALTER TABLE {draft} ADD PRIMARY KEY USING INDEX {part}_pkey")
        self.execute(f"ALTER TABLE {draft} RENAME TO {part}")
        self.execute(f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES IN ('{night}')")

    @contextmanager
    def _lanes(self) -> Iterator[list["PostgresqlStore"]]:
        """Connections to copy by: two others, or this one where only its transaction knows the tables yet."""
        with ExitStack() as stack:
            others = [stack.enter_context(connected(self._url, URL_VARIABLE)) for _ in range(2) if self._url]
            for cursor in others:
                # The server cannot see that this transaction waits for them.
                cursor.execute("SET lock_timeout = '60s'")
            yield [PostgresqlStore(cursor) for cursor in others] or [self]

    def _nights(self, table: str) -> list[str]:
        query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::regclass"
        self._cursor.execute(query, [table])
        return sorted(part for (part,) in self._cursor.fetchall())

    def forget(self, table: str, before: date) -> None:
        """Delete the nights before a day.

        Who reads the history keeps its tables from being dropped. The rows are deleted then, and the empty tables
        dropped another time.
        """
        for part in self._nights(table):
            if part < f"{table}_{before:%Y_%m_%d}":
                self.execute(
                    f"DO $$ BEGIN SET LOCAL lock_timeout = '200ms'; DROP TABLE {part}; "
                    f"EXCEPTION WHEN lock_not_available THEN DELETE FROM {part}; END $$"
                )
                self.execute("SET LOCAL lock_timeout = DEFAULT")


def _alike(rows: pl.DataFrame) -> dict[str, object]:
    """The columns that have one value in all rows, such as the versions, with it; never the customer."""
    same = rows.select(pl.exclude("customer_id").eq_missing(pl.exclude("customer_id").first()).all())
    first = rows.head(1).to_dicts()
    return {name: first[0][name] for name in same.columns if first and same[name][0]}
