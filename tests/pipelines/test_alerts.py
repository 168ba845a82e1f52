"""A failed run is told once, by whom it should be told, with figures and without customers; silence is a warning."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from assets.exports import PlacingError
from models.mapping import DeliveryError
from pipelines.alerts import TOLD_TAG, tell
from pipelines.definitions import definitions
from pipelines.failures import Failure, failure_of
from pipelines.runs import run_job
from pipelines.settings import load_settings
from pipelines.settings_errors import SettingsError

NIGHT = date(2025, 1, 31)
SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "who"
timestamp = "when"
"""
MAIL = """
[alerts]
smtp_host = "127.0.0.1"
smtp_port = {port}
sender = "churn@shop.example"
recipients = ["night@shop.example", "data@shop.example"]
"""


class Chat(HTTPServer):
    """A chat that takes Slack's JSON, or answers with another status."""

    def __init__(self, status: int) -> None:
        self.status, self.messages = status, list[dict[str, str]]()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/word"


class _Answer(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", "/login")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.messages.append({"text": "a redirect was followed"})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat(request, monkeypatch) -> Iterator[Chat]:
    with Chat(getattr(request, "param", 200)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("CHURN__ALERTS__WEBHOOK", server.url)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def post_office() -> Iterator[tuple[int, list[list[str]]]]:
    """A mail server on loopback: its port, and what each letter's session said."""
    letters: list[list[str]] = []

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            with client, client.makefile("rw", encoding="utf-8", newline="\r\n") as talk:
                letters.append([])
                _hear(talk, letters[-1])

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], letters
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _hear(talk, letter: list[str]) -> None:
    def say(line: str) -> None:
        talk.write(f"{line}\n")
        talk.flush()

    say("220 post.example")
    body = False
    for line in talk:
        letter.append(line.rstrip())
        if body:
            if letter[-1] == ".":
                body = False
                say("250 taken")
        elif line.upper().startswith("DATA"):
            body = True
            say("354 go on")
        elif line.upper().startswith("QUIT"):
            say("221 bye")
            return
        else:
            say("250 post.example")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop whose only delivery lacks its time, so that its night fails; `churn run` keeps its history beside it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "orders.csv").write_text("who,whan\nMrs-Miller-4711,soon\n", encoding="utf-8")
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def the_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (run,) = instance.get_runs()
    return run


def test_a_night_that_a_command_started_is_told_once_with_what_failed_and_what_to_do(shop, chat):
    settings = load_settings(shop / "churn.toml")
    assert run_job("nightly", NIGHT, settings) == 1
    (message,) = chat.messages
    with dg.DagsterInstance.get() as instance:
        run = the_run(instance)
        assert message["text"].splitlines()[0] == f"churn: night {NIGHT} is red"
        assert "step arrivals: orders.csv" in message["text"]
        assert "'whan'" in message["text"]
        assert f"shows the details of run {run.run_id}" in message["text"]
        assert "Miller" not in message["text"]
        evaluate(settings, instance, run)
    assert len(chat.messages) == 1


def evaluate(settings, instance, run) -> None:
    """What the daemon does when it sees that a run failed."""
    known = definitions(settings).get_repository_def()
    event = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)[0].dagster_event
    context = dg.build_run_status_sensor_context(
        "run_failed", dagster_instance=instance, dagster_run=run, dagster_event=event
    )
    known.get_sensor_def("run_failed")(context.for_run_failure())


def test_a_run_of_the_daemon_is_told_by_its_sensor(shop, chat):
    settings = load_settings(shop / "churn.toml")
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions(settings).resolve_job_def("nightly")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = job.execute_in_process(
            partition_key=f"{NIGHT}", instance=instance, raise_on_error=False, run_config=quiet
        )
        assert TOLD_TAG not in result.dagster_run.tags
        assert chat.messages == []
        evaluate(settings, instance, the_run(instance))
    assert [message["text"].splitlines()[0] for message in chat.messages] == [f"churn: night {NIGHT} is red"]


def test_people_are_told_by_e_mail(shop, post_office):
    port, letters = post_office
    (shop / "churn.toml").write_text(SETTINGS + MAIL.format(port=port), encoding="utf-8")
    assert run_job("nightly", NIGHT, load_settings(shop / "churn.toml")) == 1
    (letter,) = letters
    assert f"Subject: churn: night {NIGHT} is red" in letter
    assert "To: night@shop.example, data@shop.example" in letter
    assert sum(line.lower().startswith("rcpt to:") for line in letter) == 2
    assert any("step arrivals: orders.csv" in line for line in letter)


@pytest.mark.parametrize("chat", [500], indirect=True)
def test_that_nobody_could_be_told_does_not_hide_the_failure(shop, chat, capsys):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    (shop / "churn.toml").write_text(SETTINGS + MAIL.format(port=port), encoding="utf-8")
    assert run_job("nightly", NIGHT, load_settings(shop / "churn.toml")) == 1
    said = capsys.readouterr().err
    assert f"night {NIGHT} is red" in said
    assert "the alert was not sent by the webhook of CHURN__ALERTS__WEBHOOK: it answers 500" in said
    assert f"the alert was not sent by e-mail over 127.0.0.1:{port}: " in said
    assert chat.url not in said


def test_an_address_that_cannot_be_used_is_refused_without_being_repeated(shop, monkeypatch):
    monkeypatch.setenv("CHURN__ALERTS__WEBHOOK", "http://[word/services")
    with pytest.raises(SettingsError, match="CHURN__ALERTS__WEBHOOK cannot be read for sure") as error:
        load_settings(shop / "churn.toml")
    assert "word" not in f"{error.value}".replace("password", "")


