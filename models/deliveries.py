"""Which rows of a delivery are due tonight, and which were known already."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any

import dataframely as dy
import polars as pl

from models.delivery_notes import FUTURE, WAITING, Note

IDENTITY = ("customer_id", "timestamp", "transaction_id", "product", "quantity", "amount")
"""Two rows that agree in all of these are the same line of the same order, unless the settings say otherwise."""

PLACES = ("source_file", "source_folder")
"""What an identity may hold besides canonical columns: where a line was delivered, as for branches of a shop that
number their receipts each for itself."""

LEAST_IDENTITY = ("customer_id", "timestamp")
"""What no identity can do without: lines of two customers are two, and only nights since its day can know a line."""


ORDER = ("customer_id", "day", "transaction_id")
"""Lines that agree in all of these are one order, which a newer delivery may replace. Lines of another day are not
replaced: an order that lasts past midnight arrives in two nights."""

_FEW_DAYS = timedelta(days=3)
"""Clocks of tills and zones of servers go astray by less."""


class Delivery(dy.Schema):
    """What one file brought in one night; together the manifest of what was ingested.

    ``later`` counts the rows that are still to come; ``next_day`` is the first of their event days and ``last_day`` the
    last. ``encoding`` is that of a text that has more than ASCII. ``decimal_mark`` and ``timestamp_pattern`` are how it
    is written, where its values leave no doubt.
    """

    night = dy.Date(primary_key=True)
    source_file = dy.String(primary_key=True)
    digest = dy.String(nullable=False)
    identity = dy.String(nullable=False)
    size = dy.Int64(nullable=False)
    rows = dy.Int64(nullable=False)
    due = dy.Int64(nullable=False)
    later = dy.Int64(nullable=False)
    next_day = dy.Date(nullable=True)
    last_day = dy.Date(nullable=True)
    decimal_mark = dy.String(nullable=True)
    timestamp_pattern = dy.String(nullable=True)
    encoding = dy.String(nullable=True)
    arrived_from = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")
    arrived_until = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")


@dataclass(frozen=True)
class Arrival:
    """What a file or a database brings on a night.

    Attributes:
        notes: What is worth saying about it.
        line: Its line in the manifest; None where the file was skipped.
        rows: Its due rows, canonical and numbered; None where a file has none.
    """

    notes: Sequence[Note]
    line: Mapping[str, Any] | None = None
    rows: pl.LazyFrame | None = None


class ReplacedOrder(dy.Schema):
    """One order of tonight whose lines of earlier nights count no longer."""

    customer_id = dy.String()
    day = dy.Date()
    transaction_id = dy.String()


@dataclass(frozen=True)
class NewestOrders:
    """Tonight's rows where the newest delivery of an order replaces the older ones; all frames are lazy.

    Attributes:
        rows: The rows that no earlier night has brought: those of orders that came again changed are all among them.
        replaced: :class:`ReplacedOrder`, sorted: the orders that earlier nights have with other lines.
        in_other_files: Likewise the orders that stand in several files of tonight with other lines.
    """

    rows: pl.LazyFrame
    replaced: pl.LazyFrame
    in_other_files: pl.LazyFrame


class Ledger(dy.Schema):
    """Where every row of a night went: delivered = valid + quarantined + known."""

    night = dy.Date(primary_key=True)
    delivered = dy.Int64(nullable=False)
    valid = dy.Int64(nullable=False)
    quarantined = dy.Int64(nullable=False)
    known = dy.Int64(nullable=False)


def check_identity(identity: Sequence[str], canonical: Collection[str]) -> None:
    """Refuse an identity by which lines could not be told apart.

    Args:
        identity: Columns in which two rows of the same line agree.
        canonical: The columns that there are.

    Raises:
        ValueError: Names the column that is unknown or missing.
    """
    for name in identity:
        if name not in canonical:
            near = get_close_matches(name, canonical, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(canonical)}"
            raise ValueError(f"identity names {name!r}, which is no column of ours; {hint}")
    for name in LEAST_IDENTITY:
        if name not in identity:
            raise ValueError(f"identity lacks {name!r}: lines that differ in it are never the same one; add it")


def discrepancies(ledger: Mapping[str, int], *, due: int, raw: int, valid: int, quarantined: int) -> list[str]:
    """What does not add up between the ledger of a night and the tables that it is about.

    Args:
        ledger: Figures of a :class:`Ledger`.
        due: Rows that the night's deliveries brought.
        raw: Rows that were stored as they arrived.
        valid: Rows that were stored as valid.
        quarantined: Rows that were stored as quarantined.

    Returns:
        A sentence for each equation that does not hold; none for a night in which every row is accounted for.
    """
    parts = [ledger[name] for name in ("valid", "quarantined", "known")]
    equations = [
        ("rows due from the deliveries", due, "rows stored as they arrived", raw),
        ("rows stored as they arrived", raw, "delivered rows of the ledger", ledger["delivered"]),
        ("rows in transactions", valid, "valid rows of the ledger", ledger["valid"]),
        ("rows in quarantine", quarantined, "quarantined rows of the ledger", ledger["quarantined"]),
        ("delivered rows of the ledger", ledger["delivered"], "valid, quarantined and known rows together", sum(parts)),
    ]
    return [f"{left:,} {what}, but {right:,} {other}." for what, left, other, right in equations if left != right]


def numbered(rows: pl.LazyFrame, identity: Sequence[str] = IDENTITY) -> pl.LazyFrame:
    """Number equal lines within their file, so that an item bought twice in one basket stays twice.

    Args:
        rows: Canonical rows.
        identity: Columns in which two rows of the same line agree.

    Returns:
        The rows with ``occurrence``: 1 for the first line of its identity in its file, 2 for the second, and so on.
    """
    place = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("source_file", *identity, "unreadable")
    return with_places(rows).with_columns(occurrence=place).drop("source_folder")


def with_places(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with ``source_folder``: the folder of their file, empty for one directly in the source."""
    return rows.with_columns(source_folder=pl.col("source_file").str.extract(r"^(.*)/[^/]*$").fill_null(""))


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


