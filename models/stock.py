"""The items of all customers, packed for all nights, and their figures, ready to be joined to those of a night."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.assortment import Assortment, assortments
from models.history import Block
from models.priors import Prior, prior
from models.snapshot import Reach

_SHARE = "_share"


@dataclass(frozen=True, eq=False)
class Stock:
    """What is wanted of the items, and the items.

    Attributes:
        packed: Blocks of customers.
        shelves: By trait the items of each block.
        wanted: By trait the names of the figures: those of `Assortment.figures`, `main_share` and `first_share`
            (how many customers with the same main or first item came back).
        reach: How far a night looks.
        priors: Counted for the whole table, where the blocks are a part of it.
    """

    packed: Sequence[Block]
    shelves: Mapping[str, Sequence[Assortment]]
    wanted: Mapping[str, Collection[str]]
    reach: Reach
    priors: Mapping[tuple[date, str, str], Prior] | None

    def shares(self, night: date) -> dict[str, NDArray[np.float64]]:
        """For each prior that is wanted, the share that came back by the item's number, NaN at the end for no item."""
        found = {}
        for trait, shelves in self.shelves.items():
            for which in (name.removesuffix(_SHARE) for name in self.wanted[trait] if name.endswith(_SHARE)):
                counts = (
                    prior(self.packed, shelves, which, night, self.reach)
                    if self.priors is None
                    else self.priors[night, trait, which]
                )
                found[f"{trait}.{which}{_SHARE}"] = counts.shares(shelves[0].names) if shelves else np.empty(0)
        return found

    def joined(
        self, rows: pl.DataFrame, block: int, night: date, shares: Mapping[str, NDArray[np.float64]]
    ) -> pl.DataFrame:
        """The rows of `models.snapshot.snapshot` of a block and a night with the figures on items."""
        place, lookback = rows["place"].to_numpy(), self.reach.lookback_days
        columns: dict[str, NDArray[Any]] = {}
        for trait, shelves in self.shelves.items():
            shelf, names = shelves[block], self.wanted[trait]
            figures = shelf.figures(night, lookback, [name for name in names if not name.endswith(_SHARE)])
            columns |= {f"{trait}.{name}": values[place] for name, values in figures.items()}
            for which in (name.removesuffix(_SHARE) for name in names if name.endswith(_SHARE)):
                item = shelf.item_of(which, night, lookback)[place]
                columns[f"{trait}.{which}{_SHARE}"] = shares[f"{trait}.{which}{_SHARE}"][item]
        return rows.with_columns(pl.Series(name, values, nan_to_null=True) for name, values in columns.items())


def stock(
    items: pl.LazyFrame | None,
    packed: Sequence[Block],
    names: Collection[str],
    reach: Reach,
    *,
    nights: Sequence[date],
    priors: Mapping[tuple[date, str, str], Prior] | None,
) -> Stock:
    """Read what is wanted of `customer_items`, once for all nights.

    Args:
        items: `customer_items`; not looked at where nothing is wanted of it.
        packed: Blocks of customers.
        names: `<trait>.<figure>` for each figure that is wanted, among other names.
        reach: How far a night looks.
        nights: As-of days, rising.
        priors: See `Stock`.
    """
    if items is None or not packed:
        return Stock(packed, {}, {}, reach, priors)
    asked = [(trait, figure) for trait, _, figure in (name.partition(".") for name in sorted(names)) if figure]
    wanted = {trait: [figure for of, figure in asked if of == trait] for trait, _ in asked}
    after = nights[0] - timedelta(days=reach.lookback_days + reach.horizon_days)
    shelves = {trait: assortments(items, trait, packed, after=after, until=nights[-1]) for trait in wanted}
    return Stock(packed, shelves, wanted, reach, priors)
