"""Who was erased from a lake: digests in a file of its own, which outlives a lake that is removed or restored."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from assets.lake import Lake
from assets.nights import as_night
from models.deliveries import Arrival
from models.delivery_notes import ERASED
from models.erasure import Erased

APPLIED = ".erasures"
"""File in the lake that says which erasures it has seen: that of a restored lake has seen fewer."""
REMOVE = "remove the lake, but not the file beside it that keeps who was erased (lake.erasures),"
"""What messages say to whoever has to start anew."""

_OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Erasures:
    """The file that keeps who was erased.

    Attributes:
        file: Where; only its owner may read it, for with the salt and patience ids can be tried.
    """

    file: Path

    def read(self) -> Erased:
        """Who was erased."""
        if not self.file.exists():
            return Erased(secrets.token_hex(16), {})
        noted = json.loads(self.file.read_text(encoding="utf-8"))
        return Erased(noted["salt"], {digest: as_night(until) for digest, until in noted["until"].items()})

    def remember(self, customer: str, until: date) -> bool:
        """Keep the rows of a customer up to a day out from now on.

        Returns:
            Whether the customer was erased before.
        """
        erased = self.read()
        digest = erased.digest(customer)
        before = erased.until.get(digest)
        self._write(erased.salt, {**erased.until, digest: max(until, before or until)})
        return before is not None

    def forget(self, customer: str) -> None:
        """Let the rows of a customer in again."""
        erased = self.read()
        digest = erased.digest(customer)
        self._write(erased.salt, {who: day for who, day in erased.until.items() if who != digest})

    def applied_to(self, lake: Lake) -> bool:
        """Whether a lake has seen every erasure."""
        erased, mark = self.read(), Path(lake.root) / APPLIED
        return not erased.until or (mark.exists() and mark.read_text(encoding="utf-8") == erased.state)

    def mark(self, lake: Lake) -> None:
        """Note that a lake has seen every erasure."""
        mark = Path(lake.root) / APPLIED
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(self.read().state, encoding="utf-8")

    def _write(self, salt: str, until: Mapping[str, date]) -> None:
        content = {"salt": salt, "until": {digest: f"{day}" for digest, day in sorted(until.items())}}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with open(draft, "x", encoding="utf-8", opener=_for_owner) as out:
            json.dump(content, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self.file)


def spared(arrival: Arrival, erased: Erased, known: pl.LazyFrame) -> Arrival:
    """What a file or a database brings, without the rows of those who were erased.

    Args:
        arrival: What it brings.
        erased: Who was erased.
        known: customer_id and day of what the lake has.
    """
    if arrival.rows is None or arrival.line is None:
        return arrival
    rows = erased.without(arrival.rows, known)
    if rows is arrival.rows:
        return arrival
    due = rows.select(pl.len()).collect().item()
    out = int(f"{arrival.line['due']}") - due
    note = (f"{arrival.line['source_file']}", ERASED, f"{out:,}")
    return replace(arrival, line={**arrival.line, "due": due}, rows=rows if due else None, notes=[*arrival.notes, note])


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)
