"""Real purchases for benchmarks, as the tables behind features: one from the package index, two from a folder."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from models.customer_days import customer_days
from models.customer_items import TRAITS, customer_items
from pipelines.example import bring_cdnow


@dataclass(frozen=True)
class DataSet:
    """Purchases and the question that is asked of them.

    Attributes:
        name: What it is called.
        horizon_days: Days without a purchase that count as churn.
        days: `customer_days`.
        items: `customer_items`.
        last_day: Last day of the data.
    """

    name: str
    horizon_days: int
    days: pl.DataFrame
    items: pl.DataFrame
    last_day: date

    def thinned(self, part: int) -> "DataSet":
        """Every so manieth customer with all days."""
        chosen = self.days.filter(pl.col("customer_id").rank("dense") % part == 0)
        return replace(self, days=chosen, items=self.items.join(chosen, on="customer_id", how="semi"))


def cdnow(_: Path) -> pl.LazyFrame:
    """Music bought on line (Fader and Hardie 2001)."""
    with tempfile.TemporaryDirectory() as folder:
        table = pl.read_csv(bring_cdnow(Path(folder)), schema_overrides={"customer_id": pl.String})
    moment = pl.col("date").cast(pl.String).str.to_datetime("%Y%m%d")
    return table.lazy().with_columns(timestamp=moment, transaction_id=pl.lit(None, pl.String), is_return=pl.lit(False))


def online_retail(folder: Path) -> pl.LazyFrame:
    """Gifts bought from a British wholesaler (Chen, Sain and Guo 2012)."""
    table = pl.scan_parquet(folder / "online_retail.parquet").unique()
    returned = pl.col("is_cancellation") | (pl.col("amount") < 0)
    return table.with_columns(
        product="product_id", channel="country", transaction_id=pl.col("order_id"), is_return=returned
    )


def oxford_spend(folder: Path) -> pl.LazyFrame:
    """Suppliers of Oxford City Council, who stay for as long as they are paid."""
    table = pl.scan_parquet(folder / "oxford_spend.parquet").unique()
    return table.with_columns(transaction_id=pl.col("order_id"), quantity=pl.lit(1.0), is_return=pl.col("amount") < 0)


SOURCES: dict[str, tuple[int, Callable[[Path], pl.LazyFrame]]] = {
    "cdnow": (90, cdnow),
    "online_retail": (60, online_retail),
    "oxford_spend": (180, oxford_spend),
}
"""Horizon and reader of each set."""


def read(name: str, folder: Path) -> DataSet:
    """One of `SOURCES`.

    Raises:
        FileNotFoundError: the folder does not have it.
    """
    horizon, reader = SOURCES[name]
    # As the pipeline would: rows that repeat another or name nobody are left out.
    lines = (
        reader(folder)
        .filter(pl.col("customer_id").is_not_null())
        .with_columns(
            pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            pl.col("quantity").cast(pl.Float64),
            day=pl.col("timestamp").cast(pl.Date),
            discount=pl.lit(None, pl.Float64),
        )
    )
    named = set(TRAITS) & set(lines.collect_schema().names())
    lines = lines.with_columns(pl.lit(None, pl.String).alias(trait) for trait in TRAITS if trait not in named)
    days, items = pl.collect_all([customer_days(lines), customer_items(lines)])
    return DataSet(name, horizon, days, items, days.select(pl.col("day").max()).item())
