"""Every customer's days in order, packed so that any window of any night is two look-ups in a running total."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

EPOCH = date(1970, 1, 1)
MEASURES = ("orders", "lines", "quantity", "spend", "refunds", "returns", "discount")
_KEY_BITS = 63
BLOCK_ROWS = 262_144
"""Rows that are worked on together: enough to amortise a call, few enough for the processor's cache."""


@dataclass(frozen=True, eq=False)
class Days:
    """Days of several owners, sorted by owner and day.

    Attributes:
        edges: First row of each owner, and the number of rows.
        day: Days since 1970-01-01, per row.
    """

    edges: Ints
    day: NDArray[np.signedinteger[Any]]

    def positions(self, days: Sequence[date]) -> dict[date, Ints]:
        """For each day and owner the row after the last one on or before that day.

        One pass over the rows serves all the days: a row is counted in the first of the sorted days
        that is not before it, and the counts run on.
        """
        sought = sorted(set(days))
        width = len(self.edges) - 1
        if not len(self.day):
            return dict.fromkeys(sought, self.edges[:-1])
        low, high = int(self.day.min()), int(self.day.max())
        bucket = np.searchsorted([(day - EPOCH).days for day in sought], np.arange(low, high + 1))
        cell = (bucket * width)[np.subtract(self.day, low, dtype=np.int64)]
        cell += self.owners()
        counts = np.bincount(cell, minlength=(len(sought) + 1) * width).reshape(-1, width)
        counts[0] += self.edges[:-1]
        # Row by row: np.cumsum would walk down the columns, many times as slow.
        for day in range(1, len(sought)):
            counts[day] += counts[day - 1]
        return dict(zip(sought, counts, strict=False))

    def owners(self) -> NDArray[np.int32]:
        """The number of the owner of each row."""
        return np.repeat(np.arange(len(self.edges) - 1, dtype=np.int32), np.diff(self.edges))


@dataclass(frozen=True, eq=False)
class Block(Days):
    """Some whole customers and their days, one row for each pair.

    Attributes:
        customers: Their ids, sorted: the owners of the rows.
        values: Orders and the other measures that were asked for, per row.
    """

    customers: pl.Series
    values: Mapping[str, NDArray[np.signedinteger[Any]]]

    def bought(self) -> NDArray[np.bool_]:
        """Whether each row is a purchase day."""
        return self.values["orders"] > 0

    @cached_property
    def purchases(self) -> NDArray[np.signedinteger[Any]]:
        """The purchase days alone, in days since 1970-01-01."""
        return self.day[self.bought()]

    @cached_property
    def purchase_days(self) -> Ints:
        """How many purchase days are before each row, and how many there are."""
        return running(self.bought())


def running(values: NDArray[Any]) -> Ints:
    """The sum of everything before each place, and of everything: one longer than the values."""
    # A byte times so many rows fits into half the width, which is half the way to and from memory.
    narrow = values.itemsize == 1 and len(values) < 1 << 24
    out: Ints = np.zeros(len(values) + 1, dtype=np.int32 if narrow else np.int64)
    np.cumsum(values, dtype=out.dtype, out=out[1:])
    return out


def measured(days: pl.LazyFrame) -> dict[str, pl.DataType]:
    """The measures of `customer_days` that hold more than zeros and nulls, with the narrowest type that fits."""
    low = pl.col(MEASURES).min().name.suffix(" low")
    high = pl.col(MEASURES).max().name.suffix(" high")
    bounds = days.select(low, high).collect(engine="streaming").row(0, named=True)
    found = {name: pl.Series([bounds[f"{name} low"], bounds[f"{name} high"]], dtype=pl.Int64) for name in MEASURES}
    return {name: pair.shrink_dtype().dtype for name, pair in found.items() if (pair != 0).any()}


