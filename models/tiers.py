"""How close to leaving a customer is: low, medium or high risk, without flipping every night."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

TIERS = ("none", "low", "medium", "high")


@dataclass(frozen=True)
class Tiers:
    """Where the risk tiers begin.

    Attributes:
        by: what the thresholds are compared with: the customer's place among the active customers of
            the night ("percentile", a list of about the same length whatever the churn rate), or the
            churn probability itself ("probability").
        low: at or above it a customer is at risk; 0.7 is the riskiest 30 % or a probability of 0.7.
        medium: at or above it the risk is medium.
        high: at or above it the risk is high.
        leave_margin: a tier is left only below its threshold less this margin.
        capacity: how many customers are at risk in a night at most: the riskiest of them, with the margin in favour of
            those who were at risk before; by default as many as reach the thresholds.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    by: Literal["percentile", "probability"] = "percentile"
    low: float = 0.7
    medium: float = 0.8
    high: float = 0.9
    leave_margin: float = 0.03
    capacity: int | None = None

    def __post_init__(self) -> None:
        """Refuse thresholds that leave a tier without room."""
        if not 0 < self.low < self.medium < self.high <= 1:
            raise ValueError(
                f"low, medium and high are {self.low}, {self.medium} and {self.high}; "
                "they must rise between 0 and 1, for example 0.7, 0.8 and 0.9"
            )
        if not 0 <= self.leave_margin < self.low:
            raise ValueError(f"leave_margin is {self.leave_margin}; it must be from 0 to below low ({self.low})")
        if self.capacity is not None and self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}; it must be at least 1 customer, or left out for no limit")


def risk(scores: pl.DataFrame, previous: pl.DataFrame, tiers: Tiers) -> pl.DataFrame:
    """Place every active customer of a night.

    Args:
        scores: customer_id, churn_probability and model_version of everybody active.
        previous: customer_id and risk_tier of the night before; may be empty.
        tiers: the thresholds. A tier is entered at its threshold and kept until the customer falls
            below the threshold less the margin (hysteresis). Beyond the capacity nobody is at risk.

    Returns:
        customer_id, churn_probability (4 digits), risk_percentile (1 to 100, 100 the riskiest, equals
        share their mean rank), risk_tier ("none" for those not at risk) and model_version, by customer_id.
    """
    measure = pl.col("risk_percentile") / 100 if tiers.by == "percentile" else pl.col("churn_probability")
    thresholds = (tiers.low, tiers.medium, tiers.high)
    reached = pl.sum_horizontal(measure >= limit for limit in thresholds)
    # Rounded, for 0.8 - 0.03 is not 0.77 in binary.
    kept = pl.sum_horizontal(measure >= round(limit - tiers.leave_margin, 9) for limit in thresholds)
    before = pl.col("before").replace_strict({name: rank for rank, name in enumerate(TIERS)}, default=0)
    halves = (2 * pl.col("churn_probability").rank()).cast(pl.Int64)
    customers = pl.len().cast(pl.Int64)
    tier = pl.max_horizontal(reached, pl.min_horizontal(kept, before))
    if tiers.capacity is not None:
        # Of the same percentile the more probable first, of equals the first by id.
        favoured = (measure + (before > 0) * tiers.leave_margin).round(9)
        place = pl.struct(favoured.alias("favoured"), "churn_probability").rank("ordinal", descending=True)
        tier = pl.when(place <= tiers.capacity).then(tier).otherwise(0)
    return (
        scores.sort("customer_id")
        .with_columns(
            # In integers, for 100 * n / n is not always 100 in binary; a mean rank is a whole number of halves.
            risk_percentile=((halves * 100 + 2 * customers - 1) // (2 * customers)).cast(pl.Int16),
            churn_probability=pl.col("churn_probability").round(4),
        )
        .join(
            previous.select("customer_id", before="risk_tier"),
            on="customer_id",
            how="left",
            maintain_order="left",
        )
        .select(
            "customer_id",
            "churn_probability",
            "risk_percentile",
            risk_tier=tier.replace_strict(dict(enumerate(TIERS)), return_dtype=pl.String),
            model_version="model_version",
        )
    )
