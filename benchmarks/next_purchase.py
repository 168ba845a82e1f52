"""How well the day of the next purchase is foreseen, and how often its interval holds it, on real purchases.

Run ``python -m benchmarks.next_purchase --data ../shared/data``. As of some nights, over the active customers who buy
again in the data; beside it the usual gap, the last purchase plus the customer's median gap. Whoever would have come
after the end of the data is not counted, so that late purchases are too rare in it.
"""

import argparse
from datetime import timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.datasets import SOURCES, DataSet, read
from models.features import FeatureRecipe, features
from models.next_purchase import next_purchase

ACTIVE_DAYS = 365
RECIPE = FeatureRecipe(families=("recency", "frequency", "tenure", "rhythm"))
FOLLOWED = {"cdnow": (180, 270), "online_retail": (120, 180, 240), "oxford_spend": (360, 500, 700)}
"""Days before the end of the data of each night."""


def judged(data: DataSet, followed: int) -> dict[str, float]:
    """Figures of a night: shares of those who return, and mean absolute errors in days."""
    night = data.last_day - timedelta(days=followed)
    known = features(data.days.lazy(), [night], active_days=ACTIVE_DAYS, recipe=RECIPE).collect()
    came = (
        data.days.filter(pl.col("day") > night, pl.col("orders") > 0).group_by("customer_id").agg(pl.col("day").min())
    )
    usual = pl.col("gap_median_days").fill_null(pl.col("gap_median_days").median()) - pl.col("recency_days")
    rows = (
        known.join(next_purchase(known, night), on="customer_id")
        .with_columns(usual=pl.lit(night) + pl.duration(days=usual.clip(1).cast(pl.Int64)))
        .join(came, on="customer_id")
    )

    def error(name: str) -> pl.Expr:
        return (pl.col(name) - pl.col("day")).dt.total_days().abs().mean()

    return rows.select(
        returned=pl.len() / known.height,
        before=(pl.col("day") < pl.col("next_purchase_from")).mean(),
        within=pl.col("day").is_between("next_purchase_from", "next_purchase_until").mean(),
        error=error("expected_next_purchase"),
        usual=error("usual"),
    ).row(0, named=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    given = parser.parse_args()
    table = Table("set", "days followed", "returned", "before", "within", "error, days", "error of the usual gap")
    for name in given.sets:
        data = read(name, given.data)
        for followed in FOLLOWED[name]:
            found = judged(data, followed)
            shares = (f"{found[share]:.3f}" for share in ("returned", "before", "within"))
            table.add_row(name, str(followed), *shares, f"{found['error']:.0f}", f"{found['usual']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
