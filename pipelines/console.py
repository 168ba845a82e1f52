"""The terminal, or the log in its place: where commands say what they did, and what is wrong."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Literal, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markdown import Markdown
from rich.segment import Segment

from assets.commands import with_settings
from assets.escaping import plain

Log = Literal["auto", "text", "json"]
_OURS = ("models.", "assets.", "pipelines.")
_SPEAKING = ("DagsterAssetCheckFailedError", "FileNotFoundError", "RuntimeError", "ValueError")
"""Errors of others that come with a sentence."""
_LEVELS = {"yellow": "WARNING", "red": "ERROR"}


class Terminal(Console):
    """A terminal, or a log of lines with time and level where a run is not watched by a person.

    Data neither steer the terminal nor are read as markup, wherever they come from.
    """

    log_format: Literal["text", "json"] | None = None
    """The form of the log; None for a terminal."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render without the control characters that names of files, columns and customers may bring."""
        for segment in super().render(renderable, options):
            lines = "\n".join(map(plain, segment.text.split("\n")))
            yield segment if segment.control else Segment(lines, segment.style)

    def print(self, *objects: Any, style: Any = None, **options: Any) -> None:
        """Print as `rich` does, or a line of the log; commands bear the settings in use."""
        told = [with_settings(each) if isinstance(each, str) else each for each in objects]
        if self.log_format is None:
            super().print(*told, style=style, **options)
            return
        page = StringIO()
        unstyled = Terminal(file=page, width=10_000, color_system=None)
        unstyled.print(*(each.markup if isinstance(each, Markdown) else each for each in told), **options)
        text = page.getvalue()
        self._write(text.strip("\n"), _LEVELS.get(f"{style}", "INFO"))

    def rule(self, title: Any = "", **options: Any) -> None:
        """Draw a line with a title; in a log, the title."""
        if self.log_format is None:
            super().rule(title, **options)
        else:
            self.print(title)

    def _write(self, text: str, level: str) -> None:
        now, out = datetime.now(UTC).astimezone().isoformat(timespec="seconds"), _stream(self)
        if self.log_format == "json":
            record = {"time": now, "level": level, "message": text.strip()}
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
        else:
            out.writelines(f"{now} {level} {line.rstrip()}\n" for line in text.splitlines() if line.strip())
        out.flush()


CONSOLE = Terminal()
_ERRORS = Terminal(stderr=True)


def _stream(console: Console) -> TextIO:
    return sys.stderr if console.stderr else sys.stdout


def choose_log(wanted: Log) -> None:
    """Write a log from now on, if it is wanted, or if standard output is no terminal."""
    chosen = None if wanted == "auto" and CONSOLE.is_terminal else "json" if wanted == "json" else "text"
    CONSOLE.log_format = _ERRORS.log_format = chosen  # type: ignore[assignment]  # (one of the three)


def complain(message: str) -> None:
    """Say what is wrong, unbroken, so that paths and figures can be copied and searched."""
    _ERRORS.print(message, style="red", soft_wrap=True)


def sentence_of(message: str) -> str:
    """What an error says, without the path of its class; the name of the class only where the words need it."""
    path, _, words = message.strip().partition(": ")
    name = path.rpartition(".")[2]
    return words if path.startswith(_OURS) or name in _SPEAKING else f"{name}: {words}"
