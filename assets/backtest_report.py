"""What a backtest found, as a text to read and a picture of every figure over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from assets.advice_figures import backtest_figure, save_png
from assets.drafts import write_whole
from assets.drawing import name_of, ordered
from assets.retention_report import Reports
from models.backtest import CHALLENGER, FIGURES
from models.settlement import SERVED

NAMES = {"auroc": "AUROC", "log_loss": "log loss", "ece": "ECE", "lift": "lift", "profit": "profit"}
_DIGITS = {"auroc": 3, "log_loss": 4, "ece": 3, "lift": 2, "profit": 2}


@dataclass(frozen=True)
class BacktestReport:
    """Everything that a backtest tells; nothing in it names a customer.

    Attributes:
        nights: Night -> what was noted of it: the gate's verdict, what serves, and the figures of every scorer.
        gains: As from `models.backtest.overall`.
        customers: Night -> active customers.
        churned: Night -> share of them that churned.
        horizon_days: Days ahead.
        step_days: Days from one night to the next.
    """

    nights: Mapping[date, Mapping[str, Any]]
    gains: pl.DataFrame
    customers: Mapping[date, int]
    churned: Mapping[date, float]
    horizon_days: int
    step_days: int

    @property
    def figures(self) -> pl.DataFrame:
        """night, scorer, figure, value, low, high."""
        return pl.DataFrame(
            [{"night": night} | row for night, noted in self.nights.items() for row in noted["figures"]]
        )

    @property
    def means(self) -> dict[tuple[str, str], float]:
        """(scorer, figure) -> mean over the nights that have it."""
        mean = self.figures.group_by("scorer", "figure").agg(pl.col("value").mean())
        return {(scorer, figure): value for scorer, figure, value in mean.sort("scorer", "figure").iter_rows()}

    @property
    def verdicts(self) -> pl.DataFrame:
        """night, customers, churn_rate, serves, champion_since, passed, verdict."""
        return pl.DataFrame(
            [
                {"night": night, "customers": self.customers[night], "churn_rate": self.churned[night]}
                | {name: noted[name] for name in ("serves", "champion_since", "passed", "verdict")}
                for night, noted in self.nights.items()
            ]
        )


def write_report(report: BacktestReport, reports: Reports) -> None:
    """Write ``backtest.md`` and ``backtest.png`` to the folder of the reports."""
    save_png(backtest_figure(report.figures), reports.text("backtest").with_suffix(".png"))
    write_whole(reports.text("backtest"), as_text(report))


def as_text(report: BacktestReport) -> str:
    """The report as markdown that also reads well as it is."""
    first, last = min(report.nights), max(report.nights)
    passed = report.verdicts["passed"].sum()
    lines = [
        f"# Backtest {first} to {last}",
        "",
        f"{len(report.nights)} nights, {report.step_days} days apart, each with the model and the gate of its time and "
        f"settled {report.horizon_days} days later. The challenger passed the gate on {passed} of them.",
        "",
        _sentence(report.gains),
        "",
        "## Means over the nights",
        "",
        _markdown(_means(report)),
        "",
        f"Champion is what served, gate on; {name_of(CHALLENGER)} is the newest model on every night, gate off.",
        "",
        "## Gains in log loss",
        "",
        _markdown(_gains(report.gains)),
        "",
        "Above zero: better than the one on the left. A customer of several nights counts as one piece of evidence.",
        "",
        "## What served, night by night",
        "",
        _markdown(_by_night(report)),
    ]
    return "\n".join(lines) + "\n"


def _sentence(gains: pl.DataFrame) -> str:
    """What served against the rules, and against the model that the gate held back."""
    served = {row["rival"]: row for row in gains.filter(pl.col("scorer") == SERVED).iter_rows(named=True)}
    held_back = served.pop(CHALLENGER, None)
    if not served:
        return "There is nothing to compare the champion with."
    closest = min(served.values(), key=lambda row: row["low"])
    told = f"a gain in log loss of {_interval(closest)} over {name_of(closest['rival'])}"
    if closest["low"] > 0:
        sentence = f"What served was better than every rule beyond chance; the smallest is {told}."
    elif closest["high"] < 0:
        sentence = f"What served was worse than a rule beyond chance: {told}."
    else:
        sentence = f"What served was not better than every rule beyond chance: {told}."
    if held_back and held_back["high"] < 0:
        missed = f"the newest model on every night would have gained {-held_back['value']:.4f}"
        return f"{sentence} The gate cost something: {missed}."
    if held_back and held_back["low"] > 0:
        return f"{sentence} The gate paid: the newest model on every night would have lost {held_back['value']:.4f}."
    return sentence


def _means(report: BacktestReport) -> pl.DataFrame:
    found, scorers = report.means, ordered(dict.fromkeys(report.figures["scorer"]))
    return pl.DataFrame(
        [
            {"scorer": name_of(scorer)} | {NAMES[key]: _number(key, found.get((scorer, key))) for key in FIGURES}
            for scorer in scorers
        ]
    )


def _gains(gains: pl.DataFrame) -> pl.DataFrame:
    told = {(row["scorer"], row["rival"]): _interval(row) for row in gains.iter_rows(named=True)}
    return pl.DataFrame(
        [
            {"over": name_of(rival)}
            | {name_of(scorer): told.get((scorer, rival), "") for scorer in (SERVED, CHALLENGER)}
            for rival in ordered(dict.fromkeys(gains["rival"]))
        ]
    )


def _by_night(report: BacktestReport) -> pl.DataFrame:
    served = report.figures.filter(pl.col("scorer") == SERVED)
    found = {(night, figure): value for night, figure, value in served.select("night", "figure", "value").iter_rows()}
    return pl.DataFrame(
        [
            {"night": f"{night}", "serves": name_of(noted["serves"]), "since": noted["champion_since"]}
            | {NAMES[key]: _number(key, found.get((night, key))) for key in FIGURES}
            for night, noted in report.nights.items()
        ]
    )


def _interval(row: Mapping[str, float]) -> str:
    return f"{row['value']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"


def _number(key: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS[key]}f}"


def _markdown(table: pl.DataFrame) -> str:
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=10_000,
        fmt_str_lengths=1_000,
    ):
        return str(table)
