"""The lake: one folder per table, one Parquet file per night, whole or not there at all."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import dataframely as dy
import polars as pl

from assets.drafts import draft_of
from assets.listing import listed
from assets.nights import FIRST_NIGHT, as_night
from assets.packs import PACKED, file_of, files_of, months, unpack
from models.consent import Consent
from models.customer_days import CustomerDay
from models.customer_items import CustomerItem
from models.deliveries import ORDER, Delivery, Ledger, ReplacedOrder
from models.delivery_notes import DeliveryNote
from models.drift import Drift
from models.enrolment import Enrolment
from models.facts import Fact
from models.propensities import ActionPropensity
from models.save_rates import SaveRate
from models.scores import ChurnScore
from models.segments import AtRiskSegment
from models.settlement import Performance, SettledOutcome
from models.transactions import Quarantine, RawTransaction, Transaction
from models.uplift import RetentionUplift

SCHEMAS: dict[str, type[dy.Schema]] = {
    "deliveries": Delivery,
    "delivery_notes": DeliveryNote,
    "raw_transactions": RawTransaction,
    "transactions": Transaction,
    "quarantine": Quarantine,
    "ledger": Ledger,
    "replaced_orders": ReplacedOrder,
    "customer_days": CustomerDay,
    "customer_items": CustomerItem,
    "customer_facts": Fact,
    "customer_consents": Consent,
    "churn_scores": ChurnScore,
    "save_rates": SaveRate,
    "at_risk_segments": AtRiskSegment,
    "action_propensities": ActionPropensity,
    "model_drift": Drift,
    "settled_outcomes": SettledOutcome,
    "enrolments": Enrolment,
    "live_performance": Performance,
    "retention_uplift": RetentionUplift,
}
"""The declared tables; the columns of the others follow from the recipe of features and models."""

_REPLACED_BY = {"transactions": ORDER, "customer_days": ORDER[:2], "customer_items": ORDER[:2]}
"""By what a row is told to count no longer, once a later night has replaced an order: sums are those of whole days."""


class Lake(dg.ConfigurableIOManager):
    """Stores what an asset returns under its night, and hands any span of nights back as one lazy frame.

    Attributes:
        root: Folder of the lake.
        reach_days: Days before a night that features look back on at most; all of them if absent.
    """

    root: str
    reach_days: int | None = None

    def file(self, table: str, night: date) -> Path:
        """Where a night of a table is stored."""
        return Path(file_of(self.root, table, night))

    def nights(self, table: str, since: date = FIRST_NIGHT, until: date = date.max) -> list[date]:
        """The nights of a table that are stored, from one to another, oldest first."""
        found = listed(f"{self.root}/{table}")
        return found[bisect_left(found, since) : bisect_right(found, until)]

    def within_reach(self, table: str, first: date | None, last: date) -> list[date]:
        """The nights of a table up to the last of some nights that can hold what the first, if any, looks back on.

        A row stands in the night of its event day or a later one, so that no older night has anything to add.
        """
        since = FIRST_NIGHT if first is None or self.reach_days is None else first - timedelta(days=self.reach_days)
        return self.nights(table, since, last)

    def before(self, table: str, night: date) -> list[date]:
        """The nights of a table that lie before a night, oldest first."""
        return self.nights(table, until=night - timedelta(days=1))

    def arrived(self, table: str, night: date) -> pl.LazyFrame:
        """What every night up to one brought to a table: all that was known at its end."""
        return self.scan(table, self.nights(table, until=night))

    def scan(self, table: str, nights: Iterable[date]) -> pl.LazyFrame:
        """Read nights of a table as one frame, as it was known on the last of them: without what was replaced by then.

        Raises:
            FileNotFoundError: If there are none and the table's columns are not declared.
            ValueError: If a stored night has other columns than the declared ones.
        """
        nights = list(nights)
        files = files_of(self.root, table, nights)
        schema = SCHEMAS.get(table)
        if files:
            frame = pl.scan_parquet(files, hive_partitioning=False, glob=False, missing_columns="insert")
            if replacing := self.replacing(table, nights):
                frame = self._without_replaced(table, files, replacing)
        elif schema is not None:
            return schema.create_empty(lazy=True)
        else:
            raise FileNotFoundError(f"{table} has no stored night in {self.root}: run `churn run` first")
        if schema is not None:
            _conform(frame, schema, table)
        return frame

    def replacing(self, table: str, nights: Sequence[date]) -> list[date]:
        """The nights that replace any orders of which a table may have rows on some nights."""
        if table not in _REPLACED_BY or len(nights) < 2:
            return []
        return self.nights("replaced_orders", min(nights) + timedelta(days=1), max(nights))

    def _without_replaced(self, table: str, files: list[str], replacing: Sequence[date]) -> pl.LazyFrame:
        key = _REPLACED_BY[table]
        last = (
            _with_night(files_of(self.root, "replaced_orders", replacing)).group_by(key).agg(replaced=pl.max("night"))
        )
        return (
            _with_night(files)
            .join(last, on=key, how="left", maintain_order="left")
            .filter(pl.col("replaced").is_null() | (pl.col("night") >= pl.col("replaced")))
            .drop("night", "replaced")
        )

    def write(self, table: str, night: date, frame: pl.LazyFrame | pl.DataFrame) -> int:
        """Store a night of a table in one step that no reader can see half done.

        Returns:
            The number of rows.

        Raises:
            ValueError: If the frame lacks a declared column or has it in another type.
        """
        schema = SCHEMAS.get(table)
        if schema is not None:
            _conform(frame.lazy(), schema, table)
        path = self.file(table, night)
        path.parent.mkdir(parents=True, exist_ok=True)
        unpack(self.root, table, night)
        store(frame, path)
        return pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()  # type: ignore[no-any-return]

    def pack(self, night: date) -> None:
        """Put months of small tables before that of a night together, for all who read years of them.

        Whoever calls it has the turn to write to the lake.
        """
        for table in PACKED:
            schema = SCHEMAS[table].create_empty().schema
            # The month of the last night still grows.
            for pack, nights in list(months(self.root, table, self.before(table, night)))[:-1]:
                if not pack.exists():
                    pack.parent.mkdir(parents=True, exist_ok=True)
                    unpack(self.root, table, nights[0])
                    files = [self.file(table, each) for each in nights]
                    rows = pl.scan_parquet(
                        files, hive_partitioning=False, glob=False, schema=schema, missing_columns="insert"
                    )
                    store(rows, pack)

    def handle_output(self, context: dg.OutputContext, obj: pl.LazyFrame | pl.DataFrame) -> None:
        """Store what an asset returned."""
        table, night = context.asset_key.path[-1], as_night(context.partition_key)
        rows = self.write(table, night, obj)
        path = dg.MetadataValue.path(str(self.file(table, night)))
        context.add_output_metadata({"dagster/row_count": rows, "path": path})
        # What is declared stands in the definition of the asset; the columns of the others follow from settings.
        if table not in SCHEMAS:
            context.add_output_metadata({"dagster/column_schema": column_schema(obj.collect_schema())})

    def load_input(self, context: dg.InputContext) -> pl.LazyFrame | pl.DataFrame:
        """Read the nights of an upstream table that its partition mapping names and that ever ran."""
        table, span = context.asset_key.path[-1], context.asset_partition_key_range
        first, last = as_night(span.start), as_night(span.end)
        frame = self.scan(table, self.nights(table, first, last))
        return frame.collect() if context.dagster_type.typing_type is pl.DataFrame else frame


def column_schema(schema: Mapping[str, pl.DataType]) -> dg.TableSchema:
    """The columns of a table as Dagster's pages show them."""
    return dg.TableSchema([dg.TableColumn(name, f"{dtype}") for name, dtype in schema.items()])


