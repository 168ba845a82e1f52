"""Which rows of a delivery are due tonight, and which were known already."""

from datetime import date

import dataframely as dy
import polars as pl

# Two rows that agree in all of these are the same line of the same order.
IDENTITY = ("customer_id", "timestamp", "transaction_id", "product", "quantity", "amount")


class Delivery(dy.Schema):
    """What one file brought in one night; together the manifest of what was ingested.

    ``later`` counts the rows that are still to come, and ``next_day`` is the first of their event days.
    """

    night = dy.Date(primary_key=True)
    source_file = dy.String(primary_key=True)
    digest = dy.String(nullable=False)
    size = dy.Int64(nullable=False)
    rows = dy.Int64(nullable=False)
    due = dy.Int64(nullable=False)
    later = dy.Int64(nullable=False)
    next_day = dy.Date(nullable=True)
    arrived_from = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")
    arrived_until = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")


class Ledger(dy.Schema):
    """Where every row of a night went: delivered = valid + quarantined + known."""

    night = dy.Date(primary_key=True)
    delivered = dy.Int64(nullable=False)
    valid = dy.Int64(nullable=False)
    quarantined = dy.Int64(nullable=False)
    known = dy.Int64(nullable=False)


def numbered(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Number equal lines within their file, so that an item bought twice in one basket stays twice.

    Returns:
        The rows with ``occurrence``: 1 for the first line of its identity in its file, 2 for the second, and so on.
    """
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("source_file", *IDENTITY, "unreadable")
    return rows.with_columns(occurrence=place)


def due(rows: pl.LazyFrame, *, night: date, after: date | None) -> pl.LazyFrame:
    """The rows that arrive on a night: those that happened by its end and were not due before.

    Args:
        rows: A delivery with ``day``, null where the moment could not be read.
        night: As-of date.
        after: The last night on which the same file, with the same content, was read; None if it is new. Undated rows
            arrive with the first reading.
    """
    if after is None:
        return rows.filter(pl.col("day").is_null() | (pl.col("day") <= night))
    return rows.filter(pl.col("day").is_between(after, night, closed="right"))


def unknown(rows: pl.LazyFrame, known: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the rows that an earlier night, or an earlier file of this night, has brought already.

    Lines are counted, not merged: what stands twice in one file is two lines, what stands once in each of two
    overlapping files is one.

    Args:
        rows: Tonight's rows with ``occurrence``.
        known: Rows of earlier nights with the identity columns, ``unreadable`` and ``occurrence``.
    """
    key = [*IDENTITY, "unreadable", "occurrence"]
    first = rows.sort("source_file", "source_row").unique(key, keep="first", maintain_order=True)
    return first.join(known.select(key), on=key, how="anti", nulls_equal=True, maintain_order="left")
