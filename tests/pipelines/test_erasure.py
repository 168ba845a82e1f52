"""Whoever is erased is gone from everything that is stored, whatever had failed before, and does not come back."""

import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.erasure import erase
from pipelines.settings import load_settings
from tests.shops import SOURCE

NIGHT = date(2026, 3, 31)
AFTERNOON = datetime(2026, 4, 3, 15, tzinfo=UTC)
GONE = "00'7\N{NO-BREAK SPACE}B"
OTHERS = "7", "0017", "O'Brien"
COLUMNS = "customer_id,timestamp,transaction_id,quantity,amount"
INGEST = """
import sys
from pathlib import Path
import dagster as dg
from pipelines.definitions import definitions
from pipelines.settings import load_settings
whole = definitions(load_settings(Path(sys.argv[1])))
job = dg.define_asset_job("ingestion", selection=dg.AssetSelection.groups("ingestion"))
parts = dg.Definitions(
    assets=whole.assets,
    asset_checks=whole.asset_checks,
    jobs=[job],
    resources=whole.resources,
    executor=whole.executor,
)
parts.resolve_job_def("ingestion").execute_in_process(partition_key=sys.argv[2])
"""


def lines(*rows: tuple[str, date], places: int = 1) -> str:
    return "\n".join(
        [COLUMNS, *(f'"{who}",{day},{who}-{day}-{place},1,5' for who, day in rows for place in range(places))]
    )


def bought(day: date) -> list[tuple[str, date]]:
    return [(who, day) for who in (GONE, *OTHERS)]


def traces(folder: Path) -> list[str]:
    """What `grep -r` would find of the erased customer in everything but what is delivered."""
    names = [GONE, GONE.replace("\xa0", " "), GONE.replace("'", "&#39;")]
    stored = (file for file in folder.rglob("*") if file.is_file() and "landing" not in file.parts)
    return [
        str(file.relative_to(folder))
        for file in stored
        for content in [_content(file)]
        if any(name.encode() in content for name in names)
    ]


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    return pl.read_parquet(file).write_ndjson().encode() if content[:4] == b"PAR1" else content


@pytest.fixture
def shop(tmp_path, ingestion):
    """A shop with one night, before which everybody bought."""
    shop = ingestion(tmp_path / "shop", SOURCE)
    (shop.folder / "landing" / "a.csv").write_text(lines(*bought(NIGHT - timedelta(days=1))), encoding="utf-8")
    assert shop.run(NIGHT).success
    return shop


@pytest.fixture
def environment(tmp_path):
    """Of a command of its own, with a history of its own."""
    (tmp_path / "dagster").mkdir()
    return os.environ | {"DAGSTER_HOME": f"{tmp_path / 'dagster'}"}


def customers(shop, table: str = "transactions") -> set[str]:
    return set(shop.table(table)["customer_id"])


def forget(shop, who: str = GONE) -> int:
    return erase(who, load_settings(shop.folder / "churn.toml"), AFTERNOON)


def test_nothing_is_left_after_a_killed_ingestion_and_no_old_row_comes_back(shop, environment):
    big = lines(*bought(NIGHT), places=40_000)
    (shop.folder / "landing" / "b.csv.gz").write_bytes(gzip.compress(big.encode(), 1))
    command = [sys.executable, "-c", INGEST, str(shop.folder / "churn.toml"), f"{NIGHT + timedelta(days=1)}"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 120
        while not any(file.stat().st_size for file in shop.folder.glob("lake/*/*.text")):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGKILL)
    assert any(file.endswith(".text") for file in traces(shop.folder))
    assert forget(shop) == 0
    assert traces(shop.folder) == []
    late = lines(
        *bought(NIGHT - timedelta(days=30)), *bought(AFTERNOON.date()), *bought(AFTERNOON.date() + timedelta(days=1))
    )
    (shop.folder / "landing" / "late.csv").write_text(late, encoding="utf-8")
    for days in (1, 3, 4):
        assert shop.run(NIGHT + timedelta(days=days)).success
        assert {GONE} & customers(shop) == ({GONE} if days == 4 else set())
    back = shop.table("transactions").filter(pl.col("customer_id") == GONE)
    assert back["day"].to_list() == [AFTERNOON.date() + timedelta(days=1)]
    assert set(OTHERS) <= customers(shop)


