"""How the text of a delivery is written, and its encoding, which is found out from the file where nobody says."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from assets.containers import format_of, refuse_foreign, unpacked
from models.mapping import DeliveryError

_HEAD, _CHUNK = 1 << 16, 1 << 20
_LONGEST_LINE = 1 << 24
_MOST_UNPACKED, _MOST_RATIO = 1 << 26, 250
_HOLE = b"\0" * 256
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")
# In a word of Windows-1252 neither marks, nor capitals and signs between small letters, nor four different letters
# beyond ASCII in a row, nor marks at every other place are to be expected: it is a code page of DOS, an old Mac,
# Eastern Europe or Asia.
_UNLIKELY = re.compile(
    rb"[A-Za-z\xc0-\xff][\x82\x84\x86-\x89\x8b\x93-\x95\x98\x9b\xa1-\xa9\xac\xaf\xb1-\xb3\xb6\xb8\xb9\xbc-\xbf][a-z]"
    rb"|[A-Za-z][\x8a\x8c\x8e\x9f\xd7\xf7][a-z]"
    rb"|([\x80-\xff])(?!\1)[\x80-\xff]{3}"
    rb"|(?:[\x81-\x90\x93-\x9f][\x40-\xfc]){2}[\x81-\x90\x93-\x9f]"
)


@dataclass(frozen=True)
class Dialect:
    """How text files are written; what is None is found out, file by file.

    Attributes:
        delimiter: The character between two fields of a CSV, such as `;`.
        quote: The character around fields that may hold the delimiter; empty where quotes are plain characters.
        encoding: A codec of Python, such as `utf-16` or `cp1252`, of the files that are not UTF-8.
        skip_lines: Lines of a CSV above its header, such as a title.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    skip_lines: int = 0

    def __post_init__(self) -> None:
        """Refuse what no file can be written with.

        Raises:
            ValueError: Names the field, its value and what is allowed.
        """
        if self.delimiter is not None and not (len(self.delimiter) == 1 and self.delimiter.isascii()):
            raise ValueError(f"delimiter is {self.delimiter!r}: it must be one ASCII character")
        if self.quote and not (len(self.quote) == 1 and self.quote.isascii()):
            raise ValueError(f"quote is {self.quote!r}: it must be one ASCII character, or empty for none")
        if self.skip_lines < 0:
            raise ValueError(f"skip_lines is {self.skip_lines}: it must not be negative")
        try:
            codecs.lookup(self.encoding or "utf-8")
        except LookupError:
            raise ValueError(f"encoding is {self.encoding!r}: try utf-8, utf-16, cp1252 or latin-1") from None


@dataclass(frozen=True)
class Text:
    """A text file that can be scanned.

    Attributes:
        path: UTF-8 without compression, byte order mark or old line ends.
        encoding: What the file is written in; None where it has ASCII alone, which is the same in nearly all.
        nul_lines: Numbers of the first lines out of which NUL characters were taken.
    """

    path: Path
    encoding: str | None
    nul_lines: tuple[int, ...] = ()


def plain_text(file: Path, dialect: Dialect, *, name: str, copy: Path, table: str = "CSV") -> Text:
    """The file as UTF-8 without compression, byte order mark or old line ends; a copy only where it is not so already.

    A file of valid UTF-8 is that, whatever is set: letters of other encodings are not. NUL characters, with which
    fields of fixed width are filled, are taken out, and so is the end mark of DOS.

    Args:
        file: A text file, perhaps compressed, whatever it is called.
        dialect: May set the encoding of a file without byte order mark that is not UTF-8; Windows-1252 otherwise.
        name: What messages call the file.
        copy: Where a copy goes.
        table: What the text holds, ``CSV`` or ``NDJSON``.

    Raises:
        DeliveryError: If the file is empty, no text, ends in the middle, mixes encodings, or cannot be read without a
            guess; the sentence names the line.
    """
    kind = format_of(file)
    kind = None if kind == "zip" and not name.lower().endswith(".zip") else kind
    with unpacked(file, kind, name=name) as stream:
        head = stream.read(_HEAD)
    encoding = _by_marks(head, dialect.encoding)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    refuse_foreign(head.removeprefix(mark), name=name, table=table)
    if not head.decode(encoding or "latin-1", "ignore").strip(" \t\r\n\0\x1a\ufeff"):
        raise DeliveryError(f"{name}: the file is empty. Deliver it again or remove it from the source.")
    if encoding is None:
        with unpacked(file, kind, name=name) as stream:
            facts = _facts(stream, name=name)
        ascii_only, utf_8, nul, ends = facts
        encoding = "utf-8" if utf_8 and not (ascii_only and dialect.encoding) else None
        if encoding is None:
            with unpacked(file, kind, name=name) as stream:
                encoding = _encoding(stream, dialect.encoding, name=name)
        if encoding == "utf-8" and kind is None and not nul and not ends and (b"\n" in head or b"\r" not in head):
            return Text(file, None if ascii_only else encoding)
        told = None if ascii_only else encoding
    else:
        told = codecs.lookup(encoding).name.removesuffix("-sig")
    with unpacked(file, kind, name=name) as stream:
        nul_lines = _copied(stream, copy, encoding, packed=file.stat().st_size, name=name, given=dialect.encoding)
    return Text(copy, told, nul_lines)


