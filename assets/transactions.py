"""The night's rows, parted: what is valid and new, what is not, and a ledger in which they add up."""

from typing import Any

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.nights import NIGHTS, as_night
from models.deliveries import Ledger, unknown
from models.mapping import ColumnMapping
from models.transactions import ValidationRules, rejected, split


@dg.multi_asset(
    outs={name: dg.AssetOut(kinds={"polars"}) for name in ("transactions", "quarantine", "ledger")},
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
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Keep what is new and obeys the contract; put the rest aside with its reasons; count every row once."""
    night = as_night(context.partition_key)
    breaks_a_rule = rejected(rules, night=night, mapped=columns.delivered)
    raw = raw_transactions.with_columns(rejected=breaks_a_rule).collect()
    first_day = raw.select(pl.col("day").min()).item() or night
    # Of the same line that came bad and comes mended, the mended one is new.
    key = [*source.identity, "rejected"]
    known = [
        # A row of an event day can only stand in that night or a later one.
        lake.scan("transactions", [n for n in lake.nights("transactions") if first_day <= n < night]),
        lake.scan("quarantine", [n for n in lake.nights("quarantine") if n < night]),
    ]
    stored = pl.concat(
        frame.select(*source.identity, "unreadable", "occurrence", rejected=pl.lit(bad))
        for frame, bad in zip(known, (False, True), strict=True)
    )
    new = unknown(raw.lazy(), stored, key).collect()
    valid, quarantine = split(new.lazy(), rules, night=night, mapped=columns.delivered)
    good, bad = pl.collect_all([valid, quarantine])
    counts = {
        "delivered": raw.height,
        "valid": good.height,
        "quarantined": bad.height,
        "known": raw.height - new.height,
    }
    context.log.info(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return good, bad, pl.DataFrame([{"night": night} | counts], schema=Ledger.create_empty().schema)
