"""Every setting with its default and meaning, read from the classes that declare them."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pipelines.settings import Settings
from pipelines.settings_errors import innermost

_ENTRY = re.compile(r"^    (\w+): (.+?)(?=^    \w|\Z)", re.MULTILINE | re.DOTALL)


def settings_reference() -> str:
    """The reference as Markdown: a table per section of `churn.toml`."""
    lines = [
        "# Settings",
        "",
        "Made by `churn settings` from the code that reads them. A section is a table of `churn.toml`; any key can be",
        "overridden by the environment: `CHURN__CHURN__HORIZON_DAYS=60`. Relative paths are relative to the file.",
    ]
    lines += _section("", Settings)
    return "\n".join(lines) + "\n"


def _section(path: str, section: Any) -> Iterator[str]:
    text = inspect.getdoc(section) or ""
    meanings = dict(_ENTRY.findall(text.partition("Attributes:\n")[2]))
    keys = [(name, default, kind) for name, default, kind in _keys(section) if name != "file"]
    heading = f"## `[{path}]`" if path else "## Above the first section"
    yield from ("", heading, "", text.partition("\n")[0], "", "| key | default | meaning |", "|---|---|---|")
    for name, default, kind in keys:
        meaning = re.sub(r"\s+", " ", meanings.get(name, "")).strip().replace("``", "`").replace("|", "\\|")
        if not (path == "" and _is_section(kind)):
            yield f"| `{name}` | {default} | {meaning} |"
    for name, _, kind in keys:
        if _is_section(kind):
            yield from _section(f"{path}.{name}".strip("."), kind)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, BaseModel))


def _keys(section: Any) -> Iterator[tuple[str, str, Any]]:
    if is_dataclass(section):
        types = get_type_hints(section)
        for key in fields(section):
            default = key.default_factory() if key.default_factory is not MISSING else key.default
            yield key.name, _shown(default, required=default is MISSING), innermost(types[key.name])
    else:
        for name, key in section.model_fields.items():
            yield name, _shown(key.default, required=key.default is PydanticUndefined), innermost(key.annotation)


def _shown(default: Any, *, required: bool) -> str:
    if required:
        return "required"
    if is_dataclass(default) or isinstance(default, BaseModel):
        return "see below"
    if isinstance(default, tuple) and any(map(is_dataclass, default)):
        return f"{len(default)}, see `churn settings`"
    if default is None:
        return "not set"
    return f"`{list(default) if isinstance(default, tuple) else default}`"
