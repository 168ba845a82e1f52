"""Files that are there whole or not at all: each is written beside its place, and moved there at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFTS = "*.draft"
"""What drafts are called, so that those of a killed process are found."""


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Where to write a file that takes its place in one step when the block is done; gone if the block fails."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text in one step that no reader can see half done, and make its folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path) as draft:
        draft.write_text(text, encoding="utf-8")
