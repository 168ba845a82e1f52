"""Churn by contract through the whole line, from the command line, on subscriptions whose truth is known."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from models.contract_simulator import lines, subscribers, switches, true_churn
from models.ranking import Vector, log_loss
from pipelines.cli import app

FIRST_DAY, DAYS, GRACE = date(2024, 1, 1), 540, 14
NIGHT = date(2025, 4, 30)
LATER = NIGHT + timedelta(days=30 + GRACE)
SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "customer_id"
timestamp = "timestamp"
product = "product"
amount = "amount"
contract_until = "contract_until"
[[inputs]]
name = "auto_renew"
kind = "attributes"
path = "switches.csv"
customer_id = "customer_id"
timestamp = "since"
category = "auto_renew"
[churn]
definition = "contract"
horizon_days = 30
[training]
retrain_days = 90
[training.classifier]
rounds = 60
[features]
families = ["recency", "frequency", "money", "tenure", "trends", "population", "inputs", "terms"]
[evaluation]
replicates = 50
"""


class Book:
    """A folder with settings and what holders bought and used, in which two nights ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.holders = subscribers(1800, seed=3)
        rows = lines(self.holders, first_day=FIRST_DAY, days=DAYS, term_days=60, grace_days=GRACE, seed=3)
        (folder / "landing").mkdir()
        rows.write_csv(folder / "landing" / "book.csv")
        switches(self.holders, first_day=FIRST_DAY).write_csv(folder / "switches.csv")
        (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
        self.said = {night: self.churn("run", "--night", f"{night}") for night in (NIGHT, LATER)}

    def churn(self, *arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--config", str(self.folder / "churn.toml")])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    def table(self, name: str, night: date) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "lake" / name / f"night={night}" / "data.parquet")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    home, before = tmp_path_factory.mktemp("home"), Path.cwd()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("COLUMNS", "200")
        yield Book(tmp_path_factory.mktemp("book"))
    os.chdir(before)


def losses(truth: Vector, probability: Vector) -> float:
    """The log loss that is to be expected where each customer leaves with the true probability."""
    left, stayed = (log_loss(np.full(len(truth), which), probability) for which in (True, False))
    return float((truth * left + (1 - truth) * stayed).mean())


def test_probabilities_are_near_the_truth_and_far_better_than_the_base_rate(book: Book) -> None:
    scores, known = book.table("churn_scores", LATER), book.table("customer_features", LATER)
    ends = known.select("customer_id", end=pl.lit(LATER) + pl.duration(days=pl.col("days_to_expiry").cast(pl.Int64)))
    truth = true_churn(book.holders, ends, LATER)["churn_probability"].to_numpy()
    said = scores["churn_probability"].to_numpy()
    assert scores["customer_id"].equals(ends["customer_id"])
    everybody, best = losses(truth, np.full(len(truth), truth.mean())), losses(truth, truth)
    assert losses(truth, said) < everybody - 0.4 * (everybody - best)
    assert said.mean() == pytest.approx(truth.mean(), abs=0.04)
    assert losses(truth, scores["renewal_rate"].to_numpy()) < everybody
    assert scores["mbg_nbd"].null_count() == scores.height


def test_the_table_speaks_of_contracts(book: Book) -> None:
    table, known = book.table("at_risk_segments", LATER), book.table("customer_features", LATER)
    at_risk = table.filter(pl.col("status") != "left").join(known, on="customer_id", suffix="_known")
    assert at_risk.height > 50
    ends = pl.col("night") + pl.duration(days=pl.col("days_to_expiry").cast(pl.Int64))
    assert at_risk.select((pl.col("expected_next_purchase") == ends).all()).item()
    told = pl.concat([at_risk.select(code=f"reason_{n}_code", text=f"reason_{n}") for n in (1, 2, 3)])
    assert {"renewal_off", "contract_ends"} <= set(told["code"])
    assert told.filter(pl.col("code") == "renewal_off")["text"].unique().to_list() == ["Renewal is off"]
    ending = told.filter(pl.col("code") == "contract_ends")["text"]
    assert ending.str.contains(r"^Contract ends on \d+ (June|July) 2025; renewed \d+ times? before$").all()


def test_a_night_is_settled_when_the_last_grace_is_over(book: Book) -> None:
    settled, scored = book.table("settled_outcomes", LATER), book.table("churn_scores", NIGHT)
    assert settled["night"].unique().to_list() == [NIGHT]
    assert settled["customer_id"].equals(scored["customer_id"])
    assert 0.1 < settled["churned"].to_numpy().mean() < 0.4
    assert "renewal_rate" in book.table("live_performance", LATER)["scorer"]
    asked = f"{scored.height} customers of 30 April 2025 whose contract was to end by 30 May 2025"
    assert f"Of {asked}" in book.said[LATER]
    assert "customers whose contract ends within 30 days are at risk of not renewing it" in book.said[LATER]


def test_advice_and_explanation_speak_of_contracts(book: Book) -> None:
    off = book.table("at_risk_segments", NIGHT).filter(pl.col("reason_1_code") == "renewal_off")
    told = book.churn("explain", "--customer", off["customer_id"][0], "--night", f"{NIGHT}")
    assert "likely not to renew the contract up to 14 days after its last day" in told
    assert "│ auto_renew │ 0 │" in told
    assert "days before the end" in book.churn("horizon")
    assert "contracts that end within 30 days and are not renewed" in book.churn("doctor")
