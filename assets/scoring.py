"""How likely each active customer is to leave, by the model that serves."""

from pathlib import Path
from tempfile import mkdtemp

import dagster as dg
import polars as pl

from assets.engine import Engine
from assets.lake import Lake
from assets.nights import NIGHTS, as_night
from assets.spark_job import ScoreJob, on_spark
from assets.spark_scores import KEY, score
from assets.stored_scorer import save
from assets.tracking import Tracking


@dg.asset(partitions_def=NIGHTS, group_name="scoring", kinds={"xgboost"})
def churn_scores(
    context: dg.AssetExecutionContext,
    tracking: dg.ResourceParam[Tracking],
    engine: dg.ResourceParam[Engine],
    lake: dg.ResourceParam[Lake],
    scratch: dg.ResourceParam[Path],
    churn_model: pl.DataFrame,
    customer_features: pl.LazyFrame,
) -> dg.Output[pl.DataFrame]:
    """The probabilities of the champion and of every baseline, side by side, so that the night can be settled."""
    version = churn_model["model_version"].item()
    scorer = tracking.load(version)
    if engine.kind == "spark":
        file = lake.file("customer_features", as_night(context.partition_key))
        folder = Path(mkdtemp(dir=scratch))
        found = on_spark(ScoreJob(engine, file, save(scorer, folder / "scorer"), folder / "scores"), context)
        scores = pl.read_parquet(found, glob=False).sort(KEY)
    else:
        scores = score(customer_features.collect(), scorer)
    return dg.Output(scores.with_columns(model_version=pl.lit(version)))
