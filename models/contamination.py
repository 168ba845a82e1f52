"""What an action did to its customers says nothing of who leaves by himself: it is kept out of what is learned.

Whoever was contacted because of a high score and stayed would teach the model that a high score means staying. The
treated are therefore left out, and the control, who were chosen like them and left alone, stand for both.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.enrolment import ARM
from models.experiment import draw
from models.uplift import ALL

EVER = 10**6
"""Days, as a horizon of what never wears off."""


def act(uplift: pl.DataFrame) -> bool:
    """Whether settled experiments show, beyond chance, that actions change who stays.

    Until they do, the treated are as good to learn from as anybody: where nobody acts on the table, as when the past is
    replayed, leaving them out would only cost examples.

    Args:
        uplift: `models.uplift.RetentionUplift` as known on one night; it may have no rows.
    """
    whole = uplift.filter(action=ALL, segment=ALL)
    return bool(whole.select(((pl.col("adjusted_low") > 0) | (pl.col("adjusted_high") < 0)).any()).item())


def untreated(examples: pl.LazyFrame, delivered: pl.LazyFrame, *, horizon_days: int) -> pl.LazyFrame:
    """The examples as if nobody had been contacted.

    An example of night D is in doubt if its customer entered an experiment on a night N with D - horizon < N < D +
    horizon: the contact may still work after D, or works before the outcome is known. If the customer was treated, the
    example is left out; if he was control, it is repeated as often as one of control stands for customers in doubt of
    his segment (Horvitz and Thompson 1952), so that the shares of risks stay what they were. Only the draw parts the
    two, so that what remains is, in expectation, what would have been seen without any contact. Leaving out the treated
    alone would not be: among the others, those remain who never came into danger.

    Args:
        examples: night, customer_id and anything else, one row each.
        delivered: ``at_risk_segments`` of earlier nights.
        horizon_days: Length of the outcome window.

    Returns:
        The examples in their order. Where there is no control at all, the treated stay: nothing could stand for them.
    """
    entered = (
        delivered.filter(pl.col("status") != "left")
        .select("customer_id", "segment", ARM, entered="night")
        .filter(pl.col("arm").is_not_null())
    )
    apart = (pl.col("entered") - pl.col("night")).dt.total_days().abs()
    in_doubt = (
        examples.select("night", "customer_id")
        .join(entered, on="customer_id")
        .filter(apart < horizon_days)
        .sort("entered", "arm", descending=[False, True])
        .group_by("night", "customer_id", maintain_order=True)
        .agg(pl.col("arm", "segment").first(), treated=(pl.col("arm") == "treated").any())
        .collect()
    )
    if in_doubt["treated"].all():
        return examples
    stands_for = (pl.len() / (~pl.col("treated")).sum()).over("segment")
    copies = (
        in_doubt.with_columns(stands_for=pl.when(~pl.col("treated")).then(stands_for))
        .with_columns(luck=draw(in_doubt["customer_id"], "copies"))
        .select(
            "night",
            "customer_id",
            copies=(pl.col("stands_for").fill_null(0) + pl.col("luck")).floor().cast(pl.Int64),
        )
    )
    return (
        examples.join(copies.lazy(), on=["night", "customer_id"], how="left", maintain_order="left")
        .with_columns(copies=pl.int_ranges(pl.col("copies").fill_null(1)))
        .filter(pl.col("copies").list.len() > 0)
        .explode("copies")
        .drop("copies")
    )


def copies_of(examples: pl.DataFrame) -> NDArray[np.int64]:
    """How many rows each row's night and customer have: `untreated` repeats one of control for those he stands for."""
    return examples.select(pl.len().over("night", "customer_id").cast(pl.Int64)).to_series().to_numpy()
