"""What each customer did on each day: orders, lines, money, returns, as sums that can be added up again."""

import dataframely as dy
import polars as pl

UNIT = 10_000
"""Quantities and money are whole ten-thousandths: integer sums are exact and free of order."""


class CustomerDay(dy.Schema):
    """One customer on one event day; rows of the same day from several nights add up."""

    customer_id = dy.String(nullable=False)
    day = dy.Date(nullable=False)
    orders = dy.Int64(nullable=False, min=0)
    lines = dy.Int64(nullable=False, min=0)
    quantity = dy.Int64(nullable=False)
    spend = dy.Int64(nullable=True)
    refunds = dy.Int64(nullable=True)
    returns = dy.Int64(nullable=False, min=0)
    discount = dy.Int64(nullable=True)


def customer_days(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Add up valid transactions to one row per customer and day, sorted by both.

    An order is a distinct `transaction_id`, or a distinct `timestamp` where the source has no id.
    Quantity, spend and discount are those of purchase lines, refunds the absolute amount of return
    lines; all four in ten-thousandths. Spend and refunds are null when no line of the day has an
    amount, discount when no purchase line has a discount.

    Raises:
        polars.exceptions.InvalidOperationError: At collection, when a value is too large for 64 bits.
    """
    bought, unnamed = ~pl.col("is_return"), pl.col("transaction_id").is_null()
    quantity, amount, discount = (
        (pl.col(name) * UNIT).round().cast(pl.Int64) for name in ("quantity", "amount", "discount")
    )
    lines = transactions.select(
        "customer_id",
        "day",
        bought=bought,
        order=pl.when(bought).then("transaction_id"),
        moment=pl.when(bought & unnamed).then("timestamp"),
        quantity=pl.when(bought).then(quantity),
        spend=pl.when(bought).then(amount),
        refunds=pl.when(~bought).then(amount.abs()),
        discount=pl.when(bought).then(discount),
    )
    # Plain sums and counts, combined afterwards: aggregates of filtered columns take four times as long.
    days = lines.group_by("customer_id", "day").agg(
        pl.col("order", "moment").n_unique(),
        pl.col("order", "moment").null_count().name.suffix(" nulls"),
        pl.col("spend", "refunds", "discount").count().name.suffix(" known"),
        pl.col("quantity", "spend", "refunds", "discount").sum(),
        lines=pl.col("bought").sum().cast(pl.Int64),
        returns=(~pl.col("bought")).sum().cast(pl.Int64),
    )
    distinct = (pl.col(name).cast(pl.Int64) - (pl.col(f"{name} nulls") > 0) for name in ("order", "moment"))
    priced = pl.col("spend known") + pl.col("refunds known") > 0
    return (
        days.select(
            "customer_id",
            "day",
            "lines",
            "quantity",
            "returns",
            pl.when(priced).then(pl.col("spend", "refunds")),
            orders=pl.sum_horizontal(distinct),
            discount=pl.when(pl.col("discount known") > 0).then("discount"),
        )
        .select(CustomerDay.column_names())
        .sort("customer_id", "day")
    )
