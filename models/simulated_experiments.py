"""Many experiments on simulated customers, settled, with the truth that no real experiment tells."""

import numpy as np
import polars as pl

from models.simulated_response import Response
from models.simulator import customers, true_churn

MARGIN, COST = 0.3, 2.0
_HORIZON = 90


def experiments(
    count: int,
    size: int,
    *,
    seed: int,
    response: Response | None = None,
    control_share: float = 0.25,
    reached: float = 0.8,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Settled experiments with one action in two segments.

    Args:
        count: How many.
        size: Customers of each, treated and control together.
        seed: Of everything.
        response: What the action does.
        control_share: Chance of each customer to be left alone.
        reached: Chance of each treated customer to be really contacted.

    Returns:
        What `models.uplift.retention_uplift` wants, and per experiment_id the true ``uplift``, ``on_contacted`` and
        ``money_kept``: the means over its treated customers of what the contact was to do, drawn or not.
    """
    response = response or Response(0.25, 0.02)
    shop = customers(count * size, seed=seed)
    random = np.random.default_rng([seed, 5])
    rows = shop.join(true_churn(shop, _HORIZON), on="customer_id").with_columns(
        experiment_id=pl.format("e{}", (pl.int_range(pl.len()) // size).cast(pl.String).str.zfill(6)),
        treated=pl.Series(random.random(shop.height) >= control_share),
        contacted=pl.Series(random.random(shop.height) < reached),
        chance=pl.Series(random.random(shop.height)),
        answer=pl.Series(random.random(shop.height)),
        order=pl.Series(random.lognormal(0, 0.4, shop.height)),
    )
    p = pl.col("churn_probability")
    contacted = pl.col("treated") & pl.col("contacted")
    leaves = pl.col("chance") < p
    changes = pl.when(leaves).then(pl.col("answer") < response.saves).otherwise(pl.col("answer") < response.repels)
    rows = rows.with_columns(
        contacted=contacted,
        arm=pl.when("treated").then(pl.lit("treated")).otherwise(pl.lit("control")),
        action=pl.lit("service_call"),
        segment=pl.when(p > 0.5).then(pl.lit("save_now")).otherwise(pl.lit("nurture")),
        action_cost=pl.lit(COST),
        churned=leaves != (contacted & changes),
        effect=p * response.saves - (1 - p) * response.repels,
    ).with_columns(outcome_spend=pl.when("churned").then(0.0).otherwise(pl.col("spend") * pl.col("order")))
    ordered = np.exp(0.4**2 / 2)
    truth = (
        rows.filter("treated")
        .group_by("experiment_id", maintain_order=True)
        .agg(
            uplift=reached * pl.col("effect").mean(),
            on_contacted=pl.col("effect").mean(),
            money_kept=(reached * pl.col("effect") * MARGIN * pl.col("spend") * ordered - COST).sum(),
        )
    )
    return rows, truth