def store(frame: pl.LazyFrame | pl.DataFrame, path: Path) -> None:
    """Write a file of the lake in one step that no reader can see half done."""
    # Fixed row groups: the default ones follow the threads of the machine, and the same rows give the same bytes
    # wherever a night runs again.
    with draft_of(path) as draft:
        frame.lazy().sink_parquet(
            draft, compression="zstd", statistics=True, row_group_size=122_880, maintain_order=True
        )


def _with_night(files: list[str]) -> pl.LazyFrame:
    """The rows of files with ``night``, the one under which each file is stored."""
    rows = pl.scan_parquet(
        files, hive_partitioning=False, glob=False, missing_columns="insert", include_file_paths="file"
    )
    return rows.with_columns(night=pl.col("file").str.extract(r"night=([0-9-]{10})/[^/]*$").str.to_date()).drop("file")


def _conform(frame: pl.LazyFrame, schema: type[dy.Schema], table: str) -> None:
    stored, declared = frame.collect_schema(), schema.create_empty().schema
    wrong = [
        f"{name} is {stored.get(name, 'missing')} instead of {dtype}"
        for name, dtype in declared.items()
        if stored.get(name) != dtype
    ]
    if wrong:
        raise ValueError(
            f"{table}: {'; '.join(wrong)}. The stored night was written by another version of churn: "
            f"remove the table's folder and run its nights again."
        )
