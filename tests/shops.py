"""Simulated shops, as tests of many modules need them."""

from datetime import date

import polars as pl

from models import simulator

SOURCE = """
[source]
path = "landing"
[source.columns]
customer_id = "customer_id"
timestamp = "timestamp"
transaction_id = "transaction_id"
quantity = "quantity"
amount = "amount"
"""
"""Settings for a folder of files as `models.simulator.transactions` makes them."""


def bought(first_day: date, count_of_days: int, *, customers: int = 1000, seed: int = 2) -> pl.LazyFrame:
    """`customer_days` of customers of whom pieces are known and no money, from a day on."""
    shop = simulator.customers(customers, seed=seed)
    return (
        simulator.transactions(shop, first_day=first_day, days=count_of_days, seed=seed)
        .group_by("customer_id", day=pl.col("timestamp").dt.date())
        .agg(orders=pl.len().cast(pl.Int64), lines=pl.len().cast(pl.Int64), quantity=pl.col("quantity").sum() * 10_000)
        .with_columns(pl.lit(None, pl.Int64).alias(name) for name in ("spend", "refunds", "discount"))
        .with_columns(returns=pl.lit(0, pl.Int64))
        .sort("customer_id", "day")
        .lazy()
    )
