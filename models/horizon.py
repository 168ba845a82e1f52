"""After how many silent days a customer should count as lost: what each candidate horizon would mean on these data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from models.evaluation import evaluate
from models.features import FeatureRecipe, features
from models.labels import labels
from models.purchase_gaps import HORIZONS, RETURNED_IN_HORIZON, share_within, weighed_gaps
from models.ranking import EvaluationRecipe

MIN_HISTORY_DAYS = 30
MOST_CUSTOMERS = 50_000
_NIGHTS, _JUDGED = 6, 3
_ROUNDS = 100
_TREES = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "learning_rate": 0.05,
    "min_child_weight": 20,
    "reg_lambda": 10,
    "subsample": 0.7,
    "colsample_bytree": 0.5,
    "nthread": 2,
}
_RECIPE = FeatureRecipe(families=("recency", "frequency", "money", "tenure", "rhythm", "trends"))
_JUDGING = EvaluationRecipe(replicates=2)
_KEY = ("night", "customer_id")
_LEAST_JUDGED = 2
_TELLING = (0.05, 0.9)
"""Churn rates that leave something to rank: above nine tenths no tenth of the customers can churn much more often."""


@dataclass(frozen=True)
class Recommendation:
    """The horizon that fits.

    Attributes:
        horizon_days: The horizon; None where the history carries no candidate.
        sentence: Why this one, and what to keep in mind, in words.
    """

    horizon_days: int | None
    sentence: str


def nights_for(horizon_days: int, *, as_of: date, first_day: date) -> list[date]:
    """Ripe nights one horizon apart, so that no outcome counts twice, newest first."""
    room = (as_of - first_day).days - MIN_HISTORY_DAYS
    return [as_of - timedelta(days=horizon_days * back) for back in range(1, room // horizon_days + 1)][:_NIGHTS]


def candidates(
    days: pl.LazyFrame, as_of: date, *, active_days: int, horizons: Sequence[int] = HORIZONS
) -> pl.DataFrame:
    """What each horizon would mean, as far as the history carries: two horizons and a month.

    The backtest grows a hundred small trees on recency, frequency, money, tenure, rhythm and trends, learned from the
    ripe nights before the one that judges; no outcome overlaps with what is judged. More than
    `MOST_CUSTOMERS` customers are thinned evenly.

    Args:
        days: `customer_days`.
        as_of: The last day that is known.
        active_days: A customer is active with a purchase in (night - active_days, night].
        horizons: Candidates, in days.

    Returns:
        One row per horizon: horizon_days, nights, customers (active, mean of the nights), churn_rate with its range
        over the nights churn_low and churn_high, gaps_within (share of the gaps between purchase days that are no
        longer, weighed as in `models.purchase_gaps`), false_churn (share of the churned who buy again within twice the
        horizon), lead_days (median days from the night to the next purchase of those who stay: the time that there
        is to act), judged (nights of the backtest), auroc with its range auroc_low and auroc_high, and lift (in the
        riskiest tenth), all null where no two outcomes could be learned and judged. Empty where not even the first
        candidate fits into the history.
    """
    bought = _thinned(days.filter(pl.col("orders") > 0, pl.col("day") <= as_of))
    first = bought["day"].min()
    assert isinstance(first, date)  # somebody bought
    kept = days.join(bought.lazy().select("customer_id").unique(), on="customer_id", how="semi")
    gaps = weighed_gaps(bought)
    rows = []
    for horizon in horizons:
        nights = nights_for(horizon, as_of=as_of, first_day=first)
        if len(nights) > 1:
            within: dict[str, float | None] = {"horizon_days": horizon, "gaps_within": share_within(gaps, horizon)}
            rows.append(within | _candidate(kept, bought, nights, horizon, active_days))
    return pl.DataFrame(rows, infer_schema_length=None)


def recommend(table: pl.DataFrame) -> Recommendation:
    """The shortest horizon that is as long as the customers' rhythm and that a backtest supports.

    Of the candidates that two nights could judge, with a churn rate from 5 to 90 %, it is the first within which 80 %
    of the gaps between purchases end; where none is so long, the longest of them. Where the history is too short for
    two nights, one is enough.

    Args:
        table: As from `candidates`.
    """
    if table.is_empty() or not (usable := _usable(table)):
        return Recommendation(
            None,
            "No candidate can be judged: the history has to hold two horizons, a month before them, and customers who "
            "come back as well as customers who do not. Bring older transactions.",
        )
    fitting = [row for row in usable if row["gaps_within"] >= RETURNED_IN_HORIZON]
    best = fitting[0] if fitting else usable[-1]
    why = f"{best['gaps_within']:.0%} of the gaps between two purchases of a customer end within it"
    if fitting:
        why = f"It is the shortest that is as long as the customers' rhythm: {why}"
    else:
        why = f"It is the longest that the history can judge; only {why}, and the rhythm asks for a longer one"
    return Recommendation(
        int(best["horizon_days"]),
        f"{best['horizon_days']} days. {why}. {best['churn_rate']:.0%} of the active customers churn; "
        f"{best['false_churn']:.0%} of them are back within twice the horizon. A quick model ranks them with an AUROC "
        f"of {best['auroc']:.2f}, and its riskiest tenth churns {best['lift']:.2f} times as often as all. There are "
        f"{best['lead_days']:.0f} days to act until half of those who stay have bought.",
    )


def _usable(table: pl.DataFrame) -> list[dict[str, float]]:
    low, high = _TELLING
    judged = table.filter(pl.col("judged") > 0, pl.col("churn_rate").is_between(low, high)).sort("horizon_days")
    often = judged.filter(pl.col("judged") >= _LEAST_JUDGED)
    return (often if often.height else judged).to_dicts()


def _thinned(bought: pl.LazyFrame) -> pl.DataFrame:
    days = bought.select("customer_id", "day").unique().collect().sort("customer_id", "day")
    customers = days["customer_id"].unique().sort()
    kept = customers.gather_every(max(1, -(-len(customers) // MOST_CUSTOMERS)))
    return days.join(kept.to_frame(), on="customer_id", how="semi", maintain_order="left")


def _candidate(
    days: pl.LazyFrame, bought: pl.DataFrame, nights: list[date], horizon: int, active_days: int
) -> dict[str, float | None]:
    known = features(days, nights, active_days=active_days, recipe=_RECIPE, horizon_days=horizon)
    outcomes = labels(days, nights, horizon).select(*_KEY, "churned")
    examples = known.join(outcomes, on=_KEY).sort(_KEY).collect()
    returns = _next_purchase(examples.select(*_KEY, "churned"), bought)
    # Of the newest night only one horizon is known, so nobody can have come back later.
    older = returns.filter("churned", pl.col("night") < nights[0])
    rates = examples.group_by("night").agg(pl.col("churned").mean(), customers=pl.len())
    judged = [_judge(examples, night) for night in nights[:_JUDGED]]
    figures = [each for each in judged if each is not None]

    def over(name: str, how: Callable[[list[float]], float]) -> float | None:
        return float(how([each[name] for each in figures])) if figures else None

    return {
        "nights": len(nights),
        "customers": round(rates.select(pl.col("customers").mean()).item()),
        "churn_rate": rates.select(pl.col("churned").mean()).item(),
        "churn_low": rates.select(pl.col("churned").min()).item(),
        "churn_high": rates.select(pl.col("churned").max()).item(),
        "false_churn": older.select((pl.col("wait") <= 2 * horizon).fill_null(value=False).mean()).item(),
        "lead_days": returns.filter(~pl.col("churned")).select(pl.col("wait").median()).item(),
        "judged": len(figures),
        "auroc": over("auroc", np.mean),
        "auroc_low": over("auroc", min),
        "auroc_high": over("auroc", max),
        "lift": over("lift", np.mean),
    }


def _next_purchase(rows: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    """The rows with `wait`: days from the night to the next purchase day, null if none is known."""
    after = rows.with_columns(day=pl.col("night") + pl.duration(days=1)).sort("day")
    nexts = bought.with_columns(bought="day").sort("day")
    joined = after.join_asof(nexts, on="day", by="customer_id", strategy="forward", check_sortedness=False)
    return joined.with_columns(wait=(pl.col("bought") - pl.col("night")).dt.total_days())


def _judge(examples: pl.DataFrame, night: date) -> dict[str, float] | None:
    import xgboost as xgb

    learn, jury = examples.filter(pl.col("night") < night), examples.filter(pl.col("night") == night)
    if learn["churned"].n_unique() < 2 or jury["churned"].n_unique() < 2:
        return None
    inputs = [pl.col(name) for name in examples.columns if name not in {*_KEY, "churned"}]
    booster = xgb.train(_TREES, xgb.DMatrix(learn.select(inputs), learn["churned"].to_numpy()), _ROUNDS)
    probability = booster.predict(xgb.DMatrix(jury.select(inputs)))
    return evaluate(jury["churned"].to_numpy(), probability.astype(np.float64), _JUDGING)
