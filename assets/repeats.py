"""Rows of a night that may be the same as others without being equal: orders that come again changed, shared lines."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from assets.lake import Lake
from models.deliveries import (
    ORDER,
    Arrival,
    NewestOrders,
    changed_orders,
    newest_orders,
    numbered,
    shared_lines,
    unknown,
    with_places,
)
from models.delivery_notes import CHANGED, REPLACED, SHARED, Note
from models.mapping import DeliveryError
from models.transactions import ValidationRules, rejected

_EXAMPLES = 5
_MANY_ORDERS = 10
"""Fewer orders than these are no habit of a source."""
_WAY_OUT = (
    "Set source.identity in churn.toml to hold source_file or source_folder if the files are of different places, and "
    "begin the lake anew."
)


def shared(rows: pl.LazyFrame, identity: Sequence[str]) -> Iterator[Note]:
    """The files of a night with lines of other ones that they have little else in common with.

    Args:
        rows: Tonight's rows.
        identity: Columns in which two rows of the same line agree.
    """
    found = shared_lines(rows, identity).collect()
    for (file,), lines in found.group_by("source_file", maintain_order=True):
        others = ", ".join(f"{count:,} in {other}" for _, other, count in lines.iter_rows())
        yield f"{file}", SHARED, f"lines that stand in another file too and count once: {others}. {_WAY_OUT}"


def repeats(lake: Lake, rows: pl.LazyFrame, night: date, *, identity: Sequence[str], source: str) -> Iterator[Note]:
    """What is worth saying about orders of which other lines were delivered before.

    Args:
        lake: Holds the earlier nights.
        rows: Tonight's rows.
        night: As-of date.
        identity: Columns in which two rows of the same line agree.
        source: What notes are filed under.
    """
    changed, _ = orders_again(lake, rows, night, identity)
    if changed.height:
        yield (
            source,
            CHANGED,
            f"{changed.height:,} orders of earlier nights came again with other lines, which count beside the old "
            f"ones, such as {_examples(changed['order'])}. Deliver corrections as returns and new orders, or set "
            'source.corrections = "replace", which takes files.',
        )


def newest(lake: Lake, rows: pl.LazyFrame, night: date, identity: Sequence[str]) -> NewestOrders:
    """Tonight's rows where the newest delivery of an order counts.

    Args:
        lake: Holds the earlier nights.
        rows: Tonight's rows with ``rejected``.
        night: As-of date.
        identity: Columns in which two rows of the same line agree.
    """
    key = [*identity, "rejected"]
    days = rows.select(pl.col("day").unique()).collect().to_series()
    return newest_orders(numbered(rows, key), stored_lines(lake, days, night, identity), key)


def replacements(
    lake: Lake, rows: pl.LazyFrame, night: date, rules: ValidationRules, *, identity: Sequence[str], source: str
) -> Iterator[Note]:
    """What is worth saying about orders of which the newest delivery counts.

    Args:
        lake: Holds the earlier nights.
        rows: Tonight's rows with ``rejected``.
        night: As-of date.
        rules: The share of orders that may stand in several files with other lines.
        identity: Columns in which two rows of the same line agree.
        source: What notes are filed under.

    Raises:
        DeliveryError: If too many orders stand in several files: an export in parts may have cut them apart.
    """
    told = newest(lake, rows, night, identity)
    orders = rows.select(pl.struct(ORDER).n_unique())
    replaced, in_files, count = pl.collect_all([told.replaced, told.in_other_files, orders])
    if in_files.height:
        said = (
            f"{in_files.height:,} orders stand in several files of this night with other lines, such as "
            f"{_examples(in_files['transaction_id'])}: the last file by name has the one that counts"
        )
        if in_files.height >= _MANY_ORDERS and in_files.height > rules.max_changed_share * count.item():
            raise DeliveryError(
                f"{said}. They are too many for corrections (validation.max_changed_share): where a file has a part of "
                'an order, set source.corrections = "add" in churn.toml.'
            )
        yield source, CHANGED, f"{said}."
    if replaced.height:
        yield source, REPLACED, f"{replaced.height:,} orders, such as {_examples(replaced['transaction_id'])}"


def _examples(orders: pl.Series) -> str:
    return ", ".join(orders.unique(maintain_order=True).head(_EXAMPLES))


def orders_again(lake: Lake, rows: pl.LazyFrame, night: date, identity: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """The orders that come again changed, as of :func:`changed_orders`, and the number of tonight's orders."""
    days = rows.select(pl.col("day").unique()).collect().to_series()
    valid, _ = earlier_lines(lake, days, night)
    if not lake.before("transactions", night):
        return pl.DataFrame(schema={"customer_id": pl.String, "order": pl.String}), 0
    changed, orders = pl.collect_all(changed_orders(rows, valid, identity))
    return changed, int(orders.item())


