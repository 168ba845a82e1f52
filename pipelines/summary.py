"""What the terminal shows when a night is done."""

from datetime import date

from rich.markdown import Markdown

from pipelines.console import CONSOLE
from pipelines.settings import Settings


def print_summary(night: date, settings: Settings) -> None:
    """Print the report of a night as a retention manager reads it."""
    print_report(f"{night}", settings)


def print_report(name: str, settings: Settings) -> None:
    """Print one of the reports in their folder."""
    text = settings.beside(settings.lake.reports) / f"{name}.md"
    CONSOLE.print(Markdown(text.read_text(encoding="utf-8"), hyperlinks=False))
