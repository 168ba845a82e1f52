"""A receiver that fails, delays and repeats ends with every change once; nobody is asked again in vain."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import polars as pl
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import SecretStr
from typer.testing import CliRunner

from assets.crm import Crm
from assets.lake import SCHEMAS
from assets.network import Network
from assets.push import Push
from assets.retention import crm_push
from models.mapping import DeliveryError
from models.segments import departed
from models.table_schema import table_schema
from pipelines.cli import app
from pipelines.erasure import erase
from pipelines.settings import load_settings
from pipelines.stores import crm_of, lake_of
from tests.at_risk import KEPT_BACK, NIGHT, at_risk

NOW = datetime(2026, 3, 2, tzinfo=UTC)
IMPATIENT = Network(retries=4, pause_seconds=0.01)
JUDGE = Draft202012Validator(table_schema(), format_checker=FormatChecker())


class Receiver(ThreadingHTTPServer):
    """A receiver that keeps the keys of what it took, and answers as it was told before it is well."""

    def __init__(self) -> None:
        self.moods: list[int | float] = []
        self.keys: list[str] = []
        self.taken: dict[str, list[dict[str, object]]] = {}
        self.signed: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def push(self) -> Push:
        url = SecretStr(f"http://127.0.0.1:{self.server_port}/hook/secret-path")
        return Push(url=url, token=SecretStr("secret-token"), batch_rows=2, timeout_seconds=0.3)

    @property
    def known(self) -> dict[object, dict[str, object]]:
        """What the receiver holds: of each customer the last that it was told."""
        return {row["customer_id"]: row for batch in self.taken.values() for row in batch}

    @property
    def rows(self) -> list[tuple[object, object]]:
        return [(row["customer_id"], row["status"]) for batch in self.taken.values() for row in batch]


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        mood = self.server.moods.pop(0) if self.server.moods else 200
        self.server.keys.append(key)
        self.server.signed.add(self.headers["Authorization"])
        if mood < 300:
            # It takes the batch, even when the answer then comes too late.
            assert [error.message for row in body["rows"] for error in JUDGE.iter_errors(row)] == []
            self.server.taken.setdefault(key, body["rows"])
            for batch in self.server.taken.values():
                batch[:] = [row for row in batch if row["customer_id"] not in body.get("erased", [])]
        if mood < 1:
            time.sleep(mood)
        self.send_response(200 if mood < 1 else int(mood))
        if mood == 429:
            self.send_header("Retry-After", "0")
        if 300 <= mood < 400:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.keys.append("a redirect was followed")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        # The sender waits no longer than it said.
        with suppress(ConnectionError):
            super().handle()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def crm(tmp_path):
    return Crm(database=str(tmp_path / "crm.sqlite3"))


def publish(crm, number, customers, *, gone=()):
    """Publish a night: per customer what differs from a typical row, and who left."""
    night = NIGHT + timedelta(days=number)
    table = at_risk({**customers, **{who: {} for who in gone}}, night=night, snapshot_id=f"{night}_7_0")
    left = pl.col("customer_id").is_in(gone)
    crm.publish(pl.concat([table.filter(~left), departed(table.filter(left), night)]), night, "run")


def test_a_receiver_that_fails_delays_and_repeats_ends_with_every_change_once(crm, receiver):
    publish(crm, 0, {who: {} for who in "abcde"})
    receiver.moods = [503, 429, 200, 0.6, 500]
    assert receiver.push.send(crm, IMPATIENT) == 5
    assert receiver.rows == [(who, "stayed") for who in "abcde"]
    assert (len(receiver.keys), len(set(receiver.keys))) == (7, 3)
    assert receiver.signed == {"Bearer secret-token"}


def test_the_next_night_sends_what_has_changed_and_a_night_without_news_nothing(crm, receiver):
    publish(crm, 0, {"a": {}, "b": {}, "c": {}})
    receiver.push.send(crm, IMPATIENT)
    assert receiver.push.send(crm, IMPATIENT) == 0
    publish(crm, 1, {"a": {}, "b": {"churn_probability": 0.9}}, gone=["c"])
    receiver.taken.clear()
    assert receiver.push.send(crm, IMPATIENT) == 2
    assert sorted(receiver.rows) == [("b", "stayed"), ("c", "left")]
    publish(crm, 2, {"a": {}, "b": {"churn_probability": 0.9}})
    assert receiver.push.send(crm, IMPATIENT) == 0


@pytest.mark.parametrize(("status", "requests"), [(400, 2), (401, 2), (503, 6)])
def test_what_is_not_taken_is_said_without_the_address_and_sent_again_with_the_same_keys(
    crm, receiver, status, requests
):
    publish(crm, 0, {"a": {}, "b": {}, "c": {}})
    receiver.moods = [200] + [status] * 5
    with pytest.raises(DeliveryError, match=rf"CHURN__PUSH__URL does not take .*: it answers {status}\.") as error:
        receiver.push.send(crm, IMPATIENT)
    assert "secret" not in str(error.value)
    assert len(receiver.keys) == requests
    receiver.moods = []
    assert receiver.push.send(crm, IMPATIENT) == 3
    assert receiver.rows == [("a", "stayed"), ("b", "stayed"), ("c", "stayed")]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_that_asks_for_the_final_address_and_nobody_follows_it(crm, receiver, status):
    publish(crm, 0, {"a": {}})
    receiver.moods = [status, status]
    elsewhere = rf"it answers {status} and points elsewhere: give the final address\."
    with pytest.raises(DeliveryError, match=elsewhere) as error:
        receiver.push.send(crm, IMPATIENT)
    with pytest.raises(DeliveryError, match=elsewhere):
        receiver.push.forget(["a"], NIGHT, IMPATIENT)
    assert "secret" not in f"{error.value}"
    assert len(receiver.keys) == 2
    assert "a redirect was followed" not in receiver.keys
    assert receiver.push.send(crm, IMPATIENT) == 1


@pytest.mark.parametrize("answer", [b"rubbish\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 70_000])
def test_a_receiver_that_answers_rubbish_is_asked_again_and_then_told_of(crm, answer):
    publish(crm, 0, {"a": {}})
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            with client, suppress(OSError):
                asked.append(client.recv(65536))
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        push = Push(SecretStr(f"http://127.0.0.1:{listener.getsockname()[1]}/secret"), timeout_seconds=2)
        with pytest.raises(DeliveryError, match=r"no answer \(\w+\)") as error:
            push.send(crm, Network(retries=1, pause_seconds=0.01))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(asked) == 2
    assert "secret" not in f"{error.value}"


def test_only_those_to_be_contacted_are_sent_where_the_settings_say_so(crm, receiver):
    publish(crm, 0, {"a": {}, "b": KEPT_BACK})
    push = Push(url=receiver.push.url, rows="deliver")
    assert push.send(crm, IMPATIENT) == 1
    assert receiver.rows == [("a", "stayed")]
    publish(crm, 1, {"a": {}, "b": {}})
    assert push.send(crm, IMPATIENT) == 1


def test_who_is_to_be_contacted_no_longer_is_told_of_everybody_who_was(crm, receiver):
    push = Push(url=receiver.push.url, rows="deliver", batch_rows=2)
    publish(crm, 0, {"objects": {}, "leaves": {}, "stays": {}, "never": KEPT_BACK})
    assert push.send(crm, IMPATIENT) == 3
    objection = {**KEPT_BACK, "suppressed_reason": "no_consent"}
    publish(crm, 1, {"objects": objection, "stays": {}, "never": {**KEPT_BACK, "value": 1.0}}, gone=["leaves"])
    receiver.moods = [503, 503]
    with pytest.raises(DeliveryError):
        push.send(crm, Network(retries=1, pause_seconds=0.01))
    assert push.send(crm, IMPATIENT) == 2
    told = {row["customer_id"]: row["deliver"] for row in receiver.known.values()}
    assert told == {"objects": False, "leaves": False, "stays": True}
    # They have heard it, and need not hear of every later change.
    publish(crm, 2, {"objects": {**objection, "value": 2.0}, "stays": {}})
    assert push.send(crm, IMPATIENT) == 0


def test_an_address_where_nobody_answers_is_told_and_no_address_is_no_push(crm, receiver):
    publish(crm, 0, {"a": {}})
    assert Push().send(crm, IMPATIENT) == 0
    nobody = Push(url=SecretStr("http://127.0.0.1:9/secret-path"))
    with pytest.raises(DeliveryError, match=r"no answer \(ConnectionRefusedError\)") as error:
        nobody.send(crm, Network(retries=0))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": SecretStr("shop.example/secret")}, "CHURN__PUSH__URL is no address of its kind"),
        ({"url": SecretStr("http://shop.example/secret")}, "set push.unencrypted to true where the way is safe"),
        ({"url": SecretStr("https://me:secret@shop.example/")}, "CHURN__PUSH__URL has a user in it"),
        ({"url": SecretStr("https://shop.example/se cret")}, "CHURN__PUSH__URL cannot be read for sure"),
        ({"url": SecretStr("https://shop.example:secret/")}, "CHURN__PUSH__URL cannot be read for sure"),
        ({"token": SecretStr("secret\n")}, "CHURN__PUSH__TOKEN has a blank, a line end"),
        ({"token": SecretStr("secr€t")}, "CHURN__PUSH__TOKEN has a blank, a line end"),
        ({"batch_rows": 0}, "batch_rows and timeout_seconds must be more than 0"),
    ],
)
def test_what_cannot_be_sent_to_is_refused_without_its_name(wrong, said):
    with pytest.raises(ValueError, match=said) as error:
        Push(**wrong)
    assert "secret" not in str(error.value)


def test_a_night_that_runs_sends_its_news(crm, receiver):
    publish(crm, 0, {"a": {}})
    parts = {"crm": crm, "push": receiver.push, "network": IMPATIENT}
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([crm_push], partition_key="2026-03-01", resources=parts, instance=instance)
    assert done.asset_materializations_for_node("crm_push")[0].metadata["dagster/row_count"].value == 1
    assert receiver.rows == [("a", "stayed")]


@pytest.fixture
def shop(tmp_path, monkeypatch, receiver):
    """Settings of a shop with a receiver; one night has run."""
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "orders.csv").write_text("who,moment\nz,2026-02-01\n")
    (tmp_path / "churn.toml").write_text(
        '[source]\npath = "landing"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "moment"\n'
        "[network]\nretries = 1\npause_seconds = 0.01\n[push]\nbatch_rows = 2\n"
    )
    monkeypatch.setenv("DAGSTER_HOME", f"{tmp_path}")
    monkeypatch.setenv("CHURN__PUSH__URL", receiver.push.url.get_secret_value())
    settings = load_settings(tmp_path / "churn.toml")
    lake_of(settings).write("transactions", NIGHT, SCHEMAS["transactions"].create_empty())
    return settings


def test_a_night_that_is_published_again_is_told_too(shop, receiver, monkeypatch):
    monkeypatch.chdir(shop.file.parent)
    crm = crm_of(shop)
    publish(crm, 0, {"a": {}, "b": {}, "c": {}})
    publish(crm, 1, {"a": {}, "b": {"churn_probability": 0.9}}, gone=["c"])
    shop.push.send(crm, shop.network)
    receiver.moods = [503]
    command = ["publish", "--night", f"{NIGHT}", "--config", f"{shop.file}"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0
    assert "2 of them changed. 2 rows were sent to the receiver." in " ".join(told.output.split())
    assert len(receiver.keys) == 4
    meant = {row["customer_id"]: (row["churn_probability"], row["status"]) for row in crm.read().to_dicts()}
    assert {who: (row["churn_probability"], row["status"]) for who, row in receiver.known.items()} == meant


def test_who_objected_since_is_contacted_by_no_night_that_is_published_again(shop, receiver, monkeypatch, tmp_path):
    monkeypatch.chdir(shop.file.parent)
    crm = crm_of(shop)
    publish(crm, 0, {"phone": {}, "profile": {}, "other": {}})
    publish(crm, 1, {"other": {}})
    consent = 'path = "consents"\ncustomer_id = "who"\ntimestamp = "since"\n'
    consent += 'legal_basis = "legitimate_interest"\nchannels = { phone = "phone", profiling = "profile" }\n'
    with shop.file.open("a") as settings:
        settings.write(f"[consent]\n{consent}")
    day = NIGHT + timedelta(days=1)
    said = [(who, about, False, None, day) for who, about in (("phone", "phone"), ("profile", "profiling"))]
    said.append(("other", "email", False, None, day))
    lake = lake_of(shop)
    lake.write(
        "customer_consents",
        day,
        pl.DataFrame(said, schema=SCHEMAS["customer_consents"].create_empty().schema, orient="row"),
    )
    command = ["publish", "--night", f"{NIGHT}", "--config", f"{shop.file}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    columns = ("customer_id", "deliver", "status", "suppressed_reason", "action", "channel")
    expected = [
        ("other", True, "stayed", None, "service_call", "phone"),
        ("phone", False, "stayed", "no_consent", "none", "none"),
        ("profile", False, "left", "not_profiled", "none", "none"),
    ]
    assert crm.read().sort("customer_id").select(columns).rows() == expected
    files = tmp_path / "exports" / f"{NIGHT}"
    assert pl.read_parquet(files / "at_risk_segments.parquet").select(columns).rows() == expected
    assert {who: row["deliver"] for who, row in receiver.known.items()} == {who: due for who, due, *_ in expected}
    # Again, and the night is still whole.
    assert CliRunner().invoke(app, command).exit_code == 0


def test_a_receiver_is_asked_to_erase_until_it_has_and_once_more_does_no_harm(shop, receiver, capsys):
    publish(crm_of(shop), 0, {"a": {}, "b": {}, "c": {}})
    shop.push.send(crm_of(shop), shop.network)
    receiver.moods = [500, 503]
    assert erase("b", shop, NOW) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "does not take who was erased, and may still hold them: it answers 503" in said
    assert "then erase them again: only that tells it." in said
    assert set(receiver.known) == {"a", "b", "c"}
    for _ in range(2):
        assert erase("b", shop, NOW) == 0
        assert "The receiver of CHURN__PUSH__URL was asked to erase" in " ".join(capsys.readouterr().out.split())
        assert set(receiver.known) == {"a", "c"}
    assert len(set(receiver.keys[-4:])) == 1
    assert erase("nobody", shop, NOW) == 1
    assert len(receiver.keys) == 6
