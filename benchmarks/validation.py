"""What the gate costs: Great Expectations over Polars against the best bare query with the same checks.

Run ``python -m benchmarks.validation --rows 5000000``. Import of Great Expectations aside, files warm, both ways in one
process in turns, each peak of memory in a process of its own.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from math import log
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

import assets.polars_engine  # noqa: F401 (its import is not measured)
from assets.verdict import validate
from models.arrivals import Past, raw_gate
from models.transactions import RawTransaction, ValidationRules

NIGHT = date(2025, 12, 31)
RULES = ValidationRules()
MAPPED = ("transaction_id", "product", "category", "channel", "quantity", "amount", "currency")
TARGETS = {(5_000_000, "wall"): 1.6, (20_000_000, "wall"): 1.3, (20_000_000, "memory"): 1.5}
"""The most that the gate may cost, in multiples of the bare query, by rows and measure."""


def transactions(rows: int) -> pl.LazyFrame:
    """A delivery with a hundredth of the customers missing and a twentieth of the lines' number of customers."""
    generator = np.random.default_rng(0)
    numbers = pl.LazyFrame(
        {
            "line": np.arange(rows),
            "customer": generator.integers(0, rows // 20, rows),
            "second": generator.integers(0, 700 * 86_400, rows),
            "article": generator.integers(0, 5_000, rows),
            "quantity": generator.integers(1, 5, rows).astype(float),
            "amount": np.round(generator.lognormal(3, 1, rows), 2),
        }
    )
    moment = pl.lit(NIGHT - timedelta(days=699)).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds="second")
    known = numbers.select(
        "quantity",
        "amount",
        customer_id=pl.when(pl.col("line") % 100 != 0).then(pl.format("C{}", "customer")),
        timestamp=moment,
        day=moment.dt.date(),
        transaction_id=pl.format("T{}", pl.col("line") // 3),
        product=pl.format("P{}", "article"),
        category=pl.format("G{}", pl.col("article") % 40),
        channel=pl.lit("web"),
        currency=pl.lit("EUR"),
        source_file=pl.lit("transactions.csv"),
        source_row=pl.col("line") + 1,
        occurrence=pl.lit(1, pl.Int64),
    )
    types = {name: column.dtype for name, column in RawTransaction.columns().items()}
    absent = types.keys() - set(known.collect_schema())
    return known.with_columns(pl.lit(None, types[name]).alias(name) for name in absent).select(*types)


def past(rows: int) -> Past:
    """Ten nights like this one, and nine tenths of the customers."""
    nights = [NIGHT - timedelta(days=n) for n in range(1, 11)]
    numbers = pl.DataFrame({"number": range(rows * 9 // 200)})
    return Past(
        nights=pl.DataFrame({"night": nights, "rows": [rows] * 10, "magnitude": [3 / log(10)] * 10}),
        customers=numbers.select(customer_id=pl.format("C{}", "number")).to_series(),
    )


def gate(file: Path, before: Past, rows: int) -> None:
    """The gate as the pipeline runs it, page included."""
    raw = pl.scan_parquet(file)
    frame, expectations = raw_gate(raw, RULES, night=NIGHT, mapped=MAPPED, past=before, rows=rows)
    findings = validate(frame, expectations, table="raw_transactions", night=NIGHT, docs_root=file.parent)
    assert all(finding.passed for finding in findings)


def bare(file: Path, before: Past, rows: int) -> None:
    """The same checks as one query and a sort of hashes, the verdicts in Python."""
    raw = pl.scan_parquet(file)
    bad = {
        "customer_id": pl.col("customer_id").is_null(),
        "timestamp": pl.col("timestamp").is_null(),
        "amount": pl.col("amount").is_null(),
        "amounts": (pl.col("amount") < -RULES.max_amount) | (pl.col("amount") > RULES.max_amount),
        "old": pl.col("day") < RULES.first_plausible_day,
        "new": pl.col("day") > NIGHT,
    }
    figures = raw.select(
        pl.len().alias("rows"),
        *(expression.sum().alias(name) for name, expression in bad.items()),
        pl.any_horizontal(expression.fill_null(value=False) for expression in bad.values()).sum().alias("rejected"),
        (pl.col("occurrence") > 1).sum().alias("repeated"),
        pl.col("customer_id").is_in(before.customers.implode()).sum().alias("known"),
        pl.when(pl.col("amount") != 0).then(pl.col("amount").abs().log10()).mean().alias("magnitude"),
        pl.when(pl.col("day") <= NIGHT).then(pl.col("day")).max().alias("newest"),
        pl.col("currency").drop_nulls().n_unique().alias("currencies"),
        pl.col("transaction_id", "product", "category", "channel", "currency").null_count().name.suffix("_empty"),
    )
    keys = raw.select(pl.struct("source_file", "source_row").hash())
    found, hashes = pl.collect_all([figures, keys], engine="streaming")
    ordered = hashes.to_series().sort()
    row = found.row(0, named=True)
    filled = all(row[f"{name}_empty"] < rows / 2 for name in ("transaction_id", "product", "category", "channel"))
    assert not (ordered == ordered.shift()).any()
    assert row["rejected"] <= 0.05 * rows
    assert filled
    assert row["known"] > 0.01 * rows


WAYS: dict[str, Callable[[Path, Past, int], None]] = {"gate": gate, "bare": bare}


def peak(way: str, file: Path, rows: int) -> float:
    """Megabytes that one way adds to a process in which everything is imported and warm (Linux)."""
    status, small = Path("/proc/self/status"), file.with_name("small.parquet")
    WAYS[way](small, past(1_000), 1_000)
    before = past(rows)

    def megabytes(entry: str) -> float:
        return int(next(line for line in status.read_text().splitlines() if line.startswith(entry)).split()[1]) / 1024

    start = megabytes("VmRSS")
    WAYS[way](file, before, rows)
    return megabytes("VmHWM") - start


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--repetitions", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "raw.parquet"
        transactions(given.rows).sink_parquet(file, row_group_size=122_880)
        transactions(1_000).sink_parquet(file.with_name("small.parquet"))
        before = past(given.rows)
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        processor: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(given.repetitions + 1):
            for way, run in WAYS.items() if turn % 2 else reversed(WAYS.items()):
                start, busy = time.perf_counter(), time.process_time()
                run(file, before, given.rows)
                seconds[way].append(time.perf_counter() - start)
                processor[way].append(time.process_time() - busy)
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            memory = {way: pool.apply(peak, (way, file, given.rows)) for way in WAYS}
    print(f"{given.rows:,} rows, median of {given.repetitions} in turns, load {os.getloadavg()[0]:.1f}")
    for way in WAYS:
        wall, cpu = (median(times[way][1:]) for times in (seconds, processor))
        print(f"{way:5} {wall:7.2f} s {cpu:7.2f} CPU s {memory[way]:7.0f} MB")
    ratios = {
        name: median(gate / bare for gate, bare in zip(times["gate"][1:], times["bare"][1:], strict=True))
        for name, times in (("wall", seconds), ("CPU", processor))
    }
    ratios["memory"] = memory["gate"] / memory["bare"]
    for name, ratio in ratios.items():
        limit = TARGETS.get((given.rows, name))
        verdict = "" if limit is None else f", at most {limit}: {'kept' if ratio <= limit else 'EXCEEDED'}"
        print(f"{name:6} {ratio:5.2f}{verdict}")


if __name__ == "__main__":
    main()
