"""What features cost: twelve nights from the stored `customer_days`, beside the same features in DuckDB and pandas.

Run ``python -m benchmarks.features``; ``--scale 1`` is 1.5 million transactions, for memory 20 million. The features
are those of eight families, 53 columns, checked equal to a relative 1e-5 before anything is measured. All ways read
the same file, in one process in turns, and hold what they found. The peak of memory is that of a process of its own,
which writes the features to a file as the pipeline does.
"""

import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from assets.lake import store
from benchmarks.record import Row, arguments, paired, peak, report
from models.customer_days import UNIT, customer_days
from models.features import FeatureRecipe, features
from models.simulator import customers
from models.simulator import transactions as simulated

RECIPE = FeatureRecipe(families=("recency", "frequency", "money", "tenure", "rhythm", "trends", "basket", "returns"))
ACTIVE, LIFE, YEAR, SPAN = 365, RECIPE.lookback_days, RECIPE.windows[-1], 1_460
LAST = date(2025, 12, 31)
NIGHTS = [LAST - timedelta(days=30 * back) for back in range(12)]
TRENDS = tuple(days for days in RECIPE.windows if days >= 30)
SUMS = {
    "orders": sorted({*RECIPE.windows, *TRENDS, *(2 * days for days in TRENDS), LIFE}),
    "spend": sorted({*RECIPE.windows, *TRENDS, *(2 * days for days in TRENDS), LIFE}),
    **{measure: [YEAR, LIFE] for measure in ("lines", "quantity", "returns", "refunds")},
}
ASKED = {"duckdb": 0.33, "pandas": 0.07, "memory": 8}
"""The most that the features may take: of the time there, and in multiples of the file; from a scale of 1 on."""
TRANSACTIONS, MEMORY = 1_500_000, 20_000_000
"""Transactions that all ways read, and those on which memory is measured, which no larger scale raises."""
ORDERS, CROWD = 18.37, 100_000
"""Orders of a simulated customer on average; customers who are simulated at once."""


def stored(transactions: int, file: Path) -> None:
    """Orders of simulated customers over four years, a twentieth of them returned, as the lake keeps their days."""
    left, crowd = round(transactions / ORDERS), 0
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        while left > 0:
            count, first = min(left, CROWD), crowd * CROWD
            shop = customers(count, seed=crowd).with_columns(
                customer_id=pl.Series([f"C{number:09d}" for number in range(first, first + count)])
            )
            orders = simulated(shop, first_day=LAST - timedelta(days=SPAN - 1), days=SPAN, seed=crowd)
            returned = np.random.default_rng([crowd, 2]).random(orders.height) < 0.05
            lines = orders.lazy().with_columns(
                pl.col("quantity").cast(pl.Float64),
                day=pl.col("timestamp").dt.date(),
                discount=pl.lit(None, pl.Float64),
                is_return=pl.lit(pl.Series(returned)),
            )
            store(customer_days(lines), Path(folder) / f"{crowd:05}.parquet")
            left, crowd = left - count, crowd + 1
        store(pl.scan_parquet(Path(folder) / "*.parquet"), file)


def by_churn(file: Path) -> pl.DataFrame:
    """As the pipeline computes them."""
    return features(pl.scan_parquet(file), NIGHTS, active_days=ACTIVE, recipe=RECIPE).collect()


def kept(file: Path) -> None:
    """As the pipeline stores them, without holding them all."""
    frame = features(pl.scan_parquet(file), NIGHTS, active_days=ACTIVE, recipe=RECIPE)
    store(frame, file.with_name("features.parquet"))


