"""A database other than PostgreSQL is asked for the same rows, once, by the driver that is installed for it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.database import DatabaseSource, arrived_by, read_database
from models.definition import ChurnDefinition
from models.deliveries import Delivery
from models.mapping import ColumnMapping, DeliveryError

COLUMNS = ColumnMapping(customer_id=("customer",), timestamp=("bought",), amount=("paid",))
NEW_YEAR = date(2024, 1, 1)
ROWS = [
    ("ann", "2024-01-01 23:59:59", 1.5, "2024-01-01 23:59:59"),
    ("bob", "2024-01-01 09:00:00", 2.5, "2024-01-02 00:00:00"),
    ("eve", "2023-12-24 18:00:00", 3.5, None),
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        shop.execute("CREATE TABLE orders (customer TEXT, bought TEXT, paid REAL, loaded TEXT)")
        shop.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ROWS)
    return f"sqlite:///{tmp_path}/shop.db"


def take(source: DatabaseSource, night: date, manifest: pl.DataFrame, scratch: Path) -> tuple[list[str], pl.DataFrame]:
    """Who is delivered on a night, and the manifest with it."""
    (arrival,) = read_database(source, ChurnDefinition(), night=night, manifest=manifest, scratch=scratch)
    assert arrival.rows is not None
    line = pl.DataFrame([arrival.line], schema_overrides=Delivery.create_empty().schema)
    who = arrival.rows.sort("customer_id").collect()["customer_id"].to_list()
    return who, pl.concat([manifest, line], how="diagonal")


@pytest.mark.parametrize("query", [None, "SELECT * FROM orders WHERE paid > 0;"])
def test_each_night_takes_what_arrived_by_its_end_and_was_not_taken(tmp_path, url, query):
    source = DatabaseSource(url, COLUMNS, table=None if query else "orders", query=query, arrived_column="loaded")
    first, manifest = take(source, NEW_YEAR, Delivery.create_empty(), tmp_path)
    second, manifest = take(source, NEW_YEAR + timedelta(days=1), manifest, tmp_path)
    third, _ = take(source, NEW_YEAR + timedelta(days=2), manifest, tmp_path)
    again, _ = take(replace(source, overlap_days=2), NEW_YEAR + timedelta(days=2), manifest, tmp_path)
    assert (first, second, third) == (["ann", "eve"], ["bob", "eve"], ["eve"])
    assert again == ["ann", "bob", "eve"]
    assert [arrived_by(source, ChurnDefinition(), NEW_YEAR + timedelta(days=n)) for n in range(3)] == [2, 3, 3]


def test_without_a_time_of_arrival_rows_arrive_when_they_happened(tmp_path, url):
    first, _ = take(DatabaseSource(url, COLUMNS, table="orders"), NEW_YEAR, Delivery.create_empty(), tmp_path)
    assert first == ["ann", "bob", "eve"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table": "order"}, r"order: the database of CHURN__SOURCE__URL cannot be read \(.*\). Correct the URL"),
        ({"columns": ColumnMapping(("who",), ("bought",))}, "orders: no column 'who' for customer_id"),
        ({"url": "tardis://a:secret@h/d"}, r"begins with tardis://, for which no driver is installed. Install one"),
        ({"url": "shop.db"}, "CHURN__SOURCE__URL is no URL of a database"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_password(tmp_path, url, changes, said):
    source = DatabaseSource(**({"url": url, "columns": COLUMNS, "table": "orders"} | changes))
    with pytest.raises(DeliveryError, match=said) as error:
        take(source, NEW_YEAR, Delivery.create_empty(), tmp_path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_file_that_is_not_there_is_said_and_not_made(tmp_path, scheme):
    with pytest.raises(DeliveryError, match=r"CHURN__SOURCE__URL names the file .*o\.db, which is not there"):
        take(
            DatabaseSource(f"{scheme}:///{tmp_path}/o.db", COLUMNS, table="orders"),
            NEW_YEAR,
            Delivery.create_empty(),
            tmp_path,
        )
    assert not list(tmp_path.iterdir())
