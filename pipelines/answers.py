"""What a person has said of a source before anything is guessed: on the command line, or in settings that exist."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.mapping import ColumnMapping, Names
from pipelines.settings import SECRETS, Settings, read_table
from pipelines.settings_errors import SettingsError, sentence

_FILLER = "\0"
_SUGGESTED = ("definition", "horizon_days", "active_days", "grace_days")


@dataclass(frozen=True)
class Answers:
    """What stands fast.

    Attributes:
        table: Sections and keys as they would stand in the settings.
        settings: The same, checked; a file and two columns are made up where nobody named them.
        columns: Canonical column -> your names for it; without a name it is left out.
    """

    table: Mapping[str, Any]
    settings: Settings
    columns: Mapping[str, Names]

    def says(self, section: str, key: str) -> bool:
        """Whether somebody set a key."""
        return key in self.table.get(section, {})


def answers_of(
    target: Path, columns: Sequence[str], others: Sequence[str], source: Mapping[str, str] | None = None
) -> Answers:
    """Bring together what the settings say and what was typed; the latter wins.

    Args:
        target: The settings; they need not exist.
        columns: ``ROLE=HEADER`` each; of one role several are several names of it, and an empty one leaves it out.
        others: ``SECTION.KEY=VALUE`` each, the value as TOML, or as plain text.
        source: Kind and place of the source, where it was typed.

    Raises:
        SettingsError: If the file is not TOML, or something is no setting.
    """
    table = read_table(target) if target.exists() else {}
    own = table.setdefault("source", {})
    if source:
        own |= source
        for other in {"path", "table", "query"} - source.keys():
            own.pop(other, None)
    named = own.setdefault("columns", {})
    typed = _columns(columns)
    if any(_listed(named.get(role, ())) != names for role, names in typed.items() if role in named):
        # What was suggested for other columns is suggested anew.
        for key in _SUGGESTED:
            table.get("churn", {}).pop(key, None)
    named |= {role: list(names) for role, names in typed.items()}
    for text in others:
        _set(table, text)
    # An empty name is a question that nobody answered yet.
    given = {role: _listed(names) for role, names in named.items()}
    given = {role: names for role, names in given.items() if names or role not in ("customer_id", "timestamp")}
    return Answers(table, _checked(table, target), given)


def _listed(names: Any) -> Names:
    return tuple(name for name in ([names] if isinstance(names, str) else names) if name.strip())


def _columns(typed: Sequence[str]) -> dict[str, Names]:
    roles = [field.name for field in fields(ColumnMapping)]
    found: dict[str, Names] = {}
    for text in typed:
        role, equals, name = text.partition("=")
        role = role.strip()
        if not equals:
            raise SettingsError(f"--column {text} names no header: write --column {role}=HEADER")
        if role not in roles:
            near = get_close_matches(role, roles, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(roles)}."
            raise SettingsError(f"--column {text}: {role!r} is no column of ours; {hint}")
        found[role] = (*found.get(role, ()), *([name.strip()] if name.strip() else []))
    return found


def _set(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not sections:
        raise SettingsError(f"--set {text} sets nothing: write --set SECTION.KEY=VALUE, such as churn.horizon_days=60")
    place = table
    for section in sections:
        place = place.setdefault(section, {})
    try:
        place[last] = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        place[last] = value.strip()


def _checked(table: Mapping[str, Any], target: Path) -> Settings:
    own = dict(table["source"])
    own["columns"] = {"customer_id": _FILLER, "timestamp": f"{_FILLER}{_FILLER}"} | {
        role: names for role, names in own["columns"].items() if _listed(names)
    }
    try:
        return Settings(**{**table, "source": {"path": "."} | own, "file": target.absolute()})
    except ValidationError as error:
        raise SettingsError("\n".join(sentence(dict(item), Settings, SECRETS) for item in error.errors())) from None
