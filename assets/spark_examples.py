"""Examples of a training from which Spark grows the trees: XGBoost in several tasks, each with some customers."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from assets.engine import Engine
from assets.example_store import DiskExamples
from assets.spark_session import spark_session
from models.classifier import ClassifierRecipe, parameters
from models.example_store import OfNights

if TYPE_CHECKING:
    import xgboost as xgb
    from pyspark.sql import SparkSession

_LEAST = 1000
"""Examples for each task at least: a task without any would stop the training."""


@dataclass(frozen=True)
class SparkExamples(DiskExamples):
    """Files in a folder that every executor sees under the same path.

    Attributes:
        engine: The cluster.
        described: Lets it compute the features of nights; returns the files.
        open: What is closed when the training is over.
    """

    engine: Engine
    described: Callable[[Sequence[date]], list[Path]]
    open: ExitStack

    @cached_property
    def _session(self) -> "SparkSession":
        # Only now: features are computed in a session of another process, which a small cluster has no room beside.
        return self.open.enter_context(spark_session(self.engine))

    def hold(self, features_of: OfNights, outcomes_of: OfNights, nights: Sequence[date]) -> pl.LazyFrame:
        """Let Spark compute the features, and store them with the outcomes, one night after another."""
        known = pl.scan_parquet(self.described(nights), hive_partitioning=False)
        return super().hold(lambda some: known.filter(pl.col("night").is_in(some)), outcomes_of, nights)

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

        rows = self._session.read.parquet(file)
        workers = max(1, min(self._session.sparkContext.defaultParallelism, rows.count() // _LEAST))
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
        booster: xgb.Booster = classifier.fit(parts).get_booster()
        return booster


@contextmanager
def store_of(
    memory: Literal["auto", "ram", "disk"],
    engine: Engine,
    folder: Path,
    described: Callable[[Sequence[date]], list[Path]],
) -> Iterator[DiskExamples | None]:
    """Where the examples of a training are by the settings; None is the memory of this process.

    Args:
        memory: `models.learning.TrainingRecipe.memory`.
        engine: Where features are computed.
        folder: Where files are put until the run ends.
        described: As for `SparkExamples`.
    """
    if memory == "disk":
        yield DiskExamples(folder)
    elif memory == "auto" and engine.kind == "spark" and not engine.master.startswith("sc://"):
        with ExitStack() as stack:
            yield SparkExamples(folder, engine, described, stack)
    else:
        yield None
