"""How the text of a delivery is written, and its encoding, which is found out from the file where nobody says."""

import codecs
import gzip
import io
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

from models.mapping import DeliveryError

_HEAD, _CHUNK = 1 << 16, 1 << 20
_GZIP = b"\x1f\x8b"
_BINARIES = {b"PK\x03\x04": "a ZIP archive or an Excel workbook", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Dialect:
    """How text files are written; what is None is found out, file by file.

    Attributes:
        delimiter: The character between two fields of a CSV, such as `;`.
        quote: The character around fields that may hold the delimiter; empty where quotes are plain characters.
        encoding: A codec of Python, such as `utf-8`, `utf-16` or `cp1252`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no file can be written with.

        Raises:
            ValueError: Names the field, its value and what is allowed.
        """
        if self.delimiter is not None and not (len(self.delimiter) == 1 and self.delimiter.isascii()):
            raise ValueError(f"delimiter is {self.delimiter!r}: it must be one ASCII character")
        if self.quote and not (len(self.quote) == 1 and self.quote.isascii()):
            raise ValueError(f"quote is {self.quote!r}: it must be one ASCII character, or empty for none")
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError:
            raise ValueError(f"encoding is {self.encoding!r}: try utf-8, utf-16, cp1252 or latin-1") from None


def plain_text(file: Path, dialect: Dialect, *, name: str, copy: Path) -> Path:
    """The file as UTF-8 without compression, byte order mark or old line ends; a copy only where it is not so already.

    Args:
        file: A text file, perhaps compressed by gzip, whatever it is called.
        dialect: May set the encoding of a file without byte order mark. Otherwise it is the first of UTF-8,
            Windows-1252 and Latin-1 that reads the whole file.
        name: What messages call the file.
        copy: Where a copy goes.

    Raises:
        DeliveryError: If the file is empty, no text, or ends in the middle.
    """
    with file.open("rb") as stream:
        compressed = stream.read(len(_GZIP)) == _GZIP
    try:
        with _opened(file, compressed=compressed) as stream:
            head = stream.read(_HEAD)
        encoding = _encoding(file, head, dialect, name=name, compressed=compressed)
        if not head.decode(encoding, "ignore").strip():
            raise DeliveryError(f"{name}: the file is empty. Deliver it again or remove it from the source.")
        if encoding == "utf-8" and not compressed and (b"\n" in head or b"\r" not in head):
            return file
        with (
            io.TextIOWrapper(_opened(file, compressed=compressed), encoding) as text,
            copy.open("w", encoding="utf-8") as out,
        ):
            shutil.copyfileobj(text, out)
    except (EOFError, zlib.error):
        raise DeliveryError(f"{name}: the archive is cut off or damaged. Deliver the whole file again.") from None
    return copy


def _opened(file: Path, *, compressed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if compressed else file.open("rb")


def _encoding(file: Path, head: bytes, dialect: Dialect, *, name: str, compressed: bool) -> str:
    for start, kind in _BINARIES.items():
        if head.startswith(start):
            raise DeliveryError(f"{name}: this is {kind}. Export it as CSV, or give it the ending of what it is.")
    for encoding in _likely(head, dialect.encoding):
        try:
            with io.TextIOWrapper(_opened(file, compressed=compressed), encoding) as text:
                while text.read(_CHUNK):
                    pass
        except UnicodeError as error:
            reason = str(error)
            if "unexpected end of data" in reason or "truncated data" in reason:
                break
        else:
            return encoding
    raise DeliveryError(
        f"{name}: the text cannot be read as {encoding} ({reason}). Deliver the whole file again if it was cut off, or "
        "set source.encoding in churn.toml to what it is written in, such as cp1252."
    )


def _likely(head: bytes, given: str | None) -> tuple[str, ...]:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return (encoding,)
    if given is not None:
        return (given,)
    if b"\0" in head:
        # Every other byte of a Latin letter in UTF-16 is zero.
        return ("utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be",)
    return "utf-8", "cp1252", "latin-1"
