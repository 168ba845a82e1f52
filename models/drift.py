"""Whether tonight still looks like the night on which a model was trained, and whether it was right when last settled.

The population stability index compares two distributions over the same bins, PSI = sum of (q - p) ln(q / p); below 0.1
is usually called stable, above 0.25 a shift (Siddiqi, Credit Risk Scorecards, 2006).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import dataframely as dy
import numpy as np
import polars as pl

from models.settlement import SERVED, UNTREATED

SCORE = "churn_probability"
PROFILE = {"name": pl.String, "upper": pl.Float64, "known": pl.Boolean, "share": pl.Float64}
BINS = 10
MOST_ROWS = 200_000


class Drift(dy.Schema):
    """One figure of how far a night is from the one on which its model was trained."""

    night = dy.Date(primary_key=True)
    kind = dy.String(primary_key=True)
    name = dy.String(primary_key=True)
    model_version = dy.String(nullable=False)
    value = dy.Float64(nullable=False)
    limit = dy.Float64(nullable=False)


@dataclass(frozen=True)
class DriftLimits:
    """How far a night may be from the one on which its model was trained.

    Attributes:
        max_psi: population stability index of a feature or of the score; beyond it it has drifted.
        max_drifted_share: share of the features that may have drifted (0 to 1).
        max_prediction_gap: mean prediction less churn rate, either way, of the newest settled night (0 to 1).
        max_rate_change: churn rate of the newest settled night less the newest that was known then, either way.
        retrain_days: a stale model is challenged at most this often, in days.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    max_psi: float = 0.25
    max_drifted_share: float = 0.3
    max_prediction_gap: float = 0.1
    max_rate_change: float = 0.15
    retrain_days: int = 7

    def __post_init__(self) -> None:
        """Refuse limits that every night or no night would exceed."""
        for name in ("max_psi", "max_drifted_share", "max_prediction_gap", "max_rate_change", "retrain_days"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")


def profile(
    customers: pl.DataFrame,
    features: Sequence[str],
    score: Callable[[pl.DataFrame], pl.Series],
    *,
    churn_rate: float | None,
) -> pl.DataFrame:
    """What the customers looked like when a model was trained, in at most `BINS` bins of equal count, and the unknown.

    The nights that it learned from lie a horizon back and further, and the gate has judged whether what they teach
    still holds; drift is what happens afterwards. A feature with one value on the night, such as the season, is left
    out.

    Args:
        customers: Features of the night; every n-th row counts where there are more than `MOST_ROWS`.
        features: Columns that the model reads.
        score: Gives the churn probability of rows of them.
        churn_rate: That of the newest night whose outcome was known; None if there was none.

    Returns:
        name, upper (the largest value of the bin; null for the last bin and the unknown), known (whether the bin holds
        values) and share (0 to 1); the churn rate as `churned`.
    """
    sample = customers.gather_every(max(-(-customers.height // MOST_ROWS), 1))
    sample = sample.with_columns(score(sample).alias(SCORE))
    rows: list[tuple[str, float | None, bool, float | None]] = [("churned", None, True, churn_rate)]
    for name in (*features, SCORE):
        values = sample[name].drop_nulls().to_numpy()
        if sample[name].n_unique() < 2 or not len(values):
            continue
        edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")).tolist()
        shares = _shares(sample[name], edges)
        rows += [(name, upper, True, share) for upper, share in zip([*edges, None], shares[:-1], strict=True)]
        rows.append((name, None, False, shares[-1]))
    return pl.DataFrame(rows, schema=PROFILE, orient="row")


def drift(
    learned: pl.DataFrame | None,
    features: pl.DataFrame,
    probability: pl.Series,
    settled: pl.DataFrame,
    *,
    night: date,
    model_version: str,
    trained_as_of: date,
    horizon_days: int,
    limits: DriftLimits,
) -> pl.DataFrame:
    """How far a night is from the one on which its model was trained.

    Args:
        learned: `profile` of the model; None if none is known.
        features: `customer_features` of the night.
        probability: What the model says of each of its customers.
        settled: `live_performance` of the nights settled tonight. A night whose outcome the model has learned from says
            nothing about it and is left out.
        night: As-of date.
        model_version: Version that scores.
        trained_as_of: Night as of which it was trained.
        horizon_days: Days until the outcome of a night is known.
        limits: What is too far.

    Returns:
        `Drift`: per feature its PSI, the share of features beyond it, the PSI of the score, and of the newest settled
        night the gap of the predictions and the change of the churn rate, without those whom contacts reached if any.
    """
    figures: list[tuple[str, str, float, float]] = []
    if learned is not None and features.height:
        tonight = features.with_columns(probability.alias(SCORE))
        psi = {
            str(name): _psi(tonight[str(name)], bins)
            for (name,), bins in learned.group_by("name", maintain_order=True)
            if name in tonight.columns
        }
        figures += [("score", SCORE, psi.pop(SCORE), limits.max_psi)] if SCORE in psi else []
        figures += [("feature", name, value, limits.max_psi) for name, value in psi.items()]
        if psi:
            beyond = sum(value > limits.max_psi for value in psi.values()) / len(psi)
            figures.append(("features", "drifted_share", beyond, limits.max_drifted_share))
    ripe = settled.filter(pl.col("night") > trained_as_of - timedelta(days=horizon_days))
    newest_night = ripe.filter(pl.col("night") == pl.col("night").max())
    # What contacts changed is no fault of the model.
    alone, all_of_them = (newest_night.filter(scorer=scorer) for scorer in (UNTREATED, SERVED))
    newest = dict((alone if alone.height else all_of_them).select("figure", "value").iter_rows())
    if newest:
        gap = abs(newest["mean_prediction"] - newest["churn_rate"])
        figures.append(("settled", "prediction_gap", gap, limits.max_prediction_gap))
        if learned is not None:
            rate = learned.filter(pl.col("name") == "churned")["share"].item()
            if rate is not None:
                change = abs(newest["churn_rate"] - rate)
                figures.append(("settled", "rate_change", change, limits.max_rate_change))
    rows = [(night, kind, name, model_version, value, limit) for kind, name, value, limit in figures]
    return pl.DataFrame(rows, schema=Drift.create_empty().schema, orient="row")


def stale(found: pl.DataFrame) -> str:
    """Why the model is stale, in a sentence; empty if it is not. A single feature that drifts is no reason.

    Args:
        found: `Drift` of a night.
    """
    said = {
        "score": "the scores are distributed otherwise than when it was trained (PSI {value:.2f}, limit {limit:.2f})",
        "features": "{value:.0%} of the features are distributed otherwise than when it was trained"
        " (limit {limit:.0%})",
        "prediction_gap": "on the newest settled night predictions and outcomes were {value:.1%} apart"
        " (limit {limit:.0%})",
        "rate_change": "the churn rate is {value:.1%} away from what was known when it was trained (limit {limit:.0%})",
    }
    beyond = found.filter(pl.col("value") > pl.col("limit"), pl.col("kind") != "feature")
    return "; ".join(
        said[name if kind == "settled" else kind].format(value=value, limit=limit)
        for kind, name, value, limit in beyond.select("kind", "name", "value", "limit").iter_rows()
    )


def _shares(values: pl.Series, edges: Sequence[float]) -> list[float]:
    known = values.drop_nulls().to_numpy()
    counts = np.append(np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1), values.null_count())
    # Half a customer more in each bin: an empty one would make the index infinite.
    return [float(share) for share in (counts + 0.5) / (len(values) + 0.5 * len(counts))]


def _psi(values: pl.Series, bins: pl.DataFrame) -> float:
    before = bins["share"].to_numpy()
    now = np.array(_shares(values, bins["upper"].drop_nulls().to_list()))
    return float(np.sum((now - before) * np.log(now / before)))
