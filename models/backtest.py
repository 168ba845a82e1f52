"""What the pipeline would have said on past nights: train as of each, let the gate decide, score, and settle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.special import ndtri

from models.challenge import Question, challenge
from models.contamination import copies_of, untreated
from models.evaluation import compare, evaluate
from models.features import features
from models.gate import Verdict
from models.labels import happened
from models.ranking import EvaluationRecipe, Vector, log_loss
from models.scorer import SCORERS, Scorer
from models.settlement import SERVED

FIGURES = ("auroc", "log_loss", "ece", "lift", "profit")
"""What is followed over time; lift is that of the share `evaluation.top`."""
CHALLENGER = SCORERS[0]


@dataclass(frozen=True)
class BacktestNight:
    """A night of the backtest.

    Attributes:
        outcomes: customer_id, churned, `champion` (what would have served) and its models as trained as of the night;
            one row per active customer, a column null where the data did not support it. Where the treated are left
            out, one of control has as many rows as customers whom he stands for.
        judged: The challenger as it was judged, for the next night's gate.
        serving: The same as it would serve.
        verdict: What the gate said.
    """

    outcomes: pl.DataFrame
    judged: Scorer
    serving: Scorer
    verdict: Verdict

    @property
    def appointed(self) -> bool:
        """Whether this night's scorer serves from now on, be it with a rule."""
        return self.verdict.serves != SERVED


def backtest_night(
    days: pl.LazyFrame,
    night: date,
    question: Question,
    champion: tuple[Scorer, Scorer] | None,
    *,
    items: pl.LazyFrame | None = None,
    facts: pl.LazyFrame | None = None,
    terms: pl.LazyFrame | None = None,
    delivered: pl.LazyFrame | None = None,
) -> BacktestNight:
    """Train, judge and score as of a past night with what was known by its end, then look what happened.

    Args:
        days: `customer_days` up to one horizon after the night at least.
        night: The past night.
        question: What is asked, as for `models.challenge.challenge`.
        champion: Who serves so far, as judged and as serving; None if nobody does.
        items: `customer_items`, as far as `days`.
        facts: `customer_facts`, as far as `days`.
        terms: `models.terms.customer_terms`, as far as `days`; read where churn is by contract.
        delivered: ``at_risk_segments`` of nights that somebody acted on, as far as `days`: whoever was treated is
            neither learned from nor judged on.

    Raises:
        ValueError: Nobody was active on the night.
    """
    by_now = pl.col("day") <= night
    known = days.filter(by_now)
    items, facts, sold = (None if table is None else table.filter(by_now) for table in (items, facts, terms))
    judged, churn = None if champion is None else champion[0], question.churn
    earlier = None if delivered is None else delivered.filter(pl.col("night") < night)
    outcome = challenge(known, night, question, judged, items=items, facts=facts, terms=sold, delivered=earlier)
    customers = features(
        known,
        [night],
        active_days=churn.active_days,
        recipe=question.features,
        horizon_days=churn.horizon_days,
        items=items,
        facts=facts,
        terms=sold,
        grace_days=churn.grace,
    ).collect()
    if customers.is_empty():
        nobody = "nobody was active" if churn.grace is None else "no contract was about to end"
        raise ValueError(f"{nobody} on night {night}: begin the backtest later")
    serves = champion[1] if champion is not None and outcome.verdict.serves == SERVED else outcome.serving
    said = outcome.serving.predict(customers).select(outcome.serving.models)
    rows = pl.concat(
        [
            customers.select("night", "customer_id"),
            said,
            serves.predict(customers).select(champion="churn_probability"),
        ],
        how="horizontal",
    )
    now_known = happened(days, [night], churn, terms).select("night", "customer_id", "churned").collect()
    settled = rows.join(now_known, on=["night", "customer_id"], how="left").sort("customer_id")
    if delivered is not None:
        settled = untreated(settled.lazy(), delivered, horizon_days=churn.ripe_days).collect()
    return BacktestNight(
        settled.select("customer_id", "churned", SERVED, *outcome.serving.models),
        outcome.judged,
        outcome.serving,
        outcome.verdict,
    )


def scorers(outcomes: pl.DataFrame) -> dict[str, Vector]:
    """The probabilities of each scorer that has them for everybody, what served first."""
    present = [name for name in (SERVED, *SCORERS) if name in outcomes.columns]
    return {name: outcomes[name].to_numpy() for name in present if outcomes[name].null_count() == 0}


