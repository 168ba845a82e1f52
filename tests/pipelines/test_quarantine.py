"""`churn quarantine` shows what was kept out of a night, why, and how to bring it in again."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.lake import SCHEMAS, Lake
from models.mapping import ColumnMapping, Reading, canonical
from models.transactions import ValidationRules, split
from pipelines.cli import app

NIGHT = date(2024, 3, 31)
SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "customer"
timestamp = "when"
amount = "paid"
[churn]
timezone = "Europe/Berlin"
"""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the command prints, on one line."""
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("CHURN_CONFIG", "")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def shown(*options: str) -> str:
        typed = ["quarantine", "--night", str(NIGHT), "--config", str(tmp_path / "churn.toml"), *options]
        result = CliRunner().invoke(app, typed)
        assert result.exit_code == 0
        return " ".join(result.output.split())

    return shown


def store(folder: Path, *, passed: bool = True, good: int = 8, bad: int = 0) -> None:
    """A night of good lines, and as many lines without a customer, with an unreadable amount, and with neither."""
    moment = datetime(2024, 3, 30, 10, tzinfo=UTC)
    rows = [("a", "1")] * good + [(None, "1"), ("b [1]", "much"), (None, "much")] * bad
    frame = pl.LazyFrame(rows, schema=["customer", "paid"], orient="row").with_columns(when=pl.lit(moment))
    columns = ColumnMapping(("customer",), ("when",), amount=("paid",))
    raw = canonical(frame, columns, Reading(), timezone="UTC", file="march.csv").with_columns(
        occurrence=pl.lit(1, pl.Int64)
    )
    raw = raw.select(SCHEMAS["raw_transactions"].column_names())
    lake = Lake(root=str(folder / "lake"))
    lake.write("raw_transactions", NIGHT, raw)
    if passed:
        valid, quarantine = split(raw, ValidationRules(), night=NIGHT, mapped=columns.delivered)
        lake.write("transactions", NIGHT, valid)
        lake.write("quarantine", NIGHT, quarantine)
        account = {"night": NIGHT, "delivered": good + 3 * bad, "valid": good, "quarantined": 3 * bad, "known": 0}
        lake.write("ledger", NIGHT, pl.DataFrame([account], schema=SCHEMAS["ledger"].create_empty().schema))


def test_reasons_are_counted_and_lines_shown_as_they_came(shown, tmp_path):
    store(tmp_path, bad=4)
    text = shown("--samples", "1")
    assert "Night 2024-03-31: 12 of 20 delivered lines were kept out." in text
    assert "amount_missing 8 customer_id_missing 8" in text
    assert "march.csv 9 customer_id_missing timestamp 2024-03-30 11:00:00+01:00, amount 1.0" in text
    assert "march.csv 10 amount_missing customer_id b [1], timestamp 2024-03-30 11:00:00+01:00, amount much" in text
    assert text.count("march.csv") == 2
    assert "deliver them like any file" in text


def test_counts_can_stand_alone(shown, tmp_path):
    store(tmp_path, bad=1)
    assert "march.csv" not in shown("--samples", "0")


def test_of_a_night_that_the_gate_stopped_the_lines_to_mend_are_shown(shown, tmp_path):
    store(tmp_path, passed=False, bad=1)
    text = shown()
    assert "3 of 11 delivered lines would be kept out; the gate stopped the night" in text
    assert "amount_missing 2" in text


def test_a_night_that_kept_nothing_out_says_so(shown, tmp_path):
    store(tmp_path)
    assert "kept nothing out: each of its 8 delivered lines obeys every rule" in shown()


def test_a_night_that_did_not_run_says_so(shown):
    assert "Night 2024-03-31 did not run. The newest nights that did: none. Run it: `churn run" in shown()
