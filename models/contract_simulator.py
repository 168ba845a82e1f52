"""Subscriptions that never were, whose holders' habits are known, for tests that need to know the truth.

Each holder renews each term with a chance of his own, and renews early with another; both are constant. From them
follows the true probability that a contract still open so many days before its end is not renewed in time.
"""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import expit

PLANS = {"basic": 9.0, "plus": 19.0, "pro": 39.0}
"""Plans and their price per 30 days."""

_EARLIEST = 40
_USES = 1 / 30
_CHANGES, _BACK = 0.1, 0.25


def subscribers(count: int, *, seed: int) -> pl.DataFrame:
    """Holders with their habits.

    Args:
        count: How many.
        seed: Of the draw.

    Returns:
        customer_id, ``plan`` (the first one), ``auto_renew`` (whether the contract is meant to go on by itself),
        ``renews`` (chance that a term is renewed in time), ``early`` (chance that a renewal comes 1 to 40 days before
        the last paid day, any of them as likely; else it comes on that day or within the grace) and ``joins`` (place of
        the first term in the span, 0 to 1).
    """
    random = np.random.default_rng([seed, 2])
    plan = random.integers(0, len(PLANS), count)
    auto = random.random(count) < 0.5
    return pl.DataFrame(
        {
            "customer_id": [f"S{number:07d}" for number in range(count)],
            "plan": np.array(list(PLANS))[plan],
            "auto_renew": auto,
            "renews": expit(random.normal(-0.6, 0.7, count) + 2.8 * auto + 0.5 * plan),
            "early": random.beta(2, 3, count),
            "joins": random.random(count),
        }
    )


def lines(
    holders: pl.DataFrame, *, first_day: date, days: int, term_days: int, grace_days: int, seed: int
) -> pl.DataFrame:
    """What the holders buy and use over a span of days.

    Terms follow each other without a gap. Who does not renew in time comes back in one case of four, 10 to 60 days
    after the grace. Use is the livelier, the likelier a holder is to renew. One term in ten changes the plan midway, at
    no cost.

    Args:
        holders: As from :func:`subscribers`.
        first_day: Start of the span.
        days: Its length.
        term_days: Length of a term.
        grace_days: Days after the last paid day in which a renewal is in time.
        seed: Of what happens.

    Returns:
        One row per line, in the order of time: customer_id, timestamp (naive), product, amount and contract_until (null
        for use).
    """
    random = np.random.default_rng([seed, 3])
    plans = list(PLANS)
    rows: list[tuple[str, int, str, float, int | None]] = []
    for who, first_plan, renews, early, joins in holders.select(
        "customer_id", "plan", "renews", "early", "joins"
    ).iter_rows():
        day = end = int(joins * days)
        plan = first_plan
        while day < days:
            start = max(end, day)
            end = start + term_days
            rows.append((who, day, plan, PLANS[plan] * term_days / 30, end))
            used = start + random.random(random.poisson(_USES * term_days * renews)) * term_days
            rows += [(who, int(moment), "use", 0.0, None) for moment in used]
            if random.random() < _CHANGES:
                plan = plans[random.integers(len(plans))]
                rows.append((who, start + term_days // 2, plan, 0.0, end))
            if random.random() < renews:
                soon = random.random() < early
                day = end - int(random.integers(1, _EARLIEST + 1) if soon else -random.integers(0, grace_days + 1))
            elif random.random() < _BACK:
                day = end + grace_days + int(random.integers(10, 61))
            else:
                break
    sold = pl.DataFrame(rows, schema=["customer_id", "day", "product", "amount", "end"], orient="row")
    noon = datetime(first_day.year, first_day.month, first_day.day, 12)  # noqa: DTZ001 (the holders' own clock)
    return (
        sold.filter(pl.col("day") < days)
        .sort("day", "customer_id", "product", "end")
        .select(
            "customer_id",
            timestamp=pl.lit(noon) + pl.duration(days="day"),
            product="product",
            amount="amount",
            contract_until=pl.lit(first_day) + pl.duration(days="end"),
        )
    )


def true_churn(holders: pl.DataFrame, ends: pl.DataFrame, night: date) -> pl.DataFrame:
    """The true probability that a contract still open on a night is not renewed in time.

    With chance r of a renewal, of which a share e comes evenly 1 to 40 days early, a contract with t days left is still
    open if its holder does not renew at all, renews late, or early but not yet:
    P(churn | open) = (1 - r) / (1 - r + r (1 - e + e min(t - 1, 40) / 40)).

    Args:
        holders: As from :func:`subscribers`.
        ends: customer_id and end, the last paid day of contracts that are open on the night.
        night: The night.

    Returns:
        customer_id and ``churn_probability``, in the order of the ends.
    """
    left = (pl.col("end") - pl.lit(night)).dt.total_days()
    renews, early = pl.col("renews"), pl.col("early")
    later = 1 - early + early * pl.min_horizontal(left - 1, pl.lit(_EARLIEST)) / _EARLIEST
    return ends.join(holders, on="customer_id", maintain_order="left").select(
        "customer_id", churn_probability=(1 - renews) / (1 - renews + renews * later)
    )


def switches(holders: pl.DataFrame, *, first_day: date) -> pl.DataFrame:
    """The holders' setting of automatic renewal, as an input of attributes: customer_id, since and auto_renew."""
    words = pl.when("auto_renew").then(pl.lit("on")).otherwise(pl.lit("off"))
    return holders.select("customer_id", since=pl.lit(first_day - timedelta(days=1)), auto_renew=words)
