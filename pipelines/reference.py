"""Every setting with its default and meaning, read from the classes that declare them."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from assets.addresses import shown
from pipelines.settings import Settings
from pipelines.settings_errors import innermost

_HIDDEN = "**********"
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


def settings_in_effect(settings: Settings) -> str:
    """What a file of settings, the environment and the defaults come to, as TOML; secrets are hidden."""
    lines = [f"# {settings.file} with the environment and the defaults; what is not set is left out."]
    lines += _assignments("", settings.model_dump(mode="json", exclude_none=True))
    return "\n".join(lines) + "\n"


def _assignments(path: str, table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        key = f"{path}.{_bare(name)}".strip(".")
        if key == "engine.options":
            # Those of a cluster may hold its keys.
            yield from _assignments(key, dict.fromkeys(value, _HIDDEN))
        elif isinstance(value, dict):
            yield from _assignments(key, value)
        else:
            yield f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return (
            f"{{ {', '.join(f'{_bare(name)} = {_toml(each)}' for name, each in value.items() if each is not None)} }}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # A text of JSON is one of TOML; so are numbers and truth values.
    return json.dumps(shown(value) if isinstance(value, str) else value, ensure_ascii=False)


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


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
