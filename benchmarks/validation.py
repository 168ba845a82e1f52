"""What the gate costs: Great Expectations over Polars against the best bare query with the same checks.

Run ``python -m benchmarks.validation``; ``--scale 1`` is 5 million rows. Imports aside, files warm, both
ways in one process in turns, each peak of memory in a process of its own.
"""

import tempfile
from datetime import date, timedelta
from functools import partial
from math import log
from pathlib import Path

import numpy as np
import polars as pl

from assets.verdict import validate
from benchmarks.record import Row, arguments, paired, peak, report
from models.arrivals import Past, raw_gate
from models.transactions import RawTransaction, ValidationRules

NIGHT = date(2025, 12, 31)
RULES = ValidationRules()
MAPPED = ("transaction_id", "product", "category", "channel", "quantity", "amount", "currency")
ROWS = 5_000_000
ASKED = {20_000_000: (1.3, 1.5), ROWS: (1.6, None), 0: (None, None)}
"""The most that the gate may cost, in multiples of the time and the memory of the bare query, by rows and more."""


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


def main() -> None:
    """Measure and report."""
    given = arguments(__doc__).parse_args()
    rows = round(given.scale * ROWS)
    wall, memory = next(limits for least, limits in ASKED.items() if rows >= least)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "raw.parquet"
        small = (file.with_name("small.parquet"), past(1_000), 1_000)
        transactions(rows).sink_parquet(file, row_group_size=122_880)
        transactions(1_000).sink_parquet(small[0])
        large = (file, past(rows), rows)
        costs = paired({"gate": partial(gate, *large), "bare": partial(bare, *large)}, given.repetitions)
        gated, queried = ([peak(way, small, large)] for way in (gate, bare))
    report(
        "validation",
        [
            Row("gate / bare query", {"rows": rows}, costs["gate"].wall, costs["bare"].wall, wall),
            Row("gate / bare query, processor", {"rows": rows}, costs["gate"].cpu, costs["bare"].cpu),
            Row("gate / bare query, peak memory", {"rows": rows}, gated, queried, memory, unit="MB"),
        ],
        given.json,
    )


if __name__ == "__main__":
    main()
