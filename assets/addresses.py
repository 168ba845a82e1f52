"""Addresses and secrets: what of them may be shown, and which cannot be meant."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

_ADDRESS = re.compile(
    r"""
    (?P<scheme>(?:k8s://)?[a-z][\w+.-]*)://
    (?:(?P<user>[^/?#]*)@)?                            # up to the last @ before the path: a host has none
    (?P<host>(?:\[[\w:.%]*\]|[\w.%~-]*)(?::\d{1,5})?(?:,[\w.:\[\]-]+)*)
    (?P<path>/[^?#;@]*)?
    (?P<rest>[?#;][^@]*)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HIDDEN = "…"
_LEAST_LETTERS = 4
"""Shorter parts of a secret are looked for as words: as letters they would stand in every text."""
_HARMLESS = frozenset(
    {*("host", "hostaddr", "port", "dbname", "user", "options", "application_name"), *("sslmode", "connect_timeout")}
)
"""Keys of a query whose values are no secrets, and needed to find a mistake."""


def shown(address: str) -> str:
    """An address as it may be shown: scheme, host, port and path; a path of this machine as it is.

    Where it cannot be told where user and password end, such as in ``https://user:pass/word@host``, only the scheme is.
    """
    if not re.match(r"[a-z][\w+.-]*://|postgres(ql)?:", address, re.IGNORECASE):
        return address
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return f"{address.partition(':')[0]}://{_HIDDEN}"
    return f"{parts['scheme']}://{parts['host']}{parts['path'] or ''}"


def check_address(address: str, name: str, *, schemes: tuple[str, ...] = ()) -> None:
    """Refuse an address that no two programs would read alike, or that is none.

    Args:
        address: May hold a password, which no message repeats.
        name: The setting or variable that holds it.
        schemes: Those that are allowed; any if empty.

    Raises:
        ValueError: Names the setting and the remedy.
    """
    if schemes and not address.lower().startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"{name} is no address of its kind: it begins with {' or '.join(f'{s}://' for s in schemes)}")
    if not _ADDRESS.fullmatch(address) or re.search(r"[\s\x00-\x1f\x7f]", address) or address.count("@") > 1:
        raise ValueError(
            f"{name} cannot be read for sure: reserved characters of user, password, path and query are "
            "percent-encoded (@ as %40, : as %3A, / as %2F, a blank as %20), and the port is a number"
        )


def check_place(place: str, name: str) -> None:
    """Refuse a place of files whose address has a user or a key in it.

    Raises:
        ValueError: Names the setting and the remedy.
    """
    rest = place.partition("://")[2]
    if "@" in rest.partition("/")[0] or re.match("[^@]*:[^@]*@", rest):
        raise ValueError(f"{name} has a user or a key in its address: give credentials by the store's own variables")


def sqlite_address(file: Path) -> str:
    """The address of an SQLite file by its absolute path, in which ``%``, ``?`` and ``#`` mean themselves."""
    path = quote(f"{file}")
    # By the driver's name where it matters: of the plain scheme MLflow makes the folder without decoding it.
    return f"sqlite{'' if path == f'{file}' else '+pysqlite'}:///{path}"


def sqlite_file(address: str) -> Path | None:
    """The file of an SQLite address; None for the address of anything else."""
    place = re.match(r"sqlite(\+\w+)?:///([^?#]*)", address)
    return None if place is None else Path(unquote(place[2]))


def redacted(text: str, *secrets: str) -> str:
    """A text of others, such as a driver's message, without what it may repeat of secrets.

    Args:
        text: What was said.
        secrets: Whole addresses, passwords and tokens.
    """
    parts = {part for secret in secrets for part in _parts(secret) if part}
    for part in sorted(parts, key=len, reverse=True):
        # As it is, as Python's repr and as JSON write it.
        for written in dict.fromkeys((part, repr(part)[1:-1], json.dumps(part)[1:-1], quote(part, safe=""))):
            pattern = re.escape(written)
            text = re.sub(pattern if len(written) >= _LEAST_LETTERS else rf"(?<!\w){pattern}(?!\w)", _HIDDEN, text)
    return text


def _parts(secret: str) -> set[str]:
    """A secret, and, of an address, its password and the values of its query, in every way to read them."""
    if "://" not in secret:
        return {secret, unquote(secret)}
    rest = secret.partition("://")[2]
    before, at, _ = rest.rpartition("@")
    password = before.partition(":")[2] if at else ""
    values = [value for key, value in parse_qsl(rest.partition("?")[2]) if key not in _HARMLESS]
    pieces = [password, *re.split("[@:/?#]", password), *values]
    return {secret, *pieces, *map(unquote, pieces)} if secret != shown(secret) else set()
