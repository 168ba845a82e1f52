"""Where each customer's contract stands on a night, in figures that features are made of."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from models.priors import Prior
from models.renewal_rule import WEIGHT, RenewalRule
from models.snapshot import Reach
from models.terms import FIGURES, Terms


def standing(sold: Terms, night: date, reach: Reach, ended: pl.DataFrame | None = None) -> pl.DataFrame:
    """The customers whose contract ends within the horizon, with what is known of it by the night.

    Shares are those of terms whose outcome became known within the lookback; null while they are fewer than `WEIGHT`.

    Args:
        sold: All terms.
        night: As-of day.
        reach: The horizon, and how far back to look for terms that ended.
        ended: Those of all customers within the lookback, where `sold` has some customers alone.

    Returns:
        customer_id and ``term@…``: left and age (days to the last paid day, and since the sale), the figures of
        `models.terms.FIGURES` that are numbers, population_share (renewed, of the terms whose outcome became known
        within the last horizon), similar_share (renewed, of terms with as many renewals before that were still open as
        long before their end) and plan_share (renewed, of the terms of the same plan).
    """
    rows = sold.as_of(night, reach.horizon_days)
    left = (rows["end"] - night).dt.total_days()
    ended = sold.ended(night, reach.lookback_days) if ended is None else ended
    rule = RenewalRule.fit(ended, as_of=night, horizon_days=reach.horizon_days)
    similar = 1 - rule.churn(rows["renewals"].to_numpy(), left.to_numpy())
    lately = ended.filter(pl.col("known") > night - timedelta(days=reach.horizon_days))
    plans = (
        ended.drop_nulls("plan")
        .group_by("plan")
        .agg(pl.len().cast(pl.Int64), renewed=pl.col("lead").count().cast(pl.Int64))
        .sort("plan")
    )
    counts = Prior(plans["plan"], plans["len"].to_numpy(), plans["renewed"].to_numpy())
    shares = {
        "population_share": np.full(rows.height, lately["lead"].count() / lately.height if lately.height else np.nan),
        "similar_share": similar,
        "plan_share": counts.shares(rows["plan"])[:-1],
    }
    enough = {"population_share": lately.height, "similar_share": ended.height, "plan_share": ended.height}
    told = rows.with_columns(
        pl.Series("left", left),
        age=(pl.lit(night) - pl.col("since")).dt.total_days(),
        **{
            name: pl.Series(share if enough[name] >= WEIGHT else np.full(rows.height, np.nan), nan_to_null=True)
            for name, share in shares.items()
        },
    )
    kept = [name for name in (*FIGURES, "left", "age", *shares) if name not in {"end", "since", "plan"}]
    return told.select("customer_id", pl.col(kept).name.prefix("term@"))
