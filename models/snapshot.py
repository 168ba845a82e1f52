"""The raw figures of one night: what each active customer did within every window, in whole numbers."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.history import EPOCH, Block, Ints, running
from models.rhythm import gaps
from models.weekdays import weekdays


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
    order: NDArray[np.int32] | None,
    asked: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Figures on the active customers of a block as of a night, from their own past.

    Args:
        block: Customers with their days.
        night: As-of day.
        reach: How far it looks.
        names: `<measure>:<days>` for each sum that is wanted, and names of other figures.
        order: `models.rhythm.by_length` of the block, where figures on gaps are wanted.
        asked: Customers to tell of instead of the active ones, as far as they bought within the lookback, and what
            else is known of them: customer_id and figures, which are joined.

    Returns:
        night, customer_id, place (in the block), recency and tenure (days), winter and spring (cosine and
        sine of the day of the year), the sums (Int64, units of `customer_days`) and, where wanted,
        `<measure>_first`, the sum of the first purchase day, and the figures of `models.rhythm.gaps` and
        `models.weekdays.weekdays`.
    """
    sums = {name: name.split(":") for name in names if ":" in name}
    lengths = {0, reach.active_days, reach.lookback_days, *(int(length) for _, length in sums.values())}
    ago = {length: night - timedelta(days=length) for length in lengths}
    rows = block.positions(list(ago.values()))
    purchase_days = block.purchase_days
    within = reach.active_days if asked is None else reach.lookback_days
    bought = purchase_days[rows[night]] > purchase_days[rows[ago[within]]]
    if asked is not None:
        bought &= block.customers.is_in(asked["customer_id"].implode()).to_numpy()
    who = np.flatnonzero(bought)
    at: dict[int, Ints] = {length: rows[day][who] for length, day in ago.items()}
    first, end = purchase_days[at[reach.lookback_days]], purchase_days[at[0]]
    day, today = block.purchases, (night - EPOCH).days
    recency = today - day[end - 1]
    figures: dict[str, NDArray[Any]] = {"place": who, "recency": recency, "tenure": today - day[first]}
    if order is not None:
        figures |= gaps(block, order, who, first=first, end=end, silence=recency, horizon=reach.horizon_days)
    if {"weekend", "weekday", "month_start"} & set(names):
        figures |= weekdays(block, first, end)
    if firsts := {name: name.removesuffix("_first") for name in names if name.endswith("_first")}:
        row = np.flatnonzero(block.bought())[first]
        figures |= {name: block.values[measure][row] for name, measure in firsts.items()}
    for measure in {measure for measure, _ in sums.values()}:
        total = purchase_days if measure == "purchase_days" else running(block.values[measure])
        now = total[at[0]]
        figures |= {name: now - total[at[int(length)]] for name, (of, length) in sums.items() if of == measure}
    angle = 2 * math.pi * night.timetuple().tm_yday / 365.25
    whole = {name: values.astype(np.int64, copy=False) for name, values in figures.items()}
    found = pl.DataFrame({"customer_id": block.customers.gather(who), **whole}).with_columns(
        night=pl.lit(night), winter=pl.lit(math.cos(angle)), spring=pl.lit(math.sin(angle))
    )
    return found if asked is None else found.join(asked, on="customer_id", how="left", maintain_order="left")
