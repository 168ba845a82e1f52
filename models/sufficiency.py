"""Whether the data are enough to learn from: the one judgement on which training, the doctor and the gate agree."""

import polars as pl

MOST_CHURN = 0.995
"""Above it hardly anybody ever comes back. Little churn is no such limit: rare churners can be told apart if many."""


def needed_days(horizon_days: int, min_history_days: int) -> int:
    """Days that data have to span for a model to be learned, judged on what it has not seen, and to serve.

    Args:
        horizon_days: Days until an outcome is known.
        min_history_days: Days that the oldest night looks back on.
    """
    return 2 * horizon_days + min_history_days


def shortfall(examples: pl.DataFrame, *, min_outcomes: int) -> str | None:
    """Why nothing richer than a rule may be learned from examples, as half a sentence; None if they are enough.

    Args:
        examples: customer_id and churned, one row per customer and ripe night. The same customer on several nights
            is one piece of evidence, so that people are counted, not rows.
        min_outcomes: Customers who churned, and who stayed, that are needed.
    """
    if examples.is_empty():
        return "no night is ripe from which an outcome could be learned"
    rate = examples.select(pl.col("churned").mean()).item()
    people = {
        word: examples.filter(pl.col("churned") == churned)["customer_id"].n_unique()
        for word, churned in (("churned", True), ("stayed", False))
    }
    word = min(people, key=lambda each: people[each])
    if people[word] < min_outcomes:
        return (
            f"the churn rate is {rate:.1%} and only {people[word]:,} customers ever {word} on the nights to learn "
            f"from; at least {min_outcomes:,} are needed"
        )
    if rate > MOST_CHURN:
        return f"the churn rate is {rate:.1%}: hardly anybody comes back, and there is nothing to tell apart"
    return None


def refusal(
    examples: pl.DataFrame, *, span_days: int, horizon_days: int, min_history_days: int, min_outcomes: int
) -> str | None:
    """Why no model is trained as of a night, as half a sentence; None if the data support one.

    Args:
        examples: What the model that is judged would learn from, as for `shortfall`.
        span_days: Days from the first purchase to the night.
        horizon_days: Days until an outcome is known.
        min_history_days: Days that the oldest night to learn from looks back on.
        min_outcomes: Customers of either outcome that are needed.
    """
    if span_days < (needed := needed_days(horizon_days, min_history_days)):
        return (
            f"the data span {span_days:,} days, and a horizon of {horizon_days} days needs {needed:,}: one horizon to "
            f"learn from, one to judge by, and {min_history_days} days of history before them"
        )
    return shortfall(examples, min_outcomes=min_outcomes)