@pytest.mark.parametrize("chat", [301, 302, 303, 307, 308], indirect=True)
def test_an_alert_that_a_chat_answers_by_pointing_elsewhere_counts_as_not_sent(shop, chat):
    warnings: list[str] = []
    failure = Failure("1", "nightly", f"{NIGHT}", ("it broke",), delivered=False)
    tell(failure, load_settings(shop / "churn.toml").alerts, warnings.append)
    assert len(chat.messages) == 1
    (warning,) = warnings
    assert warning.endswith(f"it answers {chat.status} and points elsewhere: give the final address")


def test_the_name_of_a_file_is_neither_a_link_nor_a_ping(shop, chat):
    reason = "step arrivals: <!channel> <http://evil|click> @here [x](http://evil)\x1b[2J.csv: line 3"
    tell(
        Failure("1", "nightly", f"{NIGHT}", (reason,), delivered=False),
        load_settings(shop / "churn.toml").alerts,
        print,
    )
    (message,) = chat.messages
    assert "&lt;!channel&gt;" in message["text"]
    assert not [each for each in ("<", ">", "@here", "](", "\x1b") if each in message["text"]]


def test_a_mail_server_that_is_not_this_machine_is_told_nothing_in_the_open(shop, post_office, monkeypatch):
    port, letters = post_office
    # Any name of this machine but those of loopback.
    monkeypatch.setenv("CHURN__ALERTS__SMTP_HOST", "0.0.0.0")
    (shop / "churn.toml").write_text(SETTINGS + MAIL.format(port=port), encoding="utf-8")
    warnings: list[str] = []
    failure = Failure("1", "nightly", f"{NIGHT}", ("it broke",), delivered=False)
    tell(failure, load_settings(shop / "churn.toml").alerts, warnings.append)
    assert "the server offers no TLS: set alerts.unencrypted to true" in warnings[0]
    assert [line for line in letters[0] if line.upper().startswith("DATA")] == []
    monkeypatch.setenv("CHURN__ALERTS__UNENCRYPTED", "true")
    tell(failure, load_settings(shop / "churn.toml").alerts, warnings.append)
    assert len(warnings) == 1


def test_a_password_is_not_sent_in_the_open(shop, post_office, monkeypatch, capsys):
    port, letters = post_office
    monkeypatch.setenv("CHURN__ALERTS__SMTP_USER", "churn")
    monkeypatch.setenv("CHURN__ALERTS__SMTP_PASSWORD", "a secret word")
    (shop / "churn.toml").write_text(SETTINGS + MAIL.format(port=port), encoding="utf-8")
    assert run_job("nightly", NIGHT, load_settings(shop / "churn.toml")) == 1
    assert "the server offers no TLS, and the password is not sent in the open" in capsys.readouterr().err
    assert [line for line in letters[0] if line.upper().startswith(("AUTH", "DATA"))] == []


def test_a_failed_check_is_told_with_figure_and_limit(shop):
    rows = "".join(f"C{number % 7},2025-01-{number % 30 + 1:02d}\n" for number in range(50))
    (shop / "landing" / "orders.csv").write_text("who,when\n" + ",2025-01-09\n" * 50 + rows, encoding="utf-8")
    settings = load_settings(shop / "churn.toml")
    assert run_job("nightly", NIGHT, settings) == 1
    with dg.DagsterInstance.get() as instance:
        failure = failure_of(the_run(instance), instance)
    assert len(failure.reasons) == 1
    assert failure.reasons[0].startswith("raw_transactions: ")
    assert "Limit: " in failure.reasons[0]
    assert "Found: " in failure.reasons[0]
    assert "The CRM keeps what it has." in failure.text


def test_an_error_that_may_quote_the_data_is_named_and_not_repeated():
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-01-01"))
    def broken() -> None:
        raise ValueError("cannot convert 'Mrs-Miller-4711'")

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([broken], instance=instance, partition_key=f"{NIGHT}", raise_on_error=False)
        text = failure_of(the_run(instance), instance).text
    assert "step broken: ValueError" in text
    assert "Miller" not in text


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PlacingError("exports: in the way"), "The CRM has the night already."),
        (DeliveryError("exports: the exports cannot be written"), "The CRM keeps what it has."),
    ],
)
def test_a_delivery_that_failed_is_told_as_the_crm_has_it(error, outcome):
    @dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-01-01"))
    def crm_delivery() -> None:
        raise error from OSError("Mrs-Miller-4711")

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([crm_delivery], instance=instance, partition_key=f"{NIGHT}", raise_on_error=False)
        text = failure_of(the_run(instance), instance).text
    assert outcome in text
    assert f"step crm_delivery: {error}" in text
    assert "Miller" not in text


def test_a_night_that_another_run_keeps_out_says_who_has_the_lake(shop, chat, monkeypatch):
    monkeypatch.setenv("CHURN__LAKE__WAIT_MINUTES", "0")
    (shop / "lake").mkdir()
    from fcntl import LOCK_EX, flock

    settings = load_settings(shop / "churn.toml")
    with (shop / "lake" / ".turn").open("w") as other:
        other.write("the run of night 2025-01-30, process 1 on elsewhere, since noon")
        other.flush()
        flock(other, LOCK_EX)
        assert run_job("nightly", NIGHT, settings) == 1
    assert "is in use by the run of night 2025-01-30, process 1 on elsewhere" in chat.messages[0]["text"]
