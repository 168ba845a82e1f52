"""The terminal, or the log in its place: where commands say what they did, and what is wrong."""

import json
import sys
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.markdown import Markdown

from assets.commands import with_settings

Log = Literal["auto", "text", "json"]
_OURS = ("models.", "assets.", "pipelines.")
_SPEAKING = ("DagsterAssetCheckFailedError", "FileNotFoundError", "RuntimeError", "ValueError")
"""Errors of others that come with a sentence."""
_LEVELS = {"yellow": "WARNING", "red": "ERROR"}


class Terminal(Console):
    """A terminal that becomes a log, lines with time and level, where a run is not watched by a person."""

    journal: Literal["text", "json"] | None = None
    """What is written in place of what a person watches; None for a terminal."""

    def print(self, *objects: Any, style: Any = None, **options: Any) -> None:
        """Print as `rich` does, or a line of the log; commands bear the settings in use."""
        told = [with_settings(each) if isinstance(each, str) else each for each in objects]
        if self.journal is None:
            super().print(*told, style=style, **options)
            return
        plain = Console(file=StringIO(), width=10_000, highlight=False, color_system=None)
        plain.print(*(each.markup if isinstance(each, Markdown) else each for each in told), **options)
        text = plain.file.getvalue()  # type: ignore[attr-defined]  # (the one above)
        self._write(text.strip("\n"), _LEVELS.get(f"{style}", "INFO"))

    def rule(self, title: Any = "", **options: Any) -> None:
        """Draw a line with a title; in a log, the title."""
        if self.journal is None:
            super().rule(title, **options)
        else:
            self.print(title)

    def _write(self, text: str, level: str) -> None:
        now, out = datetime.now(UTC).astimezone().isoformat(timespec="seconds"), _stream(self)
        if self.journal == "json":
            line = {"time": now, "level": level, "message": text.strip()}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
        else:
            out.writelines(f"{now} {level} {line.rstrip()}\n" for line in text.splitlines() if line.strip())
        out.flush()


CONSOLE = Terminal(highlight=False)
_ERRORS = Terminal(highlight=False, stderr=True)


def _stream(console: Console) -> TextIO:
    return sys.stderr if console.stderr else sys.stdout


def choose_log(wanted: Log) -> None:
    """Write a log from now on, if it is wanted, or if standard output is no terminal."""
    chosen: Literal["text", "json"] | None
    chosen = None if wanted == "auto" and CONSOLE.is_terminal else "json" if wanted == "json" else "text"
    CONSOLE.journal = _ERRORS.journal = chosen


def complain(message: str) -> None:
    """Say what is wrong, unbroken, so that paths and figures can be copied and searched."""
    _ERRORS.print(message, style="red", markup=False, soft_wrap=True)


def sentence_of(message: str) -> str:
    """What an error says, without the path of its class; the name of the class only where the words need it."""
    path, _, words = message.strip().partition(": ")
    name = path.rpartition(".")[2]
    return words if path.startswith(_OURS) or name in _SPEAKING else f"{name}: {words}"
