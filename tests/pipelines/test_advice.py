"""`churn doctor`, `churn horizon` and `churn backtest` as a person uses them, on a simulated shop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from assets.experiment_store import open_store
from assets.lake import Lake
from models.customer_days import customer_days
from models.simulator import customers, transactions
from pipelines import ROOT
from pipelines.cli import app
from pipelines.known import known_lake
from pipelines.settings import load_settings
from tests.shops import SOURCE

FIRST_DAY, DAYS = date(2024, 1, 1), 420
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
NIGHTS = [LAST_DAY - timedelta(days=30 * back) for back in (4, 3, 2, 1)]
SPAN = f"{NIGHTS[0]}..{NIGHTS[-1]}"
SETTINGS = f"""{SOURCE}[churn]
horizon_days = 30
active_days = 120
[features]
families = ["recency", "frequency", "money", "tenure"]
[training]
nights = 4
[training.classifier]
rounds = 30
[evaluation]
replicates = 50
"""


@pytest.fixture(scope="module")
def sales() -> pl.DataFrame:
    """What a shop of 900 customers sold in fourteen months."""
    return transactions(customers(900, seed=1), first_day=FIRST_DAY, days=DAYS, seed=1)


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One MLflow store and one Dagster instance for all, because making them takes seconds."""
    home, before = tmp_path_factory.mktemp("home"), Path.cwd()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("CHURN__MLFLOW__TRACKING_URI", f"sqlite:///{home}/mlflow.db")
        patch.setenv("CHURN__MLFLOW__ARTIFACTS", f"{home}/mlartifacts")
        patch.setenv("CHURN_CONFIG", "")
        patch.setenv("COLUMNS", "200")
        yield
    os.chdir(before)


def shop_in(folder: Path, rows: pl.DataFrame, extra: str = "") -> Path:
    (folder / "landing").mkdir(parents=True)
    rows.write_csv(folder / "landing" / "sales.csv")
    settings = folder / "churn.toml"
    settings.write_text(SETTINGS + extra, encoding="utf-8")
    return settings


def with_lake(settings: Path, rows: pl.DataFrame) -> Path:
    """The lake as the last night would have left it, as far as a backtest reads it."""
    lines = rows.with_columns(
        day=pl.col("timestamp").dt.date(), is_return=pl.lit(value=False), discount=pl.lit(None, pl.Float64)
    )
    Lake(root=str(settings.parent / "lake")).write("customer_days", LAST_DAY, customer_days(lines.lazy()))
    return settings


