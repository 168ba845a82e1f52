"""How right an earlier night was: what we expected, what happened, and whether a simple rule had done as well."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from assets.wording import NAMES, UNKNOWN, Section, long_date
from models.baselines import RIVALS
from models.definition import ChurnDefinition
from models.settlement import SERVED, UNTREATED
from models.tiers import TIERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SettledNight:
    """What became of the customers of an earlier night.

    Attributes:
        night: The night whose outcome is known now.
        until: Last day of its outcome.
        tiers: One row per ``risk_tier`` (``none``: not warned of): ``customers``, ``churn_probability`` (their mean)
            and ``churn_rate``.
        metrics: Per scorer (``champion`` and the baselines) the figures of `models.evaluation.evaluate`.
        churn: What leaving meant.
    """

    night: date
    until: date
    tiers: pl.DataFrame
    metrics: Mapping[str, Mapping[str, float]]
    churn: ChurnDefinition = field(default_factory=ChurnDefinition)


def how_right(settled: SettledNight) -> Section:
    """What was expected of each tier, and what happened."""
    tiers = settled.tiers.sort(pl.col("risk_tier").cast(pl.Enum(TIERS)), descending=True)
    customers = tiers["customers"].sum()
    left, expected = tiers.select(
        pl.col("churn_rate", "churn_probability").dot(pl.col("customers").cast(pl.Float64)) / customers
    ).row(0)
    who, did = f"active on {long_date(settled.night)}", "made no purchase until"
    if settled.churn.grace is not None:
        last = settled.night + timedelta(days=settled.churn.horizon_days)
        who = f"of {long_date(settled.night)} whose contract was to end by {long_date(last)}"
        did = f"did not renew it within {settled.churn.grace_days} days of its end, known on"
    sentences = [
        f"Of {customers:,} customers {who}, {left:.1%} {did} {long_date(settled.until)}; {expected:.1%} were expected "
        "to."
    ]
    if UNTREATED in settled.metrics:
        alone = settled.metrics[UNTREATED]
        sentences.append(
            "Some were to be contacted, which may have kept them. Without them, their control in their place, "
            f"{alone['churn_rate']:.1%} left; {alone['mean_prediction']:.1%} were expected to."
        )
    rows = tiers.select("risk_tier", "customers", "churn_probability", "churn_rate").rows()
    sentences += [
        f"Of the {count:,} whom we warned of most urgently, {rate:.1%} left."
        for tier, count, _, rate in rows
        if tier == TIERS[-1]
    ]
    table = [
        ["not at risk" if tier == "none" else tier, f"{count:,}", f"{chance:.1%}", f"{rate:.1%}"]
        for tier, count, chance, rate in rows
    ]
    return Section("How right we were", sentences, ("risk", "customers", "expected to leave", "left"), table)


def against_rules(settled: SettledNight) -> Section:
    """What served beside the rules, the most believable probabilities first."""
    # What served is usually the model itself, which need not be shown twice; without the contacted it is no rival of
    # rules that are judged with them.
    shown = {
        name: each
        for name, each in settled.metrics.items()
        if name != UNTREATED and (name != "committee" or each != settled.metrics[SERVED])
    }
    ranked = sorted(shown.items(), key=lambda scorer: scorer[1]["log_loss"])
    table = [
        [
            NAMES.get(name, name),
            *(f"{each[key]:.3f}" if key in each else UNKNOWN for key in ("auroc", "log_loss", "ece")),
        ]
        for name, each in ranked
    ]
    header = ("scorer", "right order (AUROC)", "log loss", "calibration error")
    sentences = _verdict(settled.metrics[SERVED], [(name, each) for name, each in ranked if name in RIVALS])

    def picture() -> "Figure":
        from assets.figures import settled_comparison

        return settled_comparison(shown)

    return Section("Model against rules", sentences, header, table, picture)


def _verdict(served: Mapping[str, float], rules: list[tuple[str, Mapping[str, float]]]) -> list[str]:
    if not rules:
        return []
    name, best = rules[0]
    sentences = []
    if "auroc" in served and "auroc" in best:
        sentences.append(
            "Of one customer who left and one who stayed, what served gave the higher risk to the one who left in "
            f"{served['auroc']:.1%} of all pairs; the best rule ({NAMES[name]}) in {best['auroc']:.1%}."
        )
    closer = "closer" if served["log_loss"] < best["log_loss"] else "no closer"
    losses = f"log loss {served['log_loss']:.3f} against {best['log_loss']:.3f}"
    return [*sentences, f"Its probabilities were {closer} to what happened: {losses}."]
