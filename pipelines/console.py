"""The terminal, or a log in its place: where commands say what they did, and what is wrong."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markdown import Markdown
from rich.segment import Segment

from assets.commands import with_settings
from assets.escaping import plain

Log = Literal["auto", "text", "json"]
_LEVELS = {"yellow": "WARNING", "red": "ERROR"}
_WIDE = 10_000


class Terminal(Console):
    """Whatever is printed, wherever it came from: data neither steer the terminal nor are read as markup.

    Attributes:
        journal: A log of lines with time and level, or of objects, in place of what a person watches; None for that.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr)
        self.journal: Literal["text", "json"] | None = None

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is written, without the control characters that names of files, columns and customers may bring."""
        for segment in super().render(renderable, options):
            lines = "\n".join(map(plain, segment.text.split("\n")))
            yield segment if segment.control else Segment(lines, segment.style)

    def print(self, *objects: Any, style: Any = None, **options: Any) -> None:
        """Print, or write a line of the log; commands that are told bear the settings in use."""
        told = [with_settings(each) if isinstance(each, str) else each for each in objects]
        if self.journal is None:
            super().print(*told, style=style, **options)
            return
        wide = Console(file=StringIO(), width=_WIDE, highlight=False, markup=False, emoji=False, color_system=None)
        with wide.capture() as text:
            wide.print(*(each.markup if isinstance(each, Markdown) else each for each in told), **options)
        lines = [plain(line).rstrip() for line in text.get().split("\n") if line.strip()]
        self._write(lines, _LEVELS.get(f"{style}", "INFO"))

    def rule(self, title: Any = "", **options: Any) -> None:
        """Draw a line with a title; in a log, the title."""
        if self.journal is None:
            super().rule(title, **options)
        else:
            self.print(title)

    def _write(self, lines: list[str], level: str) -> None:
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        out = sys.stderr if self.stderr else sys.stdout
        if self.journal == "json":
            record = {"time": now, "level": level, "message": "\n".join(lines).strip()}
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
        else:
            out.writelines(f"{now} {level} {line}\n" for line in lines)
        out.flush()


CONSOLE = Terminal()
_ERRORS = Terminal(stderr=True)


def choose_log(wanted: Log) -> None:
    """Write a log from now on, if it is wanted, or if standard output is no terminal."""
    chosen: Literal["text", "json"] | None = "text" if wanted == "auto" else wanted
    CONSOLE.journal = _ERRORS.journal = None if wanted == "auto" and CONSOLE.is_terminal else chosen


_OURS = ("models.", "assets.", "pipelines.")
_SPEAKING = ("DagsterAssetCheckFailedError", "FileNotFoundError", "RuntimeError", "ValueError")
"""Errors of others that come with a sentence."""


def complain(message: str) -> None:
    """Say what is wrong, unbroken, so that paths and figures can be copied and searched."""
    _ERRORS.print(message, style="red", soft_wrap=True)


def sentence_of(message: str) -> str:
    """What an error says, without the path of its class; the name of the class only where the words need it."""
    path, _, words = message.strip().partition(": ")
    name = path.rpartition(".")[2]
    return words if path.startswith(_OURS) or name in _SPEAKING else f"{name}: {words}"
