"""The pictures by which people judge a model; each scorer keeps its colour in all of them."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

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
    in_thousands,
    is_model,
    legend,
    line_of,
    name_of,
    ordered,
    running_totals,
)
from models.evaluation import calibration_table, gain_table
from models.ranking import EvaluationRecipe, Vector

Probabilities = Mapping[str, Vector]
Churned = NDArray[np.bool_]
STAYED, LEFT = "#2f8f9d", "#b0305c"


def training_figures(
    churned: Churned,
    probabilities: Probabilities,
    contributions: pl.DataFrame,
    *,
    recipe: EvaluationRecipe,
    value: Vector | None = None,
    unit: str = "currency units",
) -> dict[str, Figure]:
    """All pictures of a training night, by name.

    Args:
        churned: outcome per customer of the judged night.
        probabilities: per scorer (`committee` among them) the probability per customer.
        contributions: the challenger's contributions, one column per feature, of any of the customers.
        recipe: costs and save rate.
        value: worth of keeping each customer; the recipe's for everybody if absent.
        unit: what value and costs are in.
    """
    return {
        "gain_and_lift": gain_and_lift(churned, probabilities),
        "precision_recall": precision_recall(churned, probabilities),
        "calibration": calibration(churned, probabilities),
        "profit": profit_curve(churned, probabilities, recipe, value, unit),
        "contributions": contributions_summary(contributions),
        "score_distribution": score_distribution(churned, probabilities["committee"]),
    }


def gain_and_lift(churned: Churned, probabilities: Probabilities) -> Figure:
    """How many leavers the riskiest customers hold, and how many times more than customers drawn by lot."""
    figure = canvas(900, 440)
    gain, lift = figure.subplots(1, 2, gridspec_kw={"wspace": 0.08})
    tables = {name: gain_table(churned, probabilities[name]) for name in ordered(probabilities)}
    for name, table in tables.items():
        tenth = table.filter(pl.col("share") >= 0.1)["lift"][0]
        # The first hundredths are noise: every single customer moves the curve.
        steady = table.filter(pl.col("share") >= 0.03)
        gain.plot([0, *table["share"]], [0, *table["recall"]], **line_of(name))
        lift.plot(steady["share"], steady["lift"], **line_of(name), label=f"{tenth:.2f}{TIMES}  {name_of(name)}")
    gain.plot([0, 1], [0, 1], **DASHED)
    gain.text(0.6, 0.57, "by lot", color=FAINT, fontsize=9, va="top")
    lift.axhline(1, **DASHED)
    fifth = next(iter(tables.values())).filter(pl.col("share") >= 0.2)["recall"][0]
    dress(gain, f"The riskiest fifth holds {fifth:.0%} of the leavers", "share of leavers reached")
    dress(lift, "Lift over customers drawn by lot", "lift")
    for axes in (gain, lift):
        axes.set(xlim=(0, 1), xlabel="share of customers contacted, riskiest first")
    gain.set_ylim(0, 1.005)
    in_percent(gain.xaxis, gain.yaxis, lift.xaxis)
    lift.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}{TIMES}"))
    legend(lift, "upper right", "in the riskiest tenth")
    return figure


def precision_recall(churned: Churned, probabilities: Probabilities) -> Figure:
    """How many of those whom we warn of really leave, the more leavers we want to find."""
    figure = canvas(700, 460)
    axes, rate = figure.subplots(), float(np.mean(churned))
    for name in ordered(probabilities):
        customers, leavers = running_totals(probabilities[name], churned)
        precision, recall = leavers[1:] / customers[1:], leavers / leavers[-1]
        average = float(np.diff(recall) @ precision)
        # Below a hundredth of the leavers the curve is noise.
        steps = np.linspace(0.01, 1, 400)
        label = f"{average:.3f}  {name_of(name)}"
        axes.plot(steps, np.interp(steps, recall[1:], precision), **line_of(name), label=label)
    axes.axhline(rate, **DASHED)
    axes.text(0.01, rate, f"all customers: {rate:.1%}", color=FAINT, fontsize=9, va="bottom")
    dress(axes, "Precision and recall", "share of the warned who leave")
    axes.set(xlim=(0, 1), ylim=(None, min(axes.get_ylim()[1], 1)), xlabel="share of all leavers who are warned of")
    in_percent(axes.xaxis, axes.yaxis)
    legend(axes, "upper right", "average precision")
    return figure


def calibration(churned: Churned, probabilities: Probabilities) -> Figure:
    """Of those who are given 70 %, do 70 % leave? And how many customers stand behind each point."""
    figure = canvas(640, 600)
    axes, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    names = ordered(probabilities)
    axes.plot([0, 1], [0, 1], **DASHED)
    axes.text(0.03, 0.045, "as said", color=FAINT, fontsize=9, rotation=41, rotation_mode="anchor")
    for name in reversed(names):
        table = calibration_table(churned, probabilities[name])
        axes.plot(table["mean"], table["churn_rate"], **line_of(name), marker="o", markersize=3, label=name_of(name))
    bins = calibration_table(churned, probabilities[names[0]])
    low, high = bins["churn_rate_low"], bins["churn_rate_high"]
    axes.vlines(bins["mean"], low, high, color=colour_of(names[0]), lw=5, alpha=0.3)
    count = int(bins["customers"].median())  # type: ignore[arg-type]
    axes.text(0.98, 0.04, f"each point: {count:,} customers", color=FAINT, fontsize=9, ha="right")
    dress(axes, "Calibration: what was said and what happened", "share who left")
    below.hist(probabilities[names[0]], bins=np.linspace(0, 1, 51).tolist(), color=colour_of(names[0]), alpha=0.75)
    dress(below, "", "customers")
    below.set(xlim=(0, 1), xlabel="churn probability")
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_ylim(0, 1)
    in_percent(axes.xaxis, axes.yaxis)
    legend(axes, "upper left", reverse=True)
    return figure


def profit_curve(
    churned: Churned,
    probabilities: Probabilities,
    recipe: EvaluationRecipe,
    value: Vector | None = None,
    unit: str = "currency units",
) -> Figure:
    """What contacting the riskiest customers earns, at the mean save rate of the recipe.

    The profit of a contact as in Verbraken et al. (2013): a leaver accepts with the save rate and is then worth the
    value less the offer; everybody costs a contact; whoever would have stayed anyway takes the offer too.
    """
    figure = canvas(760, 460)
    axes = figure.subplots()
    saved = recipe.save_alpha / (recipe.save_alpha + recipe.save_beta)
    worth = np.broadcast_to(recipe.value if value is None else value, churned.shape)
    each = np.where(churned, saved * (worth - recipe.offer_cost), -recipe.offer_cost) - recipe.contact_cost
    for name in ordered(probabilities):
        customers, profit = running_totals(probabilities[name], each)
        share, best, steps = customers / len(churned), int(np.argmax(profit)), np.linspace(0, 1, 401)
        label = f"{profit[best]:,.0f}  {name_of(name)}, best at {share[best]:.0%}"
        axes.plot(steps, np.interp(steps, share, profit), **line_of(name), label=label)
        axes.plot(share[best], profit[best], "o", color=colour_of(name), markersize=5 if is_model(name) else 3)
    axes.axhline(0, **DASHED)
    dress(axes, "Profit of contacting the riskiest customers", unit)
    axes.set(xlim=(0, 1), xlabel=f"share of customers contacted, riskiest first (save rate {saved:.0%})")
    in_percent(axes.xaxis)
    in_thousands(axes.yaxis)
    legend(axes, "lower right", "highest profit", above=0.08)
    return figure


def contributions_summary(contributions: pl.DataFrame, top: int = 20) -> Figure:
    """Which features move the trees, on average over the customers, in log-odds."""
    mean = contributions.select(pl.all().abs().mean()).transpose(include_header=True, column_names=["mean"])
    largest = mean.sort("mean", "column", descending=[True, False]).head(top).reverse()
    figure = canvas(760, 120 + 22 * len(largest))
    axes = figure.subplots()
    bars = axes.barh(largest["column"], largest["mean"], color=COLOURS["committee"], height=0.7)
    axes.bar_label(bars, fmt="%.3g", padding=4, color=INK, fontsize=8.5)
    dress(axes, f"What moves the score: {len(largest)} of {len(mean)} features", "")
    axes.set(xlabel="mean absolute contribution, log-odds of the trees", ylim=(-0.6, len(largest) - 0.4))
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.09)
    return figure


def score_distribution(churned: Churned, probability: Vector) -> Figure:
    """How the probabilities of those who left lie apart from those of the others."""
    figure = canvas(700, 400)
    axes = figure.subplots()
    for word, colour, who in (("stayed", STAYED, ~churned), ("left", LEFT, churned)):
        label = f"{who.sum():,} {word}"
        axes.hist(probability[who], np.linspace(0, 1, 41).tolist(), color=colour, alpha=0.6, label=label)
    dress(axes, "Churn probability of those who stayed and those who left", "customers")
    axes.set(xlim=(0, 1), xlabel="churn probability")
    in_percent(axes.xaxis)
    in_thousands(axes.yaxis)
    legend(axes, "best")
    return figure


def settled_comparison(metrics: Mapping[str, Mapping[str, float]]) -> Figure:
    """How right each scorer was on a settled night, with its interval.

    Args:
        metrics: per scorer the figures of `models.evaluation.evaluate`.
    """
    panels = {"auroc": ("AUROC", "more"), "log_loss": ("log loss", "less"), "ece": ("calibration error", "less")}
    names = ordered(metrics)
    figure = canvas(900, 130 + 34 * len(names))
    for axes, key in zip(
        figure.subplots(1, len(panels), sharey=True, gridspec_kw={"wspace": 0.06}), panels, strict=True
    ):
        for row, name in enumerate(reversed(names)):
            figures, colour = metrics[name], colour_of(name)
            if key in figures:
                interval = [figures.get(f"{key}_{end}", figures[key]) for end in ("low", "high")]
                axes.plot(interval, [row, row], color=colour, lw=5, alpha=0.3)
                axes.plot(figures[key], row, "o", color=colour, markersize=7)
                axes.annotate(
                    f"{figures[key]:.3f}",
                    (figures[key], row),
                    (0, 8),
                    textcoords="offset points",
                    ha="center",
                    color=colour,
                    fontsize=8.5,
                )
        dress(axes, panels[key][0], "")
        axes.margins(x=0.12)
        axes.set_xlabel(f"{panels[key][1]} is better")
        axes.set(yticks=range(len(names)), ylim=(-0.6, len(names) - 0.2))
        axes.set_yticklabels([name_of(name) for name in reversed(names)])
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(visible=False, axis="y")
    return figure