def waiting(manifest: pl.DataFrame, lines: Sequence[Mapping[str, Any]], *, night: date, today: date) -> Iterator[Note]:
    """The files of this and earlier nights with rows that happened after a night, and wait for theirs.

    Args:
        manifest: What earlier nights took in.
        lines: Tonight's lines of the manifest.
        night: As-of date.
        today: The newest night that is over; what lies well after it cannot have happened.
    """
    tonight = pl.DataFrame(lines, schema=manifest.schema)
    newest = pl.concat([manifest, tonight]).sort("night").unique("source_file", keep="last").sort("source_file")
    ahead = newest.filter(pl.col("next_day") > night).select("source_file", "later", "next_day", "last_day")
    for file, rows, first, last in ahead.iter_rows():
        kind = FUTURE if last > max(night, today) + _FEW_DAYS else WAITING
        yield file, kind, f"{rows:,} from {first} to {last}"


def unknown(rows: pl.LazyFrame, known: pl.LazyFrame, identity: Sequence[str] = IDENTITY) -> pl.LazyFrame:
    """Drop the rows that an earlier night, or an earlier file of this night, has brought already.

    Lines are counted, not merged: what stands twice in one file is two lines, what stands once in each of two
    overlapping files is one.

    Args:
        rows: Tonight's rows with ``occurrence``.
        known: Rows of earlier nights with the identity columns, ``unreadable`` and ``occurrence``.
        identity: Columns in which two rows of the same line agree; that of `numbered`, or more.
    """
    key = [*identity, "unreadable", "occurrence"]
    placed, before = with_places(rows), with_places(known).select(key)
    first = placed.sort("source_file", "source_row").unique(key, keep="first", maintain_order=True)
    return first.join(before, on=key, how="anti", nulls_equal=True, maintain_order="left").drop("source_folder")


