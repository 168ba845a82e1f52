"""Folders for copies of deliveries, which end with the process that made them, however that ends."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from assets.drafts import DRAFTS

PREFIX = ".churn-scratch-"
_LOCK = ".lock"
_MADE_SECONDS = 60


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is gone after the block; one whose process was killed is found by its name and swept.

    Args:
        parent: Where; by default where the system keeps temporary files.
    """
    with TemporaryDirectory(dir=parent, prefix=PREFIX) as folder, Path(folder, _LOCK).open("w") as lock:
        # The system ends a lock with the process that holds it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(folder)


def sweep_scratch(*parents: Path) -> None:
    """Remove scratch folders of processes that were killed; those of other users stay."""
    for parent in {*parents, Path(gettempdir())}:
        for folder in parent.glob(f"{PREFIX}*"):
            with suppress(FileNotFoundError, PermissionError):
                if folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and _is_left(folder):
                    shutil.rmtree(folder)


def sweep_drafts(parents: Iterable[Path]) -> None:
    """Remove files that a killed process had begun to write; whoever calls it is the only one who writes there."""
    for parent in parents:
        for draft in parent.rglob(DRAFTS):
            with suppress(FileNotFoundError, PermissionError):
                draft.unlink()


def _is_left(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        # A folder comes a moment before its lock.
        return time.time() - folder.stat().st_mtime > _MADE_SECONDS
    return True
