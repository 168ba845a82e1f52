"""Dagster, MLflow and Data Docs on loopback, side by side, for as long as a person looks at them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pipelines.console import CONSOLE, complain
from pipelines.settings import Settings
from pipelines.shop import prepare_instance, workspace
from pipelines.stores import tracking_of

LOOPBACK = "127.0.0.1"
_START_SECONDS = 120


def commands(settings: Settings, port: int) -> dict[str, list[str]]:
    """What is started: Dagster's webserver with its daemon on ``port``, MLflow and Data Docs on the next two."""
    docs = str(settings.beside(settings.lake.data_docs))
    beside = Path(sys.executable).parent
    return {
        "Dagster": [str(beside / "dg"), "dev", "-w", str(workspace(settings)), "--host", LOOPBACK, "--port", str(port)],
        "MLflow": [
            *(
                str(beside / "mlflow"),
                "server",
                "--host",
                LOOPBACK,
                "--port",
                str(port + 1),
                "--workers",
                "1",
            ),
            *(
                "--backend-store-uri",
                settings.tracking_uri(),
                "--artifacts-destination",
                settings.artifacts(),
            ),
        ],
        "Data Docs": [
            *(sys.executable, "-m", "http.server", str(port + 2)),
            *("--bind", LOOPBACK, "--directory", docs),
        ],
    }


def serve(settings: Settings, port: int) -> int:
    """Run them until Ctrl-C, SIGTERM, or until one of them ends.

    Returns:
        0 when they were asked to end, 1 when one ended by itself or its port is taken.
    """
    for taken in range(port, port + 3):
        if _listening(taken):
            complain(f"port {taken} is in use: choose another with --port")
            return 1
    settings.beside(settings.lake.data_docs).mkdir(parents=True, exist_ok=True)
    # A server that opens a new store at the same time as a run would destroy it: the lock is ours, not MLflow's.
    tracking_of(settings).store.client.search_experiments(max_results=1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = prepare_instance(settings)
    environment = os.environ | {
        "DAGSTER_HOME": str(home),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow 3.17 beside a newer Starlette; nobody who reads the log can do anything about it.
        "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
    }
    # Sessions of their own: a server's workers end with it.
    running = {
        name: subprocess.Popen(command, env=environment, cwd=home, start_new_session=True)  # noqa: S603
        for name, command in commands(settings, port).items()
    }
    try:
        _announce(running, port)
        while all(server.poll() is None for server in running.values()):
            time.sleep(0.5)
        ended = [name for name, server in running.items() if server.poll() is not None]
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


def _announce(running: dict[str, subprocess.Popen[bytes]], port: int) -> None:
    for offset, name in enumerate(running):
        deadline = time.monotonic() + _START_SECONDS
        while not _listening(port + offset) and running[name].poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        if _listening(port + offset):
            CONSOLE.print(f"[bold]{name}[/] http://{LOOPBACK}:{port + offset}")


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
