"""Whether the model still knows the customers of tonight; one that does not is marked stale and challenged."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.nights import NIGHTS, as_night
from assets.tracking import Tracking
from models.definition import ChurnDefinition
from models.drift import DriftLimits, drift, stale

CHECKS = {
    "features_as_trained": ("feature", "features"),
    "scores_as_trained": ("score",),
    "predictions_came_true": ("settled",),
}
"""Each check and the kinds of figures that it looks at."""
_EXPECTED = {
    "features_as_trained": "Features are distributed about as when the model was trained.",
    "scores_as_trained": "Scores are distributed about as when the model was trained.",
    "predictions_came_true": "What was predicted for the newest settled night came true.",
}
_SHOWN = 10


@dg.asset(partitions_def=NIGHTS, group_name="scoring", kinds={"polars"})
def model_drift(
    context: dg.AssetExecutionContext,
    tracking: dg.ResourceParam[Tracking],
    churn: dg.ResourceParam[ChurnDefinition],
    drift_limits: dg.ResourceParam[DriftLimits],
    churn_model: pl.DataFrame,
    customer_features: pl.DataFrame,
    churn_scores: pl.DataFrame,
    live_performance: pl.DataFrame,
) -> pl.DataFrame:
    """How far the night is from the one on which its model was trained; too far marks the model stale in MLflow."""
    night, version = as_night(context.partition_key), churn_model["model_version"].item()
    found = drift(
        tracking.profile(version),
        customer_features,
        churn_scores["churn_probability"],
        live_performance,
        night=night,
        model_version=version,
        trained_as_of=churn_model["trained_as_of"].item(),
        horizon_days=churn.ripe_days,
        limits=drift_limits,
    )
    if why := stale(found):
        tracking.mark_stale(version, night, why)
        context.log.warning(f"version {version} is stale: {why}. A challenger is trained with one of the next nights.")
    return found


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(name, asset="model_drift", description=_EXPECTED[name]) for name in CHECKS]
)
def check_model_drift(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.AssetCheckResult]:
    """Warn of what has moved since the model was trained; nothing stops for it."""
    found = lake.scan("model_drift", [as_night(context.partition_key)]).collect()
    for check, kinds in CHECKS.items():
        asked = found.filter(pl.col("kind").is_in(kinds))
        beyond = asked.filter(pl.col("value") > pl.col("limit")).sort("value", "name", descending=[True, False])
        told = [f"{name} {value:.2f} (limit {limit:g})" for name, value, limit in _figures(beyond)[:_SHOWN]]
        yield dg.AssetCheckResult(
            passed=beyond.is_empty(),
            asset_key="model_drift",
            check_name=check,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(told) or ("Within the limits." if asked.height else "Nothing to compare with."),
            metadata={"compared": asked.height, "beyond": beyond.height},
        )


def _figures(rows: pl.DataFrame) -> list[tuple[str, float, float]]:
    return rows.select("name", "value", "limit").rows()
