"""What a night costs after years of history: the same shop after one year of nights and after four.

Run ``python -m benchmarks.history``; ``--years 1 2 4 8`` measures more, each against the first. A real night of a
simulated shop gives the tables of every night before it: of transactions and their sums the lines of each day, older
years being the last one again, of the others a copy. So the lakes differ in nothing but the number of their nights,
and the customers, the lookback and tonight's delivery are the same. Then the same new nights run on each of them by
Dagster, in one process, in turns. The CRM's history is not part of it: it keeps `crm.history_days`.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from shutil import copytree, rmtree

import dagster as dg
import polars as pl

from assets.lake import Lake
from benchmarks.record import Row, arguments, report
from models.customer_days import customer_days
from models.customer_items import customer_items
from models.definition import ChurnDefinition
from models.settlement import settle
from models.simulator import customers, transactions
from pipelines.definitions import definitions
from pipelines.settings import load_settings
from pipelines.stores import lake_of

YEAR, HORIZON = 364, 30
FIRST = date(2016, 1, 1)
LAST = FIRST + timedelta(days=9 * YEAR)
ASKED = {4: 1.1}
SETTINGS = f"""
[source]
path = "landing"
[source.columns]
customer_id = "customer_id"
timestamp = "timestamp"
transaction_id = "transaction_id"
quantity = "quantity"
amount = "amount"
[churn]
horizon_days = {HORIZON}
active_days = 120
[features]
lookback_days = 300
windows = [7, 14, 30, 60, 90, 180]
[training]
nights = 4
retrain_days = 400
[training.classifier]
rounds = 60
"""
LINES = ("transactions", "customer_days", "customer_items")
EMPTY = ("quarantine", "customer_facts", "customer_consents")
LINKED = ("raw_transactions", "delivery_notes", "customer_features", "churn_scores", "churn_model", "model_drift")


class Shop:
    """A folder with settings and deliveries, in which nights run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
        self.settings = load_settings(folder / "churn.toml")
        self.lake, self.nightly = lake_of(self.settings), definitions(self.settings).resolve_job_def("nightly")

    def deliver(self, night: date, sold: pl.DataFrame) -> None:
        """Put the lines of a night in place of those of the night before."""
        rmtree(self.folder / "landing")
        (self.folder / "landing").mkdir()
        sold.write_csv(self.folder / "landing" / f"{night}.csv")

    def run(self, night: date, instance: dg.DagsterInstance) -> None:
        """The night by Dagster."""
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        self.nightly.execute_in_process(partition_key=f"{night}", instance=instance, run_config=quiet)


def cost(shop: Shop, night: date, sold: pl.DataFrame) -> float:
    """Deliver and run a night; processor seconds of the run."""
    shop.deliver(night, sold)
    with dg.DagsterInstance.ephemeral() as instance:
        start = time.process_time()
        shop.run(night, instance)
        return time.process_time() - start


def age(lake: Lake, churn: ChurnDefinition, years: int) -> None:
    """Give a lake in which one night has run years of nights before it."""
    tables = sorted(folder.name for folder in Path(lake.root).iterdir() if lake.nights(folder.name))
    tonight = {table: lake.scan(table, [LAST]).collect() for table in tables}
    days = tonight["transactions"].partition_by("day", as_dict=True)
    said = pl.lit(LAST - timedelta(days=HORIZON)).alias("night")
    scores, delivered = (tonight[table].lazy().with_columns(said) for table in ("churn_scores", "at_risk_segments"))
    tonight["settled_outcomes"] = settle(scores, delivered, tonight["customer_days"].lazy(), churn).collect()
    for back in range(years * YEAR):
        night = LAST - timedelta(days=back)
        shift = timedelta(days=back // YEAR * YEAR)
        sold = days.get((night + shift,), tonight["transactions"].head(0))
        sold = sold.with_columns(pl.lit(night).alias("day"), pl.col("timestamp") - shift)
        aged = {"transactions": sold} | {
            table: of(sold.lazy()).collect()
            for table, of in (("customer_days", customer_days), ("customer_items", customer_items))
        }
        for table in tables:
            if table in (*LINKED, *EMPTY) and back:
                file = lake.file(table, night)
                file.parent.mkdir()
                os.link(lake.file(table, LAST), file)
            elif table in LINES or back:
                rows = aged.get(table, tonight[table])
                of = night - timedelta(days=HORIZON) if table == "settled_outcomes" else night
                lake.write(table, night, rows.with_columns(pl.lit(of).alias("night")) if "night" in rows else rows)


def shops(folder: Path, sold: pl.DataFrame, years: Sequence[int]) -> dict[int, Shop]:
    """One shop for each length of history."""
    first = Shop(folder / "first")
    known = pl.col("timestamp").dt.date()
    cost(first, LAST, sold.filter(known > LAST - timedelta(days=YEAR), known <= LAST))
    found = {}
    for length in years:
        copytree(first.folder, folder / f"{length}")
        found[length] = Shop(folder / f"{length}")
        age(found[length].lake, found[length].settings.churn, length)
    return found


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--years", type=int, nargs="+", default=[1, 4], help="of history; the first is compared with")
    given = parser.parse_args()
    size, nights = round(1000 * given.scale), given.repetitions + 1
    shop = customers(size, seed=1, lost_after_days=800).with_columns(pl.col("joins") * 0.8)
    sold = transactions(shop, first_day=LAST - timedelta(days=2 * YEAR), days=2 * YEAR + nights + 1, seed=1)
    costs: dict[int, list[float]] = {length: [] for length in given.years}
    with tempfile.TemporaryDirectory(prefix="churn-history-") as folder:
        found = shops(Path(folder), sold, given.years)
        for number in range(1, nights + 1):
            night = LAST + timedelta(days=number)
            arrived = sold.filter(pl.col("timestamp").dt.date() == night)
            for length in given.years[:: 1 if number % 2 else -1]:
                costs[length].append(cost(found[length], night, arrived))
        base = given.years[0]
        rows = [
            Row(
                f"a night after {length} years / after {base}",
                {"customers": size, "nights": length * YEAR},
                costs[length][1:],
                costs[base][1:],
                ASKED.get(length // base),
                unit="CPU s",
            )
            for length in given.years[1:]
        ]
        report("history", rows, given.json)


if __name__ == "__main__":
    main()
