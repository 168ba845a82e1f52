"""The pictures by which people choose a horizon, and see how a backtest went."""

from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from assets.drawing import (
    COLOURS,
    DASHED,
    FAINT,
    INK,
    TIMES,
    canvas,
    colour_of,
    dress,
    in_percent,
    legend,
    line_of,
    name_of,
    ordered,
)
from models.backtest import FIGURES
from models.settlement import SERVED

_RATE, _FALSE, _GAPS = COLOURS["champion"], COLOURS["logistic_rfm"], COLOURS["mbg_nbd"]
_GAIN, _TICKS = "gain", 4
_TITLES = {
    "auroc": ("AUROC", "more is better"),
    "log_loss": ("Log loss", "less is better"),
    "ece": ("Calibration error", "less is better"),
    "lift": ("Lift in the riskiest", "more is better"),
    "profit": ("Expected maximum profit", "per customer, more is better"),
    _GAIN: ("Champion's gain over each", "log loss, above 0 is better"),
}
_LINE: Any = {"marker": "o", "markersize": 4, "linewidth": 1.8}


def horizon_figure(table: pl.DataFrame, chosen: int | None) -> Figure:
    """What each candidate horizon would mean, one panel for each question.

    Args:
        table: As from `models.horizon.candidates`; not empty.
        chosen: The recommended horizon, marked in every panel.
    """
    figure = canvas(980, 680)
    panels = figure.subplots(2, 2, sharex=True, gridspec_kw={"wspace": 0.06, "hspace": 0.08})
    (shares, order), (lift, lead) = panels
    days = table["horizon_days"]
    shares.fill_between(days, table["churn_low"], table["churn_high"], color=_RATE, alpha=0.15, linewidth=0)
    shares.plot(days, table["churn_rate"], color=_RATE, label="churn rate, range over nights", **_LINE)
    shares.plot(days, table["gaps_within"], color=_GAPS, label="gaps between purchases that end within", **_LINE)
    shares.plot(days, table["false_churn"], color=_FALSE, label="churned, yet back within twice the horizon", **_LINE)
    dress(shares, "What churn would be", "share")
    shares.set(ylim=(0, 1.42), yticks=[0, 0.25, 0.5, 0.75, 1])
    in_percent(shares.yaxis)
    legend(shares, "upper right")
    judged = table.drop_nulls("auroc")
    model = COLOURS["committee"]
    order.vlines(judged["horizon_days"], judged["auroc_low"], judged["auroc_high"], model, lw=5, alpha=0.3)
    order.plot(judged["horizon_days"], judged["auroc"], color=model, **_LINE)
    dress(order, "How well a quick model ranks", "AUROC, range over nights")
    lift.plot(judged["horizon_days"], judged["lift"], color=model, **_LINE)
    lift.plot(
        days, (1 / table["churn_rate"]).clip(upper_bound=10), color=FAINT, linewidth=1.2, label="at most possible"
    )
    lift.set_ylim(1, min(10, 1.15 * float((1 / table["churn_rate"]).max())))  # type: ignore[arg-type]
    lift.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.1f}{TIMES}"))
    dress(lift, "Churn in the riskiest tenth over that of all", "lift")
    legend(lift, "upper left")
    lead.plot(days, table["lead_days"], color=INK, **_LINE)
    dress(lead, "Time to act", "days until half of those who stay have bought")
    lead.set_ylim(0, None)
    for axes in panels.flat:
        _mark(axes, chosen)
    for axes in (lift, lead):
        axes.set(xlabel="horizon, days", xticks=days.to_list())
    return figure


def backtest_figure(figures: pl.DataFrame) -> Figure:
    """Every figure over the nights, what served with its interval, and what it gained over each of the others.

    Args:
        figures: night, scorer, figure, value, low, high.
    """
    picture = canvas(1180, 700)
    panels = picture.subplots(2, 3, sharex=True, gridspec_kw={"wspace": 0.05, "hspace": 0.06}).flat
    scorers, nights = ordered(dict.fromkeys(figures["scorer"])), figures["night"].unique().sort()
    marks = nights.gather_every(-(-len(nights) // _TICKS)).to_list()
    for axes, key in zip(panels, (*FIGURES, _GAIN), strict=True):
        for scorer in scorers:
            rows = _rows(figures, scorer, key)
            axes.plot(rows["night"], rows["value"], marker="o", markersize=3, label=name_of(scorer), **line_of(scorer))
            if key == _GAIN or scorer == SERVED:
                colour = colour_of(scorer)
                axes.fill_between(rows["night"], rows["low"], rows["high"], color=colour, alpha=0.1, linewidth=0)
        dress(axes, *_TITLES[key])
        axes.margins(y=0.12)
        axes.set_xticks(marks, [f"{night.day} {night:%b %y}" for night in marks])
        if key == "ece":
            in_percent(axes.yaxis)
        if key == _GAIN:
            axes.axhline(0, **DASHED)
    handles, names = picture.axes[0].get_legend_handles_labels()
    picture.legend(handles, names, loc="outside upper left", ncols=len(names), frameon=False, labelcolor="linecolor")
    return picture


def _rows(figures: pl.DataFrame, scorer: str, key: str) -> pl.DataFrame:
    """A curve: a figure of the scorer, or what the champion gains over it."""
    wanted = (SERVED, f"log_loss_gain/{scorer}") if key == _GAIN else (scorer, key)
    return figures.filter(pl.col("scorer") == wanted[0], pl.col("figure") == wanted[1]).sort("night")


def save_png(figure: Figure, file: Path) -> None:
    """Write a picture as a file to look at or to mail; the same figure gives the same bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150, metadata={"Software": None})


def _mark(axes: Axes, chosen: int | None) -> None:
    if chosen is not None:
        axes.axvline(chosen, **DASHED)
