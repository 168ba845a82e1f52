"""Who counts on a night: the customers who bought recently enough, and everyone who ever bought."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.history import EPOCH, Block, Ints

RECENCY_BANDS = (0, 7, 14, 21, 30, 45, 60, 90, 120, 150, 180, 240, 300, 365, 545, 730)
FREQUENCY_BANDS = (1, 2, 3, 4, 6, 9, 13, 20)
WEIGHT = 20
"""As many customers say something about others."""
BOUGHT = pl.col("orders") > 0


def active(days: pl.LazyFrame, nights: Sequence[date], active_days: int) -> pl.LazyFrame:
    """The customers with a purchase day in (night - active_days, night], for each night.

    Returns:
        night, customer_id, sorted by both.

    Raises:
        ValueError: When there is no night, or active_days is less than one.
    """
    if not nights or active_days < 1:
        raise ValueError(f"active needs a night and at least 1 active day, not {nights!r}, {active_days}")
    return pl.concat(
        [
            days.filter(BOUGHT, pl.col("day") > night - timedelta(days=active_days), pl.col("day") <= night)
            .select(pl.lit(night).alias("night"), "customer_id")
            .unique()
            .sort("customer_id")
            for night in sorted(set(nights))
        ]
    )


def histories(days: pl.LazyFrame, night: date, lookback_days: int) -> pl.LazyFrame:
    """Everyone, active or not, with a purchase day in (night - lookback_days, night].

    Returns:
        customer_id, purchase_days (Int64, distinct days), first_day, last_day (Date), sorted by customer_id.
    """
    return (
        days.filter(BOUGHT, pl.col("day") > night - timedelta(days=lookback_days), pl.col("day") <= night)
        .group_by("customer_id")
        .agg(
            purchase_days=pl.col("day").n_unique().cast(pl.Int64),
            first_day=pl.col("day").min(),
            last_day=pl.col("day").max(),
        )
        .sort("customer_id")
    )


@dataclass(frozen=True, eq=False)
class Returns:
    """How many customers came back within the last ripe horizon, by where they stood when it began.

    Where a customer stands is the band of the days since the last purchase and the band of the number
    of purchase days, the two figures from which the BG/NBD family of models reads a customer's future
    (Fader, Hardie and Lee 2005). The counts of several tables of customers add up.

    Attributes:
        customers: Active customers when the horizon began, by band of recency and band of frequency.
        returned: Those of them with a purchase day within it.
    """

    customers: Ints
    returned: Ints

    def __add__(self, other: "Returns") -> "Returns":
        return Returns(self.customers + other.customers, self.returned + other.returned)

    def share(self) -> float:
        """The share of all that came back; NaN when they were fewer than `WEIGHT`."""
        customers = self.customers.sum()
        return float(self.returned.sum() / customers) if customers >= WEIGHT else math.nan

    def similar(self, recency: Ints, purchase_days: Ints) -> NDArray[np.float64]:
        """The share among customers who stood where these stand; NaN when all are fewer than `WEIGHT`.

        A cell is drawn towards the share of its recency band, and that towards the share of all, as if
        `WEIGHT` more customers with that share belonged to it.
        """
        band = (self.returned.sum(1) + WEIGHT * self.share()) / (self.customers.sum(1) + WEIGHT)
        cell = (self.returned + WEIGHT * band[:, None]) / (self.customers + WEIGHT)
        return np.asarray(cell.ravel()[standing(recency, purchase_days)])


def returns(blocks: Sequence[Block], night: date, active_days: int, horizon_days: int) -> Returns:
    """Count who was active `horizon_days` before the night, and who of these had come back by the night.

    The horizon that ends with the night is the last ripe one: nothing later is looked at.
    """
    cells = len(RECENCY_BANDS) * len(FREQUENCY_BANDS)
    counts = np.zeros((2, cells), dtype=np.int64)
    for block in blocks:
        _, recency, purchase_days, back = outcomes(block, night, active_days, horizon_days)
        cell = standing(recency, purchase_days)
        counts += [np.bincount(each, minlength=cells) for each in (cell, cell[back])]
    customers, returned = counts.reshape(2, len(RECENCY_BANDS), len(FREQUENCY_BANDS))
    return Returns(customers, returned)


def outcomes(
    block: Block, night: date, active_days: int, horizon_days: int
) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """What became, by the night, of the customers of a block who were active `horizon_days` before it.

    Returns:
        Their places in the block, days since the last purchase and number of purchase days when the
        horizon began, and whether they bought within it.
    """
    ripe = night - timedelta(days=horizon_days)
    since = ripe - timedelta(days=active_days)
    rows, count = block.positions([since, ripe, night]), block.purchase_days
    start, end, later = (count[rows[day]] for day in (since, ripe, night))
    who = np.flatnonzero(end > start)
    recency = (ripe - EPOCH).days - block.purchases[end[who] - 1]
    return who, recency, (end - start)[who], (later > end)[who]


def standing(recency: Ints, purchase_days: Ints) -> Ints:
    """The cell of each customer, by days since the last purchase and number of purchase days."""
    row = np.searchsorted(RECENCY_BANDS, recency, side="right") - 1
    column = np.searchsorted(FREQUENCY_BANDS, purchase_days, side="right") - 1
    return row * len(FREQUENCY_BANDS) + column


def with_population(rows: pl.DataFrame, now: Returns, year_ago: Returns | None, *, frequency: str) -> pl.DataFrame:
    """Join what became of others to the figures of a night.

    Args:
        rows: Figures with recency (days) and `frequency`.
        now: Returns over the horizon that ends with the night.
        year_ago: Returns over the horizon that began a year before the night.
        frequency: The column with the number of purchase days among the active days.

    Returns:
        The rows with population_share, season_share (of everybody) and similar_share.
    """
    similar = now.similar(rows["recency"].to_numpy(), rows[frequency].to_numpy())
    return rows.with_columns(
        population_share=pl.lit(now.share()),
        season_share=pl.lit(year_ago.share() if year_ago else math.nan),
        similar_share=pl.Series(similar),
    ).with_columns(pl.col("population_share", "season_share", "similar_share").fill_nan(None))
