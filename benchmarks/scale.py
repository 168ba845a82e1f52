"""What features cost as a whole, in buckets and on Spark: seconds on a processor, and memory, of all processes.

Run ``python -m benchmarks.scale``; Spark takes the Java of ``JAVA_HOME`` or of the path. Six nights from the stored
`customer_days` of two million transactions, written to Parquet. Each way runs in a process of its own, after the same
with few rows, with everything that it starts: what a session costs to begin with is not part of it. Memory is the sum
over processes, which counts twice what two of them share.

``--ways buckets --buckets 64 --scale 50 --repetitions 1`` is a hundred million transactions: a way that runs without
the whole is held to the size of the file that it reads, and its seconds to the millions of transactions.
"""

import atexit
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.buckets import features_in_buckets
from assets.engine import Engine
from assets.lake import SCHEMAS
from assets.spark_features import Features, Stored
from assets.spark_session import spark_session
from benchmarks.features import ACTIVE, LAST, stored
from benchmarks.record import Row, arguments, report
from models.catalogue import FeatureRecipe
from models.census import KNOWN, Tables, described
from models.consent import ConsentRule
from models.definition import ChurnDefinition

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CHURN, RECIPE = ChurnDefinition(active_days=ACTIVE), FeatureRecipe()
NIGHTS = [LAST - timedelta(days=30 * back) for back in reversed(range(6))]
NOBODY_ASKED = ConsentRule(recorded=False)
_STARTED = ExitStack()
_TICK = os.sysconf("SC_CLK_TCK")


def _lake(file: Path) -> dict[str, Stored]:
    lake = {name: Stored(SCHEMAS[name].create_empty().schema, []) for name in KNOWN}
    return lake | {"customer_days": Stored(lake["customer_days"].schema, [file])}


def _tables(file: Path) -> Tables:
    lake = {name: pl.LazyFrame(schema=each.schema) for name, each in _lake(file).items()}
    return Tables.of(lake | {"customer_days": pl.scan_parquet(file)}, NOBODY_ASKED, LAST)


def whole(file: Path, target: Path, _: int) -> None:
    """At once."""
    target.mkdir()
    described(_tables(file), NIGHTS, CHURN, RECIPE).sink_parquet(target / "data.parquet")


def buckets(file: Path, target: Path, count: int) -> None:
    """One after another."""
    target.mkdir()
    parts = features_in_buckets(_tables(file), NIGHTS, CHURN, RECIPE, folder=target, count=count)
    parts.sink_parquet(target / "data.parquet")


@cache
def _session() -> "SparkSession":
    atexit.register(_STARTED.close)
    return _STARTED.enter_context(spark_session(Engine("spark", master="local[2]")))


def spark(file: Path, target: Path, count: int) -> None:
    """On Spark, in this machine."""
    Features(tuple(NIGHTS), CHURN, RECIPE, NOBODY_ASKED).compute(_session(), _lake(file), target, count)


WAYS: dict[str, Callable[[Path, Path, int], None]] = {"whole": whole, "buckets": buckets, "spark": spark}


def _family(ancestor: int) -> Iterator[list[str]]:
    """What `/proc` says of a process and of all that came of it."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(status.parent.name)] = status.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
    mine = {ancestor}
    while more := {pid for pid, fields in found.items() if int(fields[1]) in mine} - mine:
        mine |= more
    return (found[pid] for pid in mine if pid in found)


def _seconds(ancestor: int) -> float:
    return sum(int(ticks) for fields in _family(ancestor) for ticks in fields[11:15]) / _TICK


def _megabytes(ancestor: int) -> float:
    return sum(int(fields[21]) for fields in _family(ancestor)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cost(way: str, file: Path, folder: Path, count: int) -> tuple[float, float]:
    """Processor seconds and the peak of memory in megabytes of one run, see the module."""
    peak, done = 0.0, threading.Event()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(WAYS[way], file.with_name("small.parquet"), folder / "small", count).result()
        pid = next(iter(multiprocessing.active_children())).pid or 0
        before = _seconds(pid)
        running = pool.submit(WAYS[way], file, folder / "large", count)
        running.add_done_callback(lambda _: done.set())
        while not done.wait(0.1):
            peak = max(peak, _megabytes(pid))
        running.result()
        return _seconds(pid) - before, peak


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__, repetitions=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), help="that are measured")
    parser.add_argument("--buckets", type=int, default=8, help="of customers, and parts on Spark")
    given = parser.parse_args()
    transactions = int(2_000_000 * given.scale)
    seconds: dict[str, list[float]] = {way: [] for way in given.ways}
    memory: dict[str, list[float]] = {way: [] for way in given.ways}
    with tempfile.TemporaryDirectory() as folder:
        file, place = Path(folder) / "days.parquet", Path(folder) / "written"
        stored(transactions, file)
        stored(20_000, file.with_name("small.parquet"))
        size = file.stat().st_size / 2**20
        for turn in range(given.repetitions):
            for way in given.ways[:: 1 if turn % 2 else -1]:
                place.mkdir()
                for figures, figure in zip((seconds, memory), cost(way, file, place, given.buckets), strict=True):
                    figures[way].append(figure)
                shutil.rmtree(place)
    sizes = {"transactions": transactions, "nights": len(NIGHTS), "buckets": given.buckets}
    if "whole" in given.ways:
        base = {"processor": ("whole", "s", seconds["whole"]), "memory": ("whole", "MB", memory["whole"])}
    else:
        millions = [transactions / 1e6] * given.repetitions
        base = {
            "processor": ("million transactions", "", millions),
            "memory": ("file", "MB", [size] * given.repetitions),
        }
    rows = [
        Row(f"{way} / {of}, {what}", sizes, figures[way], others, unit=unit)
        for (what, (of, unit, others)), figures in zip(base.items(), (seconds, memory), strict=True)
        for way in given.ways
        if of != way
    ]
    report("scale", rows, given.json)


if __name__ == "__main__":
    main()
