"""What is to be expected of customers who buy one thing mainly, or bought it first: how many came back of late."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.assortment import Assortment
from models.history import Block, Ints
from models.population import WEIGHT, outcomes
from models.snapshot import Reach


@dataclass(frozen=True, eq=False)
class Prior:
    """How many customers came back within the last ripe horizon, by an item that they had when it began.

    The counts of several tables of customers add up, item by item.

    Attributes:
        names: The items.
        customers: Customers active when the horizon began whose main, or first, item it was.
        returned: Those of them with a purchase day within the horizon.
    """

    names: pl.Series
    customers: Ints
    returned: Ints

    def __add__(self, other: "Prior") -> "Prior":
        tables = [
            pl.DataFrame({"name": each.names.cast(pl.String), "customers": each.customers, "returned": each.returned})
            for each in (self, other)
        ]
        sums = pl.concat(tables).group_by("name").sum().sort("name")
        return Prior(sums["name"], sums["customers"].to_numpy(), sums["returned"].to_numpy())

    def shares(self, names: pl.Series) -> NDArray[np.float64]:
        """The share that came back for each of some items, and NaN at the end.

        An item is drawn towards the share of all, as if `WEIGHT` more customers with that share had it: an
        item that nobody had has the share of all. NaN when all are fewer than `WEIGHT`.
        """
        known = self.customers.sum()
        everybody = self.returned.sum() / known if known >= WEIGHT else math.nan
        share = (self.returned + WEIGHT * everybody) / (self.customers + WEIGHT)
        table = pl.DataFrame({"item": self.names, "share": share}, schema_overrides={"item": pl.String})
        sought = names.alias("item").to_frame().join(table, on="item", how="left", maintain_order="left")
        return np.append(sought["share"].fill_null(everybody).to_numpy(), math.nan)


def prior(blocks: Sequence[Block], shelves: Sequence[Assortment], which: str, night: date, reach: Reach) -> Prior:
    """Count who was active a horizon before the night, and who of these had come back by it, by their item then.

    The horizon that ends with the night is the last ripe one: nothing later is looked at.

    Args:
        blocks: Customers with their days.
        shelves: Their items, an assortment for each block.
        which: Whether the ``main`` item counts or the ``first``.
        night: As-of day.
        reach: Who is active, how long the horizon is, and how far back to look from its start.
    """
    ripe = night - timedelta(days=reach.horizon_days)
    names = shelves[0].names if shelves else pl.Series(dtype=pl.String)
    counts = np.zeros((2, len(names)), dtype=np.int64)
    for block, shelf in zip(blocks, shelves, strict=True):
        who, _, _, returned = outcomes(block, night, reach.active_days, reach.horizon_days)
        item = shelf.item_of(which, ripe, reach.lookback_days)[who]
        known = item >= 0
        counts += [np.bincount(each, minlength=len(names)) for each in (item[known], item[known & returned])]
    return Prior(names, *counts)
