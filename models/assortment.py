"""What each customer buys, item by item: how many, how evenly, what mainly, what first and what lately."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.history import EPOCH, Block, Days, Ints, running


@dataclass(frozen=True, eq=False)
class Assortment:
    """The items of the customers of a block, by customer and item, with the days on which they were bought.

    Attributes:
        names: Every item there is, sorted; items are numbered by their place in it.
        edges: First pair of customer and item of each customer, and the number of pairs.
        item: Number of the item, per pair.
        days: The days of each pair.
        lines: Purchase lines before each of those days, and of all.
    """

    names: pl.Series
    edges: Ints
    item: Ints
    days: Days
    lines: Ints

    def figures(self, night: date, lookback_days: int, names: Collection[str]) -> dict[str, Ints]:
        """Figures on the items of each customer of the block as of a night.

        Args:
            night: As-of day.
            lookback_days: Nothing older is seen.
            names: Those that are wanted: `kinds.<days>` (items bought in the last days), `lines.<days>`,
                `new.<days>` (lines of items that had not been bought before), `squares` (sum of the squared
                lines of each item), `visits` (days with an item, counted per item), `most` (lines of the item
                with most), `quiet` (days since that one was bought).

        Returns:
            The figures; 0 for a customer without items.
        """
        lengths = {lookback_days, *(int(name.partition(".")[2]) for name in names if "." in name)}
        ago = {length: night - timedelta(days=length) for length in lengths}
        rows = self.days.positions([night, *ago.values()])
        bought = {length: self.lines[rows[night]] - self.lines[rows[day]] for length, day in ago.items()}
        life = bought[lookback_days]
        found: dict[str, Ints] = {}
        for name in names:
            what, _, length = name.partition(".")
            lines = bought[int(length or lookback_days)]
            if what == "kinds":
                found[name] = self._sum(lines > 0)
            elif what == "lines":
                found[name] = self._sum(lines)
            elif what == "new":
                found[name] = self._sum(np.where(lines == life, lines, 0))
            elif what == "squares":
                found[name] = self._sum(life**2)
            elif what == "visits":
                found[name] = self._sum(rows[night] - rows[ago[lookback_days]])
        if {"most", "quiet"} & set(names):
            some, pair = self._strongest(life)
            last = self.days.day[rows[night][pair] - 1]
            found["most"], found["quiet"] = np.zeros((2, len(self.edges) - 1), dtype=np.int64)
            found["most"][some] = life[pair]
            found["quiet"][some] = np.where(life[pair] > 0, (night - EPOCH).days - last, 0)
        return found

    def item_of(self, which: str, night: date, lookback_days: int) -> Ints:
        """The item of each customer of which most lines were bought, the first by name of equals; -1 without any.

        Args:
            which: ``main``: in the whole lookback; ``first``: on the first day with any item.
            night: As-of day.
            lookback_days: Nothing older is seen.
        """
        rows = self.days.positions([night, since := night - timedelta(days=lookback_days)])
        if which == "main":
            return self._item(self.lines[rows[night]] - self.lines[rows[since]])
        seen = rows[night] > rows[since]
        row = rows[since][seen]
        lines = self.lines[row + 1] - self.lines[row]
        strength = np.zeros(len(seen), dtype=np.int64)
        strength[seen] = ((night - EPOCH).days + 1 - self.days.day[row]) * (lines.max(initial=0) + 1) + lines
        return self._item(strength)

    def _item(self, strength: Ints) -> Ints:
        some, pair = self._strongest(strength)
        found = np.full(len(self.edges) - 1, -1, dtype=np.int64)
        found[some] = np.where(strength[pair] > 0, self.item[pair], -1)
        return found

    def _strongest(self, strength: Ints) -> tuple[Ints, Ints]:
        """The customers that have pairs, and the strongest pair of each, the first of equals."""
        some = np.flatnonzero(np.diff(self.edges))
        if not len(some):
            return some, some
        size = len(strength)
        ranked = strength * size + np.arange(size)[::-1]
        return some, size - 1 - np.maximum.reduceat(ranked, self.edges[some]) % size

    def _sum(self, values: NDArray[Any]) -> Ints:
        until = running(values)
        return until[self.edges[1:]] - until[self.edges[:-1]]


def assortments(
    items: pl.LazyFrame, trait: str, packed: Sequence[Block], *, after: date, until: date
) -> list[Assortment]:
    """Read a trait of `customer_items` once and pack it, an assortment for each block.

    Args:
        items: `customer_items`, in any order; rows of one customer, day and item are added up.
        trait: Product, category or channel.
        packed: Blocks of customers; others are left out.
        after: Days up to this one are left out.
        until: Days after this one are left out.
    """
    sizes = running(np.array([len(block.customers) for block in packed]))
    zero, span = (after - EPOCH).days, (until - after).days + 1
    place = pl.concat([block.customers for block in packed]).alias("customer_id").to_frame().with_row_index("place")
    rows = (
        items.filter(pl.col("trait") == trait, pl.col("day") > after, pl.col("day") <= until)
        .join(place.lazy(), on="customer_id")
        .select(pl.col("place").cast(pl.Int64), "item", pl.col("day").to_physical() - zero, "lines")
        .collect(engine="streaming")
    )
    names = rows["item"].unique().sort()
    number = pl.col("item").cast(pl.Enum(names)).to_physical()
    sums = (
        rows.lazy()
        .select("lines", key=(pl.col("place") * len(names) + number) * span + pl.col("day"))
        .group_by("key")
        .agg(pl.col("lines").sum())
        .sort("key")
        .collect()
    )
    key = sums["key"].to_numpy()
    pair, day = key // span, (key % span + zero).astype(np.int32)
    starts = np.append(np.flatnonzero(np.diff(pair, prepend=-1)), len(pair))
    owner, item = np.divmod(pair[starts[:-1]], max(len(names), 1))
    lines, first = sums["lines"].to_numpy(), np.searchsorted(owner, np.arange(sizes[-1] + 1))
    shelves = []
    for low, high in pairwise(sizes.tolist()):
        edges, pairs = first[low : high + 1], slice(first[low], first[high])
        rows_of = slice(starts[first[low]], starts[first[high]])
        days = Days(starts[first[low] : first[high] + 1] - rows_of.start, day[rows_of])
        shelves.append(Assortment(names, edges - pairs.start, item[pairs], days, running(lines[rows_of])))
    return shelves
