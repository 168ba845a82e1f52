"""Files as they are kept: compressed or archived text is opened, and what is no text is known by its first bytes."""

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from models.mapping import DeliveryError

PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings behind the ending of a table, by which compressed files are called."""

_FORMATS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3\0": "an SQLite database",
    b"PGDMP": "a dump of PostgreSQL",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text document",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"version https://git-lfs": "the pointer of Git LFS to a file, not the file",
    b"-----BEGIN PGP": "an encrypted message",
}
_MARKUP = re.compile(
    rb"\s*<(\?xml|!doctype|!--|html|head|body|error|title|svg|rss|feed|table|listbucketresult|\w+:envelope)\b",
    re.IGNORECASE,
)
_SQL = re.compile(rb"\s*(-- |/\*|insert\s+into\s|create\s+table\s|copy\s+\S+\s+\(.*\bfrom\s+stdin)", re.IGNORECASE)
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def format_of(file: Path) -> str | None:
    """The compression of a file, by its first bytes, whatever it is called; None where it has none."""
    with file.open("rb") as stream:
        start = stream.read(6)
    return next((kind for mark, kind in _FORMATS.items() if start.startswith(mark)), None)


@contextmanager
def unpacked(file: Path, kind: str | None, *, name: str) -> Iterator[BinaryIO]:
    """The bytes of a file without its compression.

    Args:
        file: The file.
        kind: As of :func:`format_of`.
        name: What messages call the file.

    Raises:
        DeliveryError: If the file is damaged, locked, or an archive of several files.
    """
    try:
        if kind == "zip":
            with zipfile.ZipFile(file) as archive, archive.open(only_member(archive, name=name)) as stream:
                yield cast(BinaryIO, stream)
        else:
            with _opened(file, kind) as stream:
                yield stream
    except _DAMAGE:
        raise DeliveryError(f"{name}: the archive is cut off or damaged. Deliver the whole file again.") from None
    except RuntimeError as error:
        if "password" not in str(error):
            raise
        raise DeliveryError(f"{name}: the archive is locked by a password. Deliver it without.") from None


def _opened(file: Path, kind: str | None) -> Any:
    match kind:
        case "gzip":
            return gzip.open(file)
        case "bzip2":
            return bz2.open(file)
        case "xz":
            return lzma.open(file)
        case "zstd":
            import pyarrow as pa

            return pa.input_stream(file, compression="zstd")
        case _:
            return file.open("rb")


def only_member(archive: zipfile.ZipFile, *, name: str) -> str:
    """The one file of an archive.

    Raises:
        DeliveryError: If it holds another number of them.
    """
    members = [
        member.filename
        for member in archive.infolist()
        if not member.is_dir() and not re.search(r"(^|/)(\.|__MACOSX/)", member.filename)
    ]
    if len(members) != 1:
        raise DeliveryError(f"{name}: the archive holds {len(members)} files, not one. Deliver them unpacked.")
    return members[0]


def refuse_foreign(head: bytes, *, name: str, table: str = "CSV") -> None:
    """Refuse what is known not to be a text of rows.

    Args:
        head: The first bytes, without a byte order mark.
        name: What messages call the file.
        table: What it should be: ``CSV`` or ``NDJSON``.

    Raises:
        DeliveryError: Says what it is.
    """
    for start, kind in _FOREIGN.items():
        if head.startswith(start):
            raise DeliveryError(f"{name}: this is {kind}. Export it as CSV, or give it the ending of what it is.")
    if _MARKUP.match(head):
        raise DeliveryError(
            f"{name}: this is a page of HTML or XML, such as that of an error or a login, and no table. Deliver the "
            "file itself."
        )
    if _SQL.match(head):
        raise DeliveryError(f"{name}: this is a script of SQL. Export the table as CSV.")
    if table == "CSV" and re.match(rb'\s*(\{\s*"|\[\s*[{"\]])', head):
        raise DeliveryError(f"{name}: this is JSON. Write one object a line and call it .ndjson, or export it as CSV.")
