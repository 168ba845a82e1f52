"""A server that is away for a moment costs a pause, not the night; one that says no is believed at once."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import dagster as dg
import polars as pl
import pytest
from obstore.store import from_url

from assets.crm import Crm
from assets.crm_postgresql import PostgresqlStore
from assets.ingestion import arrivals
from assets.network import AwayError
from assets.object_store import fetch, objects
from assets.postgresql import connected
from models.mapping import DeliveryError
from pipelines.definitions import definitions
from pipelines.settings import load_settings

SETTINGS = """
[source]
kind = "database"
table = "{schema}.orders"
[source.columns]
customer_id = "who"
timestamp = "moment"
[network]
retries = {retries}
pause_seconds = 0
"""
OVERLOADED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NIGHT = date(2025, 1, 31)


class Flaky:
    """A port that hangs up on the first connections, after an answer if there is one, and hands the others on.

    Attributes:
        port: The port, on loopback.
        calls: How many connections were made to it.
    """

    def __init__(self, connect: Callable[[], socket.socket], *, failures: int, answer: bytes = b"") -> None:
        self._connect, self._failures, self._answer = connect, failures, answer
        self._open = [socket.create_server(("127.0.0.1", 0))]
        self.port, self.calls = self._open[0].getsockname()[1], 0

    def __enter__(self) -> "Flaky":
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open[0].shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in self._open:
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._take(self._open[0].accept()[0])

    def _take(self, client: socket.socket) -> None:
        self.calls += 1
        self._open.append(client)
        if self.calls <= self._failures:
            if self._answer:
                client.recv(65536)
                client.sendall(self._answer)
            client.close()
            return
        server = self._connect()
        self._open.append(server)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def postgres_socket(postgres_url) -> Callable[[], socket.socket]:
    folder = parse_qs(urlsplit(postgres_url).query)["host"][0]

    def connect() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.5432")
        return server

    return connect


@pytest.fixture
def schema(postgres_url) -> str:
    name = f"shop_{uuid4().hex}"
    with connected(postgres_url, "URL") as cursor:
        cursor.execute(f'CREATE SCHEMA "{name}"')
        cursor.execute(f"CREATE TABLE \"{name}\".orders AS SELECT 'C1' AS who, timestamp '2025-01-30 10:00' AS moment")
    return name


def ingest(tmp_path, monkeypatch, *, url: str, schema: str, retries: int) -> dg.ExecuteInProcessResult:
    """The first step of the night, as the nightly job runs it."""
    monkeypatch.setenv("CHURN__SOURCE__URL", url)
    file = tmp_path / "churn.toml"
    file.write_text(SETTINGS.format(schema=schema, retries=retries), encoding="utf-8")
    job = definitions(load_settings(file)).resolve_job_def("nightly")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            partition_key=f"{NIGHT}",
            instance=instance,
            asset_selection=list(arrivals.keys),
            raise_on_error=False,
            run_config=quiet,
        )


def retried(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


def sentence(result: dg.ExecuteInProcessResult) -> str:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return "\n".join((error.cause or error).message for error in errors if error is not None)


def test_a_database_that_hangs_up_twice_is_asked_a_third_time(tmp_path, monkeypatch, postgres_socket, schema):
    with Flaky(postgres_socket, failures=2) as server:
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable&gssencmode=disable"
        result = ingest(tmp_path, monkeypatch, url=url, schema=schema, retries=2)
    assert result.success, sentence(result)
    assert retried(result) == 2


def test_a_database_that_stays_away_fails_the_night_with_its_sentence(tmp_path, monkeypatch, postgres_socket, schema):
    with Flaky(postgres_socket, failures=9) as server:
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres?sslmode=disable&gssencmode=disable"
        result = ingest(tmp_path, monkeypatch, url=url, schema=schema, retries=1)
    assert (result.success, retried(result), server.calls) == (False, 1, 2)
    assert "AwayError: the database cannot be reached" in sentence(result)


def test_what_a_server_refuses_is_not_asked_for_again(tmp_path, monkeypatch, postgres_url, schema):
    result = ingest(tmp_path, monkeypatch, url=postgres_url, schema=f"{schema}_gone", retries=3)
    assert (result.success, retried(result)) == (False, 0)
    assert "the database has no such table" in sentence(result)
    wrong = postgres_url.replace("/postgres?", "/nowhere?")
    result = ingest(tmp_path, monkeypatch, url=wrong, schema=schema, retries=3)
    assert (result.success, retried(result)) == (False, 0)
    assert 'database "nowhere" does not exist' in sentence(result)


def test_a_crm_that_hangs_up_is_away_and_takes_the_next_try(postgres_socket, schema):
    with Flaky(postgres_socket, failures=1) as server:
        where = f"127.0.0.1:{server.port}/postgres?sslmode=disable&gssencmode=disable"
        crm = Crm(database=f"postgresql://postgres@{where}&options=-csearch_path%3D{schema}")
        with pytest.raises(AwayError, match="in CHURN__CRM__DATABASE"):
            crm.read()
        assert crm.read().is_empty()


def test_a_crm_that_breaks_off_amid_a_publication_keeps_nothing_of_it(postgres_url, schema):
    def publish() -> None:
        with PostgresqlStore.transaction(postgres_url) as store:
            store.execute(f'CREATE TABLE "{schema}".half (night date)')
            pid = store.read("SELECT pg_backend_pid() AS pid", {"pid": pl.Int32()}).item()
            with connected(postgres_url, "URL") as other:
                other.execute(f"SELECT pg_terminate_backend({pid}, 10000)")
                other.fetchall()
            store.execute("SELECT 1")

    with pytest.raises(AwayError, match=r"the database of CHURN__CRM__DATABASE broke off: .*terminating connection"):
        publish()
    with connected(postgres_url, "URL") as cursor:
        cursor.execute(f"SELECT to_regclass('{schema}.half')::text")
        assert cursor.fetchall() == [(None,)]


def test_an_object_store_that_is_overloaded_is_asked_again(tmp_path, monkeypatch, object_store):
    from_url(object_store).put("orders.csv", b"who,moment\n")
    real = urlsplit(os.environ["AWS_ENDPOINT_URL"])

    def connect() -> socket.socket:
        return socket.create_connection((real.hostname, real.port))

    with Flaky(connect, failures=1, answer=OVERLOADED) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        assert [key for key, _, _ in objects(object_store, retries=1)] == ["orders.csv"]
        assert server.calls > 1
    with Flaky(connect, failures=1, answer=OVERLOADED) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        fetch(object_store, "orders.csv", tmp_path / "orders.csv", retries=1)
        assert (tmp_path / "orders.csv").read_bytes() == b"who,moment\n"
    with Flaky(connect, failures=1, answer=OVERLOADED) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        with pytest.raises(DeliveryError, match="the object store cannot be read"):
            list(objects(object_store, retries=0))
