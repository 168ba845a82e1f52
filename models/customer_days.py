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
    amount, discount when none has a discount.

    Raises:
        polars.exceptions.InvalidOperationError: at collection, when a value is too large for 64 bits.

    """
    bought = ~pl.col("is_return")
    has_id = pl.col("transaction_id").is_not_null()

    def total(value: pl.Expr, known: pl.Expr) -> pl.Expr:
        return pl.when(known.is_not_null().any()).then((value * UNIT).round().cast(pl.Int64).sum())

    amount = pl.col("amount")
    return (
        transactions.group_by("customer_id", "day")
        .agg(
            orders=(
                pl.col("transaction_id").filter(bought & has_id).n_unique()
                + pl.col("timestamp").filter(bought & ~has_id).n_unique()
            ).cast(pl.Int64),
            lines=bought.sum().cast(pl.Int64),
            quantity=(pl.col("quantity").filter(bought) * UNIT).round().cast(pl.Int64).sum(),
            spend=total(amount.filter(bought), amount),
            refunds=total(amount.filter(~bought).abs(), amount),
            returns=(~bought).sum().cast(pl.Int64),
            discount=total(pl.col("discount").filter(bought), pl.col("discount")),
        )
        .sort("customer_id", "day")
    )