def figures(outcomes: pl.DataFrame, recipe: EvaluationRecipe) -> list[dict[str, object]]:
    """Figures of merit of each scorer on a night, and what the champion gains over each of the others.

    Args:
        outcomes: As of `BacktestNight`.
        recipe: How probabilities are judged.

    Returns:
        scorer, figure, value, low, high: `FIGURES` of each scorer and, of what served and of the night's own model,
        `log_loss_gain/RIVAL` and `auroc_gain/RIVAL` by paired bootstrap, above zero where it is better than the rival.
    """
    churned, said = outcomes["churned"].to_numpy(), scorers(outcomes)
    copies = copies_of(outcomes.with_columns(night=None))
    rows: list[dict[str, object]] = []
    for scorer, probability in said.items():
        judged = evaluate(churned, probability, recipe, copies=copies)
        found = {name: value for name, value in judged.items() if _base(name) in FIGURES}
        for rival in rivals(scorer, said):
            found |= {
                f"{name}/{rival}": value
                for name, value in compare(churned, probability, said[rival], recipe, copies).items()
            }
        rows += [
            {"scorer": scorer, "figure": name, "value": value, "low": found[_end(name, "low")]}
            | {"high": found[_end(name, "high")]}
            for name, value in found.items()
            if _end(name, "low") in found
        ]
    return rows


def rivals(scorer: str, said: Mapping[str, object]) -> list[str]:
    """Whom a scorer is compared with: what served with all others, the night's own model with the rules."""
    place = [SERVED, *SCORERS].index(scorer)
    return [name for name in SCORERS[place:] if name in said] if place < 2 else []


def overall(nights: Mapping[date, pl.DataFrame], recipe: EvaluationRecipe) -> pl.DataFrame:
    """What is gained in log loss over each rival, as a mean over the nights.

    The same customer stands in many nights, so that nights are no independent evidence: the interval is that of the
    mean with customers as clusters (Liang and Zeger 1986).

    Args:
        nights: Night -> outcomes as of `BacktestNight`.
        recipe: Gives the confidence.

    Returns:
        scorer (what served, and the nights' own models), rival, nights on which both had a probability, value, low,
        high.
    """
    rows = [
        (scorer, rival, *_clustered([each for each in nights.values() if each.height], scorer, rival, recipe))
        for scorer in (SERVED, CHALLENGER)
        for rival in rivals(scorer, dict.fromkeys(SCORERS))
    ]
    names = {"scorer": pl.String, "rival": pl.String, "nights": pl.Int64, "value": pl.Float64, "low": pl.Float64}
    return pl.DataFrame(rows, schema=names | {"high": pl.Float64}, orient="row").filter(pl.col("nights") > 0)


def _clustered(
    nights: Sequence[pl.DataFrame], scorer: str, rival: str, recipe: EvaluationRecipe
) -> tuple[int, float, float, float]:
    shares = []
    for outcomes in nights:
        said, churned = scorers(outcomes), outcomes["churned"].to_numpy()
        if scorer in said and rival in said:
            gain = log_loss(churned, said[rival]) - log_loss(churned, said[scorer])
            noise = (gain - gain.mean()) / len(gain)
            shares.append(
                pl.DataFrame({"customer_id": outcomes["customer_id"], "gain": gain / len(gain), "noise": noise})
            )
    if not shares:
        return 0, np.nan, np.nan, np.nan
    every = pl.concat(shares)
    value = float(every["gain"].sum()) / len(shares)
    # Sorted, because a sum of floats depends on its order.
    noise = np.sort(every.group_by("customer_id").agg(pl.col("noise").sum())["noise"].to_numpy() ** 2)
    half = float(-ndtri((1 - recipe.confidence) / 2) * np.sqrt(noise.sum())) / len(shares)
    return len(shares), value, value - half, value + half


def _base(name: str) -> str:
    return name.removesuffix("_low").removesuffix("_high")


def _end(name: str, end: str) -> str:
    """``log_loss_gain/recency`` becomes ``log_loss_gain_low/recency``."""
    figure, slash, rival = name.partition("/")
    return f"{figure}_{end}{slash}{rival}"


def planned(first: date, last: date, step_days: int, *, known_until: date, horizon_days: int) -> Sequence[date]:
    """The nights of a backtest.

    Raises:
        ValueError: The last one is not ripe.
    """
    nights = [first + timedelta(days=back) for back in range(0, (last - first).days + 1, step_days)]
    ripe = known_until - timedelta(days=horizon_days)
    if nights[-1] > ripe:
        raise ValueError(
            f"night {nights[-1]} is not ripe: purchases are known up to {known_until}, so that outcomes within "
            f"{horizon_days} days are known up to night {ripe}. End the backtest there"
        )
    return nights
