"""What a killed process leaves is swept by whoever has the turn next, and nothing of the living is."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from assets.scratch import PREFIX, scratch_folder, sweep_scratch
from assets.turn import Turn

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys
from pathlib import Path
from assets.scratch import scratch_folder
from assets.turn import Turn
lake, reports = Path(sys.argv[1]), Path(sys.argv[2])
with Turn(lake, patience=0, beside=(reports,)).taken("the run of night 2026-01-31", print):
    with scratch_folder(lake) as near, scratch_folder() as far:
        (near / "1.text").write_text("c17,2026-01-31")
        (far / "2.text").write_text("c17,2026-01-31")
        (lake / "scores" / "night=2026-01-31").mkdir(parents=True)
        (lake / "scores" / "night=2026-01-31" / "data.draft").write_text("c17")
        (reports / ".at_risk_segments.csv.draft").write_text("c17")
        print("at work", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Another process that has the turn, scratch folders and drafts, until a line comes on its input."""
    for name in ("lake", "reports", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", f"{tmp_path / 'tmp'}")
    monkeypatch.setattr(tempfile, "tempdir", None)
    command = [sys.executable, "-c", WORKER, f"{tmp_path / 'lake'}", f"{tmp_path / 'reports'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield process
        process.kill()


def left(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file() and "c17" in file.read_text()}


def test_what_a_killed_run_left_is_gone_once_the_next_has_the_turn(tmp_path, worker):
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    assert left(tmp_path) == {"1.text", "2.text", "data.draft", ".at_risk_segments.csv.draft"}
    with Turn(tmp_path / "lake", patience=0, beside=(tmp_path / "reports",)).taken("mine", pytest.fail):
        assert left(tmp_path) == set()


def test_nothing_of_a_process_that_is_at_work_is_swept(tmp_path, worker):
    with scratch_folder(tmp_path / "lake") as mine:
        sweep_scratch(tmp_path / "lake")
        assert mine.exists()
    assert not mine.exists()
    assert left(tmp_path) >= {"1.text", "2.text"}
    worker.communicate("\n", timeout=10)
    assert left(tmp_path) == {"data.draft", ".at_risk_segments.csv.draft"}


def test_a_folder_that_is_just_being_made_and_a_link_are_left_alone(tmp_path):
    (tmp_path / f"{PREFIX}new").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    sweep_scratch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}new", f"{PREFIX}link", "other"}
    os.utime(tmp_path / f"{PREFIX}new", (0, 0))
    sweep_scratch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}link", "other"}
