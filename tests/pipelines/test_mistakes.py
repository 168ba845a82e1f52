"""Whatever a person does wrong, one sentence names the thing and the remedy; nobody sees a traceback."""

import gzip
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from adbc_driver_postgresql import dbapi

from assets.lake import SCHEMAS, Lake
from pipelines.cli import main

ROOT = Path(__file__).resolve().parents[2]
NIGHT = date(2024, 3, 31)
RUN = "run --night 2024-03-31 --config {folder}/churn.toml"
HEADER = "customer,day,amount\n"
ORDERS = (HEADER + "".join(f"C{n % 9},2024-03-{n % 30 + 1:02},{n + 1}.50\n" for n in range(60))).encode()
SETTINGS = """
[source]
path = "landing"
{source}
[source.columns]
customer_id = "customer"
timestamp = "day"
amount = "amount"
{columns}
{sections}
"""
ACTION = '[[retention.actions]]\nname = "call"\nchannel = "phone"\ncontact_cost = 1\n'


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and what has to be said about it.

    Attributes:
        says: Words of the sentence: the thing, then the remedy.
        command: What is typed.
        source: Further lines of `[source]`; so are `columns` and `sections`. `text` replaces all of the settings.
        env: The environment.
        files: What lies in the folder of the settings.
        first: What is done before.
        code: The exit code.
    """

    says: tuple[str, ...]
    command: str = RUN
    source: str = ""
    columns: str = ""
    sections: str = ""
    text: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=lambda: {"landing/orders.csv": ORDERS})
    first: Callable[[Path], None] | None = None
    code: int = 1


def settings(*says: str, **given: Any) -> Mistake:
    """A mistake that is found before anything runs."""
    return Mistake(says, code=2, **given)


def delivered(*says: str, name: str = "orders.csv", content: bytes, **given: Any) -> Mistake:
    """A mistake in what was delivered."""
    return Mistake(says, files={f"landing/{name}": content}, **given)


def database(*says: str, url: str = "{postgres}", source: str = 'table = "purchases"') -> Mistake:
    """A mistake about a database of transactions."""
    return Mistake(says, source=f'kind = "database"\n{source}', env={"CHURN__SOURCE__URL": url})


def parquet(**columns: list[object]) -> bytes:
    written = io.BytesIO()
    pl.DataFrame(columns).write_parquet(written)
    return written.getvalue()


def unreadable(folder: Path) -> None:
    # The memory of a process cannot be read from its start, not even by root.
    (folder / "landing" / "memory.csv").symlink_to("/proc/self/mem")


def later_night(
    folder: Path, identity: str = "amount, customer_id, product, quantity, timestamp, transaction_id"
) -> None:
    lake, night = Lake(root=str(folder / "lake")), date(2024, 4, 2)
    line = {"night": night, "source_file": "a.csv", "digest": "0", "identity": identity, "size": 1}
    line |= {"rows": 1, "due": 1, "later": 0}
    lake.write("deliveries", night, pl.DataFrame([line], schema=SCHEMAS["deliveries"].create_empty().schema))
    for table in ("transactions", "customer_days", "customer_items"):
        lake.write(table, night, SCHEMAS[table].create_empty())


def earlier_night_by_other_identity(folder: Path) -> None:
    later_night(folder, identity="customer_id, timestamp")


def old_lake(folder: Path) -> None:
    file = Lake(root=str(folder / "lake")).file("transactions", date(2024, 3, 1))
    file.parent.mkdir(parents=True)
    pl.DataFrame({"customer": ["a"]}).write_parquet(file)
    (folder / "lake" / "deliveries" / "night=2024-03-01").mkdir(parents=True)
    pl.DataFrame({"file": ["a"]}).write_parquet(folder / "lake" / "deliveries" / "night=2024-03-01" / "data.parquet")


MISTAKES = {
    # Settings
    "no settings": settings(
        "nowhere.toml: no such file", "Name your settings with --config", command="run --config {folder}/nowhere.toml"
    ),
    "a folder for settings": settings(
        "cannot be read (Is a directory)", "Name your settings with --config", command="run --config {folder}"
    ),
    "a text without quotes": settings("is not TOML", "line 3", "texts stand in quotes", text="[source]\n\npath = here"),
    "a key twice": settings("is not TOML", "Cannot overwrite a value", "stands twice", source='path = "again"'),
    "a section twice": settings("is not TOML", "twice", "Correct the line", sections="[source]\n"),
    "an unknown key": settings(
        "churn.horizont_days is no setting", "did you mean 'horizon_days'?", sections="[churn]\nhorizont_days = 9"
    ),
    "an unknown section": settings(
        "chrun is no setting", "did you mean 'churn'?", sections="[chrun]\nhorizon_days = 9"
    ),
    "a text for a number": settings(
        "churn.horizon_days = 'soon'", "valid integer", sections='[churn]\nhorizon_days = "soon"'
    ),
    "a word for a section": settings("source: input should be", "valid dictionary", text="source = 3"),
    "a horizon of no days": settings("horizon_days is 0", "at least 1 day", sections="[churn]\nhorizon_days = 0"),
    "a contract without its end": settings(
        "churn.definition is 'contract', but source.columns.contract_until names no column",
        "write the header",
        sections='[churn]\ndefinition = "contract"',
    ),
    "a contract without its features": settings(
        "features.families lacks 'terms'",
        "add it",
        sections='contract_until = "end"\n[churn]\ndefinition = "contract"\n[features]\nfamilies = ["recency"]',
    ),
    "a grace of less than nothing": settings(
        "grace_days is -1", "must not be negative", sections="[churn]\ngrace_days = -1"
    ),
    "a share above one": settings(
        "max_rejected_share is 5", "a number from 0 to 1", sections="[validation]\nmax_rejected_share = 5"
    ),
    "an unknown zone": settings(
        "timezone is 'Berlin'", "such as 'Europe/Berlin'", sections='[churn]\ntimezone = "Berlin"'
    ),
    "an unknown kind of source": settings("source.kind = 'ftp'", "'files' or 'database'", source='kind = "ftp"'),
    "no path": settings(
        "path is missing", "name the folder or file", text='[source.columns]\ncustomer_id = "a"\ntimestamp = "b"'
    ),
    "no customer": settings(
        "source.columns.customer_id is missing",
        "add customer_id under [source.columns]",
        text='[source]\npath = "a"\n[source.columns]\ntimestamp = "b"',
    ),
    "a blank customer": settings(
        "columns.customer_id names no column",
        "write the header",
        text='[source]\npath = "a"\n[source.columns]\ncustomer_id = ""\ntimestamp = "b"',
    ),
    "one column for two things": settings(
        "'customer' stands for customer_id and for timestamp",
        "correct the other",
        text='[source]\npath = "a"\n[source.columns]\ncustomer_id = "customer"\ntimestamp = "customer"',
    ),
    "an identity of no column": settings(
        "identity names 'prodct'", "did you mean 'product'?", source='identity = ["customer_id", "timestamp", "prodct"]'
    ),
    "an identity without the customer": settings(
        "identity lacks 'customer_id'", "add it", source='identity = ["timestamp"]'
    ),
    "an unknown way with bad files": settings(
        "source.on_bad_file = 'ignore'", "'stop' or 'skip'", source='on_bad_file = "ignore"'
    ),
    "a table and a query": settings(
        "set one of table and query",
        source='kind = "database"\ntable = "a"\nquery = "b"',
        env={"CHURN__SOURCE__URL": "postgresql://h/d"},
    ),
    "a URL in the file": settings(
        "source.url may hold a password", "set CHURN__SOURCE__URL in the environment", source='url = "postgresql://h/d"'
    ),
    "a database without a URL": settings(
        "url is missing", "CHURN__SOURCE__URL=postgresql://", source='kind = "database"\ntable = "a"'
    ),
    "an action twice": settings("actions names call twice", "every action needs its own name", sections=ACTION * 2),
    "a negative cost": settings(
        "action call: contact_cost is -1", "a cost is 0 or more", sections=ACTION.replace("= 1", "= -1")
    ),
    "a pattern that is none": settings(
        "return_pattern is '['", "regular expression", sections='[validation]\nreturn_pattern = "["'
    ),
    "an unknown encoding": settings("encoding is 'utf-9'", "try utf-8", source='encoding = "utf-9"'),
    "a delimiter of two characters": settings("delimiter is '::'", "one ASCII character", source='delimiter = "::"'),
    "a section by the environment": settings('field "source"', "name a single key", env={"CHURN__SOURCE": "landing"}),
    "a wrong value by the environment": settings(
        "churn.horizon_days = 'soon'", "valid integer", env={"CHURN__CHURN__HORIZON_DAYS": "soon"}
    ),
    # The command line
    "a night that is no date": settings(
        "--night soon is no date", "write YYYY-MM-DD", command="run --night soon --config {folder}/churn.toml"
    ),
    "a night to come": settings(
        "--night 2190-01-01 cannot run",
        "the last day that is over",
        command="run --night 2190-01-01 --config {folder}/churn.toml",
    ),
    "a night of long ago": settings(
        "--night 1889-01-01 cannot run",
        "choose one from 1990-01-01",
        command="run --night 1889-01-01 --config {folder}/churn.toml",
    ),
    "a span of one night": settings(
        "2024-01-01 is no span of nights", "write A..B", command="nights 2024-01-01 --config {folder}/churn.toml"
    ),
    "a span that runs back": settings(
        "ends before it begins",
        "2024-01-01..2024-01-09",
        command="nights 2024-01-09..2024-01-01 --config {folder}/churn.toml",
    ),
    "an unknown check": settings(
        "--accept frsh names no check", "did you mean 'fresh'?", command=RUN + " --accept frsh"
    ),
    "an unknown option": settings("No such option: --nihgt", "--night", command="run --nihgt 2024-03-31"),
    "training of a night that did not run": settings(
        "night 2024-03-31 did not run", "run it with `churn run --config", command=RUN.replace("run", "train", 1)
    ),
    "settlement of a night that did not run": settings(
        "night 2024-03-31 did not run", "choose one that did: none", command=RUN.replace("run", "settle", 1)
    ),
    "settings that exist": settings(
        "churn.toml exists and stays as it is", "--force", command="init {folder}/landing --config {folder}/churn.toml"
    ),
    "nothing to look at": settings(
        "nothing: no such file or folder", "Check the path", command="init {folder}/nothing --config {folder}/new.toml"
    ),
    # Deliveries
    "a wrong path": Mistake(("landing: no such file or folder", "Set source.path"), files={}),
    "an empty folder": delivered("no file that ends in .csv", "Set source.path", name="readme.txt", content=b"x"),
    "a folder called like a file": delivered(
        "no file that ends in .csv", "Set source.path", name="orders.csv/readme.txt", content=b"x"
    ),
    "a file that cannot be read": Mistake(
        ("memory.csv: a link that leaves the folder of the source", "Deliver the file itself"), first=unreadable
    ),
    "a missing column": delivered(
        "orders.csv: no column 'customer' for customer_id",
        "Set source.columns.customer_id",
        content=b"who,day,amount\n1,2024-03-01,1\n",
    ),
    "a misspelled column": delivered(
        "orders.csv: no column 'customer'", "did you mean 'custmer'?", content=b"custmer,day,amount\n1,2024-03-01,1\n"
    ),
    "a wrong delimiter": Mistake(
        ("orders.csv: no column 'customer'", "The file has: 'customer,day,amount'"), source='delimiter = ";"'
    ),
    "an empty file": delivered("orders.csv: the file is empty", "Deliver it again or remove it", content=b""),
    "a cut archive": delivered(
        "orders.csv.gz: the archive is cut off",
        "Deliver the whole file again",
        name="orders.csv.gz",
        content=gzip.compress(ORDERS, mtime=0)[:-9],
    ),
    "a workbook called csv": delivered("an Excel workbook", "Export it as CSV", content=b"PK\x03\x04\x14\x00"),
    "damaged parquet": delivered(
        "orders.parquet: not readable", "Deliver it again", name="orders.parquet", content=parquet(customer=["a"])[:-8]
    ),
    "a cut ndjson": delivered(
        "orders.ndjson: line 2 is where the file was cut off",
        "Deliver the whole file again",
        name="orders.ndjson",
        content=b'{"customer": "a", "day": "2024-03-01"}\n{"customer"',
    ),
    "a wrong encoding": delivered(
        "cannot be read as utf-16", "set source.encoding", content=ORDERS[:-1], source='encoding = "utf-16"'
    ),
    "a line too many fields": delivered(
        "orders.csv: line 2 has 4 fields, the header has 3",
        "Mend the line",
        content=b"customer,day,amount\na,2024-03-01,1,5\n",
    ),
    "numbers for days": delivered(
        "column 'day' holds numbers such as '99999', which are neither days",
        "Set source.timestamp_format",
        name="orders.parquet",
        content=parquet(customer=["a"], day=[45352]),
    ),
    "two bad files": Mistake(
        ("a.csv: the file is empty", "b.csv: no column 'customer'"),
        files={"landing/a.csv": b"", "landing/b.csv": b"x,y\n1,2\n"},
    ),
    "a header alone": delivered("raw_transactions: fresh", "Found: nothing", "Mend the data", content=HEADER.encode()),
    "amounts that are words": delivered(
        "column 'amount' is read as amount, but none of its values is a number that can be read: 'aaaa'",
        "correct source.columns.amount",
        content=re.sub(rb",[\d.]+\n", b",much\n", ORDERS),
    ),
    "a wrong timestamp format": Mistake(
        ("the pattern '%d/%m/%Y' reads none of column 'day'; '%Y-%m-%d' would", "Set source.timestamp_format"),
        source='timestamp_format = "%d/%m/%Y"',
    ),
    # The lake
    "a missed night": Mistake(
        ("night 2024-03-31 was missed", "churn nights 2024-03-31..2024-04-02"), first=later_night
    ),
    "another identity than before": Mistake(
        ("source.identity is", "Set it back", "remove the lake"),
        command=RUN.replace("03-31", "04-03"),
        first=earlier_night_by_other_identity,
    ),
    "a lake of another version": Mistake(
        ("written by another version of churn", "remove the table's folder"), first=old_lake
    ),
    # Databases, object stores, servers
    "a wrong host": database(
        'could not translate host name "nowhere.invalid"',
        "Correct the host",
        url="postgresql://a:b@nowhere.invalid/shop",
    ),
    "a wrong port": database(
        "port 9 failed: Connection refused",
        "correct host and port in CHURN__SOURCE__URL",
        url="postgresql://a:b@127.0.0.1:9/shop",
    ),
    "a wrong password": database(
        'password authentication failed for user "guest"', "Correct user and password", url="{guest}"
    ),
    "a wrong database": database('database "shop" does not exist', "Correct the database", url="{shop}"),
    "a wrong kind of URL": database(
        "begins with mysql://, for which no driver is installed", "connectorx", url="mysql://a:secret@127.0.0.1/shop"
    ),
    "no URL at all": settings(
        "source: CHURN__SOURCE__URL cannot be read for sure",
        "percent-encoded",
        source='kind = "database"\ntable = "purchases"',
        env={"CHURN__SOURCE__URL": "shop.example.com"},
    ),
    "a wrong table": database(
        "purchase: the database has no such table", "Did you mean 'purchases'?", source='table = "purchase"'
    ),
    "a wrong query": database(
        "source.query fails: syntax error", "Correct it in churn.toml", source='query = "SELEKT 1"'
    ),
    "a wrong column of a table": database("purchases: no column 'customer'", "did you mean 'custmer'?"),
    "an unknown store": Mistake(
        ("ftp://shop/landing: files are read from a folder or from s3://", "Set source.path"),
        env={"CHURN__SOURCE__PATH": "ftp://shop/landing"},
    ),
    "a wrong bucket": Mistake(
        ("s3://shoq/landing: the object store cannot be read (NoSuchBucket)", "Check source.path"),
        env={"CHURN__SOURCE__PATH": "s3://shoq/landing"},
    ),
    "a wrong secret": Mistake(
        ("(SignatureDoesNotMatch)", "AWS_SECRET_ACCESS_KEY"),
        env={"CHURN__SOURCE__PATH": "{store}/landing", "AWS_SECRET_ACCESS_KEY": "wrong"},
    ),
    "no MLflow": Mistake(
        ("mlflow.tracking_uri http://127.0.0.1:9", "Connection refused", "Start its server"),
        env={"CHURN__MLFLOW__TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
    ),
    "a path for MLflow": Mistake(
        ("tracking_uri is 'mlflow.db'", "use an address with an absolute path"),
        env={"CHURN__MLFLOW__TRACKING_URI": "mlflow.db"},
    ),
    "no CRM": Mistake(
        ("port 9 failed: Connection refused", "Start the server", "CHURN__CRM__DATABASE"),
        env={"CHURN__CRM__DATABASE": "postgresql://a:secret@127.0.0.1:9/crm"},
    ),
    "a CRM that cannot be written": Mistake(
        ("/proc/churn/crm.db: the CRM's database cannot be written", "Set crm.database"),
        env={"CHURN__CRM__DATABASE": "/proc/churn/crm.db"},
    ),
    "a CRM that is no database": Mistake(
        ("crm.db: the CRM's database cannot be written (file is not a database)", "Set crm.database"),
        files={"crm.db": b"not a database " * 99},
    ),
    "a CRM that admits no tables": Mistake(
        ("permission denied for schema", "Let the user in CHURN__CRM__DATABASE create and write tables"),
        env={"CHURN__CRM__DATABASE": "{reader}"},
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's store, made once, and a Dagster that forgets its events: writing them takes longer than the mistakes."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nnux: {enabled: false}\n"
        "event_log_storage: {module: dagster._core.storage.event_log, class: InMemoryEventLogStorage}\n"
    )
    return folder


@pytest.fixture(scope="module")
def places(postgres_url: str) -> Iterator[dict[str, str]]:
    """URLs by the name that the mistakes call them: a schema with a table, and users who may do little."""
    schema = "mistakes"
    with dbapi.connect(postgres_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('hba_file')")
        rules = Path(cursor.fetchall()[0][0])
        rules.write_text(f"local all guest scram-sha-256\n{rules.read_text()}")
        for statement in (
            f"CREATE SCHEMA {schema}",
            f"CREATE TABLE {schema}.purchases (custmer text, day date, amount float8)",
            "CREATE ROLE guest LOGIN PASSWORD 'right'",
            "CREATE ROLE reader LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO reader",
            "SELECT pg_reload_conf()",
        ):
            cursor.execute(statement)
        own = f"{postgres_url}&options={quote(f'-csearch_path={schema}')}"
        yield {
            "postgres": own,
            "guest": own.replace("postgres:@", "guest:wrong@"),
            "reader": own.replace("postgres:@", "reader:@"),
            "shop": own.replace("/postgres?", "/shop?"),
        }
        for statement in (f"DROP SCHEMA {schema} CASCADE", "DROP ROLE guest", "DROP ROLE reader"):
            cursor.execute(statement)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_with_the_thing_and_the_remedy(
    mistake: Mistake,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    asked = f"{mistake.env}"
    named = {"folder": str(tmp_path)}
    if any(f"{{{place}}}" in asked for place in ("postgres", "guest", "reader", "shop")):
        named |= request.getfixturevalue("places")
    if "s3://" in asked or "{store}" in asked:
        named["store"] = request.getfixturevalue("object_store")
    environment = {
        "DAGSTER_HOME": str(home),
        "CHURN__NETWORK__RETRIES": "0",
        "CHURN__MLFLOW__TRACKING_URI": f"sqlite:///{home}/mlflow.db",
    }
    # The command points Dagster at the settings and goes to the project's root: undone after the test.
    monkeypatch.setenv("CHURN_CONFIG", "")
    monkeypatch.chdir(ROOT)
    for name, value in (environment | dict(mistake.env)).items():
        monkeypatch.setenv(name, value.format(**named))
    for name, content in mistake.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    text = mistake.text
    if text is None:
        text = SETTINGS.format(source=mistake.source, columns=mistake.columns, sections=mistake.sections)
    (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
    if mistake.first is not None:
        mistake.first(tmp_path)
    monkeypatch.setattr("sys.argv", ["churn", *mistake.command.format(**named).split()])

    with pytest.raises(SystemExit) as end:
        main()

    shown = " ".join("".join(capsys.readouterr()).split())
    assert end.value.code == mistake.code, shown
    for words in mistake.says:
        assert words in shown
    assert "Traceback" not in shown
    assert "secret" not in shown
    assert not re.search(r"\b[a-z_]+\.[\w.]*(?:Error|Exception)\b", shown)
