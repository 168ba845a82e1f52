"""Who takes part in an experiment: those who were delivered, and the control who would have been.

The control is drawn before anything is chosen, and the choice treats it like everybody else, so that the rows that the
draw alone keeps back are a random part of the rows that were chosen: their retention says what would have become of the
delivered without a contact.
"""

import polars as pl

ARM = (
    pl.when("deliver")
    .then(pl.lit("treated"))
    .when(pl.col("suppressed_reason") == "control")
    .then(pl.lit("control"))
    .alias("arm")
)
"""The arm of a row of ``at_risk_segments``: null where anything but the draw decided that there is no contact."""


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