def test_no_bad_file_stands_in_the_way(shop, capsys):
    (shop.folder / "landing" / "b.csv").write_text("no,header,of,ours\n1,2,3,4\n")
    (shop.folder / "landing" / "c.parquet").write_bytes(b"PAR1 no more")
    assert forget(shop) == 1
    said = capsys.readouterr()
    assert "not looked at: b.csv: no column 'customer_id'" in said.err
    assert "not looked at: c.parquet" in said.err
    assert "a.csv: still holds 1 rows" in said.out
    assert traces(shop.folder) == []
    assert GONE not in said.out + said.err


def test_a_source_that_is_away_does_not_either(shop, capsys):
    shutil.rmtree(shop.folder / "landing")
    assert forget(shop) == 1
    assert "no such file or folder" in capsys.readouterr().err
    assert traces(shop.folder) == []


def test_who_is_erased_before_the_first_night_stays_out(tmp_path, ingestion):
    shop = ingestion(tmp_path / "shop", SOURCE)
    (shop.folder / "landing" / "a.csv").write_text(lines(*bought(NIGHT)), encoding="utf-8")
    assert forget(shop) == 0
    assert not (shop.folder / "crm.db").exists()
    assert shop.run(NIGHT).success
    assert customers(shop) == set(OTHERS)
    assert "left out: 1." in " ".join(shop.table("delivery_notes")["detail"]) or shop.table("delivery_notes").height


def test_a_lake_that_is_removed_forgets_nobody(shop):
    assert forget(shop) == 0
    shutil.rmtree(shop.folder / "lake")
    assert shop.run(NIGHT).success
    assert customers(shop) == set(OTHERS)


def test_a_lake_that_is_restored_is_cleaned_by_the_next_run(shop):
    shutil.copytree(shop.folder / "lake", shop.folder.parent / "backup")
    assert forget(shop, "O'Brien") == 0
    late = lines(("O'Brien", AFTERNOON.date() + timedelta(days=1)))
    (shop.folder / "landing" / "back.csv").write_text(late, encoding="utf-8")
    assert shop.run(AFTERNOON.date() + timedelta(days=1)).success
    assert "O'Brien" in customers(shop)
    assert forget(shop) == 0
    newer = shop.folder.parent / "newer"
    shop.folder.joinpath("lake").rename(newer)
    shutil.copytree(shop.folder.parent / "backup", shop.folder / "lake")
    assert customers(shop) == {GONE, *OTHERS}
    assert shop.run(NIGHT + timedelta(days=1)).success
    assert traces(shop.folder) == []
    assert customers(shop) == set(OTHERS) - {"O'Brien"}
    # Who came back after an erasure stays, although the lake has not seen another one.
    shutil.rmtree(shop.folder / "lake")
    newer.rename(shop.folder / "lake")
    (shop.folder / "lake" / ".erasures").write_text("of another time")
    assert shop.run(AFTERNOON.date() + timedelta(days=2)).success
    assert customers(shop) == set(OTHERS)


def test_an_erasure_that_was_interrupted_is_finished_by_the_next_run(shop):
    settings = load_settings(shop.folder / "churn.toml")
    settings.erasures().remember(GONE, AFTERNOON.date())
    assert shop.run(NIGHT + timedelta(days=1)).success
    assert traces(shop.folder) == []


@pytest.mark.parametrize("typed", [f"  {GONE}\n", f"\ufeff{GONE}", f"{GONE[:2]}\u00ad{GONE[2:]}"])
def test_an_id_is_known_in_every_spelling_that_is_read_as_the_same(shop, typed):
    assert forget(shop, typed) == 0
    assert traces(shop.folder) == []


def test_ids_that_nearly_are_the_same_are_told_and_stay(shop, capsys):
    assert forget(shop, "0007") == 1
    said = capsys.readouterr()
    assert "Other customers with nearly the same id: '7'." in said.out
    assert "The customer stands nowhere" in said.err
    assert customers(shop) == {GONE, *OTHERS}
    assert json.loads((shop.folder / "lake.erased.json").read_text())["until"] == {}
    assert forget(shop, "\t") == 1
    assert "This is no id" in capsys.readouterr().err


def test_who_was_erased_is_kept_for_the_owner_alone_and_without_the_id(shop):
    assert forget(shop) == 0
    file = shop.folder / "lake.erased.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(json.loads(file.read_text())["until"].values()) == [f"{AFTERNOON.date()}"]
    assert "00'7" not in file.read_text()


def test_the_id_may_come_from_the_standard_input(shop, environment):
    command = [sys.executable, "-m", "pipelines.cli", "erase", "--customer", "-"]
    command += ["--config", str(shop.folder / "churn.toml")]
    done = subprocess.run(command, input=f"{GONE}\n", text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert traces(shop.folder) == []