def blocks(days: pl.LazyFrame, *, after: date, until: date, measures: Mapping[str, pl.DataType]) -> list[Block]:
    """Read `customer_days` once, sort it and pack it.

    The rows stay in memory for as long as nights are computed: each column is read into a narrow type.

    Args:
        days: `customer_days`, in any order; rows of one customer and day are added up.
        after: Days up to this one are left out.
        until: Days after this one are left out.
        measures: The columns that are wanted, with types that hold their values; null counts as nothing.
    """
    zero, span = (after - EPOCH).days, (until - after).days
    rows = (
        days.filter(pl.col("day") > after, pl.col("day") <= until)
        .select(
            pl.col("customer_id").cast(pl.Categorical),
            (pl.col("day").to_physical() - zero).cast(pl.Series([span]).shrink_dtype().dtype),
            *(pl.col(name).fill_null(0).cast(kind) for name, kind in measures.items()),
        )
        .collect(engine="streaming")
    )
    if rows.is_empty():
        return []
    customers, key, order = _sorted(rows.drop_in_place("customer_id"), rows.drop_in_place("day"), span)
    day_bits = span.bit_length()
    fresh = np.append(True, key[1:] != key[:-1])
    key = key if fresh.all() else key[fresh]
    edges = np.searchsorted(key, np.arange(len(customers) + 1, dtype=key.dtype) << day_bits)
    columns = {"day": np.bitwise_and(key, (1 << day_bits) - 1, dtype=np.int32, casting="unsafe") + zero}
    del key
    for name in measures:
        column = rows.drop_in_place(name)
        column = column.rechunk() if order is None else column.gather(order)
        if not fresh.all():
            sums = np.add.reduceat(column.to_numpy(), np.flatnonzero(fresh), dtype=np.int64)
            column = pl.Series(sums).shrink_dtype()
        columns[name] = column.to_numpy()
    return list(_cut(customers, edges, columns))


def _sorted(who: pl.Series, day: pl.Series, span: int) -> tuple[pl.Series, NDArray[Any], pl.Series | None]:
    """The customers in order; place of the customer and day of each row in that order, and the numbers of the rows.

    One whole number holds all three of a row: the rows are sorted where they stand. None for the numbers says that the
    rows were in order, as those of a single night are.
    """
    day_bits, row_bits = span.bit_length(), len(who).bit_length()
    customers = who.unique().sort()
    codes = customers.to_physical().to_numpy()
    narrow = np.uint32 if len(codes) << day_bits < 1 << 32 else np.int64
    place = np.zeros(codes.max() + 1, dtype=narrow)
    place[codes] = np.arange(len(codes))
    if len(codes).bit_length() + day_bits + row_bits > _KEY_BITS:
        raise ValueError(
            f"{len(who)} rows of {len(codes)} customers over {span} days are too many to be sorted at once; "
            "compute features in buckets of customers"
        )
    # Piece by piece, and what is not needed any more goes: the columns of many rows are what fills the memory.
    key: NDArray[np.integer[Any]] = np.empty(len(who), dtype=narrow)
    start = 0
    for piece in who.to_physical().get_chunks():
        np.take(place, piece.to_numpy(), out=key[start : start + len(piece)], mode="clip")
        start += len(piece)
    del who
    key <<= day_bits
    np.add(key, day.to_numpy(), out=key, casting="unsafe")
    del day
    names = customers.cast(pl.String)
    if (key[1:] >= key[:-1]).all():
        return names, key, None
    key = key.astype(np.int64, copy=False)
    key <<= row_bits
    key += np.arange(len(key), dtype=np.int32)
    key.sort()
    order = np.empty(len(key), dtype=np.uint32)
    np.bitwise_and(key, (1 << row_bits) - 1, out=order, casting="unsafe")
    key >>= row_bits
    return names, key, pl.Series(order)


def _cut(customers: pl.Series, edges: Ints, columns: Mapping[str, NDArray[Any]]) -> Iterator[Block]:
    at = np.searchsorted(edges, np.arange(0, edges[-1] + BLOCK_ROWS, BLOCK_ROWS))
    for low, high in pairwise(np.unique(at.clip(max=len(customers))).tolist()):
        rows = slice(int(edges[low]), int(edges[high]))
        values = {name: column[rows] for name, column in columns.items()}
        yield Block(edges[low : high + 1] - edges[low], values.pop("day"), customers[low:high], values)