def newest_orders(rows: pl.LazyFrame, known: pl.LazyFrame, identity: Sequence[str] = IDENTITY) -> NewestOrders:
    """Tell which orders of tonight replace older deliveries of the same orders.

    Of the files of one night, the last by name has the newest delivery of an order. Only valid lines replace anything,
    and lines without a `transaction_id` are lines by themselves, as everywhere.

    Args:
        rows: Tonight's rows with ``occurrence`` and ``rejected``.
        known: Rows of earlier nights that count, with the columns of `ORDER`, of the identity, ``unreadable``,
            ``occurrence`` and ``rejected``.
        identity: Columns in which two rows of the same line agree.
    """
    line = [*identity, "unreadable", "occurrence"]
    valid = ~pl.col("rejected") & pl.all_horizontal(pl.col(ORDER).is_not_null())
    lines, earlier = rows.filter(valid), known.filter(valid)
    last = lines.group_by(ORDER).agg(source_file=pl.col("source_file").max())
    newest = lines.join(last, on=[*ORDER, "source_file"], how="semi")
    older = lines.join(last, on=[*ORDER, "source_file"], how="anti")
    replaced = _orders_with_other_lines(newest, earlier, line)
    others = pl.concat([rows.filter(~valid), newest.join(replaced, on=ORDER, how="anti")])
    anew = pl.concat([unknown(others, known, identity), newest.join(replaced, on=ORDER, how="semi")])
    return NewestOrders(anew.sort("source_file", "source_row"), replaced, _orders_with_other_lines(newest, older, line))


def _orders_with_other_lines(newer: pl.LazyFrame, older: pl.LazyFrame, line: Sequence[str]) -> pl.LazyFrame:
    again, before = newer.join(older, on=ORDER, how="semi"), older.join(newer, on=ORDER, how="semi")
    pairs = ((again, before), (before, again))
    unmatched = [one.join(other, on=line, how="anti", nulls_equal=True).select(ORDER) for one, other in pairs]
    return pl.concat(unmatched).unique().sort(ORDER)


def changed_orders(
    rows: pl.LazyFrame, known: pl.LazyFrame, identity: Sequence[str] = IDENTITY
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Orders of earlier nights that come again with lines that no earlier night had.

    They are counted beside the old ones, so that a changed price counts twice; a history that was saved anew by a
    program that cuts seconds off counts twice as a whole. A row without an order is one by itself, and comes again
    changed if its customer bought the same for the same at another time of that day.

    Args:
        rows: Tonight's rows with ``occurrence``.
        known: Rows of earlier nights.
        identity: Columns in which two rows of the same line agree.

    Returns:
        One row per changed order, ``customer_id`` and ``order``, sorted; one row, ``orders`` UInt32: tonight's orders.
    """
    named = pl.col("transaction_id").is_not_null()
    key = {
        "order": pl.coalesce("transaction_id", pl.col("day").cast(pl.String)),
        "content": pl.when(~named).then(pl.struct("product", "quantity", "amount").hash()).otherwise(0),
    }
    dated = rows.filter(pl.col("day").is_not_null(), pl.col("customer_id").is_not_null()).with_columns(**key)
    before = known.select("customer_id", **key).unique()
    again = dated.join(before, on=["customer_id", *key], how="semi")
    changed = unknown(again, known, identity).select("customer_id", *key).unique().sort("customer_id", *key)
    return changed.select("customer_id", "order"), dated.select(orders=pl.struct("customer_id", *key).n_unique())


def shared_lines(rows: pl.LazyFrame, identity: Sequence[str] = IDENTITY) -> pl.LazyFrame:
    """Lines that count once because two files of a night hold them, though the files have little else in common.

    A file that repeats another one repeats whole days of it. Where less than half of the lines of the days that both
    have are the same, they may be two purchases, such as in two branches.

    Args:
        rows: Tonight's rows with ``occurrence``.
        identity: Columns in which two rows of the same line agree.

    Returns:
        ``source_file``, ``other`` (a file before it by name) and ``lines``, sorted.
    """
    line = pl.struct(*identity, "unreadable", "occurrence").hash().alias("line")
    lines = with_places(rows).filter(pl.col("day").is_not_null()).select("source_file", "day", line)
    first = lines.group_by("line").agg(other=pl.col("source_file").min(), files=pl.col("source_file").n_unique())
    shared = (
        lines.join(first.filter(pl.col("files") > 1), on="line")
        .filter(pl.col("source_file") != pl.col("other"))
        .group_by("source_file", "other")
        .agg(lines=pl.len())
    )
    days = lines.group_by("source_file", "day").agg(rows=pl.len())
    common = (
        shared.select("source_file", "other")
        .join(days, on="source_file")
        .join(days.select("day", other="source_file"), on=["other", "day"], how="semi")
        .group_by("source_file", "other")
        .agg(pl.col("rows").sum())
    )
    return (
        shared.join(common, on=["source_file", "other"])
        .filter(2 * pl.col("lines") < pl.col("rows"))
        .select("source_file", "other", "lines")
        .sort("source_file", "other")
    )
