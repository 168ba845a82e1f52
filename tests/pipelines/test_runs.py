"""Many nights in one process: progress, totals, and going on where a red or interrupted one stopped."""

import re
from datetime import date, timedelta
from fcntl import LOCK_EX, flock

import pytest

from pipelines.runs import run_nights
from pipelines.settings import Settings, load_settings

SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "who"
timestamp = "when"
[lake]
wait_minutes = 0
"""
FIRST = date(2025, 1, 30)
NIGHTS = [FIRST + timedelta(days=days) for days in range(3)]


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Settings:
    """A shop of few customers with a delivery a day; Dagster keeps its history beside it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (tmp_path / "landing").mkdir()
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    for night in NIGHTS:
        lines = "".join(f"C{number},{night}\n" for number in range(3))
        (tmp_path / "landing" / f"{night}.csv").write_text("who,when\n" + lines, encoding="utf-8")
    return load_settings(tmp_path / "churn.toml")


def test_a_backfill_shows_its_progress_stops_at_a_red_night_and_goes_on_where_it_stopped(shop, capsys):
    second = shop.file.parent / "landing" / f"{NIGHTS[1]}.csv"
    good = second.read_text(encoding="utf-8")
    run_nights(NIGHTS[:1], shop)
    second.write_text("who,whan\nC1,soon\n", encoding="utf-8")
    capsys.readouterr()
    assert run_nights(NIGHTS, shop, resume=True) == 1
    said = capsys.readouterr()
    assert "1 of 3 nights ran before" in said.out
    assert f"night {NIGHTS[1]} (1 of 2, 0% done)" in said.out
    assert f"once it is mended: `churn nights {NIGHTS[0]}..{NIGHTS[2]} --resume` goes on from here" in said.err
    second.write_text(good, encoding="utf-8")
    assert run_nights(NIGHTS, shop, resume=True) == 0
    said = capsys.readouterr()
    assert re.search(rf"night {NIGHTS[2]} \(2 of 2, 50% done, about \d+ s left\)", said.out)
    ended = " ".join(said.out.split())
    assert re.search(r"2 nights in [\d a-z]+, [\d.]+ s each; rows: 6 delivered, 6 valid, 0 quarantined, 0 known", ended)
    assert "set experiment.starts to the first night that the CRM acts on" in ended
    assert run_nights(NIGHTS, shop, resume=True) == 0
    said = capsys.readouterr()
    assert "3 of 3 nights ran before" in said.out
    assert "nothing was left to run" in said.out


def test_a_backfill_does_not_start_while_another_process_has_the_lake(shop, capsys):
    lake = shop.beside(shop.lake.path)
    lake.mkdir()
    with (lake / ".turn").open("w") as other:
        flock(other, LOCK_EX)
        assert run_nights(NIGHTS, shop) == 1
    assert f"{lake} is in use by another run" in capsys.readouterr().err
