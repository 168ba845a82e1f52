"""A CRM reads whole nights, hears of every change once, and of nothing that did not change."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from assets import crm_layout
from assets.crm import Crm
from assets.crm_views import SYNCED
from assets.erasure import CrmTables
from assets.exports import PlacingError
from assets.postgresql import is_postgresql
from models.mapping import DeliveryError
from models.next_purchase import QUANTILES
from models.segments import BUSINESS, AtRiskSegment
from models.table_schema import table_schema
from tests.at_risk import AT_RISK, LEFT, NIGHT, at_risk

FIRST = NIGHT


def day(number):
    return FIRST + timedelta(days=number)


def night(number, customers, snapshot=None):
    """The table of a night: per customer what differs from a typical row."""
    return at_risk(customers, night=day(number), snapshot_id=snapshot or f"{day(number)}_7_{abs(number)}")


def left(**change):
    return {**LEFT, **change}


@pytest.fixture
def crm(tmp_path):
    return Crm(database=str(tmp_path / "folder" / "crm.sqlite3"))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request):
    if request.param == "sqlite":
        return request.getfixturevalue("crm")
    return Crm(database=schema(request.getfixturevalue("postgres_url")))


def schema(url):
    """The URL of an empty schema."""
    name = f"crm_{uuid4().hex}"
    run(url, f"CREATE SCHEMA {name}")
    return f"{url}&options=-csearch_path%3D{name}"


def run(url, *statements):
    """What the last of some statements returns, in PostgreSQL."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
    return rows


def publish(crm, number, customers, **options):
    return crm.publish(night(number, customers, **options), day(number), "run")


def stamps(crm):
    return dict(crm.read().select("customer_id", "updated_at").rows())


def statuses(crm):
    return dict(crm.read().select("customer_id", "status").sort("customer_id").rows())


def test_what_is_published_is_what_is_read(either):
    table = night(0, {"a": {}, "b": {"value": None, "reason_1": "Ärger; 'viel'"}})
    done = either.publish(table, day(0), "run 1")
    assert (done.rows, done.changed, done.outcome) == (2, 2, "current")
    for relation in ("at_risk_segments", "at_risk_segments_history"):
        found = either.read(relation).sort("customer_id")
        assert found.drop("updated_at").equals(table)
    entry = either.read("publication_log").row(0, named=True)
    assert entry == {
        "snapshot_id": table["snapshot_id"][0],
        "night": day(0),
        "run_id": "run 1",
        "rows": 2,
        "published_at": found["updated_at"].max(),
    }
    alone = night(1, {"a": {"reason_1": "Ärger; 'viel'", "value": 0.1 + 0.2, "currency": None}})
    either.publish(alone, day(1), "run 2")
    assert either.read().filter(status="stayed").drop("updated_at").equals(alone)


def test_publishing_a_night_again_changes_nothing(either):
    publish(either, 0, {"a": {}})
    before = either.read(), either.read("publication_log")
    assert publish(either, 0, {"a": {}}).outcome == "unchanged"
    assert either.read().equals(before[0])
    assert either.read("publication_log").equals(before[1])


def test_nothing_counts_as_changed_that_is_no_news(either):
    publish(either, 0, {"a": {"status": "entered"}, "b": {}})
    before = stamps(either)
    other_day = {"reason_1": "35 days since the last order; usually every 12 days", "expected_next_purchase": day(2)}
    done = publish(either, 1, {"a": other_day | {"model_version": "8", "policy_version": "q"}, "b": other_day})
    assert (done.outcome, done.changed) == ("current", 0)
    assert stamps(either) == before
    assert set(either.read()["night"]) == {day(1)}


NEWS: list[dict[str, object]] = [
    {"churn_probability": 0.8001},
    {"risk_percentile": 91},
    {"risk_tier": "medium"},
    {"value": 100.26},
    {"value_at_risk": 80.21},
    {"currency": None},
    {"segment": "nurture"},
    {"reason_1_code": "bought_once"},
    {"reason_2_code": "season"},
    {"reason_3_code": "season"},
    {"action": "invitation"},
    {"channel": "post"},
    {"contact_from": date(2027, 1, 2)},
    {"contact_until": date(2027, 1, 8)},
    {"action_cost": 8.01},
    {"expected_profit": None},
    {"experiment_id": "retention-2"},
    {"stratum": "nurture/high"},
    {"entered_on": day(1)},
    {"deliver": False, "suppressed_reason": "capacity"},
    {"deliver": False, "suppressed_reason": "control", "is_control": True},
]


