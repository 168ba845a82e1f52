"""Examples of a training on disk: more of them than memory holds, and trees that grow from all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from models import classifier
from models.classifier import ClassifierRecipe
from models.example_store import KEY, OfNights

if TYPE_CHECKING:
    import xgboost as xgb


@dataclass(frozen=True)
class DiskExamples:
    """One Parquet file for each night.

    Attributes:
        folder: Where the files are put, and XGBoost its bins while trees grow; whoever gives it removes it.
    """

    folder: Path

    def hold(self, features_of: OfNights, outcomes_of: OfNights, nights: Sequence[date]) -> pl.LazyFrame:
        """Store the examples of nights, one night after another."""
        files = [self.folder / f"examples {night}.parquet" for night in nights]
        for night, file in zip(nights, files, strict=True):
            examples = features_of([night]).join(outcomes_of([night]), on=KEY)
            examples.sort("customer_id").sink_parquet(file, maintain_order=True)
        return pl.scan_parquet(files, hive_partitioning=False, glob=False)

    def grow(
        self, examples: pl.LazyFrame, features: tuple[str, ...], recipe: ClassifierRecipe, *, rounds: int
    ) -> "xgb.Booster":
        """Read the examples some rows at a time, and keep their bins on disk while the trees grow."""
        with TemporaryDirectory(dir=self.folder) as cache:
            return classifier.train(examples, features, recipe, rounds=rounds, cache=Path(cache))
