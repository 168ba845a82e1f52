"""What actions did: retention and money of the treated against the control, per action and segment, cumulated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from statistics import NormalDist

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.experiment import uplift

ALL = "all"
"""The name of a row that takes all actions or all segments together."""

REPLICATES = 400
_Z = NormalDist().inv_cdf(0.975)
_BLOCKS = 1000
_RETAINED, _SCORE, _CONTACTED = range(3)
_ROUNDING = 1e-12  # of shares, which are told to four digits

Floats = NDArray[np.float64]


class RetentionUplift(dy.Schema):
    """What one action did in one segment, as known on a night; intervals hold the truth in 95 of 100 experiments."""

    night = dy.Date(primary_key=True)
    experiment_id = dy.String(primary_key=True)
    action = dy.String(primary_key=True)
    segment = dy.String(primary_key=True)
    treated = dy.Int64(min=0)
    control = dy.Int64(min=0)
    retained_treated = dy.Float64(nullable=True)
    retained_control = dy.Float64(nullable=True)
    uplift = dy.Float64(nullable=True)
    uplift_low = dy.Float64(nullable=True)
    uplift_high = dy.Float64(nullable=True)
    adjusted = dy.Float64(nullable=True)
    adjusted_low = dy.Float64(nullable=True)
    adjusted_high = dy.Float64(nullable=True)
    contacted_treated = dy.Float64(nullable=True)
    contacted_control = dy.Float64(nullable=True)
    on_contacted = dy.Float64(nullable=True)
    on_contacted_low = dy.Float64(nullable=True)
    on_contacted_high = dy.Float64(nullable=True)
    money_kept = dy.Float64(nullable=True)
    money_kept_low = dy.Float64(nullable=True)
    money_kept_high = dy.Float64(nullable=True)


@dataclass(frozen=True, eq=False)
class _Arm:
    """One arm of a stratum: its size, means and covariances of retained, score and contacted, and replicated money."""

    size: int
    mean: Floats
    covariance: Floats
    money: float
    replicated: Floats


_Stratum = tuple[_Arm, _Arm]


def retention_uplift(
    enrolled: pl.DataFrame, *, night: date, margin: float, replicates: int = REPLICATES
) -> pl.DataFrame:
    """Compare the arms of every experiment, per action and segment, per action, and as a whole.

    Args:
        enrolled: Settled outcomes of `models.enrolment.first_enrolments`: experiment_id, customer_id, arm, action,
            segment, churned, churn_probability, contacted (null where nobody told), outcome_spend and action_cost.
        night: As of which this is known.
        margin: Share of spend that is left after the goods are paid for.
        replicates: Of the bootstrap.

    Returns:
        :class:`RetentionUplift`. Intention to treat (``uplift``) with Newcombe's interval; the same difference adjusted
        by the score (CUPED; Deng, Xu, Kohavi and Walker 2013); the effect on those really contacted (Angrist, Imbens
        and Rubin 1996), null unless contacts are known and the arms differ in them beyond chance; the money that all
        the treated together brought in beyond what they cost, within the horizon, with a Poisson bootstrap. Rows of
        several strata weigh them by their treated, so that shares of control may differ between them. Null where an
        arm is empty.
    """
    known = pl.col("contacted").cast(pl.Float64).fill_null(float("nan"))
    rows = enrolled.select(
        "experiment_id",
        "action",
        "segment",
        "arm",
        retained=(~pl.col("churned")).cast(pl.Float64),
        score="churn_probability",
        contacted=known,
        money=margin * pl.col("outcome_spend") - pl.when(pl.col("arm") == "treated").then("action_cost").otherwise(0.0),
    )
    key = ["experiment_id", "action", "segment"]
    strata: dict[tuple[str, str, str], _Stratum] = {}
    for place, (cell, part) in enumerate(rows.sort(key, maintain_order=True).group_by(key, maintain_order=True)):
        strata[cell] = (_arm(part, "treated", place, replicates), _arm(part, "control", place, replicates))
    found = []
    for experiment in dict.fromkeys(cell[0] for cell in strata):
        own = {cell[1:]: each for cell, each in strata.items() if cell[0] == experiment}
        groups: dict[tuple[str, str], list[_Stratum]] = {cell: [each] for cell, each in own.items()}
        for (action, _), each in own.items():
            groups.setdefault((action, ALL), []).append(each)
        groups[ALL, ALL] = list(own.values())
        for (action, segment), those in groups.items():
            origin = {"night": night, "experiment_id": experiment, "action": action, "segment": segment}
            found.append({**origin, **_compared(those)})
    table = pl.DataFrame(found, schema=RetentionUplift.create_empty().schema)
    return RetentionUplift.validate(table.sort("experiment_id", "action", "segment"))


def _arm(part: pl.DataFrame, arm: str, place: int, replicates: int) -> _Arm:
    own = part.filter(pl.col("arm") == arm)
    values = own.select("retained", "score", "contacted").to_numpy()
    money = own["money"].fill_null(float("nan")).to_numpy()
    # Beyond so many customers, blocks of them are drawn: as good, and as fast for a million.
    block = np.arange(own.height) % _BLOCKS
    random = np.random.default_rng([place, arm == "control"])
    drawn = random.poisson(1.0, (replicates, min(own.height, _BLOCKS))).astype(np.float64)
    sums, weights = drawn @ np.bincount(block, money), drawn @ np.bincount(block).astype(np.float64)
    nothing = np.full((3, 3), np.nan)
    return _Arm(
        size=own.height,
        mean=values.mean(axis=0) if own.height else nothing[0],
        covariance=np.cov(values, rowvar=False) if own.height > 1 else nothing,
        money=float(money.mean()) if own.height else np.nan,
        replicated=sums / np.where(weights > 0, weights, np.nan),
    )


def _compared(strata: Sequence[_Stratum]) -> Mapping[str, float | int | None]:
    counts = {"treated": sum(one.size for one, _ in strata), "control": sum(other.size for _, other in strata)}
    both = [each for each in strata if min(each[0].size, each[1].size) > 0]
    if not both:
        return counts
    treated = sum(one.size for one, _ in both)
    weights = np.array([one.size / treated for one, _ in both])
    means = [weights @ np.array([each[place].mean for each in both]) for place in (0, 1)]
    raw = [
        uplift(round(a.mean[_RETAINED] * a.size), a.size, round(b.mean[_RETAINED] * b.size), b.size) for a, b in both
    ]
    estimate = float(weights @ [each.estimate for each in raw])
    # Newcombe's interval of each stratum, combined (Zou and Donner 2008); of one stratum it is Newcombe's.
    low = estimate - sqrt(sum((weights * [each.estimate - each.low for each in raw]) ** 2))
    high = estimate + sqrt(sum((weights * [each.high - each.estimate for each in raw]) ** 2))
    figures = {
        "retained_treated": means[0][_RETAINED],
        "retained_control": means[1][_RETAINED],
        "uplift": estimate,
        "uplift_low": low,
        "uplift_high": high,
        **_adjusted(both, weights, means[0] - means[1]),
        **_on_contacted(both, weights, means[0] - means[1]),
        "contacted_treated": means[0][_CONTACTED],
        "contacted_control": means[1][_CONTACTED],
        "money_kept": treated * float(weights @ [a.money - b.money for a, b in both]),
    }
    replicated = treated * (weights @ np.array([a.replicated - b.replicated for a, b in both]))
    # A replicate in which an arm drew nobody says nothing.
    told = replicated[np.isfinite(replicated)]
    if len(told):
        figures["money_kept_low"], figures["money_kept_high"] = np.quantile(told, [0.025, 0.975])
    return counts | {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}


def _adjusted(both: Sequence[_Stratum], weights: Floats, difference: Floats) -> dict[str, float]:
    """The difference without the part that a difference in scores explains."""
    pooled = sum(np.nan_to_num(arm.covariance) * (arm.size - 1) for each in both for arm in each)
    spread = float(pooled[_SCORE, _SCORE])  # type: ignore[index]
    told_apart = spread > _ROUNDING * sum(arm.size for each in both for arm in each)
    slope = float(pooled[_RETAINED, _SCORE]) / spread if told_apart else 0.0  # type: ignore[index]
    estimate = float(difference[_RETAINED] - slope * difference[_SCORE])
    half = _Z * sqrt(_variance(both, weights, np.array([1, -slope, 0])))
    return {"adjusted": estimate, "adjusted_low": estimate - half, "adjusted_high": estimate + half}


def _on_contacted(both: Sequence[_Stratum], weights: Floats, difference: Floats) -> dict[str, float]:
    """The effect on those who are contacted if, and only if, they are to be: Wald's ratio with its delta interval."""
    more = float(difference[_CONTACTED])
    if not more > _ROUNDING + _Z * sqrt(_variance(both, weights, np.array([0, 0, 1]))):
        return {}
    estimate = float(difference[_RETAINED]) / more
    half = _Z * sqrt(_variance(both, weights, np.array([1, 0, -estimate]))) / more
    return {"on_contacted": estimate, "on_contacted_low": estimate - half, "on_contacted_high": estimate + half}


def _variance(both: Sequence[_Stratum], weights: Floats, of: Floats) -> float:
    """The variance of the difference in means of a combination of retained, score and contacted."""
    used = np.flatnonzero(of)
    own = [sum(of[used] @ arm.covariance[np.ix_(used, used)] @ of[used] / arm.size for arm in each) for each in both]
    # Of what is constant rounding may leave a little less than nothing.
    return float(np.maximum(0.0, weights**2 @ np.array(own)))
