"""A session of Spark with the options that this pipeline relies on."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assets.engine import Engine
from assets.scratch import scratch_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOOPBACK = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[1]
_LOG = Path(__file__).with_name("spark.log4j2.properties")
_PACKAGES = ("models", "assets")

OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    # Fewer, larger batches: a tenth of this costs a fifth more.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.ui.showConsoleProgress": "false",
    # Spark gives each task a core; Polars on each executor would take all of them for every task.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
    "spark.executorEnv.OMP_NUM_THREADS": "1",
}
_LOCAL = {"spark.ui.enabled": "false", "spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK}
_JAVA = "spark.driver.extraJavaOptions"


def options(engine: Engine) -> dict[str, str]:
    """The options of a session: those of the pipeline, and above them those of the settings."""
    local = engine.master.startswith("local")
    return {
        **OPTIONS,
        **(_LOCAL if local else {}),
        **engine.options,
        _JAVA: f"-Dlog4j2.configurationFile={_LOG.as_uri()} {engine.options.get(_JAVA, '')}".rstrip(),
    }


@contextmanager
def spark_session(engine: Engine) -> Iterator["SparkSession"]:
    """Start a session, with the code of the pipeline on its executors; it stops at the end.

    Args:
        engine: Where, and with which options.

    Raises:
        ModuleNotFoundError: The extra ``spark`` is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "engine.kind is 'spark', but pyspark is not installed: install requirements-spark.lock, see docs/scale.md"
        ) from error
    remote = engine.master.startswith("sc://")
    builder = SparkSession.builder.appName("churn")
    builder = builder.remote(engine.master) if remote else builder.master(engine.master)
    for name, value in options(engine).items():
        # What a JVM needs when it starts is the business of whoever started the server.
        if not remote or name.startswith("spark.sql."):
            builder = builder.config(name, value)
    if engine.master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", _LOOPBACK)
        # Else the first Python on the path, which need not be this environment.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with scratch_folder() as folder:
        session = builder.getOrCreate()
        try:
            session.addArtifacts(_code(folder), pyfile=True)
            yield session
        finally:
            session.stop()


def _code(folder: Path) -> str:
    """An archive of the packages that executors import."""
    copy = folder / "code"
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return shutil.make_archive(f"{folder / 'churn-code'}", "zip", copy)
