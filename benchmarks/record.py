"""What every benchmark hands in: pairs of figures and what is asked of their ratio, as a table and as JSON.

A benchmark is a module with a `main` that takes `arguments`, measures and ends with `report`. Two ways are measured in
turns in one process, in alternating order, after a round that is thrown away: their ratio holds on a machine that does
other things beside, their seconds do not.
"""

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

LIBRARIES = ("polars", "numpy", "pyarrow", "duckdb", "pandas", "great-expectations", "dagster", "mlflow", "xgboost-cpu")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: What is divided by what.
        sizes: What it was measured on.
        own: Figure of each run.
        other: Its partner in the same run.
        asked: What the median of the ratios should be; None where nothing is asked.
        at_least: Whether it may be more than that, instead of less.
        unit: Of the figures.
    """

    what: str
    sizes: Mapping[str, int]
    own: Sequence[float]
    other: Sequence[float]
    asked: float | None = None
    at_least: bool = False
    unit: str = "s"

    @property
    def ratios(self) -> list[float]:
        """Of each run."""
        return [own / other for own, other in zip(self.own, self.other, strict=True)]

    @property
    def verdict(self) -> str:
        """Whether the median is what is asked."""
        if self.asked is None:
            return "not asked"
        found = median(self.ratios)
        return "kept" if (found >= self.asked if self.at_least else found <= self.asked) else "EXCEEDED"

    def told(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self) | {"ratios": self.ratios, "median": median(self.ratios), "verdict": self.verdict}


@dataclass
class Cost:
    """What the runs of a way took.

    Attributes:
        wall: Seconds of each run.
        cpu: Seconds on a processor, of all threads.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def paired(ways: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Cost]:
    """Run each way in turns, the order alternating, once more than asked: the first round warms up."""
    costs = {way: Cost() for way in ways}
    for turn in range(repetitions + 1):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            start, busy = time.perf_counter(), time.process_time()
            ways[way]()
            if turn:
                costs[way].wall.append(time.perf_counter() - start)
                costs[way].cpu.append(time.process_time() - busy)
    return costs


def peak(way: Callable[..., object], warm: tuple[Any, ...], given: tuple[Any, ...]) -> float:
    """Megabytes that a call adds, at its peak, to a process of its own in which it was called once before (Linux)."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, way, warm, given).result()


def _peak(way: Callable[..., object], warm: tuple[Any, ...], given: tuple[Any, ...]) -> float:
    way(*warm)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # The peak begins anew.
    start = _megabytes("VmRSS")
    way(*given)
    return _megabytes("VmHWM") - start


def _megabytes(entry: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(entry)).split()[1]) / 1024


def arguments(doc: str | None, *, repetitions: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has: ``--scale``, ``--repetitions`` and ``--json``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="multiple of the sizes that are the default")
    parser.add_argument("--repetitions", type=int, default=repetitions, help="measured rounds after one to warm up")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    return parser


def report(name: str, rows: Iterable[Row], file: Path | None) -> None:
    """Print the rows of a benchmark as a table and, where a file is named, write them there.

    Args:
        name: Of the benchmark.
        rows: What it found.
        file: For JSON: name, machine, versions and rows with each run.
    """
    found = {"benchmark": name, **surroundings(), "rows": [row.told() for row in rows]}
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show([found])


def surroundings() -> dict[str, Any]:
    """The machine as far as it matters, its load, and the versions of what is measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = {"cores": os.cpu_count(), "memory_gb": round(memory), "system": platform.system()}
    versions = {"python": platform.python_version()} | {library: version(library) for library in LIBRARIES}
    return {"machine": machine, "load": round(os.getloadavg()[0], 1), "versions": versions}


def show(records: Sequence[Mapping[str, Any]]) -> None:
    """Print what `report` wrote, of any number of benchmarks, as one table."""
    table = Table("benchmark", "what", "sizes")
    for column in ("own", "other", "ratio", "lowest to highest", "asked"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for record in records:
        for row in record["rows"]:
            low, high = min(row["ratios"]), max(row["ratios"])
            limit = "" if row["asked"] is None else f"{'≥' if row['at_least'] else '≤'} {row['asked']:g}"
            table.add_row(
                record["benchmark"],
                row["what"],
                ", ".join(f"{size:,} {of}" for of, size in row["sizes"].items()),
                *(f"{median(row[side]):.4g} {row['unit']}" for side in ("own", "other")),
                f"{row['median']:.3f}",
                f"{low:.3f} to {high:.3f}",
                limit,
                row["verdict"],
            )
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    for record in records:
        machine, runs = record["machine"], {len(row["ratios"]) for row in record["rows"]}
        console.print(
            f"{record['benchmark']}: {machine['cores']} cores, {machine['memory_gb']} GB, load {record['load']} at the "
            f"end; medians of {' or '.join(map(str, sorted(runs)))} pairs",
            highlight=False,
        )
