"""Deliveries of the simulated shop as real ones are: lines twice, without a customer, taken back, too late."""

from dataclasses import dataclass, fields

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Dirt:
    """How dirty deliveries are, in shares of the orders.

    Attributes:
        duplicates: Lines that come a second time, word for word, some of them with a later delivery.
        missing_customers: Lines without a customer.
        returns: Orders that are taken back one to twenty days later, in a line of their own with negative amounts.
        late: Lines that arrive up to `late_days` days after their day.
        late_days: How late.
    """

    duplicates: float = 0.01
    missing_customers: float = 0.005
    returns: float = 0.03
    late: float = 0.01
    late_days: int = 5

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "late_days" and not 0 <= value <= 1:
                raise ValueError(f"{each.name} is {value}; a share of the orders lies between 0 and 1")
        if self.late_days < 1:
            raise ValueError(f"late_days is {self.late_days}; late is at least 1 day")


def deliveries(orders: pl.DataFrame, dirt: Dirt, *, seed: int) -> pl.DataFrame:
    """What arrives of orders, and when.

    Args:
        orders: As from `models.simulator.transactions`.
        dirt: How dirty.
        seed: Of the dirt.

    Returns:
        The lines with ``arrived`` (Date), by day of arrival and time. customer_id is null where it is missing, and the
        id of a return is that of its order with a leading C.
    """
    random = np.random.default_rng([seed, 4])

    def some(rows: pl.DataFrame, share: float) -> pl.DataFrame:
        return rows.filter(pl.Series(random.random(rows.height) < share))

    def days(rows: pl.DataFrame, first: int, last: int) -> pl.Expr:
        return pl.lit(pl.Series(random.integers(first, last, rows.height, endpoint=True)))

    back = some(orders, dirt.returns)
    returned = back.with_columns(
        pl.col("timestamp") + pl.duration(days=days(back, 1, 20)),
        pl.format("C{}", "transaction_id"),
        -pl.col("quantity"),
        -pl.col("amount"),
    ).filter(pl.col("timestamp").dt.date() <= orders["timestamp"].dt.date().max())
    lines = pl.concat([orders, returned])
    nobody = pl.Series(random.random(lines.height) < dirt.missing_customers)
    late = pl.when(pl.Series(random.random(lines.height) < dirt.late)).then(days(lines, 1, dirt.late_days)).otherwise(0)
    lines = lines.with_columns(
        customer_id=pl.when(~nobody).then("customer_id"),
        arrived=pl.col("timestamp").dt.date() + pl.duration(days=late),
    )
    twice = some(lines, dirt.duplicates)
    twice = twice.with_columns(pl.col("arrived") + pl.duration(days=days(twice, 0, dirt.late_days)))
    return pl.concat([lines, twice]).sort("arrived", "timestamp", "transaction_id")
