"""One run at a time on a lake: whoever comes second waits, and says for whom."""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assets.scratch import sweep_drafts, sweep_scratch

HOLDER = ".turn"
"""File in the lake whose lock is the turn; it names who has it."""

_LOOK_SECONDS = 0.5
_OURS: ContextVar[frozenset[Path]] = ContextVar("lakes whose turn is ours", default=frozenset())


class LakeBusyError(Exception):
    """Another run kept the lake for longer than this one may wait; the message says which."""


@dataclass(frozen=True)
class Turn:
    """The right to write to a lake.

    A lock of the operating system on a file in the lake, which ends with the process that holds it, however it ends.
    It holds between processes of one machine, and between machines whose shared file system keeps such locks.

    Attributes:
        lake: Folder of the lake.
        patience: Seconds to wait for another run.
        beside: Other folders that only the holder writes to. Drafts in them and in the lake that a killed holder has
            left are swept by the next one, and its scratch folders.
    """

    lake: Path
    patience: float
    beside: tuple[Path, ...] = ()

    @contextmanager
    def taken(self, work: str, say: Callable[[str], object]) -> Iterator[None]:
        """Hold the lake while the block runs; a turn within one's own turn is granted at once.

        Args:
            work: What it is held for, in words that others read.
            say: Told once who holds the lake, where that means to wait.

        Raises:
            LakeBusyError: If somebody else holds it for longer than may be waited.
        """
        if self.lake in _OURS.get():
            yield
            return
        self.lake.mkdir(parents=True, exist_ok=True)
        with (self.lake / HOLDER).open("a+", encoding="utf-8") as file:
            self._wait(file.fileno(), lambda: _holder(file.fileno()), say)
            sweep_scratch(self.lake)
            # Whoever gives the lake back takes the name out; of years of nights, a look into each would cost.
            if os.fstat(file.fileno()).st_size:
                self.sweep()
            file.truncate(0)
            since = datetime.now(UTC).isoformat(" ", "seconds")
            file.write(f"{work}, process {os.getpid()} on {socket.gethostname()}, since {since}")
            file.flush()
            # After a power cut the name has to be there, for drafts may be.
            os.fsync(file.fileno())
            before = _OURS.set(_OURS.get() | {self.lake})
            try:
                yield
            finally:
                _OURS.reset(before)
                file.truncate(0)

    def sweep(self) -> None:
        """Remove what a killed holder has left, wherever it wrote; only for the one who has the turn."""
        sweep_scratch(self.lake)
        sweep_drafts((self.lake, *self.beside))

    def _wait(self, lock: int, holder: Callable[[], str], say: Callable[[str], object]) -> None:
        deadline, told = time.monotonic() + self.patience, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LakeBusyError(
                        f"{self.lake} is in use by {holder()}; this run waited {self.patience:g} seconds for it. "
                        "Run it again when that one is over, or raise lake.wait_minutes in churn.toml."
                    ) from None
            else:
                return
            if not told and self.patience:
                say(f"waiting for {holder()}: one run at a time on {self.lake}")
                told = True
            time.sleep(min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic())))


def _holder(lock: int) -> str:
    # The holder writes who it is a moment after it has the lock.
    return os.pread(lock, 1000, 0).decode("utf-8", "replace") or "another run"
