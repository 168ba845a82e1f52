"""A night takes from a database what had arrived by its end, once, and says clearly why it cannot."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.database import DatabaseSource, read_database
from models.definition import ChurnDefinition
from models.mapping import ColumnMapping, DeliveryError
from models.transactions import ValidationRules, split

BERLIN = ChurnDefinition(timezone="Europe/Berlin")
COLUMNS = ColumnMapping(customer_id=("customer",), timestamp=("bought",), amount=("paid",))
NOTHING = pl.DataFrame(schema={"night": pl.Date, "source_file": pl.String})
BOUGHT = "2024-01-01 12:00+01"
NEW_YEAR = date(2024, 1, 1)


class Database:
    """A schema of this module's own on the shared server."""

    def __init__(self, server: str) -> None:
        self.schema = f"test_{uuid4().hex}"
        self.url = f"{server}&options={quote(f'-csearch_path={self.schema}')}"
        self.execute(f"CREATE SCHEMA {self.schema}")

    def execute(self, *statements: str) -> list[Any]:
        """What the last statement returns."""
        with dbapi.connect(self.url, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def orders(self, *rows: tuple[str | None, ...], arrived: str = "timestamptz") -> None:
        """The table `orders` with these rows: customer, bought, paid, loaded."""
        values = (", ".join("NULL" if cell is None else f"'{cell}'" for cell in row) for row in rows)
        self.execute(
            "DROP TABLE IF EXISTS orders",
            f"CREATE TABLE orders (customer text, bought timestamptz, paid float8, loaded {arrived})",
            *(f"INSERT INTO orders VALUES ({row})" for row in values),
        )

    def source(self, **changes: Any) -> DatabaseSource:
        orders = DatabaseSource(self.url, COLUMNS, table="orders", arrived_column="loaded")
        return replace(orders, **changes)


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Database]:
    own = Database(postgres_url)
    yield own
    own.execute(f"DROP SCHEMA {own.schema} CASCADE")


def take(
    source: DatabaseSource, scratch: Path, night: date, *, after: date | None = None
) -> tuple[Mapping[str, object], pl.DataFrame]:
    manifest = NOTHING if after is None else pl.DataFrame({"night": [after], "source_file": [source.name]})
    (arrival,) = read_database(source, BERLIN, night=night, manifest=manifest, scratch=scratch)
    assert arrival.line is not None
    assert arrival.rows is not None
    return arrival.line, arrival.rows.collect()


def customers(source: DatabaseSource, scratch: Path, night: date, *, after: date | None = None) -> list[str]:
    return sorted(take(source, scratch, night, after=after)[1]["customer_id"])


@pytest.mark.parametrize(
    ("arrived", "moments"),
    [
        (
            "timestamptz",
            ["2024-03-30 22:59:59+00", "2024-03-30 23:00+00", "2024-03-31 21:59:59+00", "2024-04-01 00:00+02"],
        ),
        ("timestamp", ["2024-03-30 23:59:59", "2024-03-31 00:00", "2024-03-31 23:59:59.999999", "2024-04-01 00:00"]),
        ("date", ["2024-03-30", "2024-03-31", "2024-03-31", "2024-04-01"]),
    ],
)
def test_a_night_goes_from_midnight_to_midnight_of_the_zone(database, tmp_path, arrived, moments):
    names = ["before", "first", "last", "later"]
    database.orders(*((name, BOUGHT, "1", at) for name, at in zip(names, moments, strict=True)), arrived=arrived)
    spring = date(2024, 3, 31)
    assert customers(database.source(), tmp_path, spring, after=spring - timedelta(days=1)) == ["first", "last"]


def test_the_night_on_which_clocks_go_back_takes_25_hours(database, tmp_path):
    hours = [datetime(2024, 10, 26, 20, 30, tzinfo=UTC) + timedelta(hours=n) for n in range(30)]
    database.orders(*(("a", BOUGHT, str(n), str(hour)) for n, hour in enumerate(hours)))
    autumn = date(2024, 10, 27)
    assert len(customers(database.source(), tmp_path, autumn, after=autumn - timedelta(days=1))) == 25


DAYS = st.integers(0, 12)


