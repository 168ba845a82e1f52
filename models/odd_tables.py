"""Tables that are not what they seem: headers that are rows, doubled or in two lines, and columns inside of columns."""

import re
from collections.abc import Iterator

import polars as pl

_MOMENT = re.compile(r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})([ T]|\s*$)")
_NUMBER = re.compile(r"^\s*[-+]?[\d.,]+\s*$")
_NUMBERS = r"^\s*[-+(]?\W{0,3}\d[\d.,'\s]*\W{0,5}$"
_MOMENTS = r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"
_TWIN = re.compile(r"^(?P<name>.*)_duplicated_\d+$", re.DOTALL)
_MOSTLY = 0.9
_SHOWN = 4


def no_header(frame: pl.DataFrame) -> str | None:
    """Why the first line cannot be a header, in a sentence; None where it can.

    Args:
        frame: A file of text, its first line taken as the header.
    """
    names = [_TWIN.sub(r"\g<name>", name) for name in frame.columns]
    filled = [name for name in names if name.strip()]
    values = [name for name in filled if _MOMENT.match(name) or _NUMBER.match(name)]
    if any(_MOMENT.match(name) for name in filled) or len(values) * 2 > len(filled):
        return f"line 1 holds values ({_shown(values)}): the file has no header, and its first row would be lost as one"
    if len(filled) * 2 < len(names):
        return f"line 1 names {len(filled)} of {len(names)} columns: it seems to be a title, not the header"
    return None


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
        if (twin := _TWIN.match(name)) and twin["name"] in frame.columns:
            yield f"the column {twin['name']!r} stands twice in the header: the first is read"
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
            inner = ", ".join(field.name for field in dtype.fields[:_SHOWN])
            found[name] = f"the columns {inner}, … are inside {name!r}: flatten it, so that each is a column of its own"
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
