"""What is said of settings that cannot be used."""

import math
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, SecretStr

_LEAST, _MOST, _MOST_DAYS = 1e-9, 1e12, 36_525
_MAY_BE_BLANK = ("source.columns.", "source.quote", "source.delimiter")
"""Keys whose empty text says that there is none, and one whose value may be a blank."""
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


class SettingsError(Exception):
    """Settings that cannot be used; the message names the key, its value and what is allowed."""


def sentence(error: dict[str, Any], settings: Any, secrets: Collection[tuple[str, ...]] = ()) -> str:
    """What is wrong with a setting, with its key, its value and what is allowed.

    Args:
        error: One of a ``pydantic.ValidationError``.
        settings: The class that was to be made.
        secrets: Keys whose value is not repeated.
    """
    *parents, last = (str(part) for part in error["loc"])
    key, message = ".".join([*parents, last]), error["msg"].removeprefix("Value error, ")
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        near = get_close_matches(last, keys_of(parents, settings), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(keys_of(parents, settings)))}."
        return f"{key} is no setting; {hint}"
    if error["type"] == "missing":
        section = f" under [{'.'.join(parents)}]" if parents else ""
        return f"{key} is missing: add {last}{section}."
    if error["type"] == "value_error":
        return f"{key}: {message}."
    # A section may hold secrets too, where something else stands in its place.
    hidden = any(tuple(map(str, error["loc"]))[: len(secret)] == secret[: len(error["loc"])] for secret in secrets)
    value = "" if hidden else f" = {error['input']!r}"
    return f"{key}{value}: {message[0].lower()}{message[1:]}."


def unmeant(settings: Any, given: Any, key: str = "") -> Iterator[str]:
    """Sentences on values that have the right type and cannot be meant, with key, value and what is allowed.

    Args:
        settings: The settings, or a part or value of them.
        given: What the file says there; None where it says nothing.
        key: Where that is.
    """
    if isinstance(settings, BaseModel):
        parts: dict[Any, Any] = {name: part for name, part in settings if name != "file"}
    elif is_dataclass(settings):
        parts = {each.name: getattr(settings, each.name) for each in fields(settings)}
    elif isinstance(settings, dict):
        parts = settings
    elif isinstance(settings, list | tuple):
        parts = dict(enumerate(settings))
    else:
        if why := _unmeant(settings, given, key):
            shown = "" if isinstance(settings, SecretStr) else f" = {settings if given is None else given!r}"
            yield f"{key}{shown}: {why}."
        return
    for name, part in parts.items():
        yield from unmeant(part, _part(given, name), f"{key}.{name}" if key else f"{name}")


def _part(given: Any, name: Any) -> Any:
    if isinstance(given, dict):
        return given.get(name)
    if isinstance(given, list):
        return given[name] if name < len(given) else None
    return given  # one name may stand for a list of one


def _unmeant(value: Any, given: Any, key: str) -> str | None:
    is_number = isinstance(value, int | float)
    if isinstance(given, int | float) and not is_number:
        return "it must be a date, such as 2026-03-31"
    if isinstance(given, bool) and not isinstance(value, bool):
        return "it must be a number"
    if is_number and not (math.isfinite(value) and (value == 0 or _LEAST <= abs(value) <= _MOST)):
        return f"it must be a number that is 0 or from {_LEAST:g} to {_MOST:g} in size"
    if is_number and key.endswith("_days") and abs(value) > _MOST_DAYS:
        return f"it must be at most {_MOST_DAYS:,} days, a century"
    text = value.get_secret_value() if isinstance(value, SecretStr) else given if isinstance(value, Path) else value
    return _unreadable(text, key) if isinstance(text, str) else None


def _unreadable(text: str, key: str) -> str | None:
    if "\0" in text:
        return "it must not hold the character NUL"
    if not text.strip() and not key.startswith(_MAY_BE_BLANK):
        return "it must not be empty: write a value, or take the key out"
    return None


def not_toml(text: str, error: tomllib.TOMLDecodeError) -> str:
    """Where a text stops being TOML and why: the line, and the key if one stands there."""
    lines, place = text.splitlines(), re.search(r" \(at line (\d+), column \d+\)", f"{error}")
    reason = re.sub(r" \(at .*\)$", "", f"{error}")
    # What never ends is noticed at the end of the file: it begins behind the last line down to which all is well.
    number = int(place[1]) if place else next(n for n in range(len(lines), -1, -1) if _is_toml(lines[:n])) + 1
    while not place and number < len(lines) and re.fullmatch(r"\s*(#.*)?", lines[number - 1]):
        number += 1
    key = _KEY.match(lines[number - 1]) if 0 < number <= len(lines) else None
    sections = [found[1] for line in lines[: max(number - 1, 0)] if (found := re.match(r"\s*\[+([^\[\]]+)\]+", line))]
    where = ".".join([*sections[-1:], key[1]]) if key else ""
    return f"line {number}{f', {where}' if where else ''}: {reason}"


def _is_toml(lines: list[str]) -> bool:
    try:
        tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return False
    return True


def keys_of(parents: list[str], settings: Any) -> list[str]:
    """The keys that a section of the settings knows, by the names of the sections above it."""
    section = settings
    for name in parents:
        if name.isdigit():
            continue
        section = _members(section).get(name, object)
    return [name for name in _members(section) if name != "file"]


def _members(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and is_dataclass(section):
        types = get_type_hints(section)
        return {field.name: innermost(types[field.name]) for field in fields(section)}
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: innermost(field.annotation) for name, field in section.model_fields.items()}
    return {}


def innermost(annotation: Any) -> Any:
    """The class of settings inside an annotation such as ``tuple[Action, ...]``; the annotation itself if none is."""
    for argument in get_args(annotation):
        inner = innermost(argument)
        if isinstance(inner, type) and (is_dataclass(inner) or issubclass(inner, BaseModel)):
            return inner
    return annotation
