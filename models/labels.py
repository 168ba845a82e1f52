"""What became of a customer after a given night: whether they came back within the horizon, and for how much."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from models.customer_days import UNIT
from models.definition import ChurnDefinition
from models.terms import expiring


def happened(
    days: pl.LazyFrame, nights: Sequence[date], churn: ChurnDefinition, terms: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """The outcome of each night by the definition of churn.

    Args:
        days: As for :func:`labels`, up to `churn.ripe_days` after the last night.
        nights: As-of days.
        churn: The definition.
        terms: `models.terms.customer_terms`, as far as the days; only contracts are read from it.

    Returns:
        As :func:`labels`. Under the definition ``contract`` churned says that a contract ended within the horizon and
        was not renewed in time, and outcome_spend reaches to the end of the last grace.
    """
    known = labels(days, nights, churn.ripe_days)
    if churn.grace is None:
        return known
    ends = expiring(contracts(terms), nights, horizon_days=churn.horizon_days, grace_days=churn.grace).lazy()
    found = known.drop("churned").join(ends, on=["night", "customer_id"], how="left", maintain_order="left")
    return found.select("night", "customer_id", pl.col("churned").fill_null(value=False), "outcome_spend")


def contracts(terms: pl.LazyFrame | None) -> pl.LazyFrame:
    """The terms, where the definition asks for them.

    Raises:
        ValueError: There are none.
    """
    if terms is None:
        raise ValueError("churn by contract is computed from terms: pass models.terms.customer_terms")
    return terms


def labels(days: pl.LazyFrame, nights: Sequence[date], horizon_days: int) -> pl.LazyFrame:
    """The outcome of each night for every customer with a purchase up to it.

    Args:
        days: `customer_days` that reach at least to the last night + `horizon_days`.
        nights: As-of days; the outcome window is (night, night + horizon_days].
        horizon_days: Length of the outcome window in days.

    Returns:
        night, customer_id, churned (no purchase day in the window), outcome_spend (spend less refunds,
        in currency units; null when the customer did something but no amount is known), sorted by
        night and customer_id.

    Raises:
        ValueError: When there is no night, or the horizon is not at least one day.
    """
    if not nights or horizon_days < 1:
        raise ValueError(f"labels need a night and a horizon of at least 1 day, not {nights!r}, {horizon_days}")
    known = days.filter(pl.col("orders") > 0).group_by("customer_id").agg(first_day=pl.col("day").min())

    def outcome(night: date) -> pl.LazyFrame:
        window = days.filter(pl.col("day") > night, pl.col("day") <= night + timedelta(days=horizon_days))
        net = pl.col("spend").fill_null(0) - pl.col("refunds").fill_null(0)
        came = window.group_by("customer_id").agg(
            bought=(pl.col("orders") > 0).any(),
            net=pl.when(pl.col("spend").is_not_null().any()).then(net.sum()),
        )
        return (
            known.filter(pl.col("first_day") <= night)
            .join(came, on="customer_id", how="left")
            .select(
                pl.lit(night).alias("night"),
                "customer_id",
                churned=~pl.col("bought").fill_null(value=False),
                outcome_spend=pl.when(pl.col("bought").is_null()).then(0).otherwise(pl.col("net")) / UNIT,
            )
            .sort("customer_id")
        )

    return pl.concat([outcome(night) for night in sorted(set(nights))])
