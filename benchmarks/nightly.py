"""What the whole nightly job costs beside its pure parts: a run by Dagster, and the same night by its functions alone.

Run ``python -m benchmarks.nightly``; ``--scale 1`` is 25,000 customers with a year of purchases, ``--scale 40`` a
million, for which a number is asked: what Dagster and MLflow take is fixed, and weighs on small nights. A champion is
trained on a smaller shop of the same kind. One night with the whole year is written by the pure parts; its scores and
deliveries stand again 30 days before each night to come, so that a night is ripe each time. Then new nights run on two
copies of that shop, in turns: on one as ``churn run`` does, in this process, with Dagster's record on disk; on the
other by functions alone. In the end both lakes must hold the same tables.

A pure part makes tables, or files of tables, by the pipeline's own function, called without Dagster: reading the
delivery, the gates with their pages (`benchmarks.validation` holds them to a bare query), rules and deduplication,
sums, features, scores, reasons and policy, propensities, settlement, drift, the CRM, and each table written as
Parquet. They hand each other what they computed. No parts are Dagster, the records in MLflow and loading the model
from there, the count of rows, the report, and reading again what another step wrote. The last row leaves the gates out
of the parts.
"""

import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from shutil import copytree, rmtree

import dagster as dg
import polars as pl

from benchmarks.history import Shop
from benchmarks.night_parts import Parts
from benchmarks.record import Cost, Row, arguments, report
from models.simulator import customers, transactions

CUSTOMERS, LEARNED_FROM, YEAR, HORIZON = 25_000, 10_000, 364, 30
LAST = date(2024, 12, 31)
ASKED, ASKED_OF = 1.25, 1_000_000
COMPARED = (
    "raw_transactions",
    "transactions",
    "customer_days",
    "customer_items",
    "customer_features",
    "churn_scores",
    "save_rates",
    "action_propensities",
    "settled_outcomes",
    "live_performance",
    "model_drift",
    "at_risk_segments",
)
"""Tables that both ways must make alike."""


def shops(
    folder: Path, size: int, nights: Sequence[date], instance: dg.DagsterInstance
) -> tuple[Shop, Shop, pl.DataFrame]:
    """Two shops alike with a champion and a year of purchases, and what is sold on the nights to come."""
    first = Shop(folder / "first")
    small = _sold(LEARNED_FROM, nights, seed=2)
    first.deliver(LAST, small.filter(pl.col("timestamp").dt.date() <= LAST))
    first.run(LAST, instance)
    for place in ("lake", "exports", "reports", "data_docs"):
        rmtree(first.folder / place, ignore_errors=True)
    (first.folder / "crm.db").unlink()
    sold = _sold(size, nights, seed=1)
    first.deliver(LAST, sold.filter(pl.col("timestamp").dt.date() <= LAST))
    Parts(first.settings).run(LAST)
    for table in ("churn_scores", "at_risk_segments"):
        stored = first.lake.scan(table, [LAST])
        for night in nights:
            past = night - timedelta(days=HORIZON)
            first.lake.write(table, past, stored.with_columns(night=pl.lit(past)))
    pair = [Shop(copytree(first.folder, folder / name)) for name in ("job", "parts")]
    return pair[0], pair[1], sold.filter(pl.col("timestamp").dt.date() > LAST)


def _sold(size: int, nights: Sequence[date], *, seed: int) -> pl.DataFrame:
    shop = customers(size, seed=seed, lost_after_days=800).with_columns(pl.col("joins") * 0.8)
    return transactions(shop, first_day=LAST - timedelta(days=YEAR), days=YEAR + len(nights) + 1, seed=seed)


def main() -> None:
    """Measure and report."""
    given = arguments(__doc__, repetitions=2).parse_args()
    size, nights = round(CUSTOMERS * given.scale), [LAST + timedelta(days=n + 1) for n in range(given.repetitions + 1)]
    job, pure, gates = Cost(), Cost(), Cost()
    with tempfile.TemporaryDirectory(prefix="churn-nightly-") as place:
        (Path(place) / "dagster").mkdir()
        quiet = {"telemetry": {"enabled": False}}
        with dg.DagsterInstance.local_temp(f"{place}/dagster", overrides=quiet) as instance:
            ours, theirs, sold = shops(Path(place), size, nights, instance)
            parts = Parts(theirs.settings)
            for number, night in enumerate(nights):
                arrived = sold.filter(pl.col("timestamp").dt.date() == night)
                ways = [(job, ours, partial(ours.run, night, instance)), (pure, theirs, partial(parts.run, night))]
                parts.gates = Cost()
                for kept, shop, way in ways[:: 1 if number % 2 else -1]:
                    shop.deliver(night, arrived)
                    start, busy = time.perf_counter(), time.process_time()
                    way()
                    kept.wall.append(time.perf_counter() - start)
                    kept.cpu.append(time.process_time() - busy)
                gates.cpu.append(sum(parts.gates.cpu))
        for table in COMPARED:
            made, expected = (shop.lake.scan(table, nights[-1:]).collect() for shop in (ours, theirs))
            assert made.equals(expected), f"{table} of the parts is another one"
    sizes = {"customers": size, "at risk": made.height}
    asked = ASKED if size >= ASKED_OF else None
    rows = [
        Row("nightly job / its pure parts", sizes, job.wall[1:], pure.wall[1:], asked),
        Row("nightly job / its pure parts, processor", sizes, job.cpu[1:], pure.cpu[1:], unit="CPU s"),
        Row(
            "nightly job / its pure parts but the gates, processor",
            sizes,
            job.cpu[1:],
            [whole - gate for whole, gate in zip(pure.cpu[1:], gates.cpu[1:], strict=True)],
            unit="CPU s",
        ),
    ]
    report("nightly", rows, given.json)


if __name__ == "__main__":
    main()
