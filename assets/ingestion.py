"""What arrived tonight, taken in once."""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.database import DatabaseSource, read_database
from assets.erased import REMOVE, Erasures, spared
from assets.escaping import as_markdown
from assets.file_delivery import read_files
from assets.files import FileSource
from assets.lake import SCHEMAS, Lake
from assets.network import Network
from assets.nights import BEFORE_TONIGHT, NIGHTS, as_night, night_just_ended
from assets.repeats import repeats, replacements, shared, unseen
from models.definition import ChurnDefinition
from models.deliveries import Arrival, Delivery, waiting
from models.delivery_notes import REMARKS, SKIPPED, WARNINGS, DeliveryNote, Note, sentences
from models.mapping import ColumnMapping, DeliveryError
from models.transactions import ValidationRules, rejected


def read_source(
    source: FileSource | DatabaseSource,
    definition: ChurnDefinition,
    *,
    night: date,
    manifest: pl.DataFrame,
    scratch: Path,
) -> Iterator[Arrival]:
    """Read what a source brings on a night; see :func:`read_files` and :func:`read_database`.

    Raises:
        DeliveryError: If it cannot be read, or lines were told apart in another way on earlier nights.
    """
    mine = ", ".join(sorted(source.identity))
    for other in manifest.filter(pl.col("identity") != mine)["identity"].head(1):
        raise DeliveryError(
            f"source.identity is {mine}, but earlier nights told lines apart by {other}: what comes again would count "
            f"twice. Set it back in churn.toml, or {REMOVE} and run its nights again."
        )
    if isinstance(source, DatabaseSource):
        yield from read_database(source, definition, night=night, manifest=manifest, scratch=scratch)
    else:
        if source.corrections == "replace" and "transaction_id" not in source.columns.delivered:
            raise DeliveryError(
                'source.corrections is "replace", which identifies orders by their ids: set '
                'source.columns.transaction_id in churn.toml, or source.corrections = "add"'
            )
        yield from read_files(source, definition, night=night, manifest=manifest, scratch=scratch)


def refuse_unfinished(night: date, definition: ChurnDefinition) -> None:
    """Refuse a night that is not over: rows would be missing from it for ever.

    Raises:
        DeliveryError: If the night's midnight is still to come in the zone of the settings.
    """
    last = night_just_ended(datetime.now(UTC), definition.zone)
    if night > last:
        raise DeliveryError(
            f"night {night} is not over in {definition.timezone}: the newest night that can run is {last}"
        )


def refuse_half_nights(lake: Lake, passed: Collection[date]) -> None:
    """Refuse to go on after a night that stopped between its rows and their sums: nobody would learn of them.

    Raises:
        DeliveryError: Names the first such night.
    """
    added_up = set(lake.nights("customer_days")) & set(lake.nights("customer_items"))
    if half := sorted(set(passed) - added_up):
        raise DeliveryError(
            f"night {half[0]} took in its rows and stopped before they were added up. Run it again first: "
            f"`churn run --night {half[0]}`"
        )


@dg.multi_asset(
    outs={name: dg.AssetOut(kinds={"polars"}) for name in ("deliveries", "delivery_notes", "raw_transactions")},
    ins={"earlier": dg.AssetIn("deliveries", partition_mapping=BEFORE_TONIGHT)},
    internal_asset_deps={
        "deliveries": {dg.AssetKey("deliveries")},
        "delivery_notes": set(),
        "raw_transactions": set(),
    },
    partitions_def=NIGHTS,
    group_name="ingestion",
)
def arrivals(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    source: dg.ResourceParam[Any],
    scratch: dg.ResourceParam[Path],
    churn: dg.ResourceParam[ChurnDefinition],
    network: dg.ResourceParam[Network],
    erasures: dg.ResourceParam[Erasures],
    rules: dg.ResourceParam[ValidationRules],
    columns: dg.ResourceParam[ColumnMapping],
    earlier: pl.DataFrame,
) -> tuple[pl.LazyFrame, pl.DataFrame, pl.LazyFrame]:
    """Take in what arrived by the end of the night; what was taken once is not asked for again."""
    night = as_night(context.partition_key)
    # Only nights that passed the gate count: what a blocked one brought arrives again, mended, with its next run.
    passed = lake.nights("transactions")
    if night in passed:
        context.log.info(f"night {night} was ingested before and is immutable: its rows are used as they are stored")
        notes = lake.scan("delivery_notes", [night]).collect()
        tell(context, notes)
        return lake.scan("deliveries", [night]), notes, lake.scan("raw_transactions", [night])
    refuse_unfinished(night, churn)
    if passed and passed[-1] > night:
        raise DeliveryError(
            f"night {night} was missed, and night {passed[-1]} has taken its rows since: nothing is left to ingest. "
            f"To have the nights one by one, {REMOVE} and run `churn nights {night}..{passed[-1]}`."
        )
    refuse_half_nights(lake, passed)
    lake.pack(night)
    manifest = earlier.filter(pl.col("night").is_in(passed))
    with network.patient(context):
        taken = list(read_source(source, churn, night=night, manifest=manifest, scratch=scratch))
    if isinstance(source, DatabaseSource):
        taken = [unseen(lake, each, rules, night, mapped=columns.delivered, identity=source.identity) for each in taken]
    erased, known = erasures.read(), partial(lake.arrived, "customer_days", night)
    taken = [spared(each, erased, known) for each in taken]
    raw = SCHEMAS["raw_transactions"]
    rows = [raw.create_empty(lazy=True), *(each.rows for each in taken if each.rows is not None)]
    lines = [each.line for each in taken if each.line is not None]
    arrived = pl.concat(rows, how="diagonal").select(raw.column_names())
    today = night_just_ended(datetime.now(UTC), churn.zone)
    due = [line for line in lines if line["due"]]
    again: list[Iterator[Note]] = [shared(arrived, source.identity)] if len(due) > 1 else []
    if due and source.corrections == "replace":
        judged = arrived.with_columns(rejected=rejected(rules, night=night, mapped=columns.delivered))
        again += [replacements(lake, judged, night, rules, identity=source.identity, source="source")]
    elif due:
        again += [repeats(lake, arrived, night, identity=source.identity, source="source")]
    said = chain(*(each.notes for each in taken), waiting(manifest, lines, night=night, today=today), *again)
    noted = [(night, *note) for note in said]
    notes = pl.DataFrame(noted, schema=DeliveryNote.create_empty().schema, orient="row")
    tell(context, notes)
    deliveries = pl.LazyFrame(lines, schema=Delivery.create_empty().schema)
    return deliveries, notes, arrived


def tell(context: dg.AssetExecutionContext, notes: pl.DataFrame) -> None:
    """Say the notes of a night where the run is watched, and keep them with its deliveries."""
    warned, noted = ([each for kind in kinds for each in sentences(notes, kind)] for kinds in (WARNINGS, REMARKS))
    for sentence in warned:
        context.log.warning(sentence)
    for sentence in noted:
        context.log.info(sentence)
    words = dg.MetadataValue.md("\n".join(f"- {as_markdown(sentence)}" for sentence in warned + noted))
    skipped = len(sentences(notes, SKIPPED))
    context.add_output_metadata({"skipped_files": skipped, "notes": words}, output_name="deliveries")
