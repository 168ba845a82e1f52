"""What is said of settings that cannot be used."""

from collections.abc import Collection
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel


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