@given(arrivals=st.lists(DAYS | st.none(), max_size=12), schedule=st.sets(DAYS, min_size=1, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_taken_once_by_the_first_night_that_runs_after_it_arrived(database, tmp_path, arrivals, schedule):
    rows = ", ".join(f"({row}, {'NULL::int' if day is None else day})" for row, day in enumerate([*arrivals, None]))
    source = database.source(
        table=None,
        query=f"SELECT id AS customer, now() AS bought, 1 AS paid, date '2024-01-01' + day AS loaded "
        f"FROM (VALUES {rows}) AS arrivals (id, day)",
    )
    last: int | None = None
    for night in sorted(schedule):
        after = None if last is None else NEW_YEAR + timedelta(days=last)
        due = [
            str(row)
            for row, day in enumerate([*arrivals, None])
            if day is None or (-1 if last is None else last) < day <= night
        ]
        assert customers(source, tmp_path, NEW_YEAR + timedelta(days=night), after=after) == sorted(due)
        last = night


def test_without_a_column_that_tells_the_arrival_a_row_arrives_when_it_happens(database, tmp_path):
    days = [NEW_YEAR + timedelta(days=n) for n in range(4)]
    database.orders(*((str(day.day), f"{day} 23:30+01", "1", None) for day in days))
    source = database.source(arrived_column=None)
    assert customers(source, tmp_path, days[1]) == ["1", "2"]
    assert customers(source, tmp_path, days[2], after=days[1]) == ["3"]


def test_rows_that_an_earlier_night_took_are_not_even_computed(database, tmp_path):
    query = "SELECT (1 / extract(day FROM day - date '2024-01-01'))::text AS customer, day AS bought, 1 AS paid"
    days = "FROM generate_series(timestamp '2024-01-01', '2024-01-03', '1 day') AS day; "
    source = database.source(table=None, query=f"{query} {days}", arrived_column=None)
    assert len(customers(source, tmp_path, date(2024, 1, 3), after=NEW_YEAR)) == 2
    with pytest.raises(DeliveryError, match="division by zero"):
        customers(source, tmp_path, date(2024, 1, 3))


def test_what_happens_after_it_arrived_goes_to_quarantine(database, tmp_path):
    database.orders(("now", BOUGHT, "1", BOUGHT), ("then", "2024-01-09 12:00+01", "1", BOUGHT))
    _, rows = take(database.source(), tmp_path, NEW_YEAR)
    valid, quarantine = split(rows.lazy(), ValidationRules(), night=NEW_YEAR, mapped={"amount"})
    assert valid.collect()["customer_id"].to_list() == ["now"]
    assert quarantine.select("customer_id", "reasons").collect().rows() == [("then", ["timestamp_in_future"])]


def test_the_manifest_says_what_span_was_taken_and_what_it_held(database, tmp_path):
    rows = [("a", BOUGHT, "1", "2024-03-31 12:00+02"), ("b", BOUGHT, "2", "2024-03-30 12:00+01")]
    database.orders(*rows)
    night = date(2024, 3, 31)
    line, first = take(database.source(), tmp_path, night, after=date(2024, 3, 29))
    assert {key: line[key] for key in ("night", "source_file", "rows", "due", "later")} == {
        "night": night,
        "source_file": "orders",
        "rows": 2,
        "due": 2,
        "later": 0,
    }
    assert line["arrived_from"] == datetime(2024, 3, 29, 23, tzinfo=UTC)
    assert line["arrived_until"] == datetime(2024, 3, 31, 22, tzinfo=UTC)

    database.orders(*reversed(rows))
    again, second = take(database.source(), tmp_path, night, after=date(2024, 3, 29))
    assert (again, second.rows()) == (line, first.rows())

    database.orders(rows[0], ("b", BOUGHT, "3", "2024-03-30 12:00+01"))
    changed, _ = take(database.source(), tmp_path, night, after=date(2024, 3, 29))
    assert changed["digest"] != line["digest"]


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        ("customer_id", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("customer_id", "42::int8", "42"),
        ("customer_id", "'00042  '::char(7)", "00042"),
        ("customer_id", """'{"id": 1}'::jsonb""", '{"id": 1}'),
        ("amount", "12.50::numeric(12, 2)", 12.5),
        ("amount", "12.50::numeric::money", 12.5),
        ("amount", "3::int2", 3.0),
        ("amount", "'1.234,5'::text", 1234.5),
        ("day", "'2024-02-03 00:30+01'::timestamptz", date(2024, 2, 3)),
        ("day", "'2024-02-03'::date", date(2024, 2, 3)),
        ("day", "'03.02.2024'::text", date(2024, 2, 3)),
        ("contract_until", "'infinity'::date", date(9999, 12, 30)),
        ("contract_until", "'-infinity'::timestamp", date(1, 1, 2)),
        ("contract_until", "NULL::date", None),
    ],
)
def test_types_of_the_database_are_read_as_what_they_mean(database, tmp_path, column, value, read):
    values = {"customer_id": "'a'", "day": "timestamp '2024-01-01'", "amount": "1", "contract_until": "NULL::date"}
    values[column] = value
    customer, day, amount, contract = values.values()
    names = ColumnMapping(("Kunde",), ("when",), amount=("paid",), contract_until=("until",))
    query = f'SELECT {customer} AS "Kunde", {day} AS "when", {amount} AS paid, {contract} AS until, now() AS loaded'
    _, rows = take(database.source(table=None, query=query, columns=names), tmp_path, date(2100, 1, 1))
    assert rows[column].to_list() == [read]


WRONG = {
    "no such table": (
        {"table": "oders"},
        "oders: the database has no such table. Did you mean 'orders'? Set source.table in churn.toml.",
    ),
    "no such schema": (
        {"table": "nowhere.at_all"},
        "nowhere.at_all: the database has no such table. Set source.table in churn.toml.",
    ),
    "no such column": (
        {"columns": ColumnMapping(("custumer",), ("bought",))},
        "orders: no column 'custumer' for customer_id; did you mean 'customer'? The file has: 'customer', 'bought', "
        "'paid', 'loaded', 'seen', 'open'. Set source.columns.customer_id in churn.toml.",
    ),
    "no such column of arrival": (
        {"arrived_column": "load"},
        "orders: no column 'load'. Did you mean 'loaded'? Set source.arrived_column in churn.toml.",
    ),
    "nothing like a column of arrival": (
        {"arrived_column": "xyz"},
        "orders: no column 'xyz'. It has: 'customer', 'bought', 'paid', 'loaded', 'seen', 'open'. Set "
        "source.arrived_column in churn.toml.",
    ),
    "an arrival that is text": (
        {"arrived_column": "seen"},
        "orders: column 'seen' is of type text and cannot tell what arrived by a night. Set source.arrived_column to a "
        "date or timestamp, or cast it in source.query.",
    ),
    "a timestamp that is text and tells the arrival": (
        {"columns": ColumnMapping(("customer",), ("seen",)), "arrived_column": None},
        "orders: column 'seen' is of type text and cannot tell what arrived by a night. Set source.arrived_column to a "
        "date or timestamp, or cast it in source.query.",
    ),
    "a timestamp that is a number": (
        {"columns": ColumnMapping(("customer",), ("paid",))},
        "orders: column 'paid' is of type float8 and cannot be read as timestamp. Cast it in source.query, or correct "
        "source.columns in churn.toml.",
    ),
    "an amount that is none": (
        {"columns": ColumnMapping(("customer",), ("bought",), amount=("open",))},
        "orders: column 'open' is of type bool and cannot be read as amount. Cast it in source.query, or correct "
        "source.columns in churn.toml.",
    ),
    "no SQL": (
        {"table": None, "query": "SELECT * FORM orders"},
        'source.query fails: syntax error at or near "FORM". Correct it in churn.toml.',
    ),
    "a query of no table": (
        {"table": None, "query": "SELECT * FROM oders"},
        'source.query fails: relation "oders" does not exist. Correct it in churn.toml.',
    ),
    "a query that breaks off": (
        {"table": None, "query": "SELECT customer, bought, 1 / (paid - paid) AS paid, loaded FROM orders"},
        "source.query fails: division by zero. Correct it in churn.toml.",
    ),
    "not allowed": (
        {"url": "clerk:secret"},
        "orders: permission denied for table orders. Grant SELECT on it to the user in CHURN__SOURCE__URL.",
    ),
    "wrong password": (
        {"url": "clerk:wrong"},
        'the database cannot be reached: connection to server on socket "{socket}" failed: FATAL: password '
        'authentication failed for user "clerk". Correct user and password, with reserved characters percent-encoded '
        "(@ as %40), in CHURN__SOURCE__URL.",
    ),
    "no such user": (
        {"url": "stranger:secret"},
        'the database cannot be reached: connection to server on socket "{socket}" failed: FATAL: role "stranger" does '
        "not exist. Correct the user in CHURN__SOURCE__URL.",
    ),
    "no such database": (
        {"url": "/shop"},
        'the database cannot be reached: connection to server on socket "{socket}" failed: FATAL: database "shop" does '
        "not exist. Correct the database in CHURN__SOURCE__URL.",
    ),
    "no server": (
        {"url": "postgresql://clerk:secret@127.0.0.1:9/shop"},
        'the database cannot be reached: connection to server at "127.0.0.1", port 9 failed: Connection refused. Start '
        "the server, or correct host and port in CHURN__SOURCE__URL.",
    ),
    "no host": (
        {"url": "postgresql://clerk:secret@nowhere.invalid/shop"},
        'the database cannot be reached: could not translate host name "nowhere.invalid" to address: Name or service '
        "not known. Correct the host in CHURN__SOURCE__URL.",
    ),
    "another kind of database": (
        {"url": "tardis://clerk:secret@127.0.0.1/shop"},
        "CHURN__SOURCE__URL begins with tardis://, for which no driver is installed. Install one into .venv: an ADBC "
        "driver named adbc-driver-tardis, or connectorx.",
    ),
    "a password that breaks the URL": (
        {"url": "postgresql://clerk:se/secret@127.0.0.1/shop"},
        "CHURN__SOURCE__URL is no URL of a PostgreSQL database. It reads "
        "postgresql://user:password@host:5432/database, with reserved characters percent-encoded (@ as %40).",
    ),
}


@pytest.fixture(scope="module")
def guarded(database: Database) -> Iterator[Database]:
    """The database with a user `clerk` who has a password, and sees the schema but may not read its tables."""
    ((rules,),) = database.execute("SELECT current_setting('hba_file')")
    Path(rules).write_text("local all clerk scram-sha-256\n" + Path(rules).read_text())
    database.execute(
        "CREATE ROLE clerk LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA {database.schema} TO clerk",
        "SELECT pg_reload_conf()",
    )
    yield database
    database.execute("DROP OWNED BY clerk", "DROP ROLE clerk")


@pytest.mark.parametrize(("changes", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_refused_with_a_sentence(guarded, tmp_path, changes, sentence):
    guarded.execute(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (customer text, bought timestamptz, paid float8, loaded date, seen text, open bool)",
        "INSERT INTO orders VALUES ('a', now(), 1, now(), '', true)",
    )
    url = changes.get("url", guarded.url)
    if url.startswith("/"):
        url = guarded.url.replace("/postgres?", f"{url}?")
    elif "://" not in url:
        url = guarded.url.replace("postgres:@", f"{url}@")
    with pytest.raises(DeliveryError) as refusal:
        take(guarded.source(**changes | {"url": url}), tmp_path, date(2100, 1, 1))
    socket = f"{parse_qs(urlsplit(guarded.url).query)['host'][0]}/.s.PGSQL.5432"
    assert str(refusal.value) == sentence.format(socket=socket)


def test_a_source_never_shows_its_url():
    assert "secret" not in repr(DatabaseSource("postgresql://clerk:secret@127.0.0.1/shop", COLUMNS, table="orders"))


@pytest.mark.parametrize("given", [{}, {"table": "orders", "query": "SELECT 1"}])
def test_a_source_reads_a_table_or_a_query(given):
    with pytest.raises(ValueError, match="set one of source"):
        DatabaseSource("postgresql:///shop", COLUMNS, **given)


def test_a_column_that_the_settings_name_and_the_database_lacks_is_noted(database, tmp_path):
    database.orders(("a", BOUGHT, "1", BOUGHT))
    source = database.source(columns=replace(COLUMNS, product=("sku",)))
    (arrival,) = read_database(source, BERLIN, night=NEW_YEAR, manifest=NOTHING, scratch=tmp_path)
    assert list(arrival.notes) == [("orders", "columns_absent", "product")]
