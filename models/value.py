"""What a customer is worth if he stays."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True)
class ValueRule:
    """How spend becomes value.

    Attributes:
        margin: share of net spend that is left after the goods are paid for, 0 to 1.
        horizon_days: how far ahead the value of a kept customer is counted.
        currency: code of the currency that every amount is in, for example EUR; delivered as it stands.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    margin: float = 0.3
    horizon_days: int = 365
    currency: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no shop can have."""
        if not 0 < self.margin <= 1:
            raise ValueError(f"margin is {self.margin}; it must be above 0 and at most 1, for example 0.3")
        if self.horizon_days < 1:
            raise ValueError(f"horizon_days is {self.horizon_days}; it must be at least 1 day")


def value(
    features: pl.DataFrame,
    rule: ValueRule,
    spend: Callable[[pl.DataFrame, int], NDArray[np.float64]] | None = None,
) -> pl.DataFrame:
    """Value of each active customer.

    Args:
        features: the features of everybody active, as the population's mean is taken over them.
        rule: margin, horizon and currency.
        spend: what each customer is expected to spend over so many days if kept, `models.worth.WorthModel.spend`; by
            default the credibility premium of their own past.

    Returns:
        customer_id and value (Float64, 2 digits; null throughout when no amounts are known), row by row.
    """
    rate = daily_spend(features)
    if spend is not None and features.height and not rate.null_count():
        rate = pl.Series(spend(features, rule.horizon_days) / rule.horizon_days)
    return features.select("customer_id", value=(pl.lit(rate) * rule.margin * rule.horizon_days).round(2))


def daily_spend(features: pl.DataFrame) -> pl.Series:
    """Net spend per day, shrunk towards the population's mean.

    The credibility premium of Bühlmann and Straub (1970): with net spend S over t days and n orders,

        Z S/t + (1 - Z) m,   Z = t / (t + s2/a),   m = sum S / sum t,

    where s2 = sum(S^2/n) / sum t is the variance per day of a compound Poisson process (orders come at
    random, each as large as the customer's mean) and a = (sum t (S/t - m)^2 - (N - 1) s2) / (T - sum t^2/T)
    is the variance between customers, T = sum t. The more days and the more customers differ, the more a
    customer's own past counts. A term may be longer than the windows: of a contract all spend counts that is looked
    back on, over the days that it paid for, up to the end of the term.
    """
    own = _own_spend(features)
    if own is None:
        return pl.Series([None] * features.height, dtype=pl.Float64)
    spend, days, orders = own
    total = days.sum()
    mean = spend.sum() / total
    within = (spend**2 / orders).sum() / total
    spread = total - (days**2).sum() / total
    between = (days * (spend / days - mean) ** 2).sum() - (len(spend) - 1) * within
    # Where customers differ by no more than chance, or there is but one, all are taken for alike.
    weight = days / (days + within * spread / between) if between > 0 and spread > 0 else np.zeros_like(days)
    return pl.Series(weight * spend / days + (1 - weight) * mean)


def own_rate(features: pl.DataFrame) -> NDArray[np.float64]:
    """Net spend per day of each customer's own past; NaN when no amounts are known."""
    own = _own_spend(features)
    return np.full(features.height, np.nan) if own is None else own[0] / own[1]


def _own_spend(features: pl.DataFrame) -> NDArray[np.float64] | None:
    """Net spend, days and orders of each customer in the longest window or all terms; None without amounts."""
    windows = sorted(int(name[6:-1]) for name in features.columns if re.fullmatch(r"spend_\d+d", name))
    if not windows or features[f"spend_{windows[-1]}d"].is_null().all():
        return None
    past, paid = f"_{windows[-1]}d", (pl.col("tenure_days") + 1).clip(1, windows[-1])
    if "days_to_expiry" in features.columns:
        past, paid = "", pl.col("tenure_days") + pl.col("days_to_expiry")
    returned = pl.col(f"refunds_share{past}") if f"refunds_share{past}" in features.columns else pl.lit(0.0)
    return (
        features.select(
            (pl.col(f"spend{past}") * (1 - returned.fill_null(0))).clip(0).fill_null(0),
            paid,
            pl.col(f"orders{past}").clip(1),
        )
        .cast(pl.Float64)
        .to_numpy()
        .T
    )
