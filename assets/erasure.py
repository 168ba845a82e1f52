"""Where a customer stands, place by place, and how each place forgets him; counted before and after."""

import html
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from assets.crm import Crm
from assets.crm_layout import CURRENT, HISTORY, LOG, Store
from assets.exports import export
from assets.lake import Lake, store
from assets.packs import FOLDER
from assets.postgresql import is_postgresql, literal

EXPORTED = "at_risk_segments.parquet"
GONE = "(erased)"


class Place(Protocol):
    """Somewhere that customers stand."""

    def count(self, customer: str) -> dict[str, int]:
        """How often the customer stands where; nothing where he does not."""

    def erase(self, customer: str) -> None:
        """Forget him; done again after an interruption it goes on."""


@dataclass(frozen=True)
class LakeTables:
    """Every table of the lake, those of backtests among them."""

    lake: Lake

    def count(self, customer: str) -> dict[str, int]:
        """Rows by table."""
        found: Counter[str] = Counter()
        for file in self._files():
            of_table = f"lake, {file.parent.parent.relative_to(self.lake.root)}"
            found[of_table] += _rows(file, customer)
        return dict(+found)

    def erase(self, customer: str) -> None:
        """Write the nights that hold him anew, without him; the account of each night still adds up."""
        if (packs := Path(self.lake.root) / FOLDER).exists():
            shutil.rmtree(packs)
        for file in self._files():
            if _rows(file, customer):
                store(pl.read_parquet(file).filter(pl.col("customer_id").ne_missing(customer)), file)
        for night in self.lake.nights("ledger"):
            tables = ("raw_transactions", "transactions", "quarantine", "deliveries", "ledger")
            raw, valid, aside, deliveries, ledger = (self.lake.scan(table, [night]).collect() for table in tables)
            counts = raw.group_by("source_file").agg(pl.len().cast(pl.Int64).alias("stored"))
            account = ledger.with_columns(
                delivered=pl.lit(raw.height, pl.Int64),
                valid=pl.lit(valid.height, pl.Int64),
                quarantined=pl.lit(aside.height, pl.Int64),
                known=pl.lit(raw.height - valid.height - aside.height, pl.Int64),
            )
            due = deliveries.join(counts, on="source_file", how="left", maintain_order="left").with_columns(
                due=pl.col("stored").fill_null(0)
            )
            for table, old, new in (("ledger", ledger, account), ("deliveries", deliveries, due.drop("stored"))):
                if not new.equals(old):
                    self.lake.write(table, night, new)

    def _files(self) -> Iterator[Path]:
        for file in sorted(Path(self.lake.root).rglob("*.parquet")):
            if "customer_id" in pl.read_parquet_schema(file):
                yield file


@dataclass(frozen=True)
class CrmTables:
    """The tables of the delivery in the CRM's database; whatever else stands there is not ours."""

    crm: Crm

    def count(self, customer: str) -> dict[str, int]:
        """Rows by table."""
        with self.crm.transaction() as database:
            counts = {table: self._rows(database, table, customer) for table in self._tables(database)}
        return {f"CRM, {table}": rows for table, rows in counts.items() if rows}

    def erase(self, customer: str) -> None:
        """Delete his rows, and have the log count the others, so that each night can still be published again."""
        with self.crm.transaction() as database:
            for table in self._tables(database):
                database.execute(f"DELETE FROM {table} WHERE customer_id = {literal(customer)}")  # noqa: S608
            if database.columns(LOG):
                counted = f"SELECT count(*) FROM {HISTORY} WHERE {HISTORY}.night = {LOG}.night"  # noqa: S608
                stored = f"SELECT night FROM {HISTORY}"  # noqa: S608
                database.execute(f"UPDATE {LOG} SET rows = ({counted}) WHERE night IN ({stored})")  # noqa: S608
        if not is_postgresql(self.crm.database):
            # What is deleted stays in the pages of the file until it is written anew.
            with closing(sqlite3.connect(self.crm.database, isolation_level=None, timeout=60)) as connection:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _tables(self, database: Store) -> list[str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if is_postgresql(self.crm.database):
            query = (
                "SELECT relname::text AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
                "AND relkind IN ('r', 'p') AND NOT relispartition"
            )
        tables = database.read(query, {"name": pl.String()})["name"].sort()
        return [name for name in tables if name.startswith(CURRENT) and "customer_id" in database.columns(name)]

    @staticmethod
    def _rows(database: Store, table: str, customer: str) -> int:
        query = f"SELECT count(*) AS n FROM {table} WHERE customer_id = {literal(customer)}"  # noqa: S608
        return int(database.read(query, {"n": pl.Int64()}).item())


@dataclass(frozen=True)
class Exports:
    """The files of each night.

    Attributes:
        folder: Where they are.
        language: Of the workbook among them.
        segments: Names of segments in it, by their codes.
    """

    folder: Path
    language: str = "en"
    segments: Mapping[str, str] | None = None

    def count(self, customer: str) -> dict[str, int]:
        """Rows by file."""
        files = [file for file in sorted(self.folder.rglob("at_risk_segments*")) if file.suffix in (".parquet", ".csv")]
        found = {f"exports, {file.relative_to(self.folder)}": _rows(file, customer) for file in files}
        return {name: rows for name, rows in found.items() if rows}

    def erase(self, customer: str) -> None:
        """Write the nights that hold him anew, without him."""
        for folder in sorted({(self.folder / name.removeprefix("exports, ")).parent for name in self.count(customer)}):
            table = pl.read_parquet(folder / EXPORTED)
            others = table.filter(pl.col("customer_id") != customer)
            export(others, folder, language=self.language, segments=self.segments)


@dataclass(frozen=True)
class Pages:
    """Pages and texts that name single customers: reports, and examples of bad values in Data Docs."""

    name: str
    folder: Path

    def count(self, customer: str) -> dict[str, int]:
        """Mentions by file."""
        found = {file: len(_mention(customer).findall(file.read_text(encoding="utf-8"))) for file in self._files()}
        return {f"{self.name}, {file.relative_to(self.folder)}": times for file, times in found.items() if times}

    def erase(self, customer: str) -> None:
        """Take the name out; what was said of nobody in particular stays."""
        for file in self._files():
            text = file.read_text(encoding="utf-8")
            if (clean := _mention(customer).sub(rf"\1{GONE}\3", text)) != text:
                draft = file.with_suffix(".draft")
                draft.write_text(clean, encoding="utf-8")
                draft.replace(file)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.rglob("*") if file.suffix in (".html", ".md"))


def _mention(customer: str) -> re.Pattern[str]:
    """An id as reports print it, bold, or as Data Docs do, alone in a cell or quoted; a number in a text is none."""
    plain, escaped = re.escape(customer), re.escape(html.escape(customer))
    return re.compile(rf"(\*\*|>\s*|'|\"|&#39;|&#34;)({plain}|{escaped})(\*\*|\s*<|'|\"|&#39;|&#34;)")


def _rows(file: Path, customer: str) -> int:
    if file.suffix == ".csv":
        frame = pl.scan_csv(file, infer_schema=False)
    else:
        frame = pl.scan_parquet(file, hive_partitioning=False)
    return int(frame.filter(pl.col("customer_id") == customer).select(pl.len()).collect().item())
