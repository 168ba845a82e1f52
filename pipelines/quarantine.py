"""`churn quarantine`: which lines of a night were kept out, why, as what they came, and how they come in again."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from models.mapping import ColumnMapping
from models.transactions import split
from pipelines.console import CONSOLE
from pipelines.settings import Settings
from pipelines.stores import lake_of

_COLUMNS = [field.name for field in fields(ColumnMapping)]


def show_quarantine(night: date, settings: Settings, samples: int) -> None:
    """Print how many lines of a night were kept out for each reason, and some of them.

    Of a night that the gate stopped, the lines that would have been kept out.

    Args:
        night: As-of date.
        settings: What the pipeline is configured with.
        samples: Lines shown for each reason.
    """
    lake = lake_of(settings)
    passed = night in lake.nights("quarantine")
    if not passed and night not in lake.nights("raw_transactions"):
        ran = ", ".join(map(str, lake.nights("quarantine")[-5:])) or "none"
        _say(f"Night {night} did not run. The newest nights that did: {ran}. Run it: `churn run --night {night}`")
        return
    if passed:
        delivered = lake.scan("ledger", [night]).collect()["delivered"].item()
        rows = lake.scan("quarantine", [night]).collect()
    else:
        raw = lake.scan("raw_transactions", [night])
        delivered = raw.select(pl.len()).collect().item()
        rows = split(raw, settings.validation, night=night, mapped=settings.source.columns.delivered)[1].collect()
    if rows.is_empty():
        _say(f"Night {night} kept nothing out: each of its {delivered:,} delivered lines obeys every rule.")
        return
    kept = "were kept out" if passed else "would be kept out; the gate stopped the night"
    _say(f"Night {night}: {rows.height:,} of {delivered:,} delivered lines {kept}.\n")
    reasons = rows.explode("reasons").rename({"reasons": "reason"})
    _print_counts(reasons["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False]))
    _print_samples(reasons.filter(pl.int_range(pl.len()).over("reason") < samples), settings)
    _say(
        "\nTo mend: correct the lines at their source and deliver them like any file, alone or in the whole file again "
        "(a new name or the old one). Lines that are known count once; quarantine needs no cleaning."
    )


def _print_counts(counts: pl.DataFrame) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("reason")
    table.add_column("lines", justify="right")
    for reason, count in counts.iter_rows():
        table.add_row(reason, f"{count:,}")
    CONSOLE.print(table)


def _print_samples(samples: pl.DataFrame, settings: Settings) -> None:
    if samples.is_empty():
        return
    table = Table(box=None, pad_edge=False, title="\nSome of them", title_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("row", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("as it came", overflow="fold", ratio=1)
    local = samples.with_columns(pl.col("timestamp").dt.convert_time_zone(settings.churn.timezone))
    for line in local.iter_rows(named=True):
        table.add_row(Text(line["source_file"]), f"{line['source_row']:,}", line["reason"], Text(_as_it_came(line)))
    CONSOLE.print(table)


def _as_it_came(line: Mapping[str, Any]) -> str:
    said = {name: line[name] for name in _COLUMNS} | {
        name: text for name, text in json.loads(line["unreadable"] or "{}").items() if text is not None
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def _say(text: str) -> None:
    CONSOLE.print(text, markup=False)
