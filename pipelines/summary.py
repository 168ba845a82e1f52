"""What the terminal shows when a night is done."""

from datetime import date

from rich.markdown import Markdown

from pipelines.progress import CONSOLE
from pipelines.settings import Settings


def print_summary(night: date, settings: Settings) -> None:
    """Print the report of a night as a retention manager reads it."""
    text = settings.beside(settings.lake.reports) / f"{night}.md"
    CONSOLE.print(Markdown(text.read_text(encoding="utf-8")))
