"""The simple rules that a model has to beat before anyone believes it: recency, frequency, RFM and MBG/NBD."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from scipy.special import logit

from models.logistic_rule import LogisticRule
from models.mbg_nbd import MbgNbd, fit_mbg_nbd
from models.ranking import Vector
from models.renewal_rule import RenewalRule

BASELINES = {
    "recency": ("recency_days",),
    "frequency": ("purchase_days",),
    "logistic_rfm": ("recency_days", "purchase_days", "spend", "tenure_days"),
    "mbg_nbd": ("recency_days", "purchase_days", "tenure_days"),
}
"""Each baseline of inactivity and the features that it reads; `spend` is left out where there is none."""


@dataclass(frozen=True)
class MbgNbdRule:
    """MBG/NBD as a rule for churn within a horizon.

    Attributes:
        model: the population.
        horizon_days: days ahead.
        centre: median recency, purchase days and tenure, against which a customer is explained.
    """

    model: MbgNbd
    horizon_days: int
    centre: tuple[float, ...]

    @classmethod
    def fit(cls, histories: pl.DataFrame, *, as_of: date, horizon_days: int) -> "MbgNbdRule":
        """Fits everybody's history as of a night; needs no outcome.

        Args:
            histories: customer_id, purchase_days, first_day, last_day of everybody who ever bought.
            as_of: the night.
            horizon_days: days ahead.

        Raises:
            ValueError: nobody has a history, or somebody's goes beyond the night.
        """
        latest = histories.select(pl.col("last_day").max()).item()
        if latest is not None and latest > as_of:
            raise ValueError(
                f"a history ends on {latest:%Y-%m-%d}, after the night {as_of}: take histories as of that night"
            )
        profile = histories.select(
            recency_days=(pl.lit(as_of) - pl.col("last_day")).dt.total_days(),
            purchase_days="purchase_days",
            tenure_days=(pl.lit(as_of) - pl.col("first_day")).dt.total_days(),
        )
        recency, purchases, tenure = _inputs(profile)
        model = fit_mbg_nbd(purchases - 1, tenure - recency, tenure)
        return cls(model, horizon_days, tuple(float(np.median(x)) for x in (recency, purchases, tenure)))

    def log_odds(self, frame: pl.DataFrame) -> Vector:
        """Log-odds of churn, one per row."""
        return self._log_odds(*_inputs(frame))

    def contributions(self, frame: pl.DataFrame) -> dict[str, Vector]:
        """Shapley values against the median customer: log-odds towards churn per input, adding up exactly."""
        own = _inputs(frame)
        seen: dict[frozenset[int], Vector] = {}
        for size in range(4):
            for known in map(frozenset, combinations(range(3), size)):
                mixed = [own[i] if i in known else np.full(frame.height, self.centre[i]) for i in range(3)]
                seen[known] = self._log_odds(*mixed)
        share = (1 / 3, 1 / 6, 1 / 3)  # of the orders in which 0, 1 or 2 other inputs come first
        return {
            name: np.asarray(sum(share[len(s)] * (seen[s | {i}] - seen[s]) for s in seen if i not in s))
            for i, name in enumerate(BASELINES["mbg_nbd"])
        }

    def describe(self) -> dict[str, Any]:
        """JSON-ready; `MbgNbdRule.restore` is its inverse."""
        return asdict(self)

    @classmethod
    def restore(cls, described: dict[str, Any]) -> "MbgNbdRule":
        """The rule that `describe` described."""
        return cls(MbgNbd(**described["model"]), described["horizon_days"], tuple(described["centre"]))

    def _log_odds(self, recency: Vector, purchases: Vector, tenure: Vector) -> Vector:
        tenure = np.maximum(tenure, recency)
        silent = self.model.no_purchase(purchases - 1, tenure - recency, tenure, self.horizon_days)
        return np.asarray(logit(np.clip(silent, 1e-6, 1 - 1e-6)))


Rule: TypeAlias = LogisticRule | MbgNbdRule | RenewalRule
History: TypeAlias = type[MbgNbdRule] | type[RenewalRule]
"""A rule that needs no outcome of a night: what serves when nothing else can, and the third member of the committee."""

RULES: dict[str, History] = {"mbg_nbd": MbgNbdRule, "renewal_rate": RenewalRule}
"""The rules from histories by name: of purchases where churn is inactivity, of terms where contracts end."""

HISTORY = {"inactivity": "mbg_nbd", "contract": "renewal_rate"}
"""By definition of churn the one of `RULES` that it has."""

RIVALS = tuple(dict.fromkeys((*BASELINES, *RULES)))
"""Every rule that there is."""


def fit_baselines(
    examples: pl.DataFrame, histories: pl.DataFrame, *, as_of: date, horizon_days: int, history: str = "mbg_nbd"
) -> dict[str, Rule]:
    """Every baseline that the data supports, by name: without both outcomes among the examples only `history`.

    Raises:
        ValueError: nobody has a history, or somebody's goes beyond the night.
    """
    rules: dict[str, Rule] = {}
    if examples["churned"].drop_nulls().n_unique() == 2:
        for name in ("recency", "frequency", "logistic_rfm"):
            rules[name] = LogisticRule.fit(examples, tuple(i for i in BASELINES[name] if i in examples.columns))
    rules[history] = RULES[history].fit(histories, as_of=as_of, horizon_days=horizon_days)
    return rules


def restore_baselines(described: Mapping[str, dict[str, Any]]) -> dict[str, Rule]:
    """The rules whose `describe` was stored, by name."""
    return {name: RULES.get(name, LogisticRule).restore(rule) for name, rule in described.items()}


def _inputs(frame: pl.DataFrame) -> list[Vector]:
    return [frame[name].to_numpy().astype(np.float64) for name in BASELINES["mbg_nbd"]]
