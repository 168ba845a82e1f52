"""Files of transactions: one, a folder, a pattern, or a folder of an object store; listed, told apart, and read."""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cache
from glob import has_magic
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import polars as pl

from assets.containers import PACKED, format_of, only_member, unpacked
from assets.csv_files import looks_like_table, read_csv
from assets.dialects import Dialect, plain_text
from assets.ndjson_files import is_object, read_ndjson
from assets.object_store import fetch, head, objects
from models.deliveries import IDENTITY
from models.headers import without_values
from models.mapping import ColumnMapping, DeliveryError, Reading

ENDINGS = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json", ".parquet")
"""How tables are called; of text files, also with an ending of `PACKED` behind it."""

Kind = Literal["csv", "ndjson", "parquet"]

_KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PERHAPS = (".txt", ".json", ".zip")
_HEAD = 1 << 16
_HIDDEN = re.compile(
    r"(^|/)([.~]|_temporary/|_spark_metadata/|_(SUCCESS|metadata|common_metadata|committed_|started_))"
)
_MANAGED = {
    "Delta": re.compile(r"^(?P<folder>.*?)/?_delta_log/"),
    "Iceberg": re.compile(r"^(?P<folder>.*?)/?metadata/[^/]*\.metadata\.json$"),
    "Hudi": re.compile(r"^(?P<folder>.*?)/?\.hoodie/"),
}
_PARTITION = re.compile(r"([^/=]+)=([^/]*)/")


@dataclass(frozen=True)
class File:
    """A file of a source, as it stands now.

    Attributes:
        name: What the lake calls it: relative to the source, so that the folder may move.
        location: Path or URL.
        size: Bytes.
        version: Changes with the content: an object store's entity tag, or when the file was written.
        root: The folder that a file on disk has to lie in.
    """

    name: str
    location: str
    size: int
    version: str
    root: Path | None = None

    @property
    def digest(self) -> str:
        """What its content is known by in the manifest: a SHA-256, of an object store's file without its content."""
        if _is_url(self.location):
            return hashlib.sha256(f"{self.name}\n{self.version}\n{self.size}".encode()).hexdigest()
        self.refuse_elsewhere()
        return _sha256(self.location, self.size, self.version)

    @property
    def elsewhere(self) -> str | None:
        """Why it is not read: whoever may deliver could link to any file that the service may read."""
        if self.root is None:
            return None
        path = Path(self.location).resolve()
        if not path.is_relative_to(self.root):
            return (
                f"{self.name}: a link that leaves the folder of the source. Deliver the file itself, or name the "
                "folder in which it lies as source.path in churn.toml."
            )
        return None if path.is_file() else f"{self.name}: no regular file. Remove it from the source."

    def refuse_elsewhere(self) -> None:
        """Refuse a file that does not lie in the source.

        Raises:
            DeliveryError: Says why.
        """
        if reason := self.elsewhere:
            raise DeliveryError(reason)


