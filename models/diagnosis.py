"""Is this data enough, and for what: one judgement per question, with its figure, its limit and what to do."""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from models.definition import ChurnDefinition
from models.judgement import Judgement, Verdict, graded
from models.labels import contracts, labels
from models.learning import TrainingRecipe, training_nights
from models.plausibility import known, repeat, week
from models.population import active
from models.sufficiency import MOST_CHURN, needed_days, refusal
from models.terms import expiring

CUSTOMERS = 1_000
OUTCOMES = 500
"""Below it the figures of a model swing widely; commercial services ask for as many before they predict at all."""
HORIZONS = 4
NIGHTS = 3
"""One to grow trees on, one to say when to stop, one to calibrate by."""
CHURN = (0.02, 0.97)


@dataclass(frozen=True)
class Diagnosis:
    """All the answers.

    Attributes:
        judgements: One per question.
        refused: Why no model would be trained, as half a sentence; None if one would.
        outcomes: Whether a ripe night has both outcomes, so that rules can be compared.
    """

    judgements: tuple[Judgement, ...]
    refused: str | None
    outcomes: bool


def diagnose(
    days: pl.LazyFrame,
    as_of: date,
    churn: ChurnDefinition,
    training: TrainingRecipe,
    terms: pl.LazyFrame | None = None,
) -> Diagnosis:
    """Judge the purchases: whether a model can be learned from them, and whether they look like what they should be.

    The nights to learn from are those of a training as of `as_of`, so that its refusal is the same.

    Args:
        days: `customer_days` with at least one purchase.
        as_of: The last day that is known.
        churn: What counts as churn.
        training: How would be learned.
        terms: `models.terms.customer_terms`; read where churn is by contract.
    """
    bought = days.filter(pl.col("orders") > 0, pl.col("day") <= as_of).select("customer_id", "day", "orders").collect()
    first = bought.select(pl.col("day").min()).item()
    horizon, span = churn.ripe_days, (as_of - first).days
    judge = as_of - timedelta(days=horizon)
    learned = training_nights(judge, horizon_days=horizon, first_day=first, recipe=training)
    nights = [*learned, judge] if judge > first else []
    seen = _outcomes(days, nights or [first], churn, terms).filter(bool(nights))
    examples, jury = seen.filter(pl.col("night") < judge), seen.filter(pl.col("night") == judge)
    refused = refusal(
        examples.filter(pl.col("night").is_in(learned)),
        span_days=span,
        horizon_days=horizon,
        min_history_days=training.min_history_days,
        min_outcomes=training.min_outcomes,
    )
    judgements = (
        _span(span, horizon, training.min_history_days),
        _nights(len(learned), horizon),
        _customers(jury.height, training.min_outcomes, churn),
        *(_people(examples, word, training.min_outcomes) for word in ("churned", "stayed")),
        _rate(seen),
        repeat(bought),
        known(bought, as_of, horizon),
        week(bought),
    )
    return Diagnosis(judgements, refused, jury["churned"].n_unique() == 2)


def _outcomes(
    days: pl.LazyFrame, nights: list[date], churn: ChurnDefinition, terms: pl.LazyFrame | None
) -> pl.DataFrame:
    if churn.grace is not None:
        return expiring(contracts(terms), nights, horizon_days=churn.horizon_days, grace_days=churn.grace)
    asked = active(days, nights, churn.active_days)
    return asked.join(labels(days, nights, churn.horizon_days), on=["night", "customer_id"]).collect()


def _span(span: int, horizon: int, history: int) -> Judgement:
    least, plenty = needed_days(horizon, history), HORIZONS * horizon
    return graded(
        "history",
        span,
        (least, max(least, plenty)),
        f"{span:,} days, {span / horizon:.1f} horizons",
        f"{max(least, plenty):,} days; at least {least:,}",
        "Bring older transactions, or shorten churn.horizon_days: `churn horizon` compares candidates.",
    )


def _nights(count: int, horizon: int) -> Judgement:
    return graded(
        "ripe nights to learn from",
        count,
        (1, NIGHTS),
        f"{count}, and one to judge by" if count else "0",
        f"{NIGHTS}; at least 1",
        f"Wait: every day brings one more. A night is ripe {horizon} days later.",
    )


def _customers(count: int, outcomes: int, churn: ChurnDefinition) -> Judgement:
    advice = f"raise churn.active_days ({churn.active_days}) if they buy more seldom than that."
    if churn.grace is not None:
        advice = f"raise churn.horizon_days ({churn.horizon_days}), so that more contracts end within it."
    return graded(
        "active customers" if churn.grace is None else "contracts about to end",
        count,
        (2 * outcomes, max(CUSTOMERS, 2 * outcomes)),
        f"{count:,} on the newest ripe night",
        f"{max(CUSTOMERS, 2 * outcomes):,}; at least {2 * outcomes:,}",
        f"Bring more customers, or {advice}",
    )


def _people(examples: pl.DataFrame, word: str, least: int) -> Judgement:
    people = examples.filter(pl.col("churned") == (word == "churned"))["customer_id"].n_unique()
    rarer = "a longer" if word == "stayed" else "a shorter"
    return graded(
        f"customers who {word}",
        people,
        (least, max(OUTCOMES, least)),
        f"{people:,} on the nights to learn from",
        f"{max(OUTCOMES, least):,}; at least {least:,}",
        f"Bring more history, or try {rarer} churn.horizon_days: `churn horizon` compares candidates.",
    )


def _rate(seen: pl.DataFrame) -> Judgement:
    item, limit = "churn rate", f"{CHURN[0]:.0%} to {CHURN[1]:.0%}; below {MOST_CHURN:.1%}"
    if seen.is_empty():
        return Judgement(item, "not enough", "unknown", limit, "No night is ripe: see the history.")
    rates = seen.group_by("night").agg(pl.col("churned").mean())["churned"].to_list()
    rate = float(seen.select(pl.col("churned").mean()).item())
    verdict: Verdict = "not enough" if rate > MOST_CHURN else "good" if CHURN[0] <= rate <= CHURN[1] else "doubtful"
    advice = "Nearly all outcomes are the same. Check source.columns.customer_id, or try another churn.horizon_days."
    figure = f"{rate:.1%}, from {min(rates):.1%} to {max(rates):.1%} by night"
    return Judgement(item, verdict, figure, limit, advice if verdict != "good" else "")
