"""The same figures for parts of the customers: a model that is good on average may fail those who just came."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.evaluation import evaluate
from models.ranking import EvaluationRecipe, Vector

FEWEST = 100
"""Customers that a part must have, with both outcomes among them, for its figures to mean anything."""


def by_slice(
    jury: pl.DataFrame,
    probability: Vector,
    recipe: EvaluationRecipe,
    horizon_days: int,
    copies: NDArray[np.int64] | None = None,
) -> dict[str, dict[str, float]]:
    """Figures of merit of one vector of probabilities for parts of the customers.

    Args:
        jury: ``churned`` and the features of the judged night; a part whose feature is absent is left out.
        probability: Predicted probability of churn per row.
        recipe: How to judge.
        horizon_days: Length of the outcome window, which divides the recent from the silent.
        copies: How many rows the customer of each row has; one if absent.

    Returns:
        Per part, named ``<what>=<which>``, what `models.evaluation.evaluate` returns.
    """
    churned = jury["churned"].to_numpy()
    return {
        name: evaluate(churned[rows], probability[rows], recipe, copies=None if copies is None else copies[rows])
        for name, rows in _slices(jury, horizon_days)
        if rows.sum() >= FEWEST and 0 < churned[rows].sum() < rows.sum()
    }


def _slices(jury: pl.DataFrame, horizon_days: int) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    bought, silent, age, spend = (
        pl.col(name) for name in ("purchase_days", "recency_days", "tenure_days", "spend_365d")
    )
    parts = {
        "purchases=one": bought == 1,
        "purchases=two or three": bought.is_between(2, 3),
        "purchases=four or more": bought >= 4,
        "silence=within the horizon": silent <= horizon_days,
        "silence=beyond the horizon": silent > horizon_days,
        "tenure=under a year": age < 365,
        "tenure=a year or more": age >= 365,
        "spend=lower half": spend <= spend.median(),
        "spend=upper half": spend > spend.median(),
        "spend=top tenth": spend > spend.quantile(0.9),
    }
    for name, part in parts.items():
        if set(part.meta.root_names()) <= set(jury.columns):
            yield name, jury.select(part.fill_null(value=False)).to_series().to_numpy()
