"""Dagster, MLflow and Data Docs on loopback: side by side while a person looks at them, or each as a service."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from rich.text import Text

from pipelines.console import CONSOLE, complain
from pipelines.guard import LOOPBACK, Guard
from pipelines.settings import Settings
from pipelines.stores import tracking_of

SERVERS = {"web": "Dagster", "mlflow": "MLflow", "pages": "Data Docs", "daemon": "Dagster's daemon"}
"""What can be started alone, and what people call it. The first three listen, on ports one after another."""

_START_SECONDS = 120
_MLFLOW = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow 3.17 beside a newer Starlette; nobody who reads the log can do anything about it.
    "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
}


def serve_one(name: str, settings: Settings, port: int, behind: str | None = None) -> int:
    """Run one of the servers in this process until it is asked to end.

    Args:
        name: One of `SERVERS`.
        settings: What the pipeline is configured with.
        port: That of Dagster; the others take the next ones.
        behind: Origin of a proxy or tunnel before this server.
    """
    guard = Guard(_port(name, port), behind)
    if name == "mlflow":
        _become_mlflow(settings, guard)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if name == "pages":
            from pipelines.pages import run_pages

            run_pages(_pages(settings), guard)
        elif name == "web":
            from pipelines.webserver import run_webserver

            run_webserver(settings, guard)
        else:
            from pipelines.webserver import run_daemon

            run_daemon(settings)
    except KeyboardInterrupt:
        pass
    return 0


def serve(settings: Settings, port: int) -> int:
    """Run all of them until Ctrl-C, SIGTERM, or until one of them ends.

    Returns:
        0 when they were asked to end, 1 when one ended by itself or its port is taken.
    """
    for taken in (_port(name, port) for name in _listening_ones()):
        if _listening(taken):
            complain(f"port {taken} is in use: choose another with --port")
            return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Sessions of their own: a server's workers end with it.
    running = {
        name: subprocess.Popen(_command(name, settings, port), start_new_session=True)  # noqa: S603
        for name in SERVERS
    }
    try:
        _announce(running, port)
        while all(server.poll() is None for server in running.values()):
            time.sleep(0.5)
        ended = [SERVERS[name] for name, server in running.items() if server.poll() is not None]
        complain(f"{' and '.join(ended)} ended; its messages are above")
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for server in running.values():
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGINT)
        for server in running.values():
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def _command(name: str, settings: Settings, port: int) -> list[str]:
    """One of them, as a process; nothing in it is a secret, for everybody on the machine may read it."""
    only = ["ui", "--only", name, "--port", f"{port}", "--config", f"{settings.file}"]
    return [sys.executable, "-m", "pipelines.cli", *only]


def _become_mlflow(settings: Settings, guard: Guard) -> NoReturn:
    # A server that opens a new store at the same time as a run would destroy it: the lock is ours, not MLflow's.
    tracking_of(settings).store.client.search_experiments(max_results=1)
    # MLflow checks Host and Origin itself. The store may hold a password: it is told by the environment.
    os.environ.update(_MLFLOW, MLFLOW_BACKEND_STORE_URI=settings.tracking_uri())
    command = [
        *(str(Path(sys.executable).parent / "mlflow"), "server", "--workers", "1"),
        *("--host", LOOPBACK, "--port", f"{guard.port}", "--artifacts-destination", settings.artifacts()),
    ]
    if guard.behind is not None:
        hosts = ",".join(sorted(origin.partition("://")[2] for origin in guard.origins))
        command += ["--allowed-hosts", hosts, "--cors-allowed-origins", guard.behind]
    os.execv(command[0], command)  # noqa: S606 (no shell)


def _pages(settings: Settings) -> Path:
    folder = settings.beside(settings.lake.data_docs)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _listening_ones() -> list[str]:
    return [name for name in SERVERS if name != "daemon"]


def _port(name: str, first: int) -> int:
    return first + list(SERVERS).index(name)


def _announce(running: dict[str, subprocess.Popen[bytes]], first: int) -> None:
    for name in _listening_ones():
        port, deadline = _port(name, first), time.monotonic() + _START_SECONDS
        while not _listening(port) and running[name].poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        if _listening(port):
            CONSOLE.print(Text.assemble((SERVERS[name], "bold"), f" http://{LOOPBACK}:{port}"))


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
