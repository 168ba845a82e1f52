"""Progress of a run in the terminal: a line per table, with its rows and seconds."""

import logging
import time

import dagster as dg
from rich.console import Console

CONSOLE = Console(highlight=False)
_ERRORS = Console(highlight=False, stderr=True)


def complain(message: str) -> None:
    """Say what is wrong, unbroken, so that paths and figures can be copied and searched."""
    _ERRORS.print(message, style="red", markup=False, soft_wrap=True)


class _Lines(logging.Handler):
    """Turns Dagster's events into lines that a person follows."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print the events that matter to whoever waits: steps, stored rows, failed checks, our own messages."""
        event: dg.DagsterEvent | None = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            # What follows from a failure is said once, by the command, and not for every step that did not run.
            if record.levelno in {logging.INFO, logging.WARNING}:
                message = record.getMessage().rpartition(" - ")[2]
                CONSOLE.print(f"      {message}", style="dim", markup=False, soft_wrap=True)
            return
        step = event.step_key or ""
        if event.event_type == dg.DagsterEventType.STEP_START:
            self._started[step] = time.perf_counter()
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            rows = materialization.metadata.get("dagster/row_count")
            count = f"{rows.value:>11,} rows" if rows is not None else " " * 16
            seconds = time.perf_counter() - self._started.get(step, time.perf_counter())
            CONSOLE.print(f"  [green]✓[/] {materialization.asset_key.to_user_string():<22}{count}{seconds:>8.1f} s")
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                mark = "[red]✗[/]" if check.severity is dg.AssetCheckSeverity.ERROR else "[yellow]![/]"
                CONSOLE.print(f"  {mark} {check.asset_key.to_user_string()}: {check.description or check.check_name}")


@dg.logger(description="Lines for a person who waits: tables with their rows and seconds, checks that failed.")
def progress(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints a run's progress."""
    logger = logging.Logger("churn.progress", logging.DEBUG)
    logger.addHandler(_Lines())
    return logger
