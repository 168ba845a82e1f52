"""Who is left alone on purpose, so that the effect of an action can be measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from math import sqrt
from statistics import NormalDist
from typing import ClassVar

import polars as pl


@dataclass(frozen=True)
class Experiment:
    """A randomised experiment on the customers at risk.

    Attributes:
        experiment_id: name of the experiment and salt of its draw; a new name draws a new control.
        control_share: share of the customers at risk who are left alone.
        control_shares: another share for single segments, by name of the segment.
        starts: first night whose table anybody acts on; every night counts if absent. What nights before it delivered,
            for example when the past is replayed, says nothing of actions: it enters no uplift and no save rate.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    experiment_id: str = "retention-1"
    control_share: float = 0.1
    control_shares: Mapping[str, float] = field(default_factory=dict)
    starts: date | None = None

    def __post_init__(self) -> None:
        """Refuse an experiment that cannot be drawn."""
        if not self.experiment_id:
            raise ValueError("experiment_id is empty; name the experiment, for example retention-1")
        for name, share in {"control_share": self.control_share, **self.control_shares}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}; a share of customers lies between 0 and 1")

    def acted_on(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows, each with its `night`, of nights that somebody acts on."""
        return rows if self.starts is None else rows.filter(pl.col("night") >= self.starts)


@dataclass(frozen=True)
class Uplift:
    """Retention of the treated minus retention of the control, with its confidence interval."""

    estimate: float
    low: float
    high: float


def draw(customer_id: pl.Series, salt: str) -> pl.Series:
    """A number in [0, 1) for each customer that looks random, never changes and is independent between salts.

    BLAKE2b and not the hash of a library: an upgrade of a library must not draw the control again.
    """
    digests = (blake2b(f"{salt}|{customer}".encode(), digest_size=8).digest() for customer in customer_id)
    numbers = [int.from_bytes(digest, "big") / 2**64 for digest in digests]
    return pl.Series(customer_id.name, numbers, dtype=pl.Float64)


def assign(customers: pl.DataFrame, previous: pl.DataFrame, experiment: Experiment) -> pl.DataFrame:
    """Draw the control among all who are at risk, before anything is chosen for anybody.

    Args:
        customers: customer_id, segment and risk_tier of everybody at risk.
        previous: customer_id, night, experiment_id and is_control of earlier nights. Whoever has been
            drawn in this experiment stays where he is, whatever segment he is in now.
        experiment: what is measured, and how many are left alone.

    Returns:
        The customers with is_control, experiment_id and stratum (segment and risk tier).
    """
    drawn = (
        previous.filter(pl.col("experiment_id") == experiment.experiment_id)
        .sort("night", "customer_id")
        .unique("customer_id", keep="last", maintain_order=True)
        .select("customer_id", pl.col("is_control").alias("drawn"))
    )
    shares = pl.col("segment").replace_strict(
        dict(experiment.control_shares), default=experiment.control_share, return_dtype=pl.Float64
    )
    unlucky = draw(customers["customer_id"], experiment.experiment_id)
    return (
        customers.join(drawn, on="customer_id", how="left", maintain_order="left")
        .with_columns(
            is_control=pl.coalesce("drawn", pl.lit(unlucky) < shares),
            experiment_id=pl.lit(experiment.experiment_id),
            stratum=pl.concat_str("segment", "risk_tier", separator="/"),
        )
        .drop("drawn")
    )


def minimum_detectable_effect(
    n_treated: int, n_control: int, base_rate: float, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest difference of two rates that an experiment of this size finds.

    Normal approximation, two-sided: (z(1 - alpha/2) + z(power)) * sqrt(p (1 - p) (1/n1 + 1/n0)).
    Infinite when an arm is empty.

    Args:
        n_treated: customers who may be contacted.
        n_control: customers who are left alone.
        base_rate: churn rate without an action, 0 to 1.
        power: chance to find an effect of that size.
        alpha: chance to find one where there is none.
    """
    if min(n_treated, n_control) <= 0:
        return float("inf")
    normal = NormalDist()
    deviations = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return deviations * sqrt(base_rate * (1 - base_rate) * (1 / n_treated + 1 / n_control))


def uplift(kept_treated: int, n_treated: int, kept_control: int, n_control: int, *, alpha: float = 0.05) -> Uplift:
    """Uplift in retention with Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10).

    Raises:
        ValueError: when an arm is empty.
    """
    if min(n_treated, n_control) <= 0:
        raise ValueError(f"the arms have {n_treated} and {n_control} customers; an uplift needs one in each")
    z = NormalDist().inv_cdf(1 - alpha / 2)
    treated, control = kept_treated / n_treated, kept_control / n_control
    low_1, high_1 = _wilson(treated, n_treated, z)
    low_0, high_0 = _wilson(control, n_control, z)
    estimate = treated - control
    return Uplift(
        estimate,
        estimate - sqrt((treated - low_1) ** 2 + (high_0 - control) ** 2),
        estimate + sqrt((high_1 - treated) ** 2 + (control - low_0) ** 2),
    )


def _wilson(rate: float, n: int, z: float) -> tuple[float, float]:
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return centre - half, centre + half
