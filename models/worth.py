"""What a customer who stays will spend: learned from ripe nights, and believed only where it beats the simple rules.

Only customers who came back within the churn horizon are learned from and judged, for value is what a *kept* customer
brings; those who left would pull it down, and value at risk would count churn twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from models.challenge import Question
from models.evaluation import mean_gain
from models.features import feature_names, features
from models.labels import labels
from models.ranking import Vector
from models.value import daily_spend, own_rate

if TYPE_CHECKING:
    import xgboost as xgb

LEARNED, PREMIUM, OWN_RATE, MEAN = "learned", "premium", "own_rate", "mean"
POWER = 1.5
"""Variance power of the Tweedie distribution: a random number of orders, each of a random size."""

NIGHTS, STEP_DAYS, ROUNDS, LEAST = 4, 30, 150, 200
DECILES = 10


@dataclass(frozen=True)
class WorthModel:
    """Boosted trees for the spend of a kept customer.

    Attributes:
        booster: the trees, in units of `unit`.
        features: the columns that a frame must have.
        unit: mean spend of those who were learned from, over `window_days`.
        window_days: days whose spend was learned.
        horizon_days: the churn horizon, within which they came back.
        later: share of the spend that came after the horizon.
    """

    booster: "xgb.Booster"
    features: tuple[str, ...]
    unit: float
    window_days: int
    horizon_days: int
    later: float

    def spend(self, frame: pl.DataFrame, days: int) -> Vector:
        """Expected net spend over some days of each customer if kept.

        Beyond the learned window the spend goes on at the pace that it had after the horizon: within it everybody
        has bought at least once, and to go on at that pace would promise too much.

        Raises:
            ValueError: a feature is missing.
        """
        import xgboost as xgb

        if missing := [name for name in self.features if name not in frame.columns]:
            raise ValueError(
                f"the frame lacks {', '.join(missing)}, which the model of value learned from; train again"
            )
        expected = self.booster.predict(xgb.DMatrix(frame.select(pl.col(*self.features).cast(pl.Float32))))
        return np.asarray(expected, np.float64) * self.unit * self.stretch(days)

    def stretch(self, days: int) -> float:
        """Spend over some days as a multiple of that over the window."""
        if days <= self.window_days:
            return days / self.window_days
        return 1 + self.later * (days - self.window_days) / (self.window_days - self.horizon_days)

    def describe(self) -> dict[str, Any]:
        """Everything but the trees, JSON-ready; `WorthModel.restore` is its inverse."""
        names = ("features", "unit", "window_days", "horizon_days", "later")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restore(cls, booster: "xgb.Booster", described: dict[str, Any]) -> "WorthModel":
        """The model that `describe` described, around its trees."""
        return cls(booster, **described | {"features": tuple(described["features"])})


@dataclass(frozen=True)
class Appraisal:
    """What came of learning the value.

    Attributes:
        model: what serves; None where the premium does.
        figures: per candidate its figures, and per rule under ``gain/<rule>`` what the model gains on it in deviance.
        sentence: the verdict in words.
        deciles: by candidate and tenth of what it expected, lowest first: mean expected and mean spent.
    """

    model: WorthModel | None
    figures: Mapping[str, Mapping[str, float]]
    sentence: str
    deciles: pl.DataFrame = field(default_factory=pl.DataFrame)


def window_days(span_days: int, *, horizon_days: int, value_days: int, min_history_days: int) -> int | None:
    """The longest window whose spend can be learned and then judged; None where the history is too short.

    A window that is shorter than the value horizon must reach a churn horizon beyond the churn horizon, for the pace
    at which spend goes on to be seen.

    Args:
        span_days: days of history.
        horizon_days: the churn horizon.
        value_days: the value horizon.
        min_history_days: days of history that a night to learn from must look back on.
    """
    room = span_days - min_history_days
    days = min(value_days, max(2 * horizon_days, room // 3))
    return days if 2 * days <= room else None


def appraise(
    days: pl.LazyFrame,
    night: date,
    question: Question,
    value_days: int,
    *,
    items: pl.LazyFrame | None = None,
    facts: pl.LazyFrame | None = None,
) -> Appraisal:
    """Learn the spend of kept customers, and judge it against the rules on the newest night that is ripe for it.

    The judged model knows nothing later than that night; the one that serves has learned from one window more.

    Args:
        days: ``customer_days`` as known on the night.
        night: As-of date.
        question: What churn is, what is known of a customer, and how figures are judged.
        value_days: the value horizon.
        items: ``customer_items`` as known on the night.
        facts: ``customer_facts`` as known on the night.
    """
    if question.churn.grace is not None:
        return _premium("a contract is worth what its terms were paid")
    horizon, least = question.churn.horizon_days, question.training.min_history_days
    bought = days.filter(pl.col("orders") > 0, pl.col("day") <= night)
    first = bought.select(pl.col("day").min()).collect().item() or night
    window = window_days((night - first).days, horizon_days=horizon, value_days=value_days, min_history_days=least)
    if window is None:
        return _premium("the history is too short to learn the spend of kept customers and then to judge it")
    judged = night - timedelta(days=window)
    wanted = {as_of: _nights(as_of, window, first, least) for as_of in (judged, night)}
    every = sorted({judged, *wanted[judged], *wanted[night]})
    key = ["night", "customer_id"]
    whole = labels(days, every, window).select(*key, whole=pl.col("outcome_spend").clip(0))
    early = labels(days, every, horizon).select(*key, "churned", early=pl.col("outcome_spend").clip(0))
    known = features(
        days,
        every,
        active_days=question.churn.active_days,
        recipe=question.features,
        horizon_days=horizon,
        items=items,
        facts=facts,
    )
    names = tuple(feature_names(known))
    examples = known.join(whole, on=key).join(early, on=key).sort(key).collect()
    jury = examples.filter(pl.col("night") == judged)
    kept = examples.filter(~pl.col("churned"), pl.col("whole").is_not_null())

    def learned(as_of: date) -> WorthModel | None:
        seen = kept.filter(pl.col("night").is_in(wanted[as_of]))
        return _fit(seen, names, window, horizon, question.training.classifier.threads)

    rival, rules = learned(judged), daily_spend(jury)
    stayed = (~jury["churned"] & jury["whole"].is_not_null()).to_numpy()
    if rival is None or rules.null_count() or stayed.sum() < LEAST:
        return _premium(f"fewer than {LEAST} customers with amounts were kept on the nights to learn from")
    spent = jury["whole"].to_numpy()[stayed]
    expected = {
        LEARNED: rival.spend(jury, window)[stayed],
        PREMIUM: rules.to_numpy()[stayed] * window,
        OWN_RATE: own_rate(jury)[stayed] * window,
        MEAN: np.full(len(spent), rival.unit),
    }
    figures: dict[str, Mapping[str, float]] = {name: judge(spent, each) for name, each in expected.items()}
    losses = {name: deviance(spent, each) for name, each in expected.items()}
    for rule in (PREMIUM, OWN_RATE, MEAN):
        figures[f"gain/{rule}"] = mean_gain("deviance", losses[rule] - losses[LEARNED], question.evaluation)
    wins = all(figures[f"gain/{rule}"]["deviance_low"] > 0 for rule in (PREMIUM, OWN_RATE, MEAN))
    gain = figures[f"gain/{PREMIUM}"]
    told = (
        f"of {len(spent):,} customers kept after {judged} the learned spend over {window} days had a deviance lower by "
        f"{gain['deviance']:.3f} [{gain['deviance_low']:.3f}, {gain['deviance_high']:.3f}] than the credibility premium"
    )
    deciles = pl.concat(_deciles(name, spent, each) for name, each in expected.items())
    serves = learned(night) if wins else None
    return Appraisal(serves, figures, f"{'The model' if serves else 'The premium'} gives the value: {told}.", deciles)


def deviance(spent: Vector, expected: Vector) -> Vector:
    """Tweedie deviance of each customer, both sides in units of the mean spend (Jørgensen 1987)."""
    unit = max(float(spent.mean()), 1e-9)
    y, m = spent / unit, np.maximum(expected / unit, 1e-6)
    at_best = y ** (2 - POWER) / ((1 - POWER) * (2 - POWER))
    return np.asarray(2 * (at_best - y * m ** (1 - POWER) / (1 - POWER) + m ** (2 - POWER) / (2 - POWER)))


def judge(spent: Vector, expected: Vector) -> dict[str, float]:
    """Normalised Gini of the order, error of the total, error of the tenths, and mean deviance."""
    tenths = _deciles("", spent, expected)
    return {
        "gini": gini(spent, expected) / max(gini(spent, spent), 1e-9),
        "total_error": float(expected.sum() / max(spent.sum(), 1e-9) - 1),
        "decile_error": float((tenths["expected"] - tenths["spent"]).abs().mean() / max(spent.mean(), 1e-9)),
        "deviance": float(deviance(spent, expected).mean()),
        "customers": float(len(spent)),
    }


def gini(spent: Vector, expected: Vector) -> float:
    """How unequal spend is along an order, the highest expected first; equals share their places."""
    _, group = np.unique(-expected, return_inverse=True)
    size, total = np.bincount(group), np.bincount(group, spent)
    before = np.cumsum(total) - total / 2
    return float((before * size).sum() / (len(spent) * max(total.sum(), 1e-9)) - 0.5)


def _deciles(name: str, spent: Vector, expected: Vector) -> pl.DataFrame:
    order = np.lexsort((spent, expected))
    parts = [part for part in np.array_split(order, DECILES) if len(part)]
    return pl.DataFrame(
        {
            "candidate": [name] * len(parts),
            "decile": range(1, len(parts) + 1),
            "expected": [float(expected[part].mean()) for part in parts],
            "spent": [float(spent[part].mean()) for part in parts],
        }
    )


def _nights(as_of: date, window: int, first: date, least: int) -> Sequence[date]:
    newest = as_of - timedelta(days=window)
    back = (newest - first).days - least
    return [newest - timedelta(days=days) for days in range(0, back + 1, STEP_DAYS)][:NIGHTS]


def _fit(kept: pl.DataFrame, names: tuple[str, ...], window: int, horizon: int, threads: int) -> WorthModel | None:
    whole = kept["whole"].to_numpy()
    if kept["customer_id"].n_unique() < LEAST or not whole.sum() > 0:
        return None
    import xgboost as xgb

    unit, early = float(whole.mean()), float(kept["early"].fill_null(0).sum())
    parameters = {
        "objective": "reg:tweedie",
        "tweedie_variance_power": POWER,
        "tree_method": "hist",
        "max_depth": 3,
        "learning_rate": 0.03,
        "min_child_weight": 20,
        "reg_lambda": 10,
        "max_bin": 64,
        "subsample": 0.5,
        "colsample_bytree": 0.4,
        "seed": 0,
        "nthread": threads,
    }
    learn = xgb.DMatrix(kept.select(pl.col(*names).cast(pl.Float32)), label=whole / unit, nthread=threads)
    booster = xgb.train(parameters, learn, ROUNDS)
    return WorthModel(booster, names, unit, window, horizon, max(0.0, 1 - early / float(whole.sum())))


def _premium(why: str) -> Appraisal:
    return Appraisal(None, {}, f"The premium gives the value: {why}.")
