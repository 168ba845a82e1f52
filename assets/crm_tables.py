"""How a night is written to the tables of a CRM and becomes the current one."""
# ruff: noqa: S608 - the statements are made of the names of tables and of dates, of nothing that anybody sends

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from assets.crm_layout import (
    COLUMNS,
    CURRENT,
    DEPARTED,
    ENTRY,
    HISTORY,
    INSTANT,
    LOG,
    POINTER,
    ROW,
    SENT,
    STORED,
    TOLD,
    Entry,
    Store,
    marked,
)
from models.segments import departed


def log(store: Store) -> list[Entry]:
    """The publications so far, the oldest first."""
    entries = store.read(f"SELECT {', '.join(ENTRY)} FROM {LOG} ORDER BY published_at", ENTRY)
    return [Entry(*row) for row in entries.rows()]


def enter(store: Store, entry: Entry) -> None:
    """Enter a publication in the log."""
    store.insert(LOG, pl.DataFrame([entry], schema=dict(ENTRY)))


def pointed(store: Store) -> date | None:
    """The night that the CRM reads."""
    nights = store.read(f"SELECT night FROM {POINTER}", {"night": pl.Date()}).rows()
    return nights[0][0] if nights else None


def stored(store: Store, night: date) -> pl.DataFrame:
    """The rows of a night as they were delivered."""
    return store.read(f"SELECT {COLUMNS} FROM {HISTORY} WHERE night = '{night}'", ROW)


def write(store: Store, rows: pl.DataFrame, night: date) -> None:
    """Put the rows of a night in place of those that it may have had.

    Raises:
        RuntimeError: when the database holds another number of rows afterwards.
    """
    store.load(HISTORY, night, rows.select(list(STORED)))
    there = store.read(f"SELECT count(*) AS n FROM {HISTORY} WHERE night = '{night}'", {"n": pl.Int64()}).item()
    if there != rows.height:
        raise RuntimeError(f"{there} of {rows.height} rows arrived for {night}; nothing is published, publish it again")


def write_behind(store: Store, rows: pl.DataFrame, night: date) -> None:
    """Write a night that is older than the current one, stamped by the end of its own day: to a watermark no news."""
    end = datetime.combine(night, time.max, UTC)
    stamps = stamps_from(end - timedelta(microseconds=max(rows.height - 1, 0)), pl.int_range(pl.len()))
    write(store, marked(rows).with_columns(updated_at=stamps), night)


def stamps_from(first: datetime, places: pl.Expr) -> pl.Expr:
    """A stamp for each place from 0 on, a microsecond apart.

    No two rows share one, so that whoever reads by watermark in pages loses none between two of them.
    """
    return (pl.lit(first, INSTANT) + pl.duration(microseconds=places)).cast(INSTANT)


def make_current(store: Store, rows: pl.DataFrame, night: date, now: datetime, *, departed_days: int) -> int:
    """Write a night and let the CRM read it.

    A row keeps its `updated_at` as long as none of `models.segments.BUSINESS` changes; those that change get stamps
    from ``now`` on, each its own. Customers whom the
    CRM knows as at risk and of whom the night says nothing are told to have left. Whoever left stays in
    the current table for `departed_days` after that night, or until at risk again.

    Returns:
        How many rows of the current table have changed, and so how many stamps were given.
    """
    names = ("customer_id", "updated_at", "fingerprint")
    with ThreadPoolExecutor(1) as other:
        # The database reads what it has while we look at what is new.
        fresh = other.submit(marked, rows.drop("updated_at", strict=False))
        known = store.read(
            f"SELECT {', '.join(names)} FROM {HISTORY} WHERE night = (SELECT night FROM {POINTER}) "
            f"UNION ALL SELECT {', '.join(names)} FROM {DEPARTED}",
            {name: STORED[name] for name in names},
        )
    before = rows.select("customer_id").join(known, on="customer_id", how="left", maintain_order="left")
    same = pl.col("fingerprint").eq_missing(before["fingerprint"])
    news = stamps_from(now, (~same).cast(pl.Int64).cum_sum() - 1)
    stamped = fresh.result().with_columns(updated_at=pl.when(same).then(before["updated_at"]).otherwise(news))
    changed = int(stamped.select((~same).sum()).item())
    gone = _rows(store, known.join(rows, on="customer_id", how="anti")["customer_id"])
    told = pl.col("status") == "left"
    missed = departed(gone.filter(~told), night).sort("customer_id")
    missed = missed.with_columns(updated_at=stamps_from(now, changed + pl.int_range(pl.len())))
    left = pl.concat([gone.filter(told), missed]).filter(pl.col("night") > night - timedelta(days=departed_days))
    store.execute(f"DELETE FROM {DEPARTED}")
    store.insert(DEPARTED, marked(left).sort("customer_id"))
    write(store, stamped, night)
    store.execute(f"DELETE FROM {POINTER}")
    store.insert(POINTER, pl.DataFrame({"night": [night]}))
    return changed + missed.height


def _rows(store: Store, customers: pl.Series) -> pl.DataFrame:
    """What the CRM reads of some customers."""
    if customers.is_empty():
        return pl.DataFrame(schema=dict(ROW))
    query = f"SELECT {COLUMNS} FROM {CURRENT} WHERE customer_id {store.among}"
    return store.read(query, ROW, [json.dumps(customers.to_list())])


def forget(store: Store, before: date) -> None:
    """Delete the nights before a day from the history."""
    store.forget(HISTORY, before)


def unsent(store: Store) -> pl.DataFrame:
    """Rows of the current table that changed after the last that were sent, by time and customer."""
    newer = f"WHERE updated_at > (SELECT updated_at FROM {SENT})" if store.columns(SENT) else ""
    return store.read(f"SELECT {COLUMNS} FROM {CURRENT} {newer}", ROW).sort("updated_at", "customer_id")


def told(store: Store) -> pl.Series:
    """Whom the receiver believes to be contacted."""
    if not store.columns(TOLD):
        return pl.Series("customer_id", dtype=pl.String)
    return store.read(f"SELECT customer_id FROM {TOLD}", {"customer_id": pl.String()})["customer_id"]


def mark_sent(store: Store, news: pl.DataFrame) -> None:
    """Remember that some news were sent, and whom the receiver believes to be contacted since."""
    before, until = told(store), news["updated_at"].max()
    others = before.to_frame().join(news, on="customer_id", how="anti")
    if not store.columns(TOLD):
        store.execute(f"CREATE TABLE {TOLD} (customer_id {store.types['String']} NOT NULL)")
    store.execute(f"DELETE FROM {TOLD}")
    store.insert(TOLD, pl.concat([others, news.filter("deliver").select("customer_id")]).sort("customer_id"))
    if not store.columns(SENT):
        store.execute(f"CREATE TABLE {SENT} (updated_at {store.types['Datetime']} NOT NULL)")
    store.execute(f"DELETE FROM {SENT}")
    store.insert(SENT, pl.DataFrame({"updated_at": [until]}, schema={"updated_at": INSTANT}))
