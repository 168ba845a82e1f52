"""Where a customer stands, place by place, and how each place forgets him; counted before and after."""

import gzip
import mmap
import re
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from assets.crm import Crm
from assets.crm_layout import CUSTOMERS, HISTORY, LOG, Store
from assets.crm_sqlite import clear_pages
from assets.drafts import write_whole
from assets.erased import APPLIED
from assets.exports import export
from assets.lake import Lake, store
from assets.packs import FOLDER
from assets.postgresql import is_postgresql, literal, quoted
from assets.turn import HOLDER
from assets.written import written_forms
from models.ids import folded

EXPORTED = "at_risk_segments.parquet"
GONE = "(erased)"
EXPORTS = frozenset({".parquet", ".csv", ".xlsx"})
PAGES = frozenset({".html", ".md"})
_NOTHING_OF_CUSTOMERS = frozenset({APPLIED, HOLDER})
_ENCLOSED = (("\\*\\*", "\\*\\*"), (">", "<"), ("'", "'"), ('"', '"'), ("&#39;", "&#39;"), ("&#34;", "&#34;"))
"""What stands before and after an id in a page: bold, alone in a cell, or quoted; a number in a text is none."""

Counts = Mapping[str, int | None]
"""How often a customer stands where, by name; None where that could not be looked at, absent where he does not."""


class Place(Protocol):
    """Somewhere that customers stand."""

    def count(self, customer: str) -> Counts:
        """How often the customer stands where.

        Raises:
            DeliveryError: If the place cannot be looked at.
        """

    def erase(self, customer: str) -> None:
        """Forget him; done again after an interruption it goes on.

        Raises:
            DeliveryError: If that cannot be done, or only in part.
        """


@dataclass(frozen=True)
class LakeTables:
    """Every table of the lake, those of backtests among them."""

    lake: Lake

    def count(self, customer: str) -> Counts:
        """Rows by table, files that cannot be read by name."""
        found: Counter[str] = Counter()
        spoilt: dict[str, None] = {}
        for file in self._files():
            rows = _rows(file, customer)
            if rows is None:
                spoilt[f"lake, {file.relative_to(self.lake.root)}"] = None
            else:
                found[f"lake, {file.parent.parent.relative_to(self.lake.root)}"] += rows
        return {**+found, **spoilt}

    def erase(self, customer: str) -> None:
        """Write the nights that hold him anew, without him; the account of each night still adds up."""
        if (packs := Path(self.lake.root) / FOLDER).exists():
            shutil.rmtree(packs)
        for file in self._files():
            if _rows(file, customer):
                store(
                    pl.read_parquet(file, hive_partitioning=False, glob=False).filter(
                        pl.col("customer_id").ne_missing(customer)
                    ),
                    file,
                )
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

    def near(self, customer: str) -> list[str]:
        """Other ids that differ from one in capitals, blanks, leading zeros and the like alone."""
        alike = folded(pl.lit(customer))
        found: set[str] = set()
        for file in self._files():
            if _rows(file, customer) is not None:
                ids = pl.scan_parquet(file, hive_partitioning=False, glob=False).filter(
                    folded(pl.col("customer_id")) == alike
                )
                found.update(ids.select(pl.col("customer_id").unique()).collect().to_series())
        return sorted(found - {customer})

    def first_nights(self) -> pl.DataFrame:
        """customer_id and the first night of everybody of whom the lake has more than what they permit."""
        parts = [
            pl.scan_parquet(file, hive_partitioning=False, glob=False).select(
                pl.col("customer_id").unique(), night=pl.lit(file.parent.name.removeprefix("night=")).str.to_date()
            )
            for file in self._files()
            if file.parent.parent.name != "customer_consents"
        ]
        rows = pl.concat([pl.LazyFrame(schema={"customer_id": pl.String, "night": pl.Date}), *parts]).drop_nulls()
        return rows.group_by("customer_id").agg(pl.col("night").min()).collect()

    def _files(self) -> Iterator[Path]:
        for file in sorted(Path(self.lake.root).rglob("night=*/*.parquet")):
            try:
                if "customer_id" in pl.read_parquet_schema(file):
                    yield file
            except (pl.exceptions.PolarsError, OSError):
                yield file


