"""Two runs on one lake never work at the same time, whatever starts them and however they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.turn import LakeBusyError, Turn

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from assets.turn import Turn
with Turn(Path(sys.argv[1]), patience=0).taken("the run of night 2026-01-31", print):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the turn on the lake in ``tmp_path``, until a line comes on its input."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_whoever_may_not_wait_is_told_who_has_the_lake(tmp_path, holder):
    with (
        pytest.raises(LakeBusyError, match=r"the run of night 2026-01-31, process \d+ on .+, since \d{4}-") as error,
        Turn(tmp_path, patience=0).taken("mine", pytest.fail),
    ):
        pytest.fail("two hold the lake")
    assert f"process {holder.pid} " in str(error.value)
    assert "lake.wait_minutes" in str(error.value)


def test_whoever_waits_says_so_once_and_goes_on_when_the_lake_is_free(tmp_path, holder):
    said = []

    def hear(sentence):
        said.append(sentence)
        holder.stdin.write("\n")
        holder.stdin.flush()

    with Turn(tmp_path, patience=60).taken("mine", hear):
        assert holder.wait(10) == 0
    assert len(said) == 1
    assert said[0].startswith("waiting for the run of night 2026-01-31, process ")


def test_a_killed_process_leaves_the_lake_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    with Turn(tmp_path, patience=0).taken("mine", pytest.fail):
        pass


def test_a_turn_within_ones_own_turn_is_granted_and_keeps_it(tmp_path):
    turn = Turn(tmp_path, patience=0)
    with turn.taken("many nights", pytest.fail), turn.taken("one of them", pytest.fail):
        pass
    with turn.taken("again", pytest.fail):
        command = [sys.executable, "-c", HOLDER, str(tmp_path)]
        other = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "is in use by again, process" in other.stderr