@dataclass(frozen=True)
class FileSource:
    """Files of transactions.

    Attributes:
        path: A folder or ``s3://``, ``gs://`` or ``az://`` URL, read with its subfolders; a pattern below either, such
            as ``landing/**/orders-*.csv``; or one file.
        columns: Which of its columns mean what.
        reading: How text becomes moments and numbers.
        dialect: How text files are written.
        on_bad_file: Whether a file that cannot be read stops the night or is left out of it.
        identity: Columns in which two rows of the same line agree.
        corrections: Whether an order that comes again with other lines adds them or is replaced by them.
        retries: How often an object store that does not answer or is overloaded is asked again.
    """

    path: str
    columns: ColumnMapping
    reading: Reading = field(default_factory=Reading)
    dialect: Dialect = field(default_factory=Dialect)
    on_bad_file: Literal["stop", "skip"] = "stop"
    identity: tuple[str, ...] = IDENTITY
    corrections: Literal["add", "replace"] = "add"
    retries: int = 4

    def files(self) -> list[File]:
        """The files that the source holds now, in the order of their names; hidden ones are left out.

        Raises:
            DeliveryError: If there are none, the object store refuses, or a folder is the table of an engine that
                deletes rows without removing them from its files.
        """
        files, passed_over = self._parted
        if not files:
            there = f" {tell_files(passed_over)} cannot be read." if passed_over else ""
            raise DeliveryError(
                f"{self.path}: no file that ends in {', '.join(ENDINGS)}.{there} Set source.path in churn.toml."
            )
        return files

    def passed_over(self) -> list[str]:
        """Names of the files that are there and not read, because nothing tells that they are tables; not hidden ones.

        Raises:
            DeliveryError: As for :meth:`files`.
        """
        return self._parted[1]

    def tell_passed_over(self) -> str | None:
        """The files that are there and not read, in a sentence without its point; None without one."""
        names = self.passed_over()
        return (
            f"files that are passed over: {tell_files(names)}: {remedy(names[0]).removesuffix('.')}" if names else None
        )

    @property
    def _parted(self) -> tuple[list[File], list[str]]:
        base, pattern = _split(self.path)
        files, passed_over = [], []
        for file in sorted(
            _listed(base, self.retries) if _is_url(base) else _paths(Path(base)), key=lambda file: file.name
        ):
            for engine, marks in _MANAGED.items():
                if managed := marks.match(file.name):
                    raise DeliveryError(
                        f"{self.path}: {managed['folder'] or 'the folder'} is a table of {engine}, in which rows that "
                        "were deleted or replaced are still there. Read it by its own engine and deliver what it "
                        "gives as Parquet, and set source.path in churn.toml to that."
                    )
            if _HIDDEN.search(file.name) or (pattern and not _matches(file.name.split("/"), pattern)):
                continue
            if file.elsewhere:
                files.append(file)
                continue
            kind = _kind(file)
            named = self.path.lower().endswith(_PERHAPS)
            if kind is None or (_stem(file.name)[1] in _PERHAPS and not named and not self._is_table(file, kind)):
                passed_over.append(file.name)
            else:
                files.append(file)
        return files, passed_over

    def _is_table(self, file: File, kind: Kind) -> bool:
        """Whether a file whose name may mean anything begins like a table."""
        text = self.beginning(file)
        return is_object(text.lstrip().partition("\n")[0]) if kind == "ndjson" else looks_like_table(text)

    def beginning(self, file: File) -> str:
        """How a file of text begins, letters beyond UTF-8 replaced; nothing where it cannot be read."""
        try:
            if _is_url(file.location):
                start = head(file.location.removesuffix(f"/{file.name}"), file.name, _HEAD, self.retries)
            else:
                with unpacked(Path(file.location), format_of(Path(file.location)), name=file.name) as stream:
                    start = stream.read(_HEAD)
        except (DeliveryError, OSError):
            return ""
        return start.decode("utf-8-sig", "replace")

    def is_csv(self, file: File) -> bool:
        """Whether a file is read as CSV."""
        return _kind(file) in ("csv", None)

    def read(self, file: File, scratch: Path) -> pl.LazyFrame:
        """The rows of a file; see :meth:`contents`."""
        return self.contents(file, scratch).rows

    def contents(self, file: File, scratch: Path) -> "Contents":
        """A file as it is; columns of a CSV as text, because only the mapping knows that 00042 is an id.

        Folders such as ``country=DE`` are columns, as engines of lakes write them.

        Args:
            file: One of :meth:`files`.
            scratch: Folder for what has to be fetched, unpacked or written anew before it can be scanned. The frame
                reads from there, so it has to stay as long as the frame is used.

        Raises:
            DeliveryError: If the file is damaged; the sentence names the line where there is one.
        """
        file.refuse_elsewhere()
        path, copy = Path(file.location), scratch / file.digest
        with readable(file.name):
            if _is_url(file.location):
                path = copy.with_suffix(".object")
                if not path.exists():
                    fetch(file.location.removesuffix(f"/{file.name}"), file.name, path, self.retries)
            kind = _kind(file) or "csv"
            if kind == "parquet":
                frame = pl.scan_parquet(path, hive_partitioning=False, glob=False)
                frame.collect_schema()
                return Contents(_with_partitions(frame, file.name))
            table = "CSV" if kind == "csv" else "NDJSON"
            text = plain_text(path, self.dialect, name=file.name, copy=copy.with_suffix(".text"), table=table)
            named = (name for role in fields(self.columns) for name in getattr(self.columns, role.name))
            wanted = {name.strip().lower() for name in named}
            if kind == "ndjson":
                frame, records = read_ndjson(text.path, name=file.name, wanted=wanted), None
            else:
                lines = copy.with_suffix(".lines")
                frame, records = read_csv(text.path, self.dialect, name=file.name, copy=lines, wanted=wanted)
            return Contents(_with_partitions(frame, file.name), text.encoding, text.nul_lines, records)


