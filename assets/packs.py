"""Months of the small tables that are read in full, put together: years of small files cost more than their rows."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

from assets.listing import FILE

FOLDER = ".packs"
"""Where packs lie in the lake; they follow from the nights, and may be removed at any time."""

PACKED = ("deliveries", "customer_facts", "customer_consents", "enrolments")


def months(root: str, table: str, nights: Sequence[date]) -> Iterator[tuple[Path, list[date]]]:
    """Nights by month, oldest first, and where those of a month stand together, if they do.

    Args:
        root: Folder of the lake.
        table: One of `PACKED`.
        nights: Stored nights in order.

    Yields:
        The path of the pack, and the nights that it stands for. The path names the month and, by a digest, the nights:
        those of a month that still grows, or of which one was taken away, are another pack.
    """
    for (year, month), part in groupby(nights, lambda night: (night.year, night.month)):
        own = list(part)
        # One digest for each month, not one question to the system for each night: of years of nights, many are asked.
        digest = hashlib.blake2b(",".join(map(str, own)).encode(), digest_size=8).hexdigest()
        yield _folder(root, table) / f"{year}-{month:02}-{digest}", own


def files_of(root: str, table: str, nights: Sequence[date]) -> list[str]:
    """The files that hold nights of a table, in the order of nights: packs where there are any."""
    if table not in PACKED:
        return [file_of(root, table, night) for night in nights]
    return [
        file
        for pack, own in months(root, table, nights)
        for file in ([f"{pack}"] if pack.exists() else [file_of(root, table, night) for night in own])
    ]


def file_of(root: str, table: str, night: date) -> str:
    """Where a night of a table is stored."""
    return f"{root}/{table}/night={night}/{FILE}"


def unpack(root: str, table: str, night: date) -> None:
    """Take away what holds a night beside its own file, before that is written anew."""
    for pack in _folder(root, table).glob(f"{night:%Y-%m}-*"):
        pack.unlink(missing_ok=True)


def _folder(root: str, table: str) -> Path:
    return Path(root, FOLDER, table)
