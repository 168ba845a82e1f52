"""When a customer who stays would buy next by his own rhythm, given how long he has been silent."""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

PRIOR_GAPS = 2
"""Weight of the population's typical gap between purchases, counted in gaps of the customer's own."""
PRIOR_SPREADS = 3
"""Weight of purchases that come at random, for how regular a customer is, counted in gaps of the customer's own."""
QUANTILES = {"expected_next_purchase": 0.5, "next_purchase_from": 0.1, "next_purchase_until": 0.9}
"""Chance that a customer who buys again has done so by the end of each of the days."""
FURTHEST_DAYS = 3_650

Vector = NDArray[np.float64]


def next_purchase(features: pl.DataFrame, night: date, whom: pl.Expr | None = None) -> pl.DataFrame:
    """The day by which half of such customers have bought again, and the interval that holds four fifths.

    Gaps between purchases follow a gamma distribution whose shape k is the customer's regularity and whose rate is
    gamma distributed too (Platzer and Reutterer 2016, who fit both by Monte Carlo; here both are credibility figures).
    After x gaps that last g days on average and vary by c (standard deviation / mean), with G the median of the
    customers' own mean gaps,

        k = (x - 1 + 3) / ((x - 1) c^2 + 3),   B = 2 G + x g,   a = k (x + 2) + 1,

    a gap T has a mean of B / (x + 2) days, and B / (B + T) follows Beta(a, k). The days are the quantiles of T - r
    given T > r, where r is the silence so far. Whether the customer comes back at all is not asked: that is churn.

    Args:
        features: recency_days, purchase_days, gap_mean_days and gap_variation_ratio of everybody active, as the typical
            gap is taken over them; or days_to_expiry, where churn is by contract.
        night: The as-of date.
        whom: Which of them are asked about; all of them if absent.

    Returns:
        customer_id, expected_next_purchase, next_purchase_from and next_purchase_until (Date, after the night, at most
        ten years ahead) of those who are asked about, in their order; all three the last paid day of a contract; null
        when nobody ever bought twice.
    """
    asked = features if whom is None else features.filter(whom)
    if "days_to_expiry" in features.columns:
        ends = pl.lit(night) + pl.duration(days=pl.col("days_to_expiry").cast(pl.Int64))
        return asked.select("customer_id", *(ends.alias(name) for name in QUANTILES))
    typical = features["gap_mean_days"].cast(pl.Float64).median() if "gap_mean_days" in features.columns else None
    if typical is None:
        return asked.select("customer_id", *(pl.lit(None, pl.Date).alias(name) for name in QUANTILES))
    silence, times, own, varied = _columns(asked)
    gaps, spreads = times - 1, np.maximum(times - 2, 0)
    regularity = (spreads + PRIOR_SPREADS) / (spreads * varied**2 + PRIOR_SPREADS)
    seen = PRIOR_GAPS * typical + gaps * own  # type: ignore[operator]
    tail = regularity * (gaps + PRIOR_GAPS) + 1
    longer = betainc(tail, regularity, seen / (seen + silence))
    wait = {name: _wait(chance, longer, seen, tail, regularity) - silence for name, chance in QUANTILES.items()}
    days = asked.select("customer_id").hstack(pl.DataFrame(wait))
    whole = {name: pl.col(name).clip(1, FURTHEST_DAYS).round().cast(pl.Int64) for name in QUANTILES}
    return days.with_columns(**{name: pl.lit(night) + pl.duration(days=each) for name, each in whole.items()})


def _wait(chance: float, longer: Vector, seen: Vector, tail: Vector, regularity: Vector) -> Vector:
    """The gap that is over with a chance, for one that has lasted longer than a share `longer` of all."""
    # The upper tail is inverted, where 1 - p would lose all digits for whoever is long overdue.
    rest = np.maximum(betaincinv(tail, regularity, (1 - chance) * longer), 1e-12)
    gap: Vector = seen * (1 - rest) / rest
    return gap


def _columns(features: pl.DataFrame) -> tuple[Vector, Vector, Vector, Vector]:
    names = ("recency_days", "purchase_days", "gap_mean_days", "gap_variation_ratio")
    varied = pl.col("gap_variation_ratio") if "gap_variation_ratio" in features.columns else pl.lit(1.0)
    known = features.select(*names[:3], varied.alias(names[3])).cast(pl.Float64).fill_null(0)
    silence, times, own, spread = (known[name].to_numpy() for name in names)
    return silence, times, own, spread