@dataclass(frozen=True)
class CrmTables:
    """The tables of the delivery in the CRM's database; whatever else stands there is not ours."""

    crm: Crm

    def count(self, customer: str) -> Counts:
        """Rows by table."""
        if self._is_new():
            return {}
        with self.crm.transaction() as database:
            counts = {table: self._rows(database, table, customer) for table in self._tables(database)}
        return {f"CRM, {table}": rows for table, rows in counts.items() if rows}

    def erase(self, customer: str) -> None:
        """Delete his rows, and have the log count the others, so that each night can still be published again."""
        if self._is_new():
            return
        with self.crm.transaction() as database:
            for table in self._tables(database):
                database.execute(f"DELETE FROM {quoted(table)} WHERE customer_id = {literal(customer)}")  # noqa: S608
            if database.columns(LOG):
                counted = f"SELECT count(*) FROM {HISTORY} WHERE {HISTORY}.night = {LOG}.night"  # noqa: S608
                stored = f"SELECT night FROM {HISTORY}"  # noqa: S608
                database.execute(f"UPDATE {LOG} SET rows = ({counted}) WHERE night IN ({stored})")  # noqa: S608
        if not is_postgresql(self.crm.database):
            clear_pages(self.crm.database)

    def _is_new(self) -> bool:
        return not is_postgresql(self.crm.database) and not Path(self.crm.database).exists()

    def _tables(self, database: Store) -> list[str]:
        return [table for table in CUSTOMERS if "customer_id" in database.columns(table)]

    @staticmethod
    def _rows(database: Store, table: str, customer: str) -> int:
        query = f"SELECT count(*) AS n FROM {quoted(table)} WHERE customer_id = {literal(customer)}"  # noqa: S608
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

    def count(self, customer: str) -> Counts:
        """Rows by file."""
        found = {f"exports, {file.relative_to(self.folder)}": _exported(file, customer) for file in self.files()}
        return {name: rows for name, rows in found.items() if rows != 0}

    def erase(self, customer: str) -> None:
        """Write the nights that hold him anew, without him."""
        for folder in sorted({file.parent for file in self.files() if _exported(file, customer)}):
            # Without the file for programs there is nothing to write the others from: they stay, and are counted.
            if (folder / EXPORTED).exists():
                others = pl.read_parquet(folder / EXPORTED, glob=False).filter(pl.col("customer_id") != customer)
                export(others, folder, language=self.language, segments=self.segments)

    def files(self) -> list[Path]:
        """The files that are written for a night."""
        found = sorted(self.folder.rglob("at_risk_segments*"))
        return [file for file in found if file.suffix in EXPORTS]


@dataclass(frozen=True)
class Pages:
    """Pages and texts that name single customers: reports, and examples of bad values in Data Docs."""

    name: str
    folder: Path

    def count(self, customer: str) -> Counts:
        """Mentions by file."""
        found = {f"{self.name}, {file.relative_to(self.folder)}": _mentions(file, customer) for file in self.files()}
        return {name: times for name, times in found.items() if times != 0}

    def erase(self, customer: str) -> None:
        """Take the name out; what was said of nobody in particular stays."""
        for file in self.files():
            if _mentions(file, customer):
                text = file.read_text(encoding="utf-8")
                for mention in _enclosed(customer):
                    text = mention.sub(rf"\1{GONE}\3", text)
                write_whole(file, text)

    def files(self) -> list[Path]:
        """The pages."""
        return sorted(file for file in self.folder.rglob("*") if file.suffix in PAGES)


@dataclass(frozen=True)
class OtherFiles:
    """Whatever else stands in a folder; it is looked into, packed or not, and left as it is.

    Attributes:
        name: Of the folder.
        folder: The folder.
        ours: Endings of the files that another place answers for.
    """

    name: str
    folder: Path
    ours: frozenset[str]

    def count(self, customer: str) -> Counts:
        """Mentions by file."""
        found = {f"{self.name}, {file.relative_to(self.folder)}": _traces(file, customer) for file in self._files()}
        return {name: times for name, times in found.items() if times != 0}

    def erase(self, customer: str) -> None:
        """Leave them: nobody knows how they are to be written anew."""

    def _files(self) -> Iterator[Path]:
        for file in sorted(self.folder.rglob("*")):
            inside = file.relative_to(self.folder)
            # Models of backtests, and what was counted of them, know no customer.
            named = inside.name in _NOTHING_OF_CUSTOMERS or inside.parts[0] == "backtest"
            if not named and file.suffix not in self.ours and (file.is_symlink() or not file.is_dir()):
                yield file


def _rows(file: Path, customer: str) -> int | None:
    """Rows of a customer in a table; None if it cannot be read."""
    if file.suffix == ".csv":
        frame = pl.scan_csv(file, infer_schema=False, glob=False)
    else:
        frame = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    try:
        return int(frame.filter(pl.col("customer_id") == customer).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError):
        return None


def _exported(file: Path, customer: str) -> int | None:
    return _traces(file, customer, rb"[<>]") if file.suffix == ".xlsx" else _rows(file, customer)


def _mentions(file: Path, customer: str) -> int | None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return sum(len(mention.findall(text)) for mention in _enclosed(customer))


def _enclosed(customer: str) -> Iterator[re.Pattern[str]]:
    forms = "|".join(map(re.escape, written_forms(customer)))
    for before, after in _ENCLOSED:
        blank = r"\s*" if before == ">" else ""
        yield re.compile(rf"(?<={before})({blank})({forms})({blank})(?={after})")


def _traces(file: Path, customer: str, edge: bytes = rb"[\s,;|\"'<>*\x00]") -> int | None:
    """Mentions in a file of whatever kind between two letters that end a field; None if it cannot be read."""
    forms = b"|".join(re.escape(form.encode()) for form in written_forms(customer))
    mention = re.compile(rb"(?:(?<=" + edge + rb")|\A)(?:" + forms + rb")(?=" + edge + rb"|\Z)")
    try:
        return sum(len(mention.findall(content)) for content in _contents(file))
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, pl.exceptions.PolarsError):
        return None


def _contents(file: Path) -> Iterator[bytes | mmap.mmap]:
    """What a file says, unpacked."""
    with file.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        if start == b"PAR1":
            texts = pl.scan_parquet(file, hive_partitioning=False, glob=False).select(pl.col(pl.String))
            yield texts.collect().write_csv().encode()
        elif start[:2] == b"\x1f\x8b":
            with gzip.open(stream) as packed:
                yield packed.read()
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(stream) as archive:
                yield from map(archive.read, archive.namelist())
        elif start:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield content
