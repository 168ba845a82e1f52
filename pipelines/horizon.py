"""`churn horizon`: what each candidate horizon would mean on these customers, and which one fits."""

import numpy as np
import polars as pl
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from models.definition import ChurnDefinition
from models.horizon import candidates, recommend
from models.purchase_gaps import HORIZONS_IN_SPAN, suggest
from models.terms import Terms
from pipelines.console import CONSOLE, complain
from pipelines.known import NothingKnownError, contracts, known_lake, purchases
from pipelines.settings import Settings

DONE, FAILED = 0, 1
_COLUMNS = {
    "horizon_days": ("horizon", "{:.0f} d"),
    "customers": ("active", "{:,.0f}"),
    "churn_rate": ("churn rate", "{:.1%}"),
    "gaps_within": ("gaps within", "{:.1%}"),
    "false_churn": ("false churn", "{:.1%}"),
    "lead_days": ("to act", "{:.0f} d"),
    "auroc": ("AUROC", "{:.3f}"),
    "lift": ("lift", "{:.2f}"),
    "judged": ("nights", "{:.0f}"),
}
LEGEND = (
    "gaps within: gaps between two purchases of a customer that are no longer. false churn: churned, yet back within "
    "twice the horizon. to act: days until half of those who stay have bought. AUROC, lift in the riskiest tenth: of a "
    "quick model, learned from earlier nights and judged on so many later ones."
)


def advise(settings: Settings) -> int:
    """Print the candidates and the recommendation, and draw them.

    Returns:
        The exit code: 0 if a horizon can be recommended, 1 if the history carries none or cannot be read.
    """
    from assets.advice_figures import horizon_figure, save_png

    try:
        with known_lake(settings) as (lake, origin):
            if settings.churn.grace is not None:
                return _window(contracts(lake, settings.consent.rule), settings.churn)
            days, last = purchases(lake, settings.consent.rule)
            CONSOLE.print(f"Purchases up to {last}, from {origin}; active within {settings.churn.active_days} days.")
            table = candidates(days, last, active_days=settings.churn.active_days)
            rhythm = suggest(days.filter(pl.col("orders") > 0).select("customer_id", "day").collect())
    except NothingKnownError as error:
        complain(str(error))
        return FAILED
    advice = recommend(table)
    if table.height:
        _print(table.to_dicts(), advice.horizon_days)
        file = settings.beside(settings.lake.reports) / "horizon.png"
        save_png(horizon_figure(table, advice.horizon_days), file)
    recommended = [("Recommended: ", "bold")] if advice.horizon_days else []
    CONSOLE.print(Text.assemble(*recommended, advice.sentence))
    if advice.horizon_days is not None and advice.horizon_days != settings.churn.horizon_days:
        CONSOLE.print(f"The settings say {settings.churn.horizon_days}: churn.horizon_days in {settings.file.name}.")
    if advice.horizon_days not in (None, rhythm.horizon_days):
        CONSOLE.print(
            f"`churn init` suggests {rhythm.horizon_days} days for these purchases: it goes by their rhythm alone and "
            f"wants {HORIZONS_IN_SPAN} horizons in the data; here a quick model has judged each candidate on nights "
            "that it had not seen."
        )
    if table.height:
        CONSOLE.print(f"Drawn in {file}", soft_wrap=True)
    return DONE if advice.horizon_days is not None else FAILED


def _window(terms: pl.LazyFrame, churn: ChurnDefinition) -> int:
    """Say what the horizon is where contracts end by themselves, and when they are renewed."""
    sold = Terms.of(terms, churn.grace_days)
    leads = sold.rows.filter(pl.col("renewals").diff().over("customer_id") > 0)["lead_last"]
    CONSOLE.print(
        "Churn is by contract: when one ends is known, and no silence has to be judged. churn.horizon_days = "
        f"{churn.horizon_days} is the planning window: how long before its end a contract is looked at. It has to "
        "leave time to act, and most renewals should fall into it."
    )
    if leads.is_empty():
        complain("No renewal is known yet, so that nothing can be recommended.")
        return FAILED
    within = leads.lt(churn.horizon_days).to_numpy().mean()
    middle, early = np.maximum(np.quantile(leads.to_numpy(), [0.5, 0.9]), 0)
    CONSOLE.print(
        f"Of {len(leads):,} renewals in time {within:.0%} came less than {churn.horizon_days} days before the end, or "
        f"within the {churn.grace_days} days of grace after it; half came at most {middle:.0f} days before it, nine in "
        f"ten at most {early:.0f}."
    )
    return DONE


def _print(rows: list[dict[str, float | None]], chosen: int | None) -> None:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for header, _ in _COLUMNS.values():
        table.add_column(header, justify="right")
    for row in rows:
        cells = [
            shape.format(value) if (value := row[name]) is not None else "" for name, (_, shape) in _COLUMNS.items()
        ]
        table.add_row(*cells, style="bold" if row["horizon_days"] == chosen else None)
    CONSOLE.print(table)
    CONSOLE.print(LEGEND, style="dim")