@pytest.mark.parametrize("change", NEWS, ids="-".join)
def test_any_news_moves_the_row_and_no_other(crm, change):
    publish(crm, 0, {"a": {}, "b": {}})
    before = stamps(crm)
    assert publish(crm, 1, {"a": change, "b": {}}).changed == 1
    after = stamps(crm)
    assert after["a"] > before["a"]
    assert after["b"] == before["b"]


def test_every_column_that_counts_as_news_is_tried():
    assert {name for change in NEWS for name in change} == set(BUSINESS) - {"customer_id"}


def test_who_left_stays_as_such_until_aged_or_at_risk_again(crm):
    short = replace(crm, departed_days=3)
    publish(short, 0, {"a": {}, "b": {}, "c": {}})
    publish(short, 1, {"a": left(), "b": left(), "c": {}})
    moved = stamps(short)["a"]
    publish(short, 2, {"b": {"status": "entered"}, "c": {}})
    assert statuses(short) == {"a": "left", "b": "entered", "c": "stayed"}
    assert stamps(short)["a"] == moved
    publish(short, 4, {"b": {}, "c": {}})
    assert statuses(short) == {"b": "stayed", "c": "stayed"}


def test_a_customer_of_whom_a_later_night_says_nothing_is_told_to_have_left(crm):
    publish(crm, 0, {"a": {}, "b": {}})
    done = publish(crm, 3, {"b": {}})
    told = crm.read().row(by_predicate=pl.col("customer_id") == "a", named=True)
    assert {name: told[name] for name in LEFT} == LEFT
    assert (told["night"], told["churn_probability"], done.changed) == (day(3), None, 1)
    AtRiskSegment.validate(crm.read().drop("updated_at"))


def test_the_changes_are_who_entered_and_who_left(crm):
    publish(crm, 0, {"a": {"status": "entered"}, "b": {}, "c": {}})
    publish(crm, 1, {"a": {}, "b": left()})
    changes = crm.read("at_risk_segments_changes").sort("night", "customer_id")
    assert changes.select("night", "customer_id", "status").rows() == [
        (day(0), "a", "entered"),
        (day(1), "b", "left"),
        (day(1), "c", "left"),
    ]


def test_an_older_night_gets_its_history_and_is_no_news(either):
    publish(either, 0, {"a": {}})
    publish(either, 2, {"b": {"status": "entered"}})
    before = either.read().sort("customer_id")
    assert publish(either, 0, {"a": {}}).outcome == "unchanged"
    assert publish(either, 1, {"c": {"status": "entered"}}).outcome == "history"
    assert publish(either, 0, {"a": {"churn_probability": 0.6}}, snapshot="another").outcome == "history"
    assert either.read().sort("customer_id").equals(before)
    history = either.read("at_risk_segments_history").sort("night")
    assert history.select("night", "customer_id", "churn_probability").rows() == [
        (day(0), "a", 0.6),
        (day(1), "c", 0.8),
        (day(2), "b", 0.8),
    ]
    behind = history.filter(pl.col("night") < day(2))["updated_at"].max()
    assert behind < before["updated_at"].max()


def test_the_latest_night_published_with_other_content_replaces_itself(crm):
    publish(crm, 0, {"a": {}, "b": {}})
    done = publish(crm, 0, {"a": {}, "b": {"churn_probability": 0.9}}, snapshot="retrained")
    assert (done.outcome, done.changed) == ("current", 1)
    assert crm.read("at_risk_segments_history").height == 2


def test_an_empty_night_says_goodbye_to_everybody(crm):
    publish(crm, 0, {"a": {}})
    assert publish(crm, 1, {}).snapshot_id == "2026-03-02_empty"
    assert statuses(crm) == {"a": "left"}


