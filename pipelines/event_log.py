"""Dagster's record of events in SQLite, without setting SQLAlchemy up anew for each of a night's hundreds of events."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any, Self

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

_OPEN = 16
"""Files that are held open; a webserver looks at those of many runs."""


class EventLog(SqliteEventLogStorage):
    """The same files as Dagster's own storage, which opens one anew for each query; here a file stays open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._turn = Lock()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """What `dagster.yaml` asks for."""
        return cls(inst_data=inst_data, **config_value)

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[Connection]:
        """A transaction on the events of a run."""
        return self._transaction(f"{run_id}", super().run_connection(run_id))

    def index_connection(self) -> AbstractContextManager[Connection]:
        """A transaction on the events of assets and checks, and on the ends of runs."""
        return self._transaction("index", super().index_connection())

    def dispose(self) -> None:
        """Close the files."""
        with self._turn:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    @contextmanager
    def _transaction(self, shard: str, first: AbstractContextManager[Connection]) -> Iterator[Connection]:
        """One at a time, as Dagster has it; the first of a file is Dagster's, which makes its tables."""
        with self._turn:
            engine = self._engines.get(shard)
            with first if engine is None else engine.begin() as given:
                yield given
            if engine is None:
                while len(self._engines) >= _OPEN:
                    self._engines.pop(next(iter(self._engines))).dispose()
                wait = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
                self._engines[shard] = create_engine(self.conn_string_for_shard(shard), connect_args=wait)
