"""A marker in every secret is found nowhere: in nothing that Dagster or MLflow keep, no page, log, alert or process."""

import json
import re
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from assets.postgresql import connected
from pipelines.definitions import definitions, resources
from pipelines.settings import SECRETS, load_settings
from pipelines.settings_errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
MARK = "M4rkedW0rd"
ODD = f"a\"b'c@d:e/f\n€ß{MARK}"
PERCENT = quote(ODD, safe="")
SETTINGS = '[source]\npath = "landing"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "when"\n'
ADDRESSES = {
    "CHURN__SOURCE__URL": f"postgresql://reader:{PERCENT}@db.example.com:5432/shop",
    "CHURN__CRM__DATABASE": f"postgresql://crm:{PERCENT}@db.example.com:5432/crm?password={PERCENT}",
    "CHURN__MLFLOW__TRACKING_URI": f"postgresql+psycopg2://mlflow:{PERCENT}@db.example.com:5432/mlflow",
    "CHURN__ENGINE__MASTER": f"sc://spark.example.com:15002/;token={PERCENT}",
    "CHURN__PUSH__URL": f"https://crm.example.com/hook/{PERCENT}?key={PERCENT}",
    "CHURN__PUSH__TOKEN": f"a\"b'c@d:e/f{MARK}",
    "CHURN__ALERTS__WEBHOOK": f"https://chat.example.com/services/{PERCENT}",
    "CHURN__ALERTS__SMTP_USER": "churn",
    "CHURN__ALERTS__SMTP_PASSWORD": f"a\"b'c@d:e/f {MARK}",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "landing").mkdir()
    rows = "who,when\nC1,2025-01-02\nC2,2025-01-09\nC1,2025-01-29\n"
    (tmp_path / "landing" / "orders.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", f"{home}")
    return tmp_path


@pytest.fixture
def secret(monkeypatch) -> None:
    for name, value in ADDRESSES.items():
        # A line end, as a file of secrets brings it.
        monkeypatch.setenv(name, f"{value}\n")


def test_every_secret_is_marked():
    assert {f"CHURN__{section}__{key}".upper() for section, key in SECRETS} <= set(ADDRESSES)


def test_nothing_that_dagster_keeps_or_shows_has_a_secret(shop, secret):
    settings = load_settings(shop / "churn.toml")
    whole = definitions(settings)
    repository = whole.get_repository_def()
    with warnings.catch_warnings():
        # Of Dagster's own properties, which its own snapshot reads.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        kept = [serialize_value(RepositorySnap.from_def(repository))]
    kept += [serialize_value(job.get_job_snapshot()) for job in repository.get_all_jobs()]
    assert all(len(text) > 1000 for text in kept[1:])
    shown = [repr(settings), settings.text(), repr(resources(settings)), *kept]
    assert [text[max(0, text.index(MARK) - 300) :][:400] for text in shown if MARK in text] == []
    told = json.loads(settings.text())
    assert [f"{section}.{key}" for section, key in SECRETS if key in told[section]] == []


@pytest.mark.parametrize("name", [name for name in ADDRESSES if "USER" not in name])
@pytest.mark.parametrize("odd", ["\n", " ", ":", "@", "/", "?", "€", "\x1b]0;x\x07", '"', "'"])
def test_a_secret_that_cannot_be_meant_is_refused_by_its_name_and_any_other_is_kept_whole(
    shop, secret, monkeypatch, name, odd
):
    value = ADDRESSES[name].replace(PERCENT, f"a{odd}{MARK}").replace(f"a\"b'c@d:e/f {MARK}", f"a{odd}{MARK}")
    monkeypatch.setenv(name, value.replace(f"a\"b'c@d:e/f{MARK}", f"a{odd}{MARK}"))
    section, key = (part.lower() for part in name.removeprefix("CHURN__").split("__"))
    said = ""
    try:
        kept = load_settings(shop / "churn.toml").secrets()
    except SettingsError as error:
        said, kept = f"{error}", []
    assert any(f"a{odd}{MARK}" in each for each in kept) or name in said or f"{section}.{key}" in said
    assert MARK not in said


@pytest.mark.parametrize("name", [name for name in ADDRESSES if "USER" not in name])
def test_a_secret_in_the_wrong_place_is_not_repeated(shop, monkeypatch, name):
    monkeypatch.setenv(f"{name}__DEEPER", MARK)
    with pytest.raises(SettingsError) as error:
        load_settings(shop / "churn.toml")
    assert MARK not in f"{error.value}"


