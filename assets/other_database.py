"""Transactions from a database other than PostgreSQL, by the driver that is installed for it."""

import re
from datetime import date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import polars as pl

from assets.addresses import redacted
from models.mapping import ColumnMapping, DeliveryError, resolve

_FILES = ("duckdb", "sqlite")
"""Schemes whose databases are files."""


def read_other(
    url: str,
    relation: str,
    arrived_column: str | None,
    columns: ColumnMapping,
    *,
    name: str,
    variable: str,
    after: date | None,
    night: date,
) -> pl.DataFrame:
    """Read what arrived after one night and by the end of another; both nights end at midnight of the column's clock.

    Args:
        url: ``scheme://user:password@host/database``; ADBC has to have a driver of that scheme, or connectorx knows it.
        relation: What stands after FROM, in the words of that database.
        arrived_column: When a row arrived, a name as that database writes it; the timestamp if None.
        columns: Which columns mean what.
        name: What the lake calls the source.
        variable: The environment variable that holds the URL, for messages.
        after: What arrived up to the end of this night was ingested; rows without a time of arrival come each time.
        night: As-of date.

    Raises:
        DeliveryError: If no driver is installed, the database cannot be read, or lacks a column.
    """
    arrived = _arrived(url, relation, arrived_column, columns, name=name, variable=variable)
    since = "" if after is None else f" AND {arrived} >= {_midnight(after)}"
    span = f"{arrived} < {_midnight(night)}{since} OR {arrived} IS NULL"
    return answer(url, f"SELECT * FROM {relation} WHERE {span}", name=name, variable=variable)  # noqa: S608 (from settings)


def count_other(
    url: str,
    relation: str,
    arrived_column: str | None,
    columns: ColumnMapping,
    *,
    name: str,
    variable: str,
    night: date,
) -> int:
    """Number of the rows that had arrived by the end of a night; arguments and errors as for :func:`read_other`."""
    arrived = _arrived(url, relation, arrived_column, columns, name=name, variable=variable)
    span = f"{arrived} < {_midnight(night)} OR {arrived} IS NULL"
    statement = f"SELECT count(*) FROM {relation} WHERE {span}"  # noqa: S608 (from settings)
    return int(answer(url, statement, name=name, variable=variable).item())


def _arrived(
    url: str, relation: str, arrived_column: str | None, columns: ColumnMapping, *, name: str, variable: str
) -> str:
    empty = answer(url, f"SELECT * FROM {relation} WHERE 1 = 0", name=name, variable=variable)  # noqa: S608 (from settings)
    return arrived_column or resolve(empty.columns, columns, file=name)["timestamp"]


def _midnight(day: date) -> str:
    return f"'{datetime.combine(day + timedelta(days=1), time())}'"


def limited(url: str, most: int) -> tuple[str, str]:
    """How a database is asked for some rows: what stands behind SELECT, and what at the end."""
    match url.partition(":")[0].lower():
        case "mssql":
            return f"TOP {most} ", ""
        case "oracle":
            return "", f" FETCH FIRST {most} ROWS ONLY"
        case _:
            return "", f" LIMIT {most}"


def answer(url: str, statement: str, *, name: str, variable: str) -> pl.DataFrame:
    """What a database says to a statement.

    Args:
        url: As for :func:`read_other`.
        statement: In its own SQL.
        name: What the lake calls the source.
        variable: The environment variable that holds the URL, for messages.

    Raises:
        DeliveryError: If no driver is installed, or the database refuses.
    """
    engine = _engine(url, variable)
    _refuse_no_file(url, variable)
    try:
        return pl.read_database_uri(statement, url, engine=engine)
    except DeliveryError:
        raise
    # Every driver has errors of its own, which share no class but this.
    except Exception as error:
        reason = " ".join(redacted(f"{error}", url).split())
        raise DeliveryError(
            f"{name}: the database of {variable} cannot be read ({reason}). Correct the URL in the environment, or "
            "source.table, source.query and source.arrived_column in churn.toml."
        ) from None


def _refuse_no_file(url: str, variable: str) -> None:
    """Refuse a file that is not there: its driver would make an empty one."""
    scheme, _, place = url.partition(":")
    path = re.sub(r"^/{,3}", "", place).partition("?")[0]
    if scheme.lower() in _FILES and not path.startswith(":memory:") and not Path(path).is_file():
        raise DeliveryError(
            f"{variable} names the file {path}, which is not there. Correct the URL; an absolute path follows four "
            f"slashes, as in {scheme}:////srv/shop.db."
        )


def _engine(url: str, variable: str) -> Literal["adbc", "connectorx"]:
    scheme = url.partition(":")[0].lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", scheme) or "://" not in url:
        raise DeliveryError(
            f"{variable} is no URL of a database. It reads postgresql://user:password@host:5432/database, reserved "
            "characters percent-encoded (@ as %40)."
        )
    if find_spec(f"adbc_driver_{scheme}"):
        return "adbc"
    if find_spec("connectorx"):
        return "connectorx"
    raise DeliveryError(
        f"{variable} begins with {scheme}://, for which no driver is installed. Install one into .venv: an ADBC driver "
        f"named adbc-driver-{scheme}, or connectorx."
    )
