"""Delivery: what a CRM reads, as a database table that is never half a night, and as files."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from assets import crm_layout as layout
from assets import crm_tables as tables
from assets.addresses import shown
from assets.crm_postgresql import PostgresqlStore
from assets.crm_sqlite import SqliteStore
from assets.exports import exported
from assets.postgresql import is_postgresql
from models.segments import AtRiskSegment


@dataclass(frozen=True)
class Publication:
    """What a publication did.

    Attributes:
        night: the night.
        snapshot_id: what was published.
        rows: rows of the night.
        changed: rows of the current table that changed.
        outcome: `current` (the CRM reads this night now), `history` (a newer night stays current) or
            `unchanged` (this very snapshot was there already).
    """

    night: date
    snapshot_id: str
    rows: int
    changed: int
    outcome: Literal["current", "history", "unchanged"]


@dataclass(frozen=True)
class Crm:
    """Where the at-risk table is delivered: SQLite or PostgreSQL, and files.

    No resource with a configuration: Dagster keeps those of every run in its history, and shows them.

    Attributes:
        database: path of a SQLite file, or a postgresql:// URL; a secret.
        exports: folder that gets a folder of files per night; None writes none.
        departed_days: for how many days a customer who left stays in the current table, marked as such.
        history_days: for how many days before the current night nights are kept.
        language: of the workbook among the files.
        segment_names: of segments in it, by their codes.
    """

    database: str = field(repr=False)
    exports: str | None = None
    departed_days: int = 30
    history_days: int = 400
    language: str = "en"
    segment_names: Mapping[str, str] = field(default_factory=dict)

    def publish(self, table: pl.DataFrame, night: date, run_id: str) -> Publication:
        """Deliver a night: check, write, make it current, log; all of it or nothing, files included.

        The same snapshot again changes nothing. A night older than the current one only gets its history.

        Args:
            table: at_risk_segments of the night.
            night: the night.
            run_id: the run that publishes, for the log.

        Raises:
            dataframely.exc.ValidationError: when the table breaks its contract.
            ValueError: when it holds rows of another night.
            DeliveryError: when tables or files cannot be written; nothing is delivered.
            PlacingError: when the tables have the night, and its files could not be put in their places.
        """
        rows = AtRiskSegment.validate(table)
        if not (rows["night"] == night).all():
            raise ValueError(f"the table holds {rows['night'].unique().to_list()}, not {night} alone; pass one night")
        snapshot = rows.row(0, named=True)["snapshot_id"] if rows.height else f"{night}_empty"
        # Whoever is told that a night was not delivered must not find it in the CRM: the commit comes after the files.
        with self._exported(rows, night), self.transaction() as store:
            layout.prepare(store)
            return self._publish(store, rows, layout.Entry(snapshot, night, run_id, rows.height, _now(store)))

    def point_to(self, night: date, run_id: str, permitted: Callable[[pl.DataFrame], pl.DataFrame]) -> Publication:
        """Let the CRM read a stored night again; what differs from today's table counts as changed.

        Args:
            night: the night.
            run_id: who asks for it, for the log.
            permitted: the rows as they may be published today, when some customers may have objected since; see
                `models.segments.as_permitted`.

        Raises:
            ValueError: when the night is not in the history.
        """
        with ExitStack() as files, self.transaction() as store:
            layout.prepare(store)
            log = tables.log(store)
            known = [entry for entry in log if entry.night == night]
            rows = permitted(tables.stored(store, night).drop("updated_at"))
            if not known or rows.height < known[-1].rows:
                latest = ", ".join(str(day) for day in sorted({entry.night for entry in log})[-5:]) or "none"
                raise ValueError(f"{night} is not in the history of the CRM; the latest nights published: {latest}")
            entry = layout.Entry(known[-1].snapshot_id, night, run_id, rows.height, _now(store))
            files.enter_context(self._exported(rows, night))
            return self._make_current(store, rows, entry)

    def read(self, relation: str = layout.CURRENT) -> pl.DataFrame:
        """The current table, its history or changes (`at_risk_segments_…`), or the `publication_log`."""
        schema = layout.ENTRY if relation == layout.LOG else layout.ROW
        with self.transaction() as store:
            layout.prepare(store)
            return store.read(f"SELECT {', '.join(schema)} FROM {relation}", schema)  # noqa: S608

    def news(self) -> pl.DataFrame:
        """Rows of the current table that changed after what `mark_sent` was told last; by time, then by customer."""
        with self.transaction() as store:
            layout.prepare(store)
            return tables.unsent(store)

    def told(self) -> pl.Series:
        """Whom the receiver of the news believes to be contacted."""
        with self.transaction() as store:
            return tables.told(store)

    def mark_sent(self, news: pl.DataFrame) -> None:
        """Remember that some news were taken."""
        with self.transaction() as store:
            tables.mark_sent(store, news)

    @property
    def address(self) -> str:
        """Where the tables are, as it may be shown."""
        return shown(self.database)

    def transaction(self) -> AbstractContextManager[layout.Store]:
        """A transaction on the database: all of what is done in it, or nothing."""
        if is_postgresql(self.database):
            return PostgresqlStore.transaction(self.database)
        return SqliteStore.transaction(self.database)

    def _exported(self, rows: pl.DataFrame, night: date) -> AbstractContextManager[object]:
        if not self.exports:
            return nullcontext()
        return exported(rows, Path(self.exports) / str(night), language=self.language, segments=self.segment_names)

    def _publish(self, store: layout.Store, rows: pl.DataFrame, entry: layout.Entry) -> Publication:
        current = tables.pointed(store)
        known = [past.snapshot_id for past in tables.log(store) if past.night == entry.night]
        again = known[-1:] == [entry.snapshot_id]
        if current is None or current < entry.night or (current == entry.night and not again):
            return self._make_current(store, rows, entry)
        if again:
            return Publication(entry.night, entry.snapshot_id, entry.rows, 0, "unchanged")
        tables.write_behind(store, rows, entry.night)
        tables.enter(store, entry)
        return Publication(entry.night, entry.snapshot_id, entry.rows, 0, "history")

    def _make_current(self, store: layout.Store, rows: pl.DataFrame, entry: layout.Entry) -> Publication:
        changed = tables.make_current(store, rows, entry.night, entry.published_at, departed_days=self.departed_days)
        # The log has the last stamp that was given, after which the next publication begins.
        entry = replace(entry, published_at=entry.published_at + timedelta(microseconds=max(changed - 1, 0)))
        tables.forget(store, entry.night - timedelta(days=self.history_days))
        tables.enter(store, entry)
        return Publication(entry.night, entry.snapshot_id, entry.rows, changed, "current")


def _now(store: layout.Store) -> datetime:
    # Later than any earlier publication, even when a clock was set back: watermarks only look forward.
    earlier = [entry.published_at + timedelta(microseconds=1) for entry in tables.log(store)]
    return max([datetime.now(UTC), *earlier])
