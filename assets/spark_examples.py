"""Examples of a training from which Spark grows the trees: XGBoost in several tasks, each with some customers."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from assets.engine import Engine
from assets.example_store import DiskExamples
from assets.spark_session import spark_session
from models.classifier import ClassifierRecipe, parameters

if TYPE_CHECKING:
    import xgboost as xgb
    from pyspark.sql import SparkSession

_LEAST = 1000
"""Examples for each task at least: a task without any would stop the training."""


@dataclass(frozen=True)
class SparkExamples(DiskExamples):
    """Files in a folder that every executor sees under the same path.

    Attributes:
        session: Of the cluster.
    """

    session: "SparkSession"

    def grow(
        self, examples: pl.LazyFrame, features: tuple[str, ...], recipe: ClassifierRecipe, *, rounds: int
    ) -> "xgb.Booster":
        """Let Spark grow the trees, in as many tasks as run at once.

        A tree is that of all examples, for the tasks add up what they count; but each draws its own sample of its rows,
        and bins come of summaries, so that the trees are not those that grow in one process.
        """
        # Names of features are the user's, and Spark reads dots in them.
        columns = {name: f"f{number}" for number, name in enumerate(features)}
        file = self.folder / "learned from.parquet"
        key = pl.col("night", "customer_id")
        numbers = pl.col(*features, "churned", "weight").cast(pl.Float32)
        examples.select(key, numbers).rename(columns).sink_parquet(file, row_group_size=122_880)
        try:
            booster = self._trained(f"{file}", list(columns.values()), parameters(recipe, features), rounds)
        finally:
            file.unlink()
        booster.feature_names = list(features)
        return booster

    def _trained(self, file: str, columns: list[str], given: dict[str, Any], rounds: int) -> "xgb.Booster":
        from xgboost.spark import SparkXGBClassifier

        rows = self.session.read.parquet(file)
        workers = max(1, min(self.session.sparkContext.defaultParallelism, rows.count() // _LEAST))
        # By customer and in order, so that the same examples are in the same task at every attempt.
        parts = rows.repartition(workers, "customer_id").sortWithinPartitions("night", "customer_id")
        # Spark knows by itself what is asked, and how many threads a task has.
        known = {name: value for name, value in given.items() if name not in ("objective", "nthread", "seed")}
        logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
        classifier = SparkXGBClassifier(
            features_col=columns,
            label_col="churned",
            weight_col="weight",
            n_estimators=rounds,
            num_workers=workers,
            random_state=given["seed"],
            verbose=False,
            **known,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            booster: xgb.Booster = classifier.fit(parts).get_booster()
        return booster


@contextmanager
def store_of(memory: Literal["auto", "ram", "disk"], engine: Engine, folder: Path) -> Iterator[DiskExamples | None]:
    """Where the examples of a training are by the settings; None is the memory of this process.

    Args:
        memory: `models.learning.TrainingRecipe.memory`.
        engine: Where features are computed.
        folder: Where files are put until the run ends.
    """
    if memory == "disk":
        yield DiskExamples(folder)
    elif memory == "auto" and engine.kind == "spark" and not engine.master.startswith("sc://"):
        with spark_session(engine) as session:
            yield SparkExamples(folder, session)
    else:
        yield None
