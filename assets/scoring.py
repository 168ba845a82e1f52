"""How likely each active customer is to leave, by the model that serves."""

import dagster as dg
import polars as pl

from assets.nights import NIGHTS
from assets.tracking import Tracking


@dg.asset(partitions_def=NIGHTS, group_name="scoring", kinds={"xgboost"})
def churn_scores(tracking: Tracking, churn_model: pl.DataFrame, customer_features: pl.DataFrame) -> pl.DataFrame:
    """The probabilities of the champion and of every baseline, side by side, so that the night can be settled."""
    version = churn_model["model_version"].item()
    scores = tracking.load(version).predict(customer_features)
    return customer_features.select("night", "customer_id").hstack(scores).with_columns(model_version=pl.lit(version))
