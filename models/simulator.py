"""A shop that never was: customers whose habits are known, for tests that need to know the truth.

Each customer buys at a rate of his own and is lost for good at another, both constant: the Pareto/NBD process
(Schmittlein, Morrison and Colombo 1987). From rate and loss follows the true probability of churn, to which a model can
be held.
"""

from datetime import date, datetime

import numpy as np
import polars as pl

_MINUTES = 24 * 60


def customers(count: int, *, seed: int, lost_after_days: float = 400.0) -> pl.DataFrame:
    """Customers with their habits.

    Args:
        count: How many.
        seed: Of the draw.
        lost_after_days: Mean number of days until a customer is lost.

    Returns:
        customer_id, ``rate`` (purchases per day while alive), ``loss`` (hazard of being lost, per day), ``spend``
        (typical amount of an order) and ``joins`` (place of the first purchase in the span, 0 to 1).
    """
    random = np.random.default_rng([seed, 0])
    return pl.DataFrame(
        {
            "customer_id": [f"C{number:07d}" for number in range(count)],
            "rate": random.gamma(1.2, 1 / 30, count) + 1 / 400,
            "loss": random.gamma(2.0, 1 / (2 * lost_after_days), count),
            "spend": random.lognormal(3.4, 0.6, count),
            "joins": random.random(count) ** 2,
        }
    )


def transactions(shop: pl.DataFrame, *, first_day: date, days: int, seed: int) -> pl.DataFrame:
    """What the customers of a shop buy over a span of days.

    Args:
        shop: As from `customers`.
        first_day: Start of the span.
        days: Its length.
        seed: Of the purchases.

    Returns:
        One row per order, in the order of time: customer_id, timestamp (naive), transaction_id, quantity and amount.
    """
    random = np.random.default_rng([seed, 1])
    rate, loss = shop["rate"].to_numpy(), shop["loss"].to_numpy()
    start = shop["joins"].to_numpy() * days
    gone = np.minimum(start + random.exponential(1 / loss), days)
    later = random.poisson(rate * (gone - start))
    owner = np.concatenate([np.arange(len(rate)), np.repeat(np.arange(len(rate)), later)])
    # Given their number, the purchases of a constant rate lie anywhere in the lifetime with equal chance.
    when = np.concatenate([start, start.repeat(later) + random.random(later.sum()) * (gone - start).repeat(later)])
    minutes = np.minimum((when * _MINUTES).astype(np.int64), days * _MINUTES - 1)
    begin = datetime(first_day.year, first_day.month, first_day.day)  # noqa: DTZ001 (a shop's own clock)
    orders = pl.DataFrame(
        {
            "customer_id": shop["customer_id"].to_numpy()[owner],
            "minute": minutes,
            "quantity": random.integers(1, 6, len(owner)),
            "amount": np.round(shop["spend"].to_numpy()[owner] * random.lognormal(0, 0.4, len(owner)), 2),
        }
    ).sort("minute", "customer_id", "amount")
    return orders.select(
        "customer_id",
        timestamp=pl.lit(begin) + pl.duration(minutes="minute"),
        transaction_id=pl.format("O{}", pl.int_range(pl.len())),
        quantity="quantity",
        amount="amount",
    )


def true_churn(shop: pl.DataFrame, horizon_days: int) -> pl.DataFrame:
    """The true probability that a customer who is still alive makes no purchase within the horizon.

    With purchase rate r and loss m, P(no purchase in H | alive) = (m + r exp(-(r + m) H)) / (r + m): lost before the
    first purchase, or neither lost nor back.

    Returns:
        customer_id and ``churn_probability``.
    """
    rate, loss = pl.col("rate"), pl.col("loss")
    both = rate + loss
    return shop.select("customer_id", churn_probability=(loss + rate * (-both * horizon_days).exp()) / both)