def _by_marks(head: bytes, given: str | None) -> str | None:
    """The encoding that the first bytes tell: by a mark, or because every other byte of a letter is zero."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [head[place::2].count(0) for place in (0, 1)]
    if given is not None and b"\0" in head and codecs.lookup(given).name.startswith(("utf-16", "utf-32")):
        return given
    if max(zeros) * 10 >= len(head) and min(zeros) * 20 <= max(zeros):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return None


def _facts(stream: BinaryIO, *, name: str) -> tuple[bool, bool, bool, bool]:
    """Whether all is ASCII, valid UTF-8, whether a NUL is in it, and whether the end mark of DOS is its end."""
    ascii_only, utf_8, nul, last, unbroken = True, True, False, b"", 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in _chunks(stream):
        unbroken = 0 if b"\n" in chunk or b"\r" in chunk else unbroken + len(chunk)
        if unbroken > _LONGEST_LINE:
            raise DeliveryError(
                f"{name}: a line is longer than {_LONGEST_LINE >> 20} MiB, which no row is. Deliver the file with a "
                "line end behind each row."
            )
        nul = nul or b"\0" in chunk
        ascii_only = ascii_only and chunk.isascii()
        last = chunk
        if utf_8 and not ascii_only:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                utf_8 = False
    if utf_8 and not ascii_only:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf_8 = False
    return ascii_only, utf_8, nul, last.rstrip(b"\0\r\n").endswith(b"\x1a")


def _encoding(stream: BinaryIO, given: str | None, *, name: str) -> str:
    """The encoding of a text that is not UTF-8, if it can be told.

    Raises:
        DeliveryError: Names the line that keeps it from being told.
    """
    broken, whole, unlikely = 0, 0, 0
    for number, line in enumerate(stream, 1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            whole = whole or number
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and not line.endswith(b"\n") and not broken:
                raise DeliveryError(
                    f"{name}: the text ends in the middle of a letter of UTF-8, in line {number}. Deliver the whole "
                    "file again."
                ) from None
            broken = broken or number
            if not unlikely and (_UNLIKELY.search(line) or line.translate(None, b"\x81\x8d\x8f\x90\x9d") != line):
                unlikely = number
    if whole and broken and (given is None or len(bytes(range(256)).decode(given, "replace")) == 256):
        raise DeliveryError(
            f"{name}: line {broken} is not UTF-8, though other lines are, such as line {whole}. Mend the line, or "
            "deliver the file in one encoding; read in any other, the names of the other lines would change."
        )
    if given is not None:
        return given
    if unlikely:
        raise DeliveryError(
            f"{name}: the text is neither UTF-8 nor, by line {unlikely}, Windows-1252. Deliver it as UTF-8, or set "
            "source.encoding in churn.toml to what the files are written in that are not UTF-8, such as cp850, cp1250, "
            "mac-roman or shift-jis."
        )
    return "cp1252"


def _copied(
    stream: BinaryIO, copy: Path, encoding: str, *, packed: int, name: str, given: str | None
) -> tuple[int, ...]:
    """Write the text as UTF-8; the numbers of the first lines that held NUL."""
    decoder = codecs.getincrementaldecoder(encoding)()
    nul_lines: list[int] = []
    written, line, ends_in_return = 0, 1, False
    with copy.open("w", encoding="utf-8", newline="") as out:
        for chunk in chain(_chunks_until_end(stream), [b""]):
            written += len(chunk)
            if written > max(_MOST_UNPACKED, _MOST_RATIO * packed):
                raise DeliveryError(
                    f"{name}: unpacks to more than {_MOST_RATIO} times its size. If it is no mistake, deliver it "
                    "without compression."
                )
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                raise DeliveryError(
                    f"{name}: the text cannot be read as {encoding} from line {line} on. Deliver the whole file again "
                    "if it was cut off, or set source.encoding in churn.toml to what it is written in, such as cp1252."
                ) from error
            if given is not None and (control := _CONTROLS.search(text)):
                number = line + text.count("\n", 0, control.start())
                raise DeliveryError(
                    f"{name}: read as {given}, line {number} has control characters in place of letters. Set "
                    "source.encoding in churn.toml to what the file is written in, such as cp1252 or cp850."
                )
            if "\0" in text:
                if _HOLE.decode() in text:
                    raise DeliveryError(
                        f"{name}: a hole of NUL characters stands where data should be, from line "
                        f"{line + text.count(chr(10), 0, text.index(_HOLE.decode()))} on. Deliver the whole file again."
                    )
                nul_lines += [
                    line + number for number, row in enumerate(text.split("\n")) if "\0" in row and len(nul_lines) < 3
                ]
                text = text.replace("\0", "")
            if ends_in_return and text.startswith("\n"):
                text = text[1:]
            ends_in_return = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            line += text.count("\n")
            out.write(text.removeprefix("\ufeff") if out.tell() == 0 else text)
    return tuple(nul_lines[:3])


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _chunks_until_end(stream: BinaryIO) -> Iterator[bytes]:
    """The chunks without the end mark of DOS behind the last of them, and what fills the file up behind it."""
    held = b""
    for chunk in _chunks(stream):
        if held:
            yield held
        held = chunk
    bare = held.rstrip(b"\0\r\n")
    yield bare.rstrip(b"\x1a") if bare.endswith(b"\x1a") else held
