"""Tables that are not what they seem: headers that are rows, doubled or in two lines, and columns inside of columns."""

import csv
import re
from collections.abc import Iterator

import polars as pl

from models.column_roles import LEAST_SCORE, ROLES
from models.headers import tell_names

_MOMENT = re.compile(r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})([ T]|\s*$)")
_NUMBER = re.compile(r"^\s*[-+]?[\d.,]+\s*$")
_NUMBERS = r"^\s*[-+(]?\W{0,3}\d[\d.,'\s]*\W{0,5}$"
_MOMENTS = r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"
_TWIN = re.compile(r"^(?P<name>.*) \((?P<place>\d+)\)$", re.DOTALL)
_DELIMITERS = ",;\t|"
_KNOWN = 2
_LIST = "'json'"  # What a list of NDJSON is read as.
_UNNAMED = re.compile(r"^(column \d+|\s*)$")
_MOSTLY = 0.9
_MOST_ABOVE = 30
_SHOWN = 4


def no_header(frame: pl.DataFrame) -> str | None:
    """Why the first line cannot be a header, in a sentence; None where it can.

    Args:
        frame: A file of text, its first line taken as the header.
    """
    names = frame.columns
    filled = [name for name in names if not _UNNAMED.match(name)]
    values = [name for name in filled if _MOMENT.match(name) or _NUMBER.match(name)]
    if any(_MOMENT.match(name) for name in filled) or len(values) * 2 > len(filled):
        return f"line 1 holds values ({_shown(values)}): the file has no header, and its first row would be lost as one"
    if len(filled) * 2 < len(names):
        return f"line 1 names {len(filled)} of {len(names)} columns: it seems to be a title, not the header"
    return None


def lines_above(text: str) -> int:
    """How many lines stand above the header of a file of text, as far as its words tell.

    Args:
        text: How the file begins.

    Returns:
        0 where the first line is as good a header as any, or none is found.
    """
    best = 0
    for delimiter in _DELIMITERS:
        reader = csv.reader(text.splitlines(keepends=True)[:_MOST_ABOVE], delimiter=delimiter)
        above, first = 0, True
        while (record := next(reader, None)) is not None:
            if _known_columns(record) >= _KNOWN:
                if first:
                    return 0
                best = best or above
                break
            above, first = reader.line_num, False
    return best


def _known_columns(names: list[str]) -> int:
    """How many different columns of ours the fields of a line are named for."""
    return sum(any(looks.score(name) >= LEAST_SCORE for name in names) for looks in ROLES.values())


def second_header(frame: pl.DataFrame) -> str | None:
    """Why the first row seems to be a second line of the header; None where it is a row.

    Args:
        frame: A file of text.
    """
    text = frame.select(pl.selectors.string())
    if text.height < 3 or not text.width:
        return None
    first, rest = text.head(1), text.slice(1)
    values = pl.all().str.contains(f"{_NUMBERS}|{_MOMENTS}")
    says, share = first.select(values).row(0), rest.select(values.mean()).row(0)
    valued = [bool(is_value) for is_value, usual in zip(says, share, strict=True) if (usual or 0) >= _MOSTLY]
    if not valued or any(valued) or any(value is None for value in first.row(0)):
        return None
    return f"line 2 says {_shown([str(value) for value in first.row(0)])}: it seems to be a second line of the header"


def twins(frame: pl.DataFrame) -> Iterator[str]:
    """Columns that share a name, or all of it but its capitals, in sentences."""
    for name in frame.columns:
        if (twin := _TWIN.match(name)) and twin["place"] == "2" and f"{twin['name']} (1)" in frame.columns:
            yield (
                f"the column {twin['name']!r} stands several times in the header, with other values: they are called "
                f"'{twin['name']} (1)', {name!r} and so on"
            )
    spellings: dict[str, list[str]] = {}
    for name in frame.columns:
        spellings.setdefault(name.strip().lower(), []).append(name)
    for alike in spellings.values():
        if len(alike) > 1:
            yield f"the columns {' and '.join(map(repr, alike))} differ in their capitals alone: rename one of them"


def nested(frame: pl.DataFrame) -> dict[str, str]:
    """Columns that hold columns or rows of their own -> what to do, in a sentence."""
    found = {}
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Struct):
            inner = tell_names([field.name for field in dtype.fields])
            if inner == _LIST:
                found[name] = f"{name!r} holds lists: deliver a row for each of their elements"
                continue
            found[name] = f"columns ({inner}) are inside {name!r}: flatten it, so that each is a column of its own"
        elif isinstance(dtype, pl.List | pl.Array):
            found[name] = f"{name!r} holds several rows in one: deliver a row for each of them"
        elif dtype == pl.String and _is_json(frame[name]):
            found[name] = (
                f"{name!r} holds JSON text with columns inside: flatten it, so that each is a column of its own"
            )
    return found


def _is_json(values: pl.Series) -> bool:
    filled = values.drop_nulls().head(1_000)
    return bool(len(filled) and filled.str.contains(r'(?s)^\s*\{\s*"[^"]+"\s*:.*\}\s*$').mean() > _MOSTLY)  # type: ignore[operator]


def _shown(values: list[str]) -> str:
    return ", ".join(repr(value) for value in values[:_SHOWN]) + ", …" * (len(values) > _SHOWN)