def test_the_crm_can_be_pointed_to_an_earlier_night(either):
    publish(either, 0, {"a": {}, "b": {}})
    publish(either, 1, {"a": {}, "b": left(), "c": {"status": "entered"}})
    seen = max(stamps(either).values())
    done = either.point_to(day(0), "by hand", lambda rows: rows)
    assert (done.snapshot_id, done.outcome, done.changed) == ("2026-03-01_7_0", "current", 2)
    assert statuses(either) == {"a": "stayed", "b": "stayed", "c": "left"}
    assert {who for who, stamp in stamps(either).items() if stamp > seen} == {"b", "c"}
    assert publish(either, 1, {"a": {}, "b": left(), "c": {"status": "entered"}}).outcome == "current"
    assert statuses(either) == {"a": "stayed", "b": "left", "c": "entered"}


def test_a_night_that_is_not_there_cannot_be_pointed_to(crm):
    publish(crm, 0, {"a": {}})
    with pytest.raises(ValueError, match=r"2026-03-06 is not in the history of the CRM; .* 2026-03-01"):
        crm.point_to(day(5), "by hand", lambda rows: rows)


def test_old_nights_are_forgotten(crm):
    short = replace(crm, history_days=10)
    for number in (0, 1, 11):
        publish(short, number, {"a": {}})
    assert short.read("at_risk_segments_history")["night"].sort().to_list() == [day(1), day(11)]
    with pytest.raises(ValueError, match="not in the history"):
        short.point_to(day(0), "by hand", lambda rows: rows)


def test_a_table_that_breaks_the_contract_leaves_the_night_before_in_place(crm):
    publish(crm, 0, {"a": {}})
    before = crm.read()
    with pytest.raises(dy.exc.ValidationError):
        publish(crm, 1, {"a": {"churn_probability": 1.5}})
    with pytest.raises(ValueError, match=r"not 2026-03-03 alone; pass one night"):
        crm.publish(night(1, {"a": {}}), day(2), "run")
    assert crm.read().equals(before)


def test_tables_of_another_contract_are_left_alone(crm):
    Path(crm.database).parent.mkdir()
    with closing(sqlite3.connect(crm.database)) as connection:
        connection.execute("CREATE TABLE at_risk_segments_history (night TEXT, customer TEXT)")
    with pytest.raises(ValueError, match=r"differs from the contract in: .*customer.*rename the old tables"):
        publish(crm, 0, {"a": {}})


@pytest.mark.parametrize(
    ("database", "address"),
    [
        ("crm.db", "crm.db"),
        ("postgresql://crm@db.example:5432/shop", "postgresql://db.example:5432/shop"),
        ("postgresql://crm:se:cr/et@db.example/shop", "postgresql://…"),
        ("postgresql://:secret@db.example/shop", "postgresql://db.example/shop"),
    ],
)
def test_the_address_does_not_tell_the_password(database, address):
    assert Crm(database=database).address == address


def test_the_files_of_a_night_are_written_beside(tmp_path):
    crm = Crm(database=str(tmp_path / "crm.sqlite3"), exports=str(tmp_path / "exports"))
    publish(crm, 0, {"a": {}})
    assert pl.read_parquet(tmp_path / "exports" / "2026-03-01" / "at_risk_segments.parquet").equals(night(0, {"a": {}}))


def test_dates_and_times_in_sqlite_are_iso_text(crm):
    publish(crm, 0, {"a": {}})
    with closing(sqlite3.connect(crm.database)) as connection:
        row = connection.execute("SELECT night, contact_from, deliver, updated_at FROM at_risk_segments").fetchone()
        mode = connection.execute("PRAGMA journal_mode").fetchone()
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM at_risk_segments WHERE updated_at > '2026-03-01T00:00:00.000000Z'"
        ).fetchall()
    assert row[:3] == ("2026-03-01", "2027-01-01", 1)
    assert len(row[3]) == len("2026-03-01T00:00:00.000000Z")
    assert row[3].endswith("Z")
    assert mode == ("wal",)
    assert [step[3] for step in plan if "updated_at" in step[3]] != []
    assert not [step[3] for step in plan if step[3].startswith("SCAN at_risk_segments_history")]


MAPPED = ["customer_id", "churn_probability", "risk_tier", "segment", "action", "deliver"]


