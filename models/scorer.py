"""What scores a customer on a night: the model and the simple rules side by side, and which of them counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit, logit

from models import classifier
from models.baselines import BASELINES, RIVALS, RULES, Rule, restore_baselines
from models.calibration import Calibration
from models.logistic_rule import LogisticRule
from models.ranking import Vector
from models.rehearsal import steadied

if TYPE_CHECKING:
    import xgboost as xgb

_DECIMALS = 9
"""Of log-odds. Those beyond them belong to the processor, and would part customers who are alike."""

MODELS = ("committee", *BASELINES)
"""Everything that may serve where churn is inactivity, in the order of the columns of `Scorer.predict`."""

SCORERS = ("committee", *RIVALS)
"""Everything that may serve under any definition of churn."""


@dataclass(frozen=True)
class Scorer:
    """A trained model with its baselines, calibrated and ready to score.

    Attributes:
        booster: the trees; none where the data did not support them.
        linear: logistic regression on all features, which steadies the trees; none without them.
        weights: share of the trees, of `linear` and of the rule from histories in the log-odds of `committee`.
        calibration: correction of the probability of the three together.
        features: the columns that a frame must have.
        baselines: the rules that the data supported, by name.
        serves: which of `MODELS` gives the churn probability.
        as_of: the night whose knowledge it holds.
        horizon_days: days ahead that it looks, until the outcome is known.
        nights: the ripe nights that it learned from, oldest first.
    """

    booster: "xgb.Booster | None"
    linear: LogisticRule | None
    weights: tuple[float, ...]
    calibration: Calibration
    features: tuple[str, ...]
    baselines: Mapping[str, Rule]
    serves: str
    as_of: date
    horizon_days: int
    nights: tuple[date, ...]

    @property
    def history(self) -> str:
        """The name of its rule from histories, one of `RULES`."""
        return next(name for name in RULES if name in self.baselines)

    @property
    def models(self) -> tuple[str, ...]:
        """The columns of `predict`: the baselines of inactivity always, other rules where the scorer has them."""
        return tuple(name for name in SCORERS if name in MODELS or name in self.baselines)

    def serving(self, name: str) -> "Scorer":
        """The same scorer with another of its models in charge.

        Raises:
            ValueError: it does not have that model.
        """
        available = [m for m in SCORERS if m in self.baselines or (m == "committee" and self.booster)]
        if name not in available:
            raise ValueError(f"{name!r} cannot serve: the scorer as of {self.as_of} has {', '.join(available)}")
        return replace(self, serves=name)

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Probability of churn by what serves and by each model; null where the data did not support one.

        Args:
            frame: the features, one row per customer; further columns are ignored.

        Returns:
            Float64 columns `churn_probability` and those of `models`, rows as in the frame, values strictly between 0
            and 1, with log-odds of nine decimals.

        Raises:
            ValueError: a feature is missing.
        """
        self._check(frame)
        columns: dict[str, Any] = {}
        for name in self.models:
            if name == "committee" and self.booster is not None and self.linear is not None:
                trees, linear = classifier.log_odds(self.booster, frame, self.features), self.linear.log_odds(frame)
                score = np.column_stack([trees, linear, steadied(self.baselines[self.history], frame)]) @ self.weights
                columns[name] = _steady(self.calibration.apply(expit(score)))
            elif rule := self.baselines.get(name):
                columns[name] = _steady(np.clip(expit(rule.log_odds(frame)), 1e-6, 1 - 1e-6))
            else:
                columns[name] = pl.Series([None] * frame.height, dtype=pl.Float64)
        return pl.DataFrame({"churn_probability": columns[self.serves], **columns})

    def contributions(self, frame: pl.DataFrame) -> pl.DataFrame:
        """How much each feature moves the probability towards churn, in log-odds before calibration.

        Of the committee the trees are asked, which weigh most in it: columns of the regression that say nearly the same
        push against each other, and MBG/NBD blames many purchases for a long silence, which nobody would understand.

        Returns:
            One Float64 column per feature, rows as in the frame; zero for features that a rule does not read.

        Raises:
            ValueError: a feature is missing.
        """
        self._check(frame)
        if self.serves == "committee" and self.booster is not None:
            trees = classifier.contributions(self.booster, frame, self.features)
            return pl.DataFrame(trees, schema=list(self.features), orient="row")
        terms, nothing = self.baselines[self.serves].contributions(frame), np.zeros(frame.height)
        return pl.DataFrame({name: terms.get(name, nothing) for name in self.features})

    @property
    def explained(self) -> str:
        """Whose log-odds `contributions` divides among the features."""
        if self.serves != "committee":
            return self.serves
        return f"the trees, which weigh {self.weights[0]:.0%} in the committee"

    def describe(self) -> dict[str, Any]:
        """Everything but the booster, JSON-ready; `Scorer.restore` is its inverse."""
        return {
            "linear": self.linear and self.linear.describe(),
            "weights": list(self.weights),
            "calibration": self.calibration.describe(),
            "features": list(self.features),
            "baselines": {name: rule.describe() for name, rule in self.baselines.items()},
            "serves": self.serves,
            "as_of": self.as_of.isoformat(),
            "horizon_days": self.horizon_days,
            "nights": [night.isoformat() for night in self.nights],
        }

    @classmethod
    def restore(cls, booster: "xgb.Booster | None", described: dict[str, Any]) -> "Scorer":
        """The scorer that `describe` described, around its booster."""
        return cls(
            booster,
            described["linear"] and LogisticRule.restore(described["linear"]),
            tuple(described["weights"]),
            Calibration.restore(described["calibration"]),
            tuple(described["features"]),
            restore_baselines(described["baselines"]),
            described["serves"],
            date.fromisoformat(described["as_of"]),
            described["horizon_days"],
            tuple(date.fromisoformat(night) for night in described["nights"]),
        )

    def _check(self, frame: pl.DataFrame) -> None:
        if missing := [name for name in self.features if name not in frame.columns]:
            raise ValueError(
                f"the frame lacks {', '.join(missing)}, which the model as of {self.as_of} learned from: "
                "compute features with the recipe that it was trained with, or train again"
            )


def _steady(probability: Vector) -> Vector:
    return np.asarray(expit(logit(probability).round(_DECIMALS)))
