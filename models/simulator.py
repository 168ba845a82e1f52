"""A shop that never was: customers whose habits are known, for tests that need to know the truth.

Each customer buys at a rate of his own and is lost for good at another, both constant: the Pareto/NBD process
(Schmittlein, Morrison and Colombo 1987); a season of the year may raise and lower what everybody buys. From rate, loss
and season follows the true probability of churn, to which a model can be held. How customers answer to a contact stands
in `models.simulated_response`, what a delivery makes of the orders in `models.simulated_dirt`.
"""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

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


def seasonal(first_day: date, days: int, amplitude: float) -> Floats:
    """How much more or less is bought on each day of a span: 1 ± the amplitude, the peak in the middle of December."""
    since = (first_day - date(first_day.year - 1, 12, 15)).days + np.arange(days)
    return np.asarray(1 + amplitude * np.cos(2 * np.pi * since / 365.25))


def transactions(shop: pl.DataFrame, *, first_day: date, days: int, seed: int, amplitude: float = 0.0) -> pl.DataFrame:
    """What the customers of a shop buy over a span of days.

    Args:
        shop: As from `customers`.
        first_day: Start of the span.
        days: Its length.
        seed: Of the purchases.
        amplitude: Of the season, 0 to 1; see `seasonal`.

    Returns:
        One row per order, in the order of time: customer_id, timestamp (naive), transaction_id, quantity and amount.

    Raises:
        ValueError: If the amplitude is not between 0 and 1.
    """
    if not 0 <= amplitude <= 1:
        raise ValueError(f"amplitude is {amplitude}; a season raises and lowers by a share from 0 to 1")
    random = np.random.default_rng([seed, 1])
    rate, loss = shop["rate"].to_numpy(), shop["loss"].to_numpy()
    start = shop["joins"].to_numpy() * days
    gone = np.minimum(start + random.exponential(1 / loss), days)
    later = random.poisson(rate * (1 + amplitude) * (gone - start))
    owner = np.concatenate([np.arange(len(rate)), np.repeat(np.arange(len(rate)), later)])
    # Given their number, the purchases of a constant rate lie anywhere in the lifetime with equal chance.
    when = np.concatenate([start, start.repeat(later) + random.random(later.sum()) * (gone - start).repeat(later)])
    minutes = np.minimum((when * _MINUTES).astype(np.int64), days * _MINUTES - 1)
    if amplitude:
        # Drawn for the height of the season; out of it a part is left out (Lewis and Shedler 1979).
        kept = random.random(len(when)) * (1 + amplitude) < seasonal(first_day, days, amplitude)[minutes // _MINUTES]
        kept[: len(rate)] = True
        owner, minutes = owner[kept], minutes[kept]
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


def true_churn(
    shop: pl.DataFrame, horizon_days: int, *, night: date | None = None, amplitude: float = 0.0
) -> pl.DataFrame:
    """The true probability that a customer who is still alive makes no purchase within the horizon.

    Day by day: with purchase rate r, loss m and season s, who is alive and silent stays so over a day with probability
    exp(-(m + r s)), and is lost before a purchase with the share m / (m + r s) of the rest. Without a season the sum
    over H days is (m + r exp(-(r + m) H)) / (r + m).

    Args:
        shop: As from `customers`.
        horizon_days: Length of the horizon.
        night: Day before its first; only with a season.
        amplitude: Of the season, as for `transactions`.

    Returns:
        customer_id and ``churn_probability``.
    """
    season = np.ones(horizon_days)
    if night is not None:
        season = seasonal(night + timedelta(days=1), horizon_days, amplitude)
    rate, loss = shop["rate"].to_numpy(), shop["loss"].to_numpy()
    silent, lost = np.ones(len(rate)), np.zeros(len(rate))
    for factor in season:
        both = loss + rate * factor
        gone = -silent * np.expm1(-both)
        lost += gone * loss / both
        silent -= gone
    return shop.select("customer_id", churn_probability=pl.Series(lost + silent))
