"""Examples for the trees, some rows at a time."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import xgboost as xgb

_ROWS = 131_072


class Batches(xgb.DataIter):
    """Examples some rows at a time: only their bins are held in memory, never a second table of numbers."""

    def __init__(
        self, examples: pl.DataFrame | pl.LazyFrame, features: tuple[str, ...], cache: Path | None = None
    ) -> None:
        self._examples, self._features, self._start = examples.lazy(), features, 0
        super().__init__(cache_prefix=None if cache is None else str(cache / "bins"), on_host=False)

    def reset(self) -> None:
        """Begin again with the first row."""
        self._start = 0

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hand over the next rows with `churned` as label and `weight`; whether there were any."""
        numbers = pl.col(*self._features, "churned", "weight").cast(pl.Float32)
        part = self._examples.select(numbers).slice(self._start, _ROWS).collect()
        self._start += part.height
        if part.height:
            label, weight = (part[name].to_numpy() for name in ("churned", "weight"))
            input_data(data=part.select(self._features), label=label, weight=weight)
        return part.height > 0