@pytest.mark.parametrize("name", [name for name in ADDRESSES if "USER" not in name])
def test_a_secret_in_the_file_is_refused_without_being_repeated(shop, name):
    section, key = (part.lower() for part in name.removeprefix("CHURN__").split("__"))
    text = (
        SETTINGS.replace("[source]\n", f"[source]\n{key} = '''{ADDRESSES[name]}'''\n")
        if section == "source"
        else (f"{SETTINGS}[{section}]\n{key} = '''{ADDRESSES[name]}'''\n")
    )
    (shop / "churn.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"{section}\.{key} may hold a password: set {name}") as error:
        load_settings(shop / "churn.toml")
    assert MARK not in f"{error.value}"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("crm.database", "postgresql://db.example.com:5432/crm"),
        ("crm.database", "crm/delivered.db"),
        ("mlflow.tracking_uri", "http://127.0.0.1:3001"),
        ("mlflow.tracking_uri", "sqlite:////srv/churn/mlflow.db"),
        ("engine.master", "spark://host:7077"),
    ],
)
def test_an_address_without_a_secret_may_stand_in_the_file(shop, name, plain):
    section, key = name.split(".")
    (shop / "churn.toml").write_text(f'{SETTINGS}[{section}]\n{key} = "{plain}"\n', encoding="utf-8")
    assert getattr(getattr(load_settings(shop / "churn.toml"), section), key) == plain


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("CHURN__CRM__DATABASE", f"host=h password={MARK}"),
        ("CHURN__CRM__DATABASE", f"mysql://u:{MARK}@h/db"),
        ("CHURN__MLFLOW__TRACKING_URI", f"https://u:{MARK}@mlflow.example.com"),
        ("CHURN__PUSH__URL", f"https://u:{MARK}@crm.example.com/hook"),
        ("CHURN__PUSH__URL", f"http://crm.example.com/{MARK}"),
        ("CHURN__ALERTS__WEBHOOK", f"http://chat.example.com/{MARK}"),
        ("CHURN__SOURCE__PATH", f"s3://key:{MARK}@bucket/folder"),
    ],
)
def test_an_address_that_would_be_read_otherwise_or_tell_a_secret_on_the_way_is_refused(shop, monkeypatch, name, wrong):
    monkeypatch.setenv(name, wrong)
    with pytest.raises(SettingsError) as error:
        load_settings(shop / "churn.toml")
    assert MARK not in f"{error.value}"


class _Takes(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 (shared by all requests of a test)

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    _Takes.bodies.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Takes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def found_in(folder: Path) -> list[str]:
    """Files that have the marker, as it is or in anything that zlib has packed."""
    return [f"{file}" for file in folder.rglob("*") if file.is_file() and _has_mark(file.read_bytes())]


def _has_mark(content: bytes) -> bool:
    if MARK.encode() in content:
        return True
    for start in (head.start() for head in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content)):
        try:
            if MARK.encode() in zlib.decompressobj().decompress(content[start:]):
                return True
        except zlib.error:
            continue
    return False


def run(shop: Path, night: str) -> tuple[int, str, set[str]]:
    """A night by the command: how it ended, what it said, and what every process list showed meanwhile."""
    command = [sys.executable, "-m", "pipelines.cli", "run", "--night", night, "--config", f"{shop / 'churn.toml'}"]
    seen: set[str] = set()
    with (shop / "said.txt").open("w+b") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        while process.poll() is None:
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(place.read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.2)
        return process.returncode, (shop / "said.txt").read_text(encoding="utf-8", errors="replace"), seen


def test_a_green_and_a_red_night_leave_no_secret_anywhere(shop, receiver, postgres_url, monkeypatch):
    schema = f"secrets_{uuid4().hex}"
    with connected(postgres_url, "TEST") as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
    start, _, query = postgres_url.partition("?")
    crm = f"{start.replace('postgres@', f'postgres:{PERCENT}@')}?{query}&options=-csearch_path%3D{schema}"
    for name, value in ADDRESSES.items():
        if name not in {"CHURN__MLFLOW__TRACKING_URI", "CHURN__ENGINE__MASTER"}:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHURN__CRM__DATABASE", f"{crm}\n")
    monkeypatch.setenv("CHURN__PUSH__URL", f"{receiver}/hook/{PERCENT}\n")
    monkeypatch.setenv("CHURN__ALERTS__WEBHOOK", f"{receiver}/services/{PERCENT}\n")
    code, said, listed = run(shop, "2025-01-30")
    assert code == 0, said
    assert any("pipelines.cli" in line for line in listed)
    assert MARK not in said
    (shop / "landing" / "more.csv").write_text("\x1b]0;x\x07,y\n1,2\n", encoding="utf-8")
    monkeypatch.setenv("CHURN__CRM__DATABASE", f"{crm}\n")
    code, red, more = run(shop, "2025-01-31")
    assert code == 1
    assert "more.csv" in red
    assert "\x1b" not in red
    assert _Takes.bodies
    assert not any(MARK.encode() in body for body in _Takes.bodies)
    assert [line for line in listed | more if MARK in line] == []
    assert MARK not in red
    assert found_in(shop) == []
    # Nobody but user and group reads what was written.
    written = [path for place in ("lake", "reports", "exports", "mlartifacts") for path in (shop / place).rglob("*")]
    assert written
    assert [f"{path}" for path in written if path.stat().st_mode & 0o007] == []


def test_a_packed_marker_would_be_found(tmp_path):
    (tmp_path / "db").write_bytes(b"page" + zlib.compress(f"x {MARK} y".encode() * 9) + b"page")
    assert found_in(tmp_path) == [f"{tmp_path / 'db'}"]