def _sql(night: date) -> str:
    sums = ",\n".join(
        f"coalesce(sum({measure}) FILTER (age < {days}), 0) AS {measure}_{days}"
        for measure, lengths in SUMS.items()
        for days in lengths
    )
    windows = ", ".join(
        [f"orders_{days} AS orders_{days}d" for days in RECIPE.windows]
        + [f"spend_{days} / {UNIT} AS spend_{days}d" for days in RECIPE.windows]
        + [
            f"(2 * {name}_{days} - {name}_{2 * days}) / nullif({name}_{2 * days}, 0) AS {name}_trend_{days}d"
            for name in ("orders", "spend")
            for days in TRENDS
        ]
    )
    shares = ", ".join(
        f"{part}_{days} / {unit} / nullif({whole}_{days}, 0) AS {name}{'' if days == LIFE else f'_{days}d'}"
        for name, part, unit, whole in (
            ("lines_per_order", "lines", 1, "orders"),
            ("quantity_per_order", "quantity", UNIT, "orders"),
            ("spend_per_order", "spend", UNIT, "orders"),
            ("returns_share", "returns", 1, "lines"),
            ("refunds_share", "refunds", 1, "spend"),
        )
        for days in (LIFE, YEAR)
    )
    return f"""
    WITH d AS (
      SELECT *, DATE '{night}' - day AS age FROM days WHERE day > DATE '{night}' - {LIFE} AND day <= DATE '{night}'
    ), sums AS (
      SELECT customer_id, {sums} FROM d GROUP BY customer_id
    ), bought AS (
      SELECT customer_id, age, lag(age) OVER own - age AS gap,
             row_number() OVER (PARTITION BY customer_id ORDER BY age) AS back,
             min(age) OVER (PARTITION BY customer_id) AS recency
      FROM d WHERE orders > 0 WINDOW own AS (PARTITION BY customer_id ORDER BY age DESC)
    ), rhythm AS (
      SELECT customer_id, any_value(recency) AS recency, max(age) AS tenure, count(*) AS purchases, avg(gap) AS mean,
             median(gap) AS middle, stddev_samp(gap) AS spread, max(gap) AS longest,
             max(gap) FILTER (back = 1) AS last_gap, avg(gap) FILTER (back <= 3) AS recent,
             count(*) FILTER (gap > recency) AS longer, count(gap) AS gaps
      FROM bought GROUP BY customer_id HAVING any_value(recency) < {ACTIVE}
    )
    SELECT DATE '{night}' AS night, customer_id, recency AS recency_days, purchases AS purchase_days,
      orders_{LIFE} AS orders, orders_{LIFE} * 30 / (tenure + 30) AS orders_per_30d, spend_{LIFE} / {UNIT} AS spend,
      tenure AS tenure_days, recency / nullif(tenure, 0) AS quiet_share, mean AS gap_mean_days,
      middle AS gap_median_days, spread AS gap_spread_days, longest AS gap_longest_days, last_gap AS gap_last_days,
      recent / mean AS gap_recent_ratio, spread / mean AS gap_variation_ratio, recency / middle AS overdue_ratio,
      recency - mean AS overdue_days, (recency - mean) / greatest(spread, 1) AS overdue_spreads,
      recency / longest AS overdue_longest_ratio, longer / nullif(gaps, 0) AS gap_longer_share, {windows}, {shares}
    FROM rhythm JOIN sums USING (customer_id)
    """


def by_duckdb(file: Path) -> pl.DataFrame:
    """A query for each night, on all cores, from the file."""
    with duckdb.connect() as connection:
        connection.sql("SET enable_progress_bar = false")
        connection.sql(f"CREATE VIEW days AS FROM '{file}'")
        answers: list[pl.DataFrame] = [connection.sql(_sql(night)).pl() for night in NIGHTS]
    return pl.concat(answers)


