"""The terminal: where the command says what it did, and what is wrong."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from assets.escaping import plain


class Terminal(Console):
    """Whatever is printed, wherever it came from: data neither steer the terminal nor are read as markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, stderr=stderr)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is written, without the control characters that names of files, columns and customers may bring."""
        for segment in super().render(renderable, options):
            lines = "\n".join(map(plain, segment.text.split("\n")))
            yield segment if segment.control else Segment(lines, segment.style)


CONSOLE = Terminal()
_ERRORS = Terminal(stderr=True)
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
