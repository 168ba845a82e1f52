"""Who takes part in an experiment: those who were delivered, and the control who would have been.

The control is drawn before anything is chosen, and the choice treats it like everybody else, so that the rows that the
draw alone keeps back are a random part of the rows that were chosen: their retention says what would have become of the
delivered without a contact.
"""

import dataframely as dy
import numpy as np
import polars as pl

_STRETCH = 10**6
"""Days, more than any two nights lie apart."""

ARM = (
    pl.when("deliver")
    .then(pl.lit("treated"))
    .when(pl.col("suppressed_reason") == "control")
    .then(pl.lit("control"))
    .alias("arm")
)
"""The arm of a row of ``at_risk_segments``: null where anything but the draw decided that there is no contact."""


class Enrolment(dy.Schema):
    """A settled row of who took part: what was done, and what became of it."""

    night = dy.Date(primary_key=True)
    customer_id = dy.String(primary_key=True)
    experiment_id = dy.String(nullable=False)
    arm = dy.String(nullable=False)
    action = dy.String(nullable=False)
    segment = dy.String(nullable=False)
    action_cost = dy.Float64(nullable=False)
    churn_probability = dy.Float64(nullable=False)
    churned = dy.Bool(nullable=False)
    outcome_spend = dy.Float64(nullable=True)
    contacted = dy.Bool(nullable=True)


def enrolments(outcomes: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of who took part, out of `models.settlement.SettledOutcome`: what an experiment is told from.

    They are few beside those of everybody who was active, so that a night that looks back on all of them does not
    read everybody again.
    """
    return outcomes.filter(pl.col("arm").is_not_null()).select(Enrolment.column_names())


def first_enrolments(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The row with which each customer entered each experiment, so that nobody counts twice.

    Treated and control rest equally long after it, so that what comes later could be told apart only by its effect.

    Args:
        rows: night, customer_id, experiment_id, ``arm`` and anything else, of any number of nights.

    Returns:
        The first row with an arm per experiment and customer, sorted by experiment, night and customer.
    """
    key = ["experiment_id", "customer_id"]
    return (
        rows.filter(pl.col("arm").is_not_null())
        .sort("night")
        .unique(key, keep="first", maintain_order=True)
        .sort("experiment_id", "night", "customer_id")
    )


def enrolments_apart(rows: pl.LazyFrame, days: int) -> pl.DataFrame:
    """The rows of each customer in each experiment that lie so far apart that no outcome counts twice.

    Save rates learn from these: after a year hardly anybody enters for the first time, and what is known by then may
    have made the policy try something new.

    Args:
        rows: As for `first_enrolments`.
        days: From one row of a customer to the next at least.

    Returns:
        Rows with an arm, sorted by experiment, customer and night.
    """
    entered = rows.filter(pl.col("arm").is_not_null()).sort("experiment_id", "customer_id", "night").collect()
    who = entered.select(pl.struct("experiment_id", "customer_id").rle_id().cast(pl.Int64)).to_series().to_numpy()
    # Each customer on a stretch of his own of one long line, on which the next row that is far enough is looked up.
    place = who * (_STRETCH + days) + entered["night"].to_physical().to_numpy()
    following = np.searchsorted(place, place + days)
    kept = np.zeros(len(who) + 1, np.bool_)
    at = np.flatnonzero(np.diff(who, prepend=-1))
    while len(at):
        kept[at] = True
        at = following[at]
        # Beyond a customer's last row stands the first of another, which is kept already.
        at = at[~kept[at] & (at < len(who))]
    return entered.filter(pl.Series(kept[:-1], dtype=pl.Boolean))
