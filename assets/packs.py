"""Months of the small tables that are read in full, put together: years of small files cost more than their rows."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from assets.listing import FILE

FOLDER = ".packs"
"""Where packs lie in the lake; they follow from the nights, and may be removed at any time."""

PACKED = ("deliveries", "customer_facts", "customer_consents", "enrolments")


def months(root: str, table: str, nights: Sequence[date]) -> Iterator[tuple[str, list[str]]]:
    """The files of nights by month, oldest first, and where those of a month stand together, if they do.

    Args:
        root: Folder of the lake.
        table: One of `PACKED`.
        nights: Stored nights in order.

    Yields:
        The path of the pack, and the files that it stands for. The path names the month, and by a digest the nights and
        when each was written: what was written anew since is another pack. The month of the last night has no pack, as
        it still grows; its path is empty.
    """
    for (year, month), part in groupby(nights, _month):
        files = [f"{root}/{table}/night={night}/{FILE}" for night in part]
        if (year, month) == _month(nights[-1]):
            yield "", files
            continue
        written = hashlib.blake2b(digest_size=8)
        for file in files:
            # One question to the system for each night: paths stay strings.
            stat = os.stat(file)  # noqa: PTH116
            written.update(f"{file[-len(FILE) - 11 :]} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        yield f"{root}/{FOLDER}/{table}/{year}-{month:02}-{written.hexdigest()}", files


def files_of(root: str, table: str, nights: Sequence[date]) -> list[str]:
    """The files that hold nights of a table, in the order of nights: packs where there are any."""
    if table not in PACKED:
        return [f"{root}/{table}/night={night}/{FILE}" for night in nights]
    parts = months(root, table, nights)
    return [file for pack, files in parts for file in ([pack] if pack and os.path.exists(pack) else files)]  # noqa: PTH110


def _month(night: date) -> tuple[int, int]:
    return night.year, night.month
