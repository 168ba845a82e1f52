"""NDJSON as columns: one object a line, its keys and their types found over the whole file within bounds."""

import json
from collections.abc import Sequence, Set
from glob import escape
from pathlib import Path
from typing import Any

import polars as pl

from models.mapping import DeliveryError

_MOST_KEYS = 1_000
_LARGEST = 2**63
_LARGEST_EXACT = 2**53


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object, those of a key that stands twice among them."""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_refuse)


def read_ndjson(file: Path, *, name: str, wanted: Set[str] = frozenset()) -> pl.LazyFrame:
    """An NDJSON, with a type for each key that holds all of its values: text where they differ.

    Polars finds types itself, but at a cost of the square of the keys, and keeps one of two values of the same key in
    silence. Each line is parsed once to know both.

    Args:
        file: UTF-8 text with at least one line.
        name: What messages call the file.
        wanted: Names of columns, in lower case without blanks around, of which one should be there.

    Returns:
        A column for each key. Objects are structs of text, and lists and mixtures of them a struct of their JSON.

    Raises:
        DeliveryError: If a line is no object, nests too deeply or has a key twice, there are too many different keys,
            or Polars reads another number of rows.
    """
    types: dict[str, dict[type, Any]] = {}
    lines = 0
    with file.open(encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            lines += 1
            pairs = _pairs(line, number, name=name)
            if len(dict(pairs)) < len(pairs):
                keys = [key for key, _ in pairs]
                twice = next(place for place, key in enumerate(keys, 1) if keys.count(key) > 1)
                raise DeliveryError(
                    f"{name}: line {number} has the key of its field {twice} twice. Deliver each key once in an object."
                )
            for key, value in pairs:
                _add(types.setdefault(key, {}), value)
            if len(types) > _MOST_KEYS:
                raise DeliveryError(
                    f"{name}: up to line {number} there are more than {_MOST_KEYS:,} different keys. Values seem to "
                    "stand where keys should: deliver objects that have the same keys."
                )
    inside = [key for key, found in types.items() if _Object in found or found.get(str)]
    if inside and wanted and not wanted & {key.strip().lower() for key in types}:
        raise DeliveryError(
            f"{name}: no column that a setting names is there. Values stand inside "
            f"{' and '.join(map(repr, inside[:5]))}: flatten it, so that each is a key of its own."
        )
    schema = pl.Schema({key: _type_of(found) for key, found in types.items()})
    frame = pl.scan_ndjson(escape(str(file)), schema=schema)
    rows = frame.select(pl.nth(0).null_count(), rows=pl.len()).collect().row(0)[1]
    if rows != lines:
        raise DeliveryError(f"{name}: {lines:,} objects, of which {rows:,} could be read as rows. Deliver it as CSV.")
    mixed = [key for key, found in types.items() if list in found or (_Object in found and schema[key] == pl.String)]
    return frame.with_columns(pl.struct(pl.col(key).alias("json")).alias(key) for key in mixed)


def is_object(line: str) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(_DECODER.decode(line), _Object)
    except (ValueError, RecursionError):
        return False


def _pairs(line: str, number: int, *, name: str) -> Sequence[tuple[str, Any]]:
    try:
        value = _DECODER.decode(line.strip())
    except RecursionError:
        raise DeliveryError(f"{name}: line {number} nests too deeply. Deliver objects of plain values.") from None
    except ValueError:
        value = None
    if isinstance(value, _Object):
        return value
    start = line.strip()
    if start.startswith("[") or start == "{":
        what = (
            "begins a JSON document of several lines or an array, not one object a line. Write it anew, such as with "
            "jq -c '.[]' for an array or jq -c . for objects."
        )
    elif value is None and not line.endswith("\n"):
        what = "is where the file was cut off. Deliver the whole file again."
    else:
        what = "is no JSON object. Mend it and deliver the file again."
    raise DeliveryError(f"{name}: line {number} {what}")


def _add(found: dict[type, Any], value: Any) -> None:
    """Note what a value is: of objects their keys, of whole numbers the largest, of text whether it is an object."""
    kind = type(value)
    if kind is int:
        found[int] = max(found.get(int, 0), abs(value))
    elif kind is _Object:
        found.setdefault(_Object, {}).update(dict.fromkeys(key for key, _ in value))
    elif kind is str:
        found[str] = found.get(str, False) or value.startswith('{"')
    else:
        found[kind] = None


def _type_of(found: dict[type, Any]) -> pl.DataType:
    kinds = found.keys() - {type(None)}
    if kinds == {_Object} and 0 < len(found[_Object]) <= _MOST_KEYS:
        return pl.Struct(dict.fromkeys(found[_Object], pl.String()))
    if kinds == {bool}:
        return pl.Boolean()
    if kinds == {int} and found[int] < _LARGEST:
        return pl.Int64()
    if kinds in ({float}, {int, float}) and found.get(int, 0) <= _LARGEST_EXACT:
        return pl.Float64()
    return pl.String()
