"""The terminal: where the command says what it did, and what is wrong."""

from rich.console import Console

CONSOLE = Console(highlight=False)
_ERRORS = Console(highlight=False, stderr=True)
_OURS = ("models.", "assets.", "pipelines.")
_SPEAKING = ("DagsterAssetCheckFailedError", "FileNotFoundError", "RuntimeError", "ValueError")
"""Errors of others that come with a sentence."""


def complain(message: str) -> None:
    """Say what is wrong, unbroken, so that paths and figures can be copied and searched."""
    _ERRORS.print(message, style="red", markup=False, soft_wrap=True)


def sentence_of(message: str) -> str:
    """What an error says, without the path of its class; the name of the class only where the words need it."""
    path, _, words = message.strip().partition(": ")
    name = path.rpartition(".")[2]
    return words if path.startswith(_OURS) or name in _SPEAKING else f"{name}: {words}"
