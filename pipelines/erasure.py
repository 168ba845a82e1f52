"""`churn erase`: one customer is taken out of everything that the pipeline holds, and every place is counted again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl
from rich.box import SIMPLE
from rich.table import Table

from assets.erasure import EXPORTS, PAGES, CrmTables, Exports, LakeTables, OtherFiles, Pages, Place
from assets.files import FileSource, readable
from assets.input_source import InputTable
from assets.scratch import scratch_folder
from assets.turn import LakeBusyError
from models.ids import folded, read_id
from models.mapping import DeliveryError, customers_of
from pipelines.console import CONSOLE, complain
from pipelines.settings import Settings
from pipelines.stores import crm_of, lake_of

DONE, FAILED = 0, 1
_NOWHERE = "The customer stands nowhere. Check the id: it is the one of your source, as text."
_LEFT = "still names the customer. Run this again; what is not ours has to be mended or removed by hand."
_UNREAD = "it could not be looked at. Mend or remove it, and run this again."


@dataclass(frozen=True)
class Look:
    """What was found in a file or table that is read.

    Attributes:
        name: Where.
        rows: Rows of the customer; None if it was not looked at.
        problem: Why it could not be looked at, if it should have been.
        near: Ids that nearly are the same.
    """

    name: str
    rows: int | None = None
    problem: str | None = None
    near: tuple[str, ...] = ()


def erase(typed: str, settings: Settings, now: datetime) -> int:
    """Erase a customer, and print how often he stood where, before and after.

    Args:
        typed: Id as in the source, in whatever spelling is read as the same.
        settings: What the pipeline is configured with.
        now: Rows up to this day of the shop's zone, or up to the newest night if that is later, stay out from now on.

    Returns:
        The exit code: 0 if nothing of him is left, 1 if something is, if he stands nowhere, if something could not be
        looked at, if the receiver of the push was not told, or if a run has the lake.
    """
    customer = read_id(typed)
    if customer is None:
        complain("This is no id: it is empty, or what programs write where there is no value.")
        return FAILED
    turn = replace(settings.turn(), patience=0)
    try:
        with turn.taken("an erasure", CONSOLE.print):
            turn.sweep()
            return _erase(customer, settings, now)
    except LakeBusyError as error:
        complain(f"{error}")
        return FAILED


def erase_again(settings: Settings, say: Callable[[str], object]) -> None:
    """Erase once more whoever stands in a lake that is older than their erasure: a restored one, or a half erased one.

    Whoever calls it has the turn.

    Args:
        settings: What the pipeline is configured with.
        say: Told how many there were.

    Raises:
        DeliveryError: If a place cannot be reached.
    """
    lake, erasures = lake_of(settings), settings.erasures()
    if erasures.applied_to(lake):
        return
    erased, known = erasures.read(), LakeTables(lake).first_nights()
    tried = known.filter(pl.col("night") <= max(erased.until.values()))
    if tried.height:
        say(
            f"This lake has not seen every erasure: {tried.height:,} customers are compared with those who were erased."
        )
    found = erased.among(tried["customer_id"]).join(tried, on="customer_id").filter(pl.col("night") <= pl.col("until"))
    for customer in found["customer_id"]:
        for place in _places(settings):
            place.erase(customer)
    erasures.mark(lake)
    if found.height:
        say(f"{found.height:,} customers who were erased before stood in this lake, and were taken out again.")


def _erase(customer: str, settings: Settings, now: datetime) -> int:
    lake, erasures, places = lake_of(settings), settings.erasures(), _places(settings)
    nights = lake.nights("transactions")
    seen_all = erasures.applied_to(lake)
    # First, so that no file and no interruption stands between a customer and the erasure.
    again = erasures.remember(customer, max([now.astimezone(settings.churn.zone).date(), *nights[-1:]]))
    problems: list[str] = []
    before = _counted(places, customer, problems)
    for place in places:
        with _noted(problems):
            place.erase(customer)
    after = _counted(places, customer, problems)
    if seen_all and not any(name.startswith("lake") for name in after):
        erasures.mark(lake)
    looks = list(_sources(customer, settings))
    problems += [look.problem for look in looks if look.problem]
    _tell_of_near_ids(LakeTables(lake).near(customer), looks)
    found = before or any(look.rows for look in looks)
    # Whoever was erased before stands nowhere, and yet the receiver of the push may not have been told.
    if found or again:
        _print_counts(before, after)
        _tell_of_sources(looks)
        problems += [f"{name}: {_LEFT if rows else _UNREAD}" for name, rows in after.items()]
        with _noted(problems):
            if settings.push.forget([customer], nights[-1] if nights else None, settings.network):
                CONSOLE.print("The receiver of CHURN__PUSH__URL was asked to erase the same customer.")
    elif problems or any(look.rows is None for look in looks):
        problems.append(f"{_NOWHERE} Not everything was looked at, so that what is older than today stays out.")
    else:
        erasures.forget(customer)
        problems.append(_NOWHERE)
    for problem in dict.fromkeys(problems):
        complain(problem)
    if found and not any(after.values()):
        CONSOLE.print("Nothing of the customer is left in lake, CRM tables, exports, reports and Data Docs.")
        CONSOLE.print("Beyond our reach: backups, and what a CRM has copied from the tables; delete there too.")
    return FAILED if problems else DONE


@contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    """Go on with the other places where one cannot be reached or read."""
    try:
        yield
    except DeliveryError as error:
        problems.append(f"{error}")
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        # What others say may quote the data.
        problems.append(f"{type(error).__name__}: a file cannot be read or written; {_UNREAD}")


def _counted(places: list[Place], customer: str, problems: list[str]) -> dict[str, int | None]:
    counts: dict[str, int | None] = {}
    for place in places:
        with _noted(problems):
            counts |= place.count(customer)
    return counts


def _places(settings: Settings) -> list[Place]:
    folders = {
        "lake": (settings.lake.path, frozenset({".parquet"})),
        "exports": (settings.crm.exports, EXPORTS),
        "reports": (settings.lake.reports, PAGES),
        "Data Docs": (settings.lake.data_docs, PAGES),
    }
    return [
        LakeTables(lake_of(settings)),
        CrmTables(crm_of(settings)),
        Exports(settings.beside(settings.crm.exports), settings.language, settings.segments.names),
        Pages("reports", settings.beside(settings.lake.reports)),
        Pages("Data Docs", settings.beside(settings.lake.data_docs)),
        *(OtherFiles(name, settings.beside(path), ours) for name, (path, ours) in folders.items()),
    ]


def _sources(customer: str, settings: Settings) -> Iterator[Look]:
    """What each file or table that is read has of a customer, one by one."""
    transactions = settings.transactions()
    read: list[FileSource | InputTable] = [each.rows for each in settings.optional_inputs()]
    read += [each.rows for each in settings.consents()]
    if isinstance(transactions, FileSource):
        read.insert(0, transactions)
    else:
        yield Look(transactions.name)
    with scratch_folder(settings.beside(settings.lake.path)) as folder:
        for rows in read:
            yield from _looks(customer, rows, folder)


def _looks(customer: str, rows: FileSource | InputTable, folder: Path) -> Iterator[Look]:
    if isinstance(rows, InputTable):
        yield _look(customer, rows, f"database: {rows.name}", rows.name, rows.frame)
        return
    try:
        files = rows.files()
    except DeliveryError as error:
        yield Look(rows.path, problem=f"not looked at: {error}")
        return
    for file in files:
        name = f"{rows.path}: {file.name}"
        yield _look(customer, rows, name, file.name, lambda file=file: rows.read(file, folder))  # type: ignore[misc]


def _look(
    customer: str,
    rows: FileSource | InputTable,
    name: str,
    file: str,
    frame: Callable[[], pl.LazyFrame],
) -> Look:
    ids = pl.col("customer_id")
    try:
        with readable(file):
            whole = customers_of(frame(), rows.columns, file=file)
            alike = whole.filter(folded(ids) == folded(pl.lit(customer))).collect()["customer_id"]
    except DeliveryError as error:
        return Look(name, problem=f"not looked at: {error}")
    return Look(name, int((alike == customer).sum()), near=tuple(alike.filter(alike != customer).unique()))


def _tell_of_near_ids(near: list[str], looks: list[Look]) -> None:
    if ids := sorted({*near, *(name for look in looks for name in look.near)}):
        CONSOLE.print(f"Other customers with nearly the same id: {', '.join(map(repr, ids))}.", markup=False)


def _print_counts(before: dict[str, int | None], after: dict[str, int | None]) -> None:
    table = Table("place", "found", "left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in sorted(before | after):
        counts = (each.get(name, 0) for each in (before, after))
        table.add_row(name, *("not looked at" if count is None else f"{count:,}" for count in counts))
    CONSOLE.print(table)


def _tell_of_sources(looks: list[Look]) -> None:
    for look in looks:
        if look.rows is None and look.problem is None:
            CONSOLE.print(f"{look.name}: not looked at. Delete the customer there too.", markup=False)
        elif look.rows:
            CONSOLE.print(
                f"{look.name}: still holds {look.rows:,} rows of the customer. Delete them there too.", markup=False
            )
    if any(look.rows for look in looks):
        CONSOLE.print(
            "Old rows of transactions and inputs stay out when they are delivered again; consent is read anew."
        )
