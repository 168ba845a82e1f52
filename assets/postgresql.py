"""How PostgreSQL is talked to: connected with clear refusals, names quoted, and types read that Arrow has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assets.addresses import redacted
from assets.network import AwayError
from models.mapping import DeliveryError

MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "money"})
TEXTS = frozenset({"text", "varchar", "bpchar"})

_REMEDIES = {
    "could not translate host name": "Correct the host",
    "Connection refused": "Start the server, or correct host and port",
    "timeout expired": "Start the server, or correct host and port",
    "no pg_hba.conf entry": "Let the server admit this machine and user, or correct them",
    "password": "Correct user and password, with reserved characters percent-encoded (@ as %40),",
    'role "': "Correct the user",
    'database "': "Correct the database",
}
# What a server says, or leaves unsaid, that may be back in a moment.
_AWAY = re.compile(
    "Connection refused|Connection reset|timeout expired|timed out|Temporary failure in name resolution|"
    "server closed the connection|SSL SYSCALL|could not receive data|terminating connection|"
    "is starting up|is shutting down|in recovery mode|too many clients|remaining connection slots"
)


def is_postgresql(url: str) -> bool:
    """Whether a URL is one of PostgreSQL."""
    return url.startswith(("postgresql:", "postgres:"))


def is_away(error: Exception) -> bool:
    """Whether the server is away for a moment: it does not answer, hangs up, or takes nobody in."""
    return _AWAY.search(str(error)) is not None


@contextmanager
def connected(url: str, variable: str, *, autocommit: bool = True) -> Iterator[Any]:
    """A cursor on a database.

    Args:
        url: ``postgresql://user:password@host:5432/database``. No message repeats its password.
        variable: The environment variable that holds it, for messages.
        autocommit: Whether each statement is its own transaction; else all are one, committed at the end or undone.

    Raises:
        AwayError: If the server does not answer or hangs up.
        DeliveryError: If the database refuses the user, or there is none.
    """
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    patience = "" if "connect_timeout" in url else f"{'&' if '?' in url else '?'}connect_timeout=10"
    try:
        connection = dbapi.connect(url + patience, autocommit=autocommit)
    except Error as error:
        kind = AwayError if is_away(error) else DeliveryError
        raise kind(_unreachable(redacted(str(error), url), variable)) from None
    with connection, connection.cursor() as cursor:
        try:
            # Else a backslash would end a literal early, or open it.
            cursor.execute("SET standard_conforming_strings = on")
            yield cursor
            if not autocommit:
                connection.commit()
        except Error as error:
            if not is_away(error):
                raise
            known = " ".join(redacted(str(error), url).removeprefix("IO: [libpq] ").split())
            raise AwayError(f"the database of {variable} broke off: {known}.") from None


def _unreachable(message: str, variable: str) -> str:
    # Nothing else of the message is shown: it may repeat a URL that could not be parsed, password and all.
    known = re.search(r"(?:could not translate host name|connection to server) .*", message)
    if known is None:
        return (
            f"{variable} is no URL of a PostgreSQL database. It reads postgresql://user:password@host:5432/database, "
            "with reserved characters percent-encoded (@ as %40)."
        )
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in known[0]), "Correct what it names")
    return f"the database cannot be reached: {' '.join(known[0].split())}. {remedy} in {variable}."


def refusal(error: Exception) -> str:
    """What the server said, without the driver's wrapping and without a value that it could not read."""
    answer = re.search(r"ERROR:\s+(.+)", str(error))
    return re.sub(r': "[^"]*"$', "", answer[1] if answer else str(error).splitlines()[0])


def quoted(name: str) -> str:
    """A name as SQL, whatever its letters."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value as SQL, of whatever type it is compared with or stored as."""
    return "NULL" if value is None else "'" + f"{value}".replace("'", "''") + "'"


def relation_of(table: str, query: str | None) -> str:
    """What stands after FROM: a table by its name, with its schema where it has one, or a query in its place."""
    return f"(\n{query.strip().rstrip(';')}\n) delivery" if query else ".".join(map(quoted, table.split(".")))


def types_of(relation: str, cursor: Any) -> dict[str, str]:
    """The columns of a relation, and PostgreSQL's names of their types."""
    schema = cursor.adbc_execute_schema(f"SELECT * FROM {relation}")  # noqa: S608 (names are quoted)
    return {column.name: column.metadata[b"POSTGRESQL:type"].decode() for column in schema}


def as_arrow(column: str, kind: str) -> str:
    """A column as SQL of a type that Arrow has; endless dates become the last and the first that a calendar shows.

    Args:
        column: Its name.
        kind: PostgreSQL's name of its type.
    """
    name = quoted(column)
    if kind in MOMENTS:
        last, first = f"{kind} '9999-12-30'", f"{kind} '0001-01-02'"
        return f"CASE WHEN {name} > {last} THEN {last} WHEN {name} < {first} THEN {first} ELSE {name} END AS {name}"
    if kind in {"numeric", "money"}:
        return f"{name}::numeric::float8 AS {name}"
    return name if kind in NUMBERS | TEXTS else f"{name}::text AS {name}"