class Watermark:
    """A CRM: a client of the database that asks for what has changed since it last asked, and knows nothing else."""

    def __init__(self, database, stack, *, newer=">", page=None):
        self.newer, self.page = newer, page
        self.known: dict[str, tuple[object, ...]] = {}
        self.since, self.place, text = "2000-01-01T00:00:00.000000Z", "?", ""
        if is_postgresql(database):
            from adbc_driver_postgresql import dbapi

            self.place, text = "CAST($1 AS timestamptz)", "::text"
            connection = stack.enter_context(dbapi.connect(database, autocommit=True))
        else:
            connection = stack.enter_context(closing(sqlite3.connect(database, isolation_level=None)))
        self.cursor = stack.enter_context(closing(connection.cursor()))
        self.asked = f"SELECT {', '.join(MAPPED)}, updated_at{text} FROM at_risk_segments"

    def poll(self):
        limit = "" if self.page is None else f" LIMIT {self.page}"
        query = f"{self.asked} WHERE updated_at {self.newer} {self.place} ORDER BY updated_at{limit}"
        while True:
            since = self.since
            self.cursor.execute(query, [since])
            rows = self.cursor.fetchall()
            for *told, stamp in rows:
                self.known[told[0]], self.since = tuple(told), stamp
            if self.page is None or self.since == since or not rows:
                return

    def told(self):
        return {told for told in self.known.values() if told[MAPPED.index("risk_tier")] != "none"}


