"""Who was erased from a lake: digests in a file beside the tables."""

import json
import secrets
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from assets.lake import Lake
from assets.nights import as_night
from models.deliveries import Arrival
from models.delivery_notes import ERASED
from models.erasure import Erased

FILE = "erased.json"


def erased_of(lake: Lake) -> Erased:
    """Who was erased from a lake."""
    path = Path(lake.root) / FILE
    if not path.exists():
        return Erased(secrets.token_hex(16), {})
    noted = json.loads(path.read_text(encoding="utf-8"))
    return Erased(noted["salt"], {digest: as_night(until) for digest, until in noted["until"].items()})


def remember(lake: Lake, customer: str, until: date) -> None:
    """Keep the rows of a customer up to a day out from now on."""
    erased, path = erased_of(lake), Path(lake.root) / FILE
    known = {**erased.until, erased.digest(customer): until}
    content = {"salt": erased.salt, "until": {digest: f"{day}" for digest, day in sorted(known.items())}}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)


def spared(arrival: Arrival, erased: Erased) -> Arrival:
    """What a file or a database brings, without the rows of those who were erased."""
    if arrival.rows is None or arrival.line is None:
        return arrival
    rows = erased.without(arrival.rows)
    if rows is arrival.rows:
        return arrival
    due = rows.select(pl.len()).collect().item()
    out = int(f"{arrival.line['due']}") - due
    note = (f"{arrival.line['source_file']}", ERASED, f"{out:,}")
    return replace(arrival, line={**arrival.line, "due": due}, rows=rows if due else None, notes=[*arrival.notes, note])
