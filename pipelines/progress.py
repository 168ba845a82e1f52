"""Progress of a run in the terminal: a line per table, with its rows and seconds."""

import logging
import time

import dagster as dg
from rich.text import Text

from pipelines.console import CONSOLE


class _Lines(logging.Handler):
    """Turns Dagster's events into lines that a person follows."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print what matters to whoever waits: stored tables and our own messages, failed checks among them."""
        said = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = said.get("dagster_event")
        if event is None:
            message = said.get("orig_message", record.getMessage())
            # What follows from a failure is said once, by the command, and not for every step that did not run.
            if record.levelno >= logging.INFO and not message.startswith("Dependencies for step"):
                style = {logging.INFO: "dim", logging.WARNING: "yellow"}.get(record.levelno, "red")
                indented = message if CONSOLE.log_format else f"      {message}"
                CONSOLE.print(indented, style=style, soft_wrap=True)
            return
        step = event.step_key or ""
        if event.event_type == dg.DagsterEventType.STEP_START:
            self._started[step] = time.perf_counter()
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            rows = materialization.metadata.get("dagster/row_count")
            seconds = time.perf_counter() - self._started.get(step, time.perf_counter())
            table = materialization.asset_key.to_user_string()
            if CONSOLE.log_format:
                CONSOLE.print(f"{table}: {f'{rows.value:,} rows, ' if rows is not None else ''}{seconds:.1f} s")
            else:
                count = f"{rows.value:>11,} rows" if rows is not None else " " * 16
                CONSOLE.print(Text.assemble("  ", ("✓", "green"), f" {table:<22}{count}{seconds:>8.1f} s"))


def _progress(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("churn.progress", logging.DEBUG)
    logger.addHandler(_Lines())
    return logger


progress = dg.LoggerDefinition(
    _progress, description="Lines for a person who waits: tables with their rows and seconds, checks that failed."
)
