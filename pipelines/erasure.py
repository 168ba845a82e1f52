"""`churn erase`: one customer is taken out of everything that the pipeline holds, and every place is counted again."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from rich.box import SIMPLE
from rich.table import Table

from assets.erased import erased_of, remember
from assets.erasure import CrmTables, Exports, LakeTables, Pages, Place
from assets.files import FileSource
from assets.input_source import InputTable, frames
from assets.turn import LakeBusyError, Turn
from models.mapping import DeliveryError, canonical
from pipelines.console import CONSOLE, complain
from pipelines.settings import Settings
from pipelines.stores import crm_of, lake_of

DONE, FAILED = 0, 1


def erase(customer: str, settings: Settings) -> int:
    """Erase a customer, and print how often he stood where, before and after.

    Args:
        customer: Id as in the source.
        settings: What the pipeline is configured with.

    Returns:
        The exit code: 0 if nothing of him is left, 1 if something is, if he stands nowhere, if the receiver of the push
        was not told, or if a run has the lake.
    """
    try:
        with Turn(settings.beside(settings.lake.path), patience=0).taken("an erasure", CONSOLE.print):
            return _erase(customer, settings)
    except (LakeBusyError, DeliveryError) as error:
        complain(f"{error}")
        return FAILED


def _erase(customer: str, settings: Settings) -> int:
    places, lake = _places(settings), lake_of(settings)
    before = _counted(places, customer)
    sources = dict(_sources(customer, settings))
    nights = lake.nights("transactions")
    known = erased_of(lake)
    # Whoever was erased before stands nowhere, and yet the receiver of the push may not have been told.
    if not before and not any(sources.values()) and known.digest(customer) not in known.until:
        complain(f"{customer} stands nowhere. Check the id: it is the one of your source, as text.")
        return FAILED
    if nights:
        # First, so that an interrupted erasure cannot be undone by the next night.
        remember(lake, customer, nights[-1])
    for place in places:
        place.erase(customer)
    after = _counted(places, customer)
    table = Table("place", "found", "left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in sorted(before | after):
        table.add_row(name, f"{before.get(name, 0):,}", f"{after.get(name, 0):,}")
    CONSOLE.print(table)
    _tell_of_sources(customer, sources)
    if after:
        complain(f"{sum(after.values()):,} traces of {customer} are left: run this again.")
        return FAILED
    CONSOLE.print(f"Nothing of {customer} is left in lake, CRM tables, exports, reports and Data Docs.", markup=False)
    if settings.push.forget([customer], nights[-1] if nights else None, settings.network):
        CONSOLE.print("The receiver of CHURN__PUSH__URL was asked to erase the same customer.")
    CONSOLE.print("Beyond our reach: backups, and what a CRM has copied from the tables; delete there too.")
    return DONE


def _places(settings: Settings) -> list[Place]:
    return [
        LakeTables(lake_of(settings)),
        CrmTables(crm_of(settings)),
        Exports(settings.beside(settings.crm.exports), settings.language, settings.segments.names),
        Pages("reports", settings.beside(settings.lake.reports)),
        Pages("Data Docs", settings.beside(settings.lake.data_docs)),
    ]


def _counted(places: list[Place], customer: str) -> dict[str, int]:
    return {name: times for place in places for name, times in place.count(customer).items()}


def _sources(customer: str, settings: Settings) -> Iterator[tuple[str, int | None]]:
    """Rows of the customer in each file or table that is read; None where that was not looked at."""
    transactions = settings.transactions()
    read: list[FileSource | InputTable] = [each.rows for each in settings.optional_inputs()]
    read += [each.rows for each in settings.consents()]
    if isinstance(transactions, FileSource):
        read.insert(0, transactions)
    else:
        yield transactions.name, None
    with TemporaryDirectory() as folder:
        for rows in read:
            for name, frame in frames(rows, Path(folder)):
                whole = canonical(frame, rows.columns, rows.reading, timezone=settings.churn.timezone, file=name)
                his = whole.filter(pl.col("customer_id") == customer).select(pl.len())
                yield f"{rows.path if isinstance(rows, FileSource) else 'database'}: {name}", his.collect().item()


def _tell_of_sources(customer: str, sources: dict[str, int | None]) -> None:
    for name, count in sources.items():
        if count is None:
            CONSOLE.print(f"{name}: not looked at. Delete {customer} there too.", markup=False)
        elif count:
            CONSOLE.print(f"{name}: still holds {count:,} rows of {customer}. Delete them there too.", markup=False)
    if any(sources.values()):
        CONSOLE.print(
            "Old rows of transactions and inputs stay out when they are delivered again; consent is read anew."
        )
