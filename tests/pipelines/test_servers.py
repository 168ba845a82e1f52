"""Every server of `churn ui` answers its own pages by its own name, and nobody else."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import date
from http.client import HTTPConnection
from pathlib import Path

import polars as pl
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from assets.verdict import validate
from models.expectations import row_count
from pipelines.guard import Guard
from pipelines.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = '[source]\npath = "."\n[source.columns]\ncustomer_id = "id"\ntimestamp = "day"\n'
MUTATION = 'mutation { deleteRun(runId: "1") { __typename } }'
JSON = {"Content-Type": "application/json"}
FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "127.0.0.1:1"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
]
OWN = [
    {},
    {"Host": "localhost:{port}"},
    {"Host": "[::1]:{port}"},
    {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    docs = load_settings(folder / "churn.toml").beside(Path("data_docs"))
    validate(
        pl.LazyFrame({"a": [1]}), [row_count("x", "WARN", "s", 1)], table="t", night=date(2024, 5, 1), docs_root=docs
    )
    (docs / "link.txt").symlink_to(folder / "churn.toml")
    (docs / "up").symlink_to(folder, target_is_directory=True)
    (docs / ".hidden.html").write_text("draft", encoding="utf-8")
    return folder


def started(shop: Path, name: str, first: int, port: int) -> Generator[int]:
    """One server, once it listens; what it says stands beside its settings."""
    command = ["ui", "--only", name, "--port", f"{first}", "--config", f"{shop / 'churn.toml'}"]
    environment = os.environ | {"DAGSTER_HOME": f"{shop / 'home'}"}
    with (shop / f"{name}.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *command],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(1200):
            assert server.poll() is None, (shop / f"{name}.log").read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        yield port
        # Services are ended by SIGTERM.
        server.terminate()
        assert server.wait(60) == 0
    finally:
        # MLflow's workers outlive it otherwise.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def web(shop) -> Iterator[int]:
    port = free_port()
    yield from started(shop, "web", port, port)


@pytest.fixture(scope="module")
def pages(shop) -> Iterator[int]:
    port = free_port()
    yield from started(shop, "pages", port - 2, port)


def ask(port: int, method: str, path: str, headers: dict[str, str], body: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    wanted = {"Host": f"127.0.0.1:{port}"} | {name: value.format(port=port) for name, value in headers.items()}
    connection.request(method, path, body, wanted)
    answer = connection.getresponse()
    said = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, said


def test_dagsters_webserver_answers_its_own_pages_and_no_others(web):
    question = json.dumps({"query": "{ version }"})
    for headers in OWN:
        assert ask(web, "GET", "/", headers)[0] == 200, headers
        status, said = ask(web, "POST", "/graphql", JSON | headers, question)
        assert (status, "version" in said) == (200, True), headers
    for headers in FOREIGN:
        for method, path, body in (("GET", "/", None), ("POST", "/graphql", question), ("GET", "/server_info", None)):
            assert ask(web, method, path, JSON | headers, body)[0] == 403, (method, path, headers)
    assert ask(web, "GET", "/", LINK)[0] == 200
    assert ask(web, "POST", "/graphql", JSON | LINK, question)[0] == 403


def test_no_get_and_no_form_asks_graphql_anything(web):
    query = f"?query={MUTATION.replace(' ', '%20')}"
    for method in ("GET", "HEAD"):
        for path in ("/graphql", "/graphql/", "/%67raphql"):
            assert ask(web, method, path + query, {})[0] == 405
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "text/plain;application/json",
    ):
        assert ask(web, "POST", f"/graphql{query}", {"Content-Type": kind}, MUTATION)[0] == 415
    status, said = ask(web, "POST", "/graphql", JSON, json.dumps({"query": MUTATION}))
    assert (status, "RunNotFoundError" in said) == (200, True)


def test_subscriptions_work_for_its_own_pages(web):
    address, own = f"ws://127.0.0.1:{web}/graphql", Origin(f"http://127.0.0.1:{web}")
    with connect(address, origin=own, subprotocols=[Subprotocol("graphql-ws")]) as talk:
        talk.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(talk.recv(30)) == {"type": "connection_ack"}
    with pytest.raises(InvalidStatus, match="403"), connect(address, origin=Origin("http://evil.example")):
        pass


def test_the_pages_of_judged_nights_are_reached_from_the_address_in_their_checks_and_nothing_else_is(shop, pages):
    settings = load_settings(shop / "churn.toml")
    assert settings.lake.data_docs_url.rpartition(":")[2] == "3002"
    for headers in OWN:
        assert ask(pages, "GET", "/t/2024-05-01.html", headers)[0] == 200, headers
    assert "<h1>t, night 2024-05-01</h1>" in ask(pages, "GET", "/t/2024-05-01.html", LINK)[1]
    assert 't/2024-05-01.html"' in ask(pages, "GET", "/", {})[1]
    for headers in FOREIGN:
        assert ask(pages, "GET", "/t/2024-05-01.html", headers)[0] == 403, headers
    for path in ("/t/", "/t", "/link.txt", "/up/churn.toml", "/../churn.toml", "/%2e%2e/churn.toml", "/.hidden.html"):
        status, said = ask(pages, "GET", path, {})
        assert (status in (301, 404), "customer_id" in said, "2024-05-01" in said) == (True, False, False), path
    for method in ("POST", "PUT", "DELETE"):
        assert ask(pages, method, "/", {})[0] == 501


def test_the_store_of_mlflow_stands_on_no_command_line(shop, monkeypatch):
    monkeypatch.setenv("CHURN__MLFLOW__TRACKING_URI", f"sqlite:///{shop / 'mlflow-M4rk.db'}")
    port = free_port()
    server = started(shop, "mlflow", port - 1, port)
    assert next(server) == port
    lines = [place.read_bytes() for place in Path("/proc").glob("[0-9]*/cmdline") if place.exists()]
    assert any(f"{port}".encode() in line and b"mlflow" in line for line in lines)
    assert not any(b"M4rk" in line for line in lines)
    assert ask(port, "GET", "/health", {})[0] == 200
    assert (
        ask(port, "GET", "/health", {"Host": "evil.example"})[0] == 403
        or ask(port, "GET", "/", {"Host": "evil.example"})[0] == 403
    )
    server.close()


def test_a_proxy_that_is_named_is_one_of_its_own_pages():
    guard = Guard(3000, "https://churn.example.com")
    own = {"host": "churn.example.com", "origin": "https://churn.example.com", "sec-fetch-site": "same-origin"}
    assert guard.refusal("POST", own) is None
    assert guard.refusal("POST", {"host": "127.0.0.1:3000"}) is None
    assert guard.refusal("POST", own | {"origin": "https://evil.example"}) is not None
    assert Guard(3000).refusal("POST", own) is not None
    assert guard.refusal("GET", {}) is not None