def churn(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    return " ".join(result.output.split())


def stored(settings: Path) -> dict[str, int]:
    """The stored nights of a backtest, with the moment at which each was finished."""
    files = sorted((settings.parent / "lake" / "backtest").glob("*/night=*/data.parquet"))
    return {file.parent.name.removeprefix("night="): file.stat().st_mtime_ns for file in files}


def test_the_doctor_finds_enough_before_any_night_ran_and_leaves_nothing_behind(tmp_path, sales):
    settings = shop_in(tmp_path, sales)
    result = churn("doctor", "--config", settings)
    assert result.exit_code == 0, result.output
    assert "from the source, because no night ran yet" in said(result)
    assert "Enough for a model of churn within 30 days" in said(result)
    assert "looks real doubtful" in said(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn.toml", "lake", "landing"]
    assert list((tmp_path / "lake").iterdir()) == []


def test_the_doctor_says_with_four_months_why_nothing_is_trained_and_what_serves(tmp_path, sales):
    short = sales.filter(pl.col("timestamp").dt.date() < FIRST_DAY + timedelta(days=121))
    settings = shop_in(tmp_path, short)
    settings.write_text(SETTINGS.replace("horizon_days = 30", "horizon_days = 90"), encoding="utf-8")
    result = churn("doctor", "--config", settings)
    assert result.exit_code == 1
    assert "Not enough to train a model: the data span 120 days, and a horizon of 90 days needs 210" in said(result)
    assert "MBG/NBD serves" in said(result)


def test_the_doctor_names_a_place_that_cannot_be_reached_without_its_password(tmp_path, sales, monkeypatch):
    settings = shop_in(tmp_path, sales.head(50))
    monkeypatch.setenv("CHURN__CRM__DATABASE", "postgresql://clerk:secret@127.0.0.1:1/shop")
    result = churn("doctor", "--config", settings)
    assert result.exit_code == 1
    assert "CRM unreachable" in said(result)
    assert "secret" not in result.output


def test_the_doctor_stops_where_there_is_no_source(tmp_path):
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    result = churn("doctor", "--config", tmp_path / "churn.toml")
    assert result.exit_code == 1
    assert "source unreachable" in said(result)


def test_the_source_and_the_lake_give_the_same_advice(tmp_path, sales):
    fresh, run = shop_in(tmp_path / "fresh", sales), with_lake(shop_in(tmp_path / "run", sales), sales)
    days = []
    for settings in (fresh, run):
        with known_lake(load_settings(settings)) as (lake, _):
            days.append(lake.scan("customer_days", lake.nights("customer_days")).collect())
    assert days[0].equals(days[1])
    result = churn("horizon", "--config", run)
    assert result.exit_code == 0, result.output
    assert "Recommended:" in said(result)
    assert (run.parent / "reports" / "horizon.png").read_bytes().startswith(b"\x89PNG")


def test_the_advisor_says_when_the_history_carries_no_horizon(tmp_path, sales):
    first_month = sales.filter(pl.col("timestamp").dt.date() < FIRST_DAY + timedelta(days=30))
    result = churn("horizon", "--config", shop_in(tmp_path, first_month))
    assert result.exit_code == 1
    assert "No candidate can be judged" in said(result)


@pytest.fixture(scope="module")
def backtested(tmp_path_factory: pytest.TempPathFactory, sales: pl.DataFrame) -> Path:
    """A shop whose backtest of four nights is done."""
    settings = with_lake(shop_in(tmp_path_factory.mktemp("shop") / "backtested", sales), sales)
    result = churn("backtest", "--nights", SPAN, "--config", settings)
    assert result.exit_code == 0, result.output
    return settings


def test_a_killed_backtest_goes_on_where_it_stopped_and_ends_as_if_nothing_had_happened(tmp_path, backtested, sales):
    settings = with_lake(shop_in(tmp_path / "killed", sales), sales)
    command = [sys.executable, "-m", "pipelines.cli", "backtest", "--nights", SPAN, "--config", str(settings)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(stored(settings)) < 2 and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = stored(settings)
    assert 2 <= len(before) < len(NIGHTS)
    result = churn("backtest", "--nights", SPAN, "--config", settings)
    assert result.exit_code == 0, result.output
    after = stored(settings)
    assert list(after) == [f"{night}" for night in NIGHTS]
    assert {night: after[night] for night in before} == before
    assert said(result).count("was done before") == len(before)
    report = Path("reports") / "backtest.md"
    assert (settings.parent / report).read_text() == (backtested.parent / report).read_text()


def test_a_backtest_is_one_run_in_mlflow_with_the_night_as_step_and_no_customer(backtested, sales):
    settings = load_settings(backtested)
    store = open_store(settings.tracking_uri(), "churn", settings.artifacts())
    (run,) = store.runs("tags.record = 'backtest'")
    history = store.client.get_metric_history(run.info.run_id, "backtest/champion/log_loss")
    assert [each.step for each in history] == [int(f"{night:%Y%m%d}") for night in NIGHTS]
    assert {"mean/champion/auroc", "mean/champion/log_loss_gain_low/recency"} <= set(run.data.metrics)
    kept = [file for file in Path(settings.artifacts()).rglob("*") if file.is_file()]
    assert {file.name for file in kept} >= {"figures.json", "gains.json", "gate.json", "backtest.png"}
    ids = [name.encode() for name in sales["customer_id"].unique()]
    assert not [file for file in kept if any(name in file.read_bytes() for name in ids)]


def test_the_same_backtest_again_computes_nothing_and_records_nothing(backtested):
    before = stored(backtested)
    result = churn("backtest", "--nights", SPAN, "--config", backtested)
    assert result.exit_code == 0
    assert stored(backtested) == before
    settings = load_settings(backtested)
    assert len(open_store(settings.tracking_uri(), "churn", settings.artifacts()).runs("tags.record = 'backtest'")) == 1


def test_the_report_compares_what_served_with_every_rule(backtested):
    text = (backtested.parent / "reports" / "backtest.md").read_text(encoding="utf-8")
    for name in ("Champion", "MBG/NBD", "Logistic RFM", "Frequency", "Recency", "Gains in log loss", f"{NIGHTS[0]}"):
        assert name in text
    assert (backtested.parent / "reports" / "backtest.png").read_bytes().startswith(b"\x89PNG")


def test_new_rows_of_the_past_are_noticed_and_fresh_starts_anew(tmp_path, backtested, sales):
    before = stored(backtested)
    result = churn("backtest", "--nights", f"{NIGHTS[0]}..{NIGHTS[0]}", "--fresh", "--config", backtested)
    assert result.exit_code == 0
    assert stored(backtested)[f"{NIGHTS[0]}"] > before[f"{NIGHTS[0]}"]
    lake = Lake(root=str(backtested.parent / "lake"))
    late = lake.scan("customer_days", [LAST_DAY]).filter(pl.col("day") == NIGHTS[0]).collect()
    lake.write("customer_days", LAST_DAY + timedelta(days=1), late)
    again = churn("backtest", "--nights", f"{NIGHTS[0]}..{NIGHTS[0]}", "--config", backtested)
    assert "was done before" not in said(again)


@pytest.mark.parametrize(
    ("span", "sentence", "code"),
    [
        (f"{NIGHTS[0]}..{LAST_DAY}", "is not ripe: purchases are known up to", 1),
        (f"{FIRST_DAY - timedelta(days=9)}..{FIRST_DAY - timedelta(days=9)}", "Nobody had bought by night", 1),
    ],
)
def test_a_night_that_cannot_be_backtested_is_named(backtested, span, sentence, code):
    result = churn("backtest", "--nights", span, "--config", backtested)
    assert result.exit_code == code
    assert sentence in said(result)


def test_a_backtest_before_any_night_ran_says_what_to_do(tmp_path, sales):
    result = churn("backtest", "--nights", SPAN, "--config", shop_in(tmp_path, sales.head(10)))
    assert result.exit_code == 1
    assert "No night ran yet" in said(result)