@dataclass(frozen=True)
class Contents:
    """What stands in a file.

    Attributes:
        rows: Its rows, as they are.
        encoding: What its text is written in; None where it has ASCII alone, or is no text.
        nul_lines: Numbers of the first lines out of which NUL characters were taken.
        records: Number of its rows, counted otherwise than by reading them; None where it was not.
    """

    rows: pl.LazyFrame
    encoding: str | None = None
    nul_lines: tuple[int, ...] = ()
    records: int | None = None


def tell_files(names: Sequence[str]) -> str:
    """Names of files for a message, at most five."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def remedy(name: str) -> str:
    """What to do about a file that is passed over, so that it is read."""
    ending = _stem(name)[1] or Path(name.lower()).suffix
    if ending == ".txt":
        return "it does not begin like a table. Call it .csv if it is one."
    if ending == ".json":
        return "it does not hold one JSON object a line. Write it so, such as with jq -c '.[]', if it is a table."
    if ending in PACKED:
        return "it is no archive of one table. Deliver what is in it unpacked, or each table as .csv.gz."
    if ending in _KINDS:
        return "its compression is not read. Deliver it as it is."
    if ending in {".part", ".partial", ".filepart", ".tmp", ".crdownload"}:
        return "it seems to be still on its way. Remove it if it is not."
    return "its ending is not one of a table. Deliver it as CSV, Parquet or NDJSON if it is one, or elsewhere."


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what Polars or the disk says about a delivery into a sentence.

    Raises:
        DeliveryError: Names the delivery, and what is wrong with it.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = without_values(str(error).splitlines()[0])
        raise DeliveryError(
            f"{name}: not readable ({reason}). Deliver it again or remove it from the source."
        ) from error
    except BaseException as error:
        # A panic of Polars, such as for a moment beyond all calendars, has no class that could be named, and is no
        # `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise DeliveryError(
            f"{name}: not readable ({without_values(str(error))}). Mend the value, deliver it again or remove it from "
            "the source."
        ) from None


def _stem(name: str) -> tuple[str, str]:
    """The name without its compression, and the ending that says what is in it."""
    stem = name.lower()
    packed = next((ending for ending in PACKED if stem.endswith(ending)), "")
    stem = stem.removesuffix(packed)
    ending = Path(stem).suffix
    return (stem, ending) if ending in _KINDS else (name.lower(), packed)


def _kind(file: File) -> Kind | None:
    """What a file is by its name; of an archive whose name does not tell, by the name of what is in it."""
    stem, ending = _stem(file.name)
    if ending == ".zip" and not _is_url(file.location):
        try:
            with zipfile.ZipFile(file.location) as archive:
                ending = Path(only_member(archive, name=file.name).lower()).suffix
        except (DeliveryError, OSError, zipfile.BadZipFile):
            return None
    kind = _KINDS.get(ending)
    return None if kind == "parquet" and stem != file.name.lower() else kind


def _with_partitions(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    partitions = {unquote(key): unquote(value) for key, value in _PARTITION.findall(name)}
    own = frame.collect_schema().names() if partitions else ()
    return frame.with_columns(
        pl.lit(None if value == "__HIVE_DEFAULT_PARTITION__" else value, pl.String).alias(key)
        for key, value in partitions.items()
        if key not in own
    )


def _is_url(location: str) -> bool:
    return "://" in location


def _split(path: str) -> tuple[str, list[str]]:
    """What to list, and the parts of the pattern that its names have to match."""
    parts = path.rstrip("/").split("/")
    if _is_url(path) and _stem(path)[1] in _KINDS and not has_magic(path):
        return "/".join(parts[:-1]), parts[-1:]
    if not has_magic(path) or Path(path).exists():
        return "/".join(parts), []
    first = next(place for place, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:first]) or ("/" if path.startswith("/") else "."), parts[first:]


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _listed(base: str, retries: int) -> Iterator[File]:
    for key, size, version in objects(base, retries):
        yield File(key, f"{base}/{key}", size, version)


def _paths(base: Path) -> Iterator[File]:
    if not base.exists():
        raise DeliveryError(f"{base}: no such file or folder. Set source.path in churn.toml.")
    root = (base if base.is_dir() else base.parent).resolve()
    for path in base.rglob("*") if base.is_dir() else [base]:
        if path.is_symlink() or not path.is_dir():
            state = path.stat() if path.exists() else path.lstat()
            name = path.name if path == base else path.relative_to(base).as_posix()
            yield File(name, str(path), state.st_size, str(state.st_mtime_ns), root)


@cache
def _sha256(path: str, _size: int, _version: str) -> str:
    # Size and version tell a file that was changed from the one whose digest is remembered.
    with readable(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
