"""`churn horizon`: what each candidate horizon would mean on these customers, and which one fits."""

from rich.box import SIMPLE
from rich.table import Table

from models.horizon import candidates, recommend
from pipelines.known import NothingKnownError, known_lake, purchases
from pipelines.progress import CONSOLE, complain
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
            days, last = purchases(lake, settings.consent.rule)
            CONSOLE.print(f"Purchases up to {last}, from {origin}; active within {settings.churn.active_days} days.")
            table = candidates(days, last, active_days=settings.churn.active_days)
    except NothingKnownError as error:
        complain(str(error))
        return FAILED
    advice = recommend(table)
    if table.height:
        _print(table.to_dicts(), advice.horizon_days)
        file = settings.beside(settings.lake.reports) / "horizon.png"
        save_png(horizon_figure(table, advice.horizon_days), file)
    CONSOLE.print(f"[bold]Recommended:[/] {advice.sentence}" if advice.horizon_days else advice.sentence)
    if advice.horizon_days is not None and advice.horizon_days != settings.churn.horizon_days:
        CONSOLE.print(f"The settings say {settings.churn.horizon_days}: churn.horizon_days in {settings.file.name}.")
    if table.height:
        CONSOLE.print(f"Drawn in {file}", soft_wrap=True)
    return DONE if advice.horizon_days is not None else FAILED


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
