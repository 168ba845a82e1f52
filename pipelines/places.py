"""Whether everything that a night needs can be reached: source, lake, CRM and MLflow; nothing is changed."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import urlopen

from assets.addresses import redacted, shown, sqlite_file
from assets.database import URL_VARIABLE, DatabaseSource
from assets.files import FileSource
from assets.other_database import answer
from assets.postgresql import connected, is_postgresql, types_of
from models.mapping import DeliveryError, resolve
from pipelines.settings import Settings

_PATIENCE = 5.0
_NEWEST = 5


@dataclass(frozen=True)
class Place:
    """Something outside that a night needs.

    Attributes:
        name: What it is.
        address: Where it is, without a password.
        problem: Why it cannot be used; None if it can.
    """

    name: str
    address: str
    problem: str | None


def places(settings: Settings) -> Iterator[Place]:
    """Try every place in turn; a database is asked for nothing but an answer."""
    source = settings.source
    where = source.path or f"{source.table or 'query'} of the database"
    yield _tried("source", shown(where), lambda: _source(settings), *settings.secrets())
    yield _tried("columns", "of the source", lambda: _columns(settings), *settings.secrets())
    folders = {"lake": settings.lake.path, "reports": settings.lake.reports, "exports": settings.crm.exports}
    for name, folder in folders.items():
        path = settings.beside(folder)
        yield _tried(name, str(path), lambda path=path: _writable(path))  # type: ignore[misc]
    database = settings.crm_database()
    yield _tried("CRM", shown(database), lambda: _database(database, "CHURN__CRM__DATABASE"), database)
    tracking = settings.tracking_uri()
    yield _tried("MLflow", shown(tracking), lambda: _tracking(tracking), tracking)


def _tried(name: str, address: str, attempt: Callable[[], None], *secrets: str) -> Place:
    try:
        attempt()
    # A driver may raise anything; whatever it is, the place cannot be used, and that is the answer.
    except Exception as error:
        reason = f"{error}".strip().splitlines() or [type(error).__name__]
        return Place(name, address, redacted(reason[0], *secrets))
    return Place(name, address, None)


def _source(settings: Settings) -> None:
    source = settings.transactions()
    if isinstance(source, DatabaseSource) and is_postgresql(source.url):
        _database(source.url, URL_VARIABLE)
    elif isinstance(source, DatabaseSource):
        answer(source.url, "SELECT 1", name=source.name, variable=URL_VARIABLE)
    elif not list(source.files()):
        raise OSError("no file is there")


def _columns(settings: Settings) -> None:
    """Refuse settings that name columns which the source does not have, in whatever the lake has of earlier nights."""
    source = settings.transactions()
    with TemporaryDirectory() as folder:
        if isinstance(source, FileSource):
            # Of the newest files, the one that is opened soonest.
            file = min(source.files()[-_NEWEST:], key=lambda file: file.size)
            name, header = file.name, source.read(file, Path(folder)).collect_schema().names()
        elif is_postgresql(source.url):
            with connected(source.url, URL_VARIABLE) as cursor:
                name, header = source.name, list(types_of(source.relation, cursor))
        else:
            statement = f"SELECT * FROM {source.relation} WHERE 1 = 0"  # noqa: S608 (from the settings)
            name, header = source.name, answer(source.url, statement, name=source.name, variable=URL_VARIABLE).columns
    found = resolve(header, source.columns, file=name)
    if lost := [
        f"source.columns.{role}" for role, names in vars(source.columns).items() if names and role not in found
    ]:
        raise DeliveryError(f"{name}: no column has the name of {' or '.join(lost)}. Correct them, or leave them out.")


def _writable(path: Path) -> None:
    """Refuse a folder that cannot be written to, or that could not be made."""
    here = next(each for each in (path, *path.parents) if each.exists())
    if not here.is_dir():
        raise OSError(f"{here} is a file, not a folder")
    if not os.access(here, os.W_OK | os.X_OK):
        raise OSError(f"{here} is not writable: change its owner or its mode")


def _database(address: str, variable: str) -> None:
    if not address.startswith(("postgresql:", "postgresql+", "postgres:")):
        _file(Path(address))
        return
    with connected(f"postgresql:{address.partition(':')[2]}", variable) as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()


def _file(path: Path) -> None:
    """Refuse an SQLite file that cannot be written to, or that could not be made."""
    if not path.exists():
        _writable(path.parent)
    elif path.is_dir():
        raise OSError(f"{path} is a folder, not a file")
    elif not os.access(path, os.W_OK):
        raise OSError(f"{path} is not writable: change its owner or its mode")


def _tracking(uri: str) -> None:
    if (file := sqlite_file(uri)) is not None:
        _file(file)
    elif uri.startswith("http"):
        with suppress(HTTPError):  # a server that refuses a page is there all the same
            urlopen(f"{uri}/health", timeout=_PATIENCE).close()  # noqa: S310 (http by the condition)
    else:
        _database(uri, "CHURN__MLFLOW__TRACKING_URI")