def unseen(
    lake: Lake,
    arrival: Arrival,
    rules: ValidationRules,
    night: date,
    *,
    mapped: Collection[str],
    identity: Sequence[str],
) -> Arrival:
    """What a database brings, without what an earlier night asked for too and took.

    Equal lines stay together: whether the second of them is new can be told from all of them alone.

    Args:
        lake: Holds the earlier nights.
        arrival: Rows that had arrived by the end of the night, those of some nights before among them.
        rules: Tell lines that are rejected from the same ones, mended.
        night: As-of date.
        mapped: Canonical columns that the source delivers.
        identity: Columns in which two rows of the same line agree.
    """
    if arrival.rows is None or arrival.line is None or not lake.before("transactions", night):
        return arrival
    key = [*identity, "rejected"]
    rows = numbered(arrival.rows.with_columns(rejected=rejected(rules, night=night, mapped=mapped)), key)
    days = rows.select(pl.col("day").unique()).collect().to_series()
    new = unknown(rows, stored_lines(lake, days, night, identity), key)
    group = [*key, "unreadable"]
    left = with_places(rows).join(with_places(new).select(group).unique(), on=group, how="semi", nulls_equal=True)
    kept = arrival.rows.join(left.select("source_row"), on="source_row", how="semi", maintain_order="left")
    due = kept.select(pl.len()).collect().item()
    return replace(arrival, line={**arrival.line, "due": due}, rows=kept if due else None)


def stored_lines(lake: Lake, days: pl.Series, night: date, identity: Sequence[str]) -> pl.LazyFrame:
    """Lines of earlier nights that could be among tonight's, with what tells lines apart and ``rejected``."""
    columns = {*identity, *ORDER, "source_file", "unreadable", "occurrence"} - {"source_folder"}
    return pl.concat(
        frame.select(*sorted(columns), rejected=pl.lit(bad))
        for frame, bad in zip(earlier_lines(lake, days, night), (False, True), strict=True)
    )


def earlier_lines(lake: Lake, days: pl.Series, night: date) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Lines of earlier nights that could be among tonight's: those of the same event days.

    Only nights that can hold them are opened, and of those only the row groups that do, so that the cost follows the
    overlap and not the history.

    Args:
        lake: Where earlier nights are stored.
        days: Event days of tonight's lines, null among them where a line has none.
        night: As-of date.

    Returns:
        Lines of `transactions` and of `quarantine`.
    """
    # A line stands in the night of its day or a later one; without a day, or with one to come, in any.
    since = min(days.drop_nulls().to_list(), default=night)
    valid = [n for n in lake.nights("transactions") if since <= n < night]
    anywhere = days.has_nulls() or (days > night).any()
    aside = [n for n in lake.nights("quarantine") if n < night and (anywhere or since <= n)]
    same_days = pl.col("day").is_in(days.implode(), nulls_equal=True)
    return lake.scan("transactions", valid).filter(same_days), lake.scan("quarantine", aside).filter(same_days)
