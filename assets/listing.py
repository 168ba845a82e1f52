"""Which nights a table's folder holds; what was seen once is not looked for again."""

import os
from datetime import date

from assets.nights import as_night

FILE = "data.parquet"
"""The name of a night's file in the folder of the night."""

_SEEN: dict[str, dict[str, date]] = {}


def listed(folder: str) -> list[date]:
    """The nights of a table that are stored, oldest first.

    Every step of a night asks, of years of nights. The names are listed each time, as another process may have stored
    or removed a night; whether a folder holds its file is asked until it does, since nothing takes it out again.

    Args:
        folder: Folder of the table, with a folder ``night=YYYY-MM-DD`` for each night.
    """
    try:
        # Paths are strings here: of years of nights, objects would cost more than the question.
        names = {name for name in os.listdir(folder) if name.startswith("night=")}  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        names = set()
    seen = _SEEN.get(folder, {})
    if seen.keys() != names:
        stored = (name for name in sorted(names) if name in seen or os.path.exists(f"{folder}/{name}/{FILE}"))  # noqa: PTH110
        seen = _SEEN[folder] = {name: seen.get(name) or as_night(name.removeprefix("night=")) for name in stored}
    return list(seen.values())
