"""The raw figures of one night: what each active customer did within every window, in whole numbers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.history import EPOCH, Block, Ints, running
from models.population import Returns
from models.rhythm import gaps


@dataclass(frozen=True)
class Reach:
    """How far a night looks.

    Attributes:
        active_days: A purchase day within these makes a customer active.
        lookback_days: Nothing older is seen.
        horizon_days: Days ahead that the question is about; 0 where nothing depends on it.

    """

    active_days: int
    lookback_days: int
    horizon_days: int


def snapshot(
    block: Block,
    night: date,
    reach: Reach,
    names: Collection[str],
    *,
    order: NDArray[np.int32] | None,
    context: Returns | None,
) -> pl.DataFrame:
    """Figures on the active customers of a block as of a night.

    Args:
        block: Customers with their days.
        night: As-of day.
        reach: How far it looks.
        names: `<measure>:<days>` for each sum that is wanted; other names are passed over.
        order: `models.rhythm.by_length` of the block, where figures on gaps are wanted.
        context: How many customers of what standing came back, where those figures are wanted.

    Returns:
        night, customer_id, recency and tenure (days), the sums (Int64, units of `customer_days`), the
        figures of `models.rhythm.gaps`, population_share and similar_share.

    """
    sums = {name: name.split(":") for name in names if ":" in name}
    lengths = {0, reach.active_days, reach.lookback_days, *(int(length) for _, length in sums.values())}
    ago = {length: night - timedelta(days=length) for length in lengths}
    rows = block.positions(list(ago.values()))
    purchase_days = running(block.bought())
    who = np.flatnonzero(purchase_days[rows[night]] > purchase_days[rows[ago[reach.active_days]]])
    at: dict[int, Ints] = {length: rows[day][who] for length, day in ago.items()}
    first, end = purchase_days[at[reach.lookback_days]], purchase_days[at[0]]
    day, today = block.purchases(), (night - EPOCH).days
    recency = today - day[end - 1]
    figures: dict[str, NDArray[Any]] = {"recency": recency, "tenure": today - day[first]}
    if order is not None:
        figures |= gaps(block, order, who, first=first, end=end, silence=recency, horizon=reach.horizon_days)
    if context is not None:
        figures["population_share"] = np.full(len(who), context.share())
        figures["similar_share"] = context.similar(recency, end - purchase_days[at[reach.active_days]])
    for measure in {measure for measure, _ in sums.values()}:
        total = purchase_days if measure == "purchase_days" else running(block.values[measure])
        now = total[at[0]]
        figures |= {name: now - total[at[int(length)]] for name, (of, length) in sums.items() if of == measure}
    key = pl.DataFrame({"customer_id": block.customers.gather(who)}).select(
        night=pl.lit(night), customer_id="customer_id"
    )
    return key.hstack(pl.DataFrame(figures))