def _pandas(table: pd.DataFrame, night: date) -> pd.DataFrame:
    at = pd.Timestamp(night)
    part = table[(table["day"] > at - pd.Timedelta(days=LIFE)) & (table["day"] <= at)]
    age = (at - part["day"]).dt.days
    cut = {f"{name}_{days}": part[name].where(age < days, 0) for name, lengths in SUMS.items() for days in lengths}
    sums = pd.DataFrame(cut).groupby(part["customer_id"], observed=True, sort=False).sum()
    bought = part.loc[part["orders"] > 0, ["customer_id"]].assign(age=age[part["orders"] > 0])
    owner = bought["customer_id"]
    group = bought.groupby(owner, observed=True, sort=False)
    gap = -group["age"].diff()
    back = group.cumcount(ascending=False)
    edge = group["age"].agg(["min", "max", "size"])
    recency = owner.map(edge["min"])
    parts = pd.DataFrame({"gap": gap, "recent": gap.where(back < 3), "last": gap.where(back == 0)})
    parts["longer"] = gap > recency.astype(float)
    by = parts.groupby(owner, observed=True, sort=False)
    found = pd.DataFrame(
        {
            "mean": by["gap"].mean(),
            "middle": by["gap"].median(),
            "spread": by["gap"].std(),
            "longest": by["gap"].max(),
            "gap_last_days": by["last"].max(),
            "recent": by["recent"].mean(),
            "longer": by["longer"].sum(),
            "gaps": by["gap"].count(),
        }
    )
    all_ = edge.join(found).join(sums)
    all_ = all_[all_["min"] < ACTIVE]

    def ratio(part: Any, whole: Any) -> Any:
        return part / whole.where(whole > 0)

    recency, tenure, mean = all_["min"], all_["max"], all_["mean"]
    made = {
        "recency_days": recency,
        "purchase_days": all_["size"],
        "orders": all_[f"orders_{LIFE}"],
        "orders_per_30d": all_[f"orders_{LIFE}"] * 30 / (tenure + 30),
        "spend": all_[f"spend_{LIFE}"] / UNIT,
        "tenure_days": tenure,
        "quiet_share": ratio(recency, tenure),
        "gap_mean_days": mean,
        "gap_median_days": all_["middle"],
        "gap_spread_days": all_["spread"],
        "gap_longest_days": all_["longest"],
        "gap_last_days": all_["gap_last_days"],
        "gap_recent_ratio": all_["recent"] / mean,
        "gap_variation_ratio": all_["spread"] / mean,
        "overdue_ratio": recency / all_["middle"],
        "overdue_days": recency - mean,
        "overdue_spreads": (recency - mean) / all_["spread"].fillna(1).clip(lower=1),
        "overdue_longest_ratio": recency / all_["longest"],
        "gap_longer_share": ratio(all_["longer"], all_["gaps"]),
    }
    for days in RECIPE.windows:
        made |= {f"orders_{days}d": all_[f"orders_{days}"], f"spend_{days}d": all_[f"spend_{days}"] / UNIT}
    for name in ("orders", "spend"):
        for days in TRENDS:
            both = all_[f"{name}_{2 * days}"]
            made[f"{name}_trend_{days}d"] = ratio(2 * all_[f"{name}_{days}"] - both, both)
    for days, end in ((LIFE, ""), (YEAR, f"_{YEAR}d")):
        orders, lines, spend = (all_[f"{name}_{days}"] for name in ("orders", "lines", "spend"))
        made[f"lines_per_order{end}"] = ratio(lines, orders)
        made[f"quantity_per_order{end}"] = ratio(all_[f"quantity_{days}"] / UNIT, orders)
        made[f"spend_per_order{end}"] = ratio(spend / UNIT, orders)
        made[f"returns_share{end}"] = ratio(all_[f"returns_{days}"], lines)
        made[f"refunds_share{end}"] = ratio(all_[f"refunds_{days}"], spend)
    return pd.DataFrame(made).assign(night=night).reset_index()


def by_pandas(file: Path) -> pl.DataFrame:
    """Vectorised, the customer a category, a masked column and one group-by for all windows of a night."""
    table = pd.read_parquet(file)
    table["customer_id"] = table["customer_id"].astype("category")
    table["day"] = pd.to_datetime(table["day"])
    found = pd.concat([_pandas(table, night) for night in NIGHTS], ignore_index=True)
    found["customer_id"] = found["customer_id"].astype(str)
    return pl.DataFrame(found)


WAYS: dict[str, Callable[[Path], pl.DataFrame]] = {"churn": by_churn, "duckdb": by_duckdb, "pandas": by_pandas}


def alike(file: Path) -> None:
    """Compare all ways on a file.

    Raises:
        AssertionError: they differ.
    """
    from polars.testing import assert_frame_equal

    own = by_churn(file)
    for way in ("duckdb", "pandas"):
        other = WAYS[way](file).with_columns(pl.col("night").cast(pl.Date)).sort("night", "customer_id")
        other = other.select("night", "customer_id", pl.exclude("night", "customer_id").cast(pl.Float32).fill_nan(None))
        assert_frame_equal(own, other.select(own.columns), rel_tol=1e-5, abs_tol=1e-5)


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__)
    parser.add_argument("--ways", nargs="*", default=["duckdb", "pandas"], choices=["duckdb", "pandas"], help="others")
    given = parser.parse_args()
    transactions = round(given.scale * TRANSACTIONS)
    asked = ASKED if given.scale >= 1 else {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "days.parquet"
        small = file.with_name("small.parquet")
        stored(transactions, file)
        stored(20_000, small)
        alike(small)
        costs = paired({way: partial(WAYS[way], file) for way in ("churn", *given.ways)}, given.repetitions)
        sizes = {"transactions": transactions, "nights": len(NIGHTS)}
        rows = [
            row
            for way in given.ways
            for row in (
                Row(f"features / {way}", sizes, costs["churn"].wall, costs[way].wall, asked.get(way)),
                Row(f"features / {way}, processor", sizes, costs["churn"].cpu, costs[way].cpu),
            )
        ]
        most = round(min(given.scale, 1) * MEMORY)
        sizes = {"transactions": most, "nights": len(NIGHTS)}
        stored(most, file)
        megabytes, size = peak(kept, (small,), (file,)), file.stat().st_size / 2**20
        rows.append(Row("peak memory / Parquet read", sizes, [megabytes], [size], asked.get("memory"), unit="MB"))
    report("features", rows, given.json)


if __name__ == "__main__":
    main()
