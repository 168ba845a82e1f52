"""Files of transactions: one, a folder, a pattern, or a folder of an object store; listed, told apart, and read."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from glob import escape, has_magic
from pathlib import Path
from typing import Literal

import polars as pl

from assets.csv_files import read_csv
from assets.dialects import Dialect, plain_text
from assets.object_store import fetch, objects
from models.deliveries import IDENTITY
from models.mapping import ColumnMapping, DeliveryError, Reading

ENDINGS = (".csv", ".csv.gz", ".parquet", ".ndjson")


@dataclass(frozen=True)
class File:
    """A file of a source, as it stands now.

    Attributes:
        name: What the lake calls it: relative to the source, so that the folder may move.
        location: Path or URL.
        size: Bytes.
        version: Changes with the content: an object store's entity tag, or when the file was written.
    """

    name: str
    location: str
    size: int
    version: str

    @property
    def digest(self) -> str:
        """What its content is known by in the manifest: a SHA-256, of an object store's file without its content."""
        if _is_url(self.location):
            return hashlib.sha256(f"{self.name}\n{self.version}\n{self.size}".encode()).hexdigest()
        return _sha256(self.location, self.size, self.version)


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
        retries: How often an object store that does not answer or is overloaded is asked again.
    """

    path: str
    columns: ColumnMapping
    reading: Reading = field(default_factory=Reading)
    dialect: Dialect = field(default_factory=Dialect)
    on_bad_file: Literal["stop", "skip"] = "stop"
    identity: tuple[str, ...] = IDENTITY
    retries: int = 4

    def files(self) -> list[File]:
        """The files that the source holds now, in the order of their names; hidden ones are left out.

        Raises:
            DeliveryError: If there are none, or the object store refuses.
        """
        base, pattern = _split(self.path)
        files = [
            file
            for file in (_listed(base, self.retries) if _is_url(base) else _paths(Path(base)))
            if file.name.lower().endswith(ENDINGS)
            and not re.search(r"(^|/)\.", file.name)
            and (not pattern or _matches(file.name.split("/"), pattern))
        ]
        if not files:
            raise DeliveryError(
                f"{self.path}: no file that ends in {', '.join(ENDINGS)}. Set source.path in churn.toml."
            )
        return sorted(files, key=lambda file: file.name)

    def read(self, file: File, scratch: Path) -> pl.LazyFrame:
        """A file as it is; columns of a CSV as text, because only the mapping knows that 00042 is an id.

        Args:
            file: One of :meth:`files`.
            scratch: Folder for what has to be fetched, unpacked or written anew before it can be scanned. The frame
                reads from there, so it has to stay as long as the frame is used.

        Raises:
            DeliveryError: If the file is damaged; the sentence names the line where there is one.
        """
        path, copy = Path(file.location), scratch / file.digest
        with readable(file.name):
            if _is_url(file.location):
                path = copy.with_suffix(".object")
                if not path.exists():
                    fetch(file.location.removesuffix(f"/{file.name}"), file.name, path, self.retries)
            if file.name.lower().endswith(".parquet"):
                frame = pl.scan_parquet(path, hive_partitioning=False, glob=False)
                frame.collect_schema()
                return frame
            text = plain_text(path, self.dialect, name=file.name, copy=copy.with_suffix(".text"))
            if file.name.lower().endswith(".ndjson"):
                return _read_ndjson(text, name=file.name)
            return read_csv(text, self.dialect, name=file.name)


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what Polars or the disk says about a delivery into a sentence.

    Raises:
        DeliveryError: Names the delivery, and what is wrong with it.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DeliveryError(
            f"{name}: not readable ({reason}). Deliver it again or remove it from the source."
        ) from error


def _is_url(location: str) -> bool:
    return "://" in location


def _split(path: str) -> tuple[str, list[str]]:
    """What to list, and the parts of the pattern that its names have to match."""
    parts = path.rstrip("/").split("/")
    if _is_url(path) and path.lower().endswith(ENDINGS) and not has_magic(path):
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
    for path in [base] if base.is_file() else base.rglob("*"):
        if path.is_file():
            state = path.stat()
            name = path.name if path == base else path.relative_to(base).as_posix()
            yield File(name, str(path), state.st_size, str(state.st_mtime_ns))


@cache
def _sha256(path: str, _size: int, _version: str) -> str:
    # Size and version tell a file that was changed from the one whose digest is remembered.
    with readable(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_ndjson(file: Path, *, name: str) -> pl.LazyFrame:
    frame = pl.scan_ndjson(escape(str(file)), infer_schema_length=None)
    try:
        frame.select(pl.all().null_count()).collect()
    except pl.exceptions.PolarsError:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip() and not _is_object(line):
                    what = "is no JSON object. Mend it and deliver the file again."
                    if not line.endswith("\n"):
                        what = "is where the file was cut off. Deliver the whole file again."
                    raise DeliveryError(f"{name}: line {number} {what}") from None
        raise
    return frame


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
