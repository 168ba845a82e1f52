"""The name of a customer's segment: how likely he is to leave, by how much he is worth."""

import polars as pl

HIGH_VALUE, MEDIUM_VALUE = 0.8, 0.5
"""Quantiles of value among the active customers at which the value tiers begin."""

SEGMENTS = {
    ("high", "high"): "save_now",
    ("high", "medium"): "win_back_cheaply",
    ("high", "low"): "let_go",
    ("high", "unknown"): "save_now",
    ("medium", "high"): "save_now",
    ("medium", "medium"): "win_back_cheaply",
    ("medium", "low"): "let_go",
    ("medium", "unknown"): "win_back_cheaply",
    ("low", "high"): "nurture",
    ("low", "medium"): "nurture",
    ("low", "low"): "let_go",
    ("low", "unknown"): "nurture",
}
"""Segment by risk tier and value tier; without amounts the risk tier alone decides."""


def named(placed: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Name the segment of every active customer.

    Args:
        placed: what `models.tiers.risk` returns.
        values: customer_id, value and expected_next_purchase of at least these customers.

    Returns:
        The first with value, expected_next_purchase, value_at_risk (2 digits) and segment ("none" for those
        not at risk).

    Raises:
        ValueError: when a customer has no value row.
    """
    tier = (
        pl.when(pl.col("value").is_null())
        .then(pl.lit("unknown"))
        .when(pl.col("value") >= pl.col("value").quantile(HIGH_VALUE))
        .then(pl.lit("high"))
        .when(pl.col("value") >= pl.col("value").quantile(MEDIUM_VALUE))
        .then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )
    cells = {"/".join(cell): name for cell, name in SEGMENTS.items()}
    active = placed.join(values, on="customer_id", maintain_order="left")
    if active.height < placed.height:
        raise ValueError(
            f"{placed.height - active.height} of {placed.height} scored customers have no features; "
            "score the night again from its features"
        )
    return active.with_columns(
        value_at_risk=(pl.col("churn_probability") * pl.col("value")).round(2),
        segment=pl.concat_str("risk_tier", tier, separator="/").replace_strict(cells, default="none"),
    )
