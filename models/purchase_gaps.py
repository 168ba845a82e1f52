"""How long customers take to come back, and after how many silent days they should count as lost."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

HORIZONS = (14, 30, 45, 60, 90, 120, 180)
ACTIVE = (90, 180, 365, 730)
RETURNED_IN_HORIZON = 0.8
RETURNED_IN_ACTIVE = 0.9
HORIZONS_IN_SPAN = 4


@dataclass(frozen=True)
class Suggestion:
    """A definition of churn that fits the rhythm of the purchases and the length of the data.

    Attributes:
        horizon_days: Suggested days after the night.
        active_days: Suggested days before it.
        fitting_days: The horizon that the rhythm alone asks for; more than ``horizon_days`` where the data are short.
        span_days: Days from the first purchase to the last, both included.
        gaps: Gaps between purchase days of the same customer.
        returned: Share of the gaps that are at most ``horizon_days`` long, weighed as in :func:`suggest`.
        active: Customers active one horizon before the end of the data.
        churned: Share of them that bought nothing after; NaN without active customers.
    """

    horizon_days: int
    active_days: int
    fitting_days: int
    span_days: int
    gaps: int
    returned: float
    active: int
    churned: float


def suggest(days: pl.DataFrame) -> Suggestion:
    """Choose a horizon from the gaps between purchases.

    The horizon is the smallest of ``HORIZONS`` within which 80 % of the returning customers' gaps end, as long as the
    data span four horizons: one to judge a model by, one to learn from, two of history before it. ``active_days`` is
    the smallest of 90, 180, 365 and 730 days that holds 90 % of the gaps and two horizons.

    Args:
        days: customer_id · day (Date), one or more rows per purchase day; not empty.
    """
    last = days.select(pl.col("day").max()).item()
    span = days.select((pl.col("day").max() - pl.col("day").min()).dt.total_days()).item() + 1
    gaps = weighed_gaps(days)

    def within(limit: int) -> float:
        return share_within(gaps, limit)

    longest = span // HORIZONS_IN_SPAN
    fitting = next((limit for limit in HORIZONS if within(limit) >= RETURNED_IN_HORIZON), HORIZONS[-1])
    fitting = fitting if gaps.height else 90
    held = [limit for limit in HORIZONS if limit <= min(fitting, longest)]
    horizon = held[-1] if held else max(1, longest)
    active_days = next(
        (limit for limit in ACTIVE if limit >= 2 * horizon and within(limit) >= RETURNED_IN_ACTIVE),
        365 if not gaps.height else ACTIVE[-1],
    )
    night = last - timedelta(days=horizon)
    customers = days.group_by("customer_id").agg(
        active=pl.col("day").is_between(night - timedelta(days=active_days), night, closed="right").any(),
        churned=(pl.col("day") <= night).all(),
    )
    active = customers.filter("active")
    return Suggestion(
        horizon_days=horizon,
        active_days=active_days,
        fitting_days=fitting,
        span_days=span,
        gaps=gaps.height,
        returned=within(horizon),
        active=active.height,
        churned=active.select(pl.col("churned").mean()).item() if active.height else float("nan"),
    )


def weighed_gaps(days: pl.DataFrame) -> pl.DataFrame:
    """The gaps between purchase days of the same customer, with their weights.

    In data that span S days a gap of g days is seen only if it begins in the first S - g of them; it is weighed by
    S / (S - g), the inverse of that chance (Horvitz and Thompson 1952), or long gaps would look too rare.

    Args:
        days: customer_id · day (Date), one or more rows per purchase day; not empty.

    Returns:
        gap (days) and weight, one row per gap.
    """
    # Whose day it is matters, not the name: numbers sort many times faster than text.
    days = days.select(pl.col("customer_id").hash(), "day").sort("customer_id", "day")
    span = days.select((pl.col("day").max() - pl.col("day").min()).dt.total_days()).item() + 1
    gap = pl.col("day").diff().over("customer_id").dt.total_days()
    return days.select(gap=gap).filter(pl.col("gap") > 0).with_columns(weight=span / (span - pl.col("gap")))


def share_within(gaps: pl.DataFrame, limit: int) -> float:
    """Share of weighed gaps that are at most `limit` days long; 0 without gaps."""
    share = gaps.select(pl.col("weight").filter(pl.col("gap") <= limit).sum() / pl.col("weight").sum()).item()
    return float(share) if gaps.height else 0.0
