"""The night's rows, parted: what is valid and new, what is not, and a ledger in which they add up."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.nights import NIGHTS, as_night
from assets.repeats import newest, stored_lines
from models.deliveries import Ledger, ReplacedOrder, discrepancies, numbered, unknown
from models.mapping import ColumnMapping, DeliveryError
from models.transactions import ValidationRules, rejected, split

_MANY_ORDERS = 10


@dg.multi_asset(
    outs={
        **{name: dg.AssetOut(kinds={"polars"}) for name in ("transactions", "quarantine", "ledger")},
        "replaced_orders": dg.AssetOut(kinds={"polars"}, is_required=False),
    },
    partitions_def=NIGHTS,
    group_name="ingestion",
)
def parted_rows(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    source: dg.ResourceParam[Any],
    rules: dg.ResourceParam[ValidationRules],
    columns: dg.ResourceParam[ColumnMapping],
    raw_transactions: pl.LazyFrame,
) -> Iterator[dg.Output[pl.DataFrame]]:
    """Keep what is new and obeys the contract; put the rest aside with its reasons; count every row once.

    A night has `replaced_orders` only where it replaces any.
    """
    night = as_night(context.partition_key)
    refuse_idle_pattern(raw_transactions, rules)
    breaks_a_rule = rejected(rules, night=night, mapped=columns.delivered)
    raw = raw_transactions.with_columns(rejected=breaks_a_rule).collect()
    if source.corrections == "replace":
        told = newest(lake, raw.lazy(), night, source.identity)
        new, replaced = pl.collect_all([told.rows, told.replaced])
    else:
        # Of the same line that comes bad and comes mended, the mended one is new, and each is counted by itself.
        key = [*source.identity, "rejected"]
        stored = stored_lines(lake, raw["day"].unique(), night, source.identity)
        new = unknown(numbered(raw.lazy(), key), stored, key).collect()
        replaced = ReplacedOrder.create_empty()
    valid, quarantine = split(new.lazy(), rules, night=night, mapped=columns.delivered)
    good, bad = pl.collect_all([valid, quarantine])
    counts = {
        "delivered": raw.height,
        "valid": good.height,
        "quarantined": bad.height,
        "known": raw.height - new.height,
    }
    context.log.info(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    yield dg.Output(good, "transactions")
    yield dg.Output(bad, "quarantine")
    yield dg.Output(pl.DataFrame([{"night": night} | counts], schema=Ledger.create_empty().schema), "ledger")
    # Last: what is stored of the night without its transactions would be read by nights that do without them.
    if replaced.height:
        yield dg.Output(replaced, "replaced_orders")


def refuse_idle_pattern(raw: pl.LazyFrame, rules: ValidationRules) -> None:
    """Refuse a return pattern by which a night has no purchases at all.

    Raises:
        DeliveryError: Names the pattern.
    """
    if rules.return_pattern is None:
        return
    orders = raw.select(pl.col("transaction_id").drop_nulls().unique().alias("order"))
    matching = pl.col("order").str.contains(rules.return_pattern)
    count, marked = orders.select(pl.len(), matching.sum()).collect().row(0)
    if count >= _MANY_ORDERS and marked == count:
        raise DeliveryError(
            f"validation.return_pattern is {rules.return_pattern!r} and matches all of {count:,} order ids: every line "
            "would be a return. Correct it in churn.toml, or take it out."
        )


@dg.asset_check(
    asset="transactions", blocking=True, additional_deps=["deliveries", "raw_transactions", "quarantine", "ledger"]
)
def rows_accounted_for(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Delivered = valid + quarantined + known, counted anew in the stored tables."""
    night = as_night(context.partition_key)
    ledger, due, raw, valid, quarantined = pl.collect_all(
        [
            lake.scan("ledger", [night]).drop("night"),
            lake.scan("deliveries", [night]).select(pl.col("due").sum()),
            *(lake.scan(name, [night]).select(pl.len()) for name in ("raw_transactions", "transactions", "quarantine")),
        ]
    )
    figures = ledger.row(0, named=True)
    wrong = discrepancies(figures, due=due.item(), raw=raw.item(), valid=valid.item(), quarantined=quarantined.item())
    if wrong:
        context.log.error(f"night {night}: {' '.join(wrong)} Run the night again; if it stays so, report it.")
    return dg.AssetCheckResult(
        passed=not wrong, description=" ".join(wrong) or "Every row is accounted for, once.", metadata=figures
    )
