"""How likely a contract is not renewed, judged only from how often and how early such contracts were renewed before.

Of the terms that ended lately, those with as many renewals before them count that were still not renewed as long before
their end: the share of them that never was. Where they are few, the share is drawn towards that of all terms by
credibility Z = m / (m + k), with m terms and k = 20 (Bühlmann and Straub 1970; k is the ratio of the variance within to
that between groups, held fixed because a handful of groups cannot tell it).
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit

from models.ranking import Vector

WEIGHT = 20
"""As many terms say something about others."""

INPUTS = ("renewals", "days_to_expiry")
"""The features that the rule reads."""

_RENEWALS = (0, 1, 2, 3, 5)
_LEFT = (0, 1, 2, 4, 7, 11, 14, 21, 30, 45, 60, 90, 120, 180, 365)


@dataclass(frozen=True)
class RenewalRule:
    """What became of terms, as counts.

    Attributes:
        lost: Terms that were not renewed in time, by band of the renewals before.
        open: Terms that were not renewed yet, by the same band and by so many days before their end (`_LEFT`).
        centre: Median renewals and days to the end of the terms, against which a customer is explained.
    """

    lost: tuple[int, ...]
    open: tuple[tuple[int, ...], ...]
    centre: tuple[float, float]

    @classmethod
    def fit(cls, histories: pl.DataFrame, *, as_of: date, horizon_days: int) -> "RenewalRule":
        """Count the terms that ended; needs no outcome of a night, and no term at all.

        Args:
            histories: renewals and lead of `models.terms.Terms.ended`.
            as_of: The night; all of the histories are known by it.
            horizon_days: Days until the outcome of a night is known; half of it is where the centre lies.
        """
        band = _band(histories["renewals"].to_numpy(), _RENEWALS)
        lead = histories["lead"].cast(pl.Float64).fill_null(-np.inf).to_numpy()
        lost, still = [], []
        for which in range(len(_RENEWALS)):
            mine = lead[band == which]
            lost.append(int(np.isneginf(mine).sum()))
            still.append(tuple(int((mine < left).sum()) for left in _LEFT))
        middle = histories["renewals"].median()
        return cls(tuple(lost), tuple(still), (float(middle) if isinstance(middle, float) else 0.0, horizon_days / 2))

    def churn(self, renewals: NDArray[np.float64], left: NDArray[np.float64]) -> Vector:
        """Probability that a contract is not renewed in time, for renewals so far and days to its end, one per row."""
        lost, still = np.array(self.lost, np.float64), np.array(self.open, np.float64)
        everybody = (lost.sum() + 0.5) / (np.interp(left, _LEFT, still.sum(0)) + 1)
        band = _band(renewals, _RENEWALS)
        mine = np.select(
            [band == which for which in range(len(_RENEWALS))], [np.interp(left, _LEFT, each) for each in still]
        )
        return np.asarray((lost[band] + WEIGHT * everybody) / (mine + WEIGHT))

    def log_odds(self, frame: pl.DataFrame) -> Vector:
        """Log-odds of churn, one per row."""
        return self._log_odds(*(frame[name].to_numpy().astype(np.float64) for name in INPUTS))

    def contributions(self, frame: pl.DataFrame) -> dict[str, Vector]:
        """Shapley values against the centre: log-odds towards churn per input, adding up exactly."""
        renewals, left = (frame[name].to_numpy().astype(np.float64) for name in INPUTS)
        usual, middle = (np.full(frame.height, value) for value in self.centre)
        both, neither = self._log_odds(renewals, left), self._log_odds(usual, middle)
        first, second = self._log_odds(renewals, middle) - neither, self._log_odds(usual, left) - neither
        rest = both - neither - first - second
        return dict(zip(INPUTS, (first + rest / 2, second + rest / 2), strict=True))

    def describe(self) -> dict[str, Any]:
        """JSON-ready; `RenewalRule.restore` is its inverse."""
        return asdict(self)

    @classmethod
    def restore(cls, described: dict[str, Any]) -> "RenewalRule":
        """The rule that `describe` described."""
        renewals, left = described["centre"]
        return cls(tuple(described["lost"]), tuple(map(tuple, described["open"])), (renewals, left))

    def _log_odds(self, renewals: Vector, left: Vector) -> Vector:
        return np.asarray(logit(np.clip(self.churn(renewals, left), 1e-6, 1 - 1e-6)))


def _band(values: NDArray[Any], edges: tuple[int, ...]) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(edges, values, side="right") - 1)
