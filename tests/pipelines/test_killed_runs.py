"""A run that was killed, or whose terminal was closed, is followed by one that ends by itself."""

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

SETTINGS = """
[source]
path = "landing.csv"
[source.columns]
customer_id = "who"
timestamp = "when"
"""
NIGHT = date(2025, 1, 30)
ENDS = 240
"""Seconds that a run may take on a machine that does other things too; one that hangs takes for ever."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop whose first night trains, with pools in Dagster's instance as an installation may have them."""
    (tmp_path / "home").mkdir()
    pools = "telemetry: {enabled: false}\nconcurrency: {pools: {default_limit: 1, granularity: op}}\n"
    (tmp_path / "home" / "dagster.yaml").write_text(pools, encoding="utf-8")
    lines = "".join(f"C{number},{NIGHT - timedelta(days=7 * number)}\n" for number in range(9))
    (tmp_path / "landing.csv").write_text("who,when\n" + lines, encoding="utf-8")
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def start(shop: Path) -> subprocess.Popen[str]:
    """Start the night in a session of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run", "--night", f"{NIGHT}", "--config", f"{shop / 'churn.toml'}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"DAGSTER_HOME": f"{shop / 'home'}", "COLUMNS": "300"},
        start_new_session=True,
    )


def wait_for(sentence: str, run: subprocess.Popen[str]) -> None:
    assert run.stdout is not None
    said = []
    for line in run.stdout:
        said.append(line)
        if sentence in line:
            return
    pytest.fail(f"{sentence!r} was never said: {said}")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_run_that_ended_while_it_trained_is_followed_by_one_that_ends_by_itself(shop, how):
    with start(shop) as first:
        wait_for("training a challenger", first)
        os.killpg(first.pid, how)
        first.communicate(timeout=ENDS)
    assert first.returncode not in {0, -signal.SIGHUP}, "a closed terminal is no reason to leave without a word"
    with start(shop) as second:
        try:
            said, _ = second.communicate(timeout=ENDS)
        finally:
            second.kill()
    assert second.returncode == 0, said
    assert (shop / "reports" / f"{NIGHT}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_a_run_that_waits_for_another_ends_when_it_is_told_to(shop, how):
    (shop / "lake").mkdir()
    with (shop / "lake" / ".turn").open("w") as other:
        flock(other, LOCK_EX)
        with start(shop) as waiting:
            try:
                wait_for("waiting for another run", waiting)
                os.killpg(waiting.pid, how)
                assert waiting.wait(timeout=ENDS) > 0
            finally:
                waiting.kill()


def test_a_history_that_cannot_be_written_is_a_sentence(shop):
    (shop / "home" / "history" / "runs.db").mkdir(parents=True)
    with start(shop) as night:
        try:
            said, _ = night.communicate(timeout=ENDS)
        finally:
            night.kill()
    assert night.returncode == 1
    assert f"{shop / 'home'}: Dagster's history cannot be written (" in said
    assert "The CRM keeps what it has." in said
    assert "Traceback" not in said
    assert "SQL:" not in said