READERS = {
    "strict": {},
    "inclusive": {"newer": ">="},
    "paged": {"page": 50},
    "inclusive pages": {"newer": ">=", "page": 50},
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_whoever_reads_by_watermark_loses_nothing_in_pages_or_at_once(either, reader):
    many = {f"c{number:03}": {"value": float(number)} for number in range(170)}
    fewer = {who: {**row, "value": row["value"] + 1} for who, row in many.items() if who < "c120"}
    others: dict[str, dict[str, object]] = {f"n{number:03}": {} for number in range(60)}
    assert either.read().is_empty()
    with ExitStack() as stack:
        client = Watermark(either.database, stack, **reader)
        for number, customers in ((0, many), (2, {**fewer, **others}), (1, many)):
            publish(either, number, customers)
            client.poll()
            assert client.known == {row[0]: tuple(row) for row in rows_read(either, client)}
        either.point_to(day(0), "back")
        client.poll()
        assert client.known == {row[0]: tuple(row) for row in rows_read(either, client)}
    for relation in ("at_risk_segments", "at_risk_segments_history"):
        stored = either.read(relation)
        for _, rows in stored.group_by("night"):
            assert rows["updated_at"].is_unique().all()
    log = either.read("publication_log").sort("published_at")
    assert log["published_at"].is_unique().all()
    assert either.read()["updated_at"].max() <= log["published_at"].max()


def rows_read(crm, client):
    client.cursor.execute(f"SELECT {', '.join(MAPPED)} FROM at_risk_segments")
    return client.cursor.fetchall()


REFUSE = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE INSERT ON at_risk_segments_pointer BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON at_risk_segments_pointer FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
ALLOW = {"sqlite": ["DROP TRIGGER refuse"], "postgresql": ["DROP TRIGGER refuse ON at_risk_segments_pointer"]}


def fails_to_flip(crm, kind, number, customers, snapshot):
    """Whether a publication fails in a database that takes the night and refuses to make it the current one."""
    for statements in (REFUSE, ALLOW):
        with crm.transaction() as store:
            crm_layout.prepare(store)
            for statement in statements[kind]:
                store.execute(statement)
        if statements is REFUSE:
            try:
                publish(crm, number, customers, snapshot=snapshot)
                failed = False
            except DeliveryError:
                failed = True
    return failed


changes = st.dictionaries(
    st.sampled_from("abcde"), st.sampled_from([{}, {"churn_probability": 0.6}, {"risk_tier": "low"}]), max_size=5
)
events = st.lists(
    st.tuples(st.sampled_from(["publish", "publish", "again", "back", "fail"]), st.integers(0, 6), changes),
    min_size=1,
    max_size=7,
)


def follow(crm, kind, schedule):
    """What a CRM knows after each event of a schedule is what the pipeline meant."""
    meant: dict[str, dict[str, object]] = {}
    current = -1
    stored: dict[int, dict[str, dict[str, object]]] = {}
    with ExitStack() as stack:
        crm.read()
        reader = Watermark(crm.database, stack)
        for event, number, news in schedule:
            if event in {"back", "again"} and number not in stored:
                continue
            customers = stored[number] if event in {"back", "again"} else news
            snapshot = f"{number}:{sorted(customers.items())}"
            if event == "fail" and fails_to_flip(crm, kind, number, customers, snapshot):
                assert number >= current
            else:
                if event == "back":
                    crm.point_to(day(number), "by hand", lambda rows: rows)
                elif event != "fail":
                    publish(crm, number, customers, snapshot=snapshot)
                stored[number] = customers
                if event == "back" or number >= current:
                    current, meant = number, customers
            reader.poll()
            assert reader.told() == set(night(0, meant).select(MAPPED).rows())


@settings(max_examples=25, deadline=None)
@given(events)
def test_a_crm_that_polls_sqlite_ends_with_what_the_pipeline_meant(tmp_path_factory, schedule):
    crm = Crm(database=str(tmp_path_factory.mktemp("crm") / "crm.sqlite3"), departed_days=365)
    follow(crm, "sqlite", schedule)


@settings(max_examples=8, deadline=None)
@given(schedule=events)
def test_a_crm_that_polls_postgresql_ends_with_what_the_pipeline_meant(postgres_url, schedule):
    follow(Crm(database=schema(postgres_url), departed_days=365), "postgresql", schedule)


POLL = """
import pathlib, sys, time
database, folder = sys.argv[1], pathlib.Path(sys.argv[2])
query = "SELECT count(*), min(snapshot_id), max(snapshot_id) FROM at_risk_segments WHERE status <> 'left'"
if database.startswith("postgresql"):
    from adbc_driver_postgresql import dbapi
    connection = dbapi.connect(database, autocommit=True)
else:
    import sqlite3
    connection = sqlite3.connect(database, timeout=60)
cursor = connection.cursor()
seen, slowest = {}, 0.0
while not (folder / "stop").exists():
    start = time.monotonic()
    cursor.execute(query)
    row = cursor.fetchall()[0]
    slowest = max(slowest, time.monotonic() - start)
    seen[tuple(row)] = seen.get(tuple(row), 0) + 1
    (folder / "ready").touch()
cursor.close()
connection.close()
for row, times in seen.items():
    print(*row, times)
print(slowest, file=sys.stderr)
"""


def test_a_reader_in_another_process_sees_all_of_a_night_or_nothing_of_it(either, tmp_path):
    sizes = [3_000, 1_500, 4_000, 2_000]
    nights = [night(n, {f"c{n}-{who:05}": {} for who in range(size)}) for n, size in enumerate(sizes)]
    either.publish(nights[0], day(0), "run")
    with subprocess.Popen(
        [sys.executable, "-c", POLL, either.database, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as reader:
        try:
            for _ in range(600):
                if (tmp_path / "ready").exists() or reader.poll() is not None:
                    break
                time.sleep(0.05)
            for number, table in enumerate(nights[1:], 1):
                either.publish(table, day(number), "run")
            either.point_to(day(0), "by hand", lambda rows: rows)
        finally:
            (tmp_path / "stop").touch()
        seen, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    whole = {(str(size), f"{day(n)}_7_{n}") for n, size in enumerate(sizes)}
    polls = [tuple(line.split()) for line in seen.splitlines()]
    assert {(count, low) for count, low, _, _ in polls} <= whole
    assert all(low == high for _, low, high, _ in polls)
    assert len(polls) >= 2


CRASH = """
import os, sys
from datetime import date, timedelta
import polars as pl
from assets import crm_tables
from assets.crm import Crm
from assets.crm_postgresql import PostgresqlStore
from assets.crm_sqlite import SqliteStore
crm = Crm(database=sys.argv[1])
night = date(2026, 3, 2)
with crm.transaction() as store:
    rows = crm_tables.stored(store, date(2026, 3, 1)).drop("updated_at")
if sys.argv[2] == "copy":
    for kind in (PostgresqlStore, SqliteStore):
        def insert(store, table, frame, whole=kind.insert):
            whole(store, table, frame)
            if "history" in table:
                os._exit(9)
        kind.insert = insert
else:
    crm_tables.forget = lambda *_: os._exit(9)
crm.publish(rows.with_columns(night=pl.lit(night), snapshot_id=pl.lit("crashed")), night, "run")
"""


@pytest.mark.parametrize("amid", ["copy", "flip"])
def test_a_crash_leaves_the_night_before_in_place_and_the_next_try_clears_up(either, amid):
    publish(either, 0, {"a": {}, "b": {}})
    before = either.read().sort("customer_id")
    command = [sys.executable, "-c", CRASH, either.database, amid]
    with ExitStack() as stack:
        reader = Watermark(either.database, stack)
        reader.poll()
        assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == 9
        assert either.read().sort("customer_id").equals(before)
        draft = "CRM, at_risk_segments_history_draft"
        if is_postgresql(either.database) and amid == "flip":
            assert CrmTables(either).count("a")[draft] == 1
        assert publish(either, 1, {"a": {}, "b": {}}).changed == 0
        assert draft not in CrmTables(either).count("a")
        assert stamps(either) == dict(before.select("customer_id", "updated_at").rows())
        assert publish(either, 2, {"b": {"churn_probability": 0.6}}).changed == 2
        reader.poll()
        assert reader.told() == set(night(2, {"b": {"churn_probability": 0.6}}).select(MAPPED).rows())


def test_a_night_of_which_postgresql_refuses_a_half_is_not_published(postgres_url):
    crm = Crm(database=schema(postgres_url))
    publish(crm, 0, {"a": {}})
    run(crm.database, "ALTER TABLE at_risk_segments_history ADD CHECK (customer_id <> 'b')")
    with pytest.raises(DeliveryError, match=r"refuses the delivery: .*violates check constraint"):
        publish(crm, 1, {"a": {"churn_probability": 0.9}, "b": {}})
    assert crm.read().select("night", "customer_id").rows() == [(day(0), "a")]
    assert publish(crm, 1, {"a": {}}).outcome == "current"


def test_grants_and_views_that_depend_on_the_table_survive(postgres_url):
    url = schema(postgres_url)
    crm, role = Crm(database=url), f"reader_{uuid4().hex}"
    publish(crm, 0, {"a": {}})
    run(
        url,
        f"CREATE ROLE {role}",
        "DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO " + role + "', current_schema()); END $$",
        f"GRANT SELECT ON at_risk_segments TO {role}",
        "CREATE VIEW calls AS SELECT customer_id FROM at_risk_segments WHERE channel = 'phone'",
    )
    publish(crm, 1, {"a": {}, "b": {}})
    publish(crm, 2, {"c": {}})
    crm.point_to(day(1), "by hand", lambda rows: rows)
    assert sorted(run(url, "SELECT customer_id FROM calls")) == [("a",), ("b",)]
    assert run(url, f"SET ROLE {role}", "SELECT count(*) FROM at_risk_segments") == [(3,)]


def test_a_reader_of_the_history_neither_keeps_old_nights_nor_waits_for_them_to_go(postgres_url):
    from adbc_driver_postgresql import dbapi

    crm = Crm(database=schema(postgres_url), history_days=2)
    parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'at_risk_segments_history'::regclass"
    publish(crm, 0, {"a": {}})
    with dbapi.connect(crm.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM at_risk_segments_history")
        assert cursor.fetchall() == [(1,)]
        publish(crm, 3, {"a": {}})
        cursor.execute("SELECT count(*) FROM at_risk_segments_history")
        assert cursor.fetchall() == [(1,)]
    assert crm.read("at_risk_segments_history")["night"].to_list() == [day(3)]
    assert run(crm.database, parts) == [(2,)]
    publish(crm, 4, {"a": {}})
    assert run(crm.database, parts) == [(2,)]


def asked(crm, query, since):
    """What a tool of reverse ETL reads: by its own connection, with column names, as text where it is text."""
    if is_postgresql(crm.database):
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(crm.database) as connection, connection.cursor() as cursor:
            cursor.execute(query.replace("?", "CAST($1 AS timestamptz)"), [since])
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    with closing(sqlite3.connect(crm.database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, [since])]


def test_tools_of_reverse_etl_find_the_news_in_the_shape_that_they_ask_for(either):
    publish(either, 0, {"a": {}, "b": {}, "c": {}})
    since = max(stamps(either).values()).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    publish(
        either,
        1,
        {"a": {}, "b": left(churn_probability=None), "c": {"deliver": False, "suppressed_reason": "cooldown"}},
    )
    newer = "WHERE updated_at > ? ORDER BY updated_at, "
    braze = asked(
        either, f"SELECT UPDATED_AT, EXTERNAL_ID, PAYLOAD FROM at_risk_segments_braze {newer} EXTERNAL_ID", since
    )
    told = {
        row[name]: json.loads(row["PAYLOAD" if "PAYLOAD" in row else "payload"])
        for row in braze
        for name in row
        if name.upper() == "EXTERNAL_ID"
    }
    assert list(told) == ["b", "c"]
    assert told["c"] | {"reason_1": None} == {
        **{name: AT_RISK.get(name) for name in SYNCED},
        "deliver": False,
        "suppressed_reason": "cooldown",
        "currency": "EUR",
        "reason_1": None,
        **{name: str(AT_RISK[name]) for name in (*QUANTILES, "contact_from", "contact_until", "entered_on")},
    }
    assert (told["b"]["risk_tier"], told["b"]["churn_probability"], told["b"]["is_control"]) == ("none", None, False)
    salesforce = asked(either, f'SELECT * FROM at_risk_segments_salesforce {newer} "Customer_Id__c"', since)
    assert list(salesforce[0]) == ["updated_at", "Customer_Id__c", *(f"{name.title()}__c" for name in SYNCED)]
    row = salesforce[0]
    assert (row["Customer_Id__c"], row["Risk_Tier__c"], row["Churn_Probability__c"]) == ("b", "none", "#N/A")
    assert (row["Deliver__c"], row["Contact_From__c"], row["Entered_On__c"]) == ("false", "2027-01-01", "2026-03-01")
    assert all(value for each in salesforce for value in each.values())
    hubspot = asked(either, f"SELECT * FROM at_risk_segments_hubspot {newer} id", since)
    inputs = [
        {"idProperty": each["id_property"], "id": each["id"], "properties": json.loads(each["properties"])}
        for each in hubspot
    ]
    assert [(each["idProperty"], each["id"]) for each in inputs] == [("customer_id", "b"), ("customer_id", "c")]
    assert {type(value) for each in inputs for value in each["properties"].values()} == {str}
    assert (inputs[0]["properties"]["churn_probability"], inputs[1]["properties"]["deliver"]) == ("", "false")
    assert asked(either, f"SELECT * FROM at_risk_segments_hubspot {newer} id", since.replace("2026", "2096")) == []


def test_what_postgresql_tells_as_json_keeps_the_json_schema(postgres_url):
    crm = Crm(database=schema(postgres_url))
    publish(crm, 0, {"a": {}, "b": {"status": "entered"}, "c": {"deliver": False, "suppressed_reason": "control"}})
    publish(crm, 1, {"a": {"value": None}, "b": left(), "d": {}})
    judge = Draft202012Validator(table_schema(), format_checker=FormatChecker())
    for relation in ("at_risk_segments", "at_risk_segments_changes"):
        told = [json.loads(row) for (row,) in run(crm.database, f"SELECT row_to_json(r)::text FROM {relation} r")]
        assert len(told) == {"at_risk_segments": 4, "at_risk_segments_changes": 3}[relation]
        assert [error.message for row in told for error in judge.iter_errors(row)] == []
    query = (
        "SELECT column_name::text, data_type::text, (is_nullable = 'YES')::text FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = 'at_risk_segments_history' ORDER BY ordinal_position"
    )
    kinds = {"date": "string", "text": "string", "double precision": "number", "smallint": "integer"}
    there = {name: (kinds.get(kind, kind), null == "true") for name, kind, null in run(crm.database, query)}
    said = {name: column["type"] for name, column in table_schema()["properties"].items() if name != "updated_at"}
    assert said == {
        name: [kind, "null"] if null else kind
        for name, (kind, null) in there.items()
        if name not in {"updated_at", "fingerprint"}
    }


def test_columns_in_postgresql_have_their_types(postgres_url):
    url = schema(postgres_url)
    publish(Crm(database=url), 0, {"a": {}})
    names = "night, risk_percentile, churn_probability, deliver, updated_at"
    query = "SELECT " + ", ".join(f"pg_typeof({name})::text" for name in names.split(", ")) + " FROM at_risk_segments"
    assert run(url, query) == [("date", "smallint", "double precision", "boolean", "timestamp with time zone")]


def test_an_erased_customer_is_gone_from_every_table_and_the_others_can_still_be_published(either):
    publish(either, 0, {"a'b": {}, "ab": {}})
    publish(either, 1, {"a'b": left(), "ab": {}})
    publish(either, 2, {"ab": {}, "c": {}})
    place = CrmTables(either)
    assert sum(rows or 0 for rows in place.count("a'b").values()) == 3
    before = stamps(either)
    place.erase("a'b")
    assert place.count("a'b") == {}
    assert stamps(either) == {who: stamp for who, stamp in before.items() if who != "a'b"}
    either.point_to(day(0), "run", lambda rows: rows)
    assert statuses(either) == {"ab": "stayed", "c": "left"}


@pytest.mark.parametrize(
    "customer", ["\\' OR true -- ", "back\\", "\\", "'", '"', "a';--", "%", "\\'; DROP TABLE x; --"]
)
def test_an_id_is_text_whatever_its_letters_and_whatever_the_server_thinks_of_backslashes(postgres_url, customer):
    url = schema(postgres_url)
    crm = Crm(database=f"{url}%20-cstandard_conforming_strings%3Doff")
    publish(crm, 0, {customer: {}, "b": {}})
    place = CrmTables(crm)
    assert place.count(customer) == {"CRM, at_risk_segments_history": 1}
    place.erase(customer)
    assert place.count(customer) == {}
    assert crm.read()["customer_id"].to_list() == ["b"]


def test_an_erasure_touches_its_own_tables_and_no_others(either):
    publish(either, 0, {"a": {}, "b": {}})
    others = ('"at_risk_segments_Backup"', '"at_risk_segments 2026-03"', "at_risk_segments_mine")
    with either.transaction() as store:
        for name in others:
            store.execute(f"CREATE TABLE {name} (customer_id TEXT)")
            store.execute(f"INSERT INTO {name} VALUES ('a')")
    place = CrmTables(either)
    place.erase("a")
    assert place.count("a") == {}
    with either.transaction() as store:
        for name in others:
            assert store.read(f"SELECT customer_id FROM {name}", {"customer_id": pl.String()}).rows() == [("a",)]


def exports_of(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_night_whose_files_cannot_be_written_is_not_delivered(tmp_path, crm):
    exports = tmp_path / "exports"
    delivering = Crm(database=crm.database, exports=str(exports))
    publish(delivering, 0, {"ann": {}})
    before = exports_of(exports)
    (exports / f"{day(1)}").write_text("in the way", encoding="utf-8")
    with pytest.raises(DeliveryError, match=r"the exports cannot be written \(.+\)\. Make room, or set crm\.exports"):
        publish(delivering, 1, {"bob": {}})
    assert crm.read()["customer_id"].to_list() == ["ann"]
    assert crm.read("publication_log")["night"].to_list() == [day(0)]
    with pytest.raises(DeliveryError, match="the exports cannot be written"):
        Crm(database=crm.database, exports=str(tmp_path / "exports" / f"{day(1)}")).point_to(
            day(0), "run", lambda rows: rows
        )
    assert crm.read("publication_log")["night"].to_list() == [day(0)]
    (exports / f"{day(1)}").unlink()
    publish(delivering, 1, {"bob": {}})
    assert crm.read()["night"].unique().to_list() == [day(1)]
    assert len(exports_of(exports)) == 2 * len(before) == 6


def test_a_night_that_the_database_refuses_leaves_no_files(tmp_path):
    exports, database = tmp_path / "exports", tmp_path / "crm.db"
    database.mkdir()
    with pytest.raises(DeliveryError):
        publish(Crm(database=str(database), exports=str(exports)), 0, {"ann": {}})
    assert exports_of(exports) == set()


def test_files_that_cannot_be_put_in_their_places_are_said_of_a_night_that_the_crm_has(tmp_path, crm):
    (tmp_path / "exports" / f"{day(0)}" / "at_risk_segments.csv" / "kept").mkdir(parents=True)
    with pytest.raises(PlacingError, match="the CRM's tables have the night"):
        publish(Crm(database=crm.database, exports=str(tmp_path / "exports")), 0, {"ann": {}})
    assert crm.read()["customer_id"].to_list() == ["ann"]
    assert not list(tmp_path.rglob("*.draft"))
