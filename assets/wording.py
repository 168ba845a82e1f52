"""How a report speaks: its sections, and names, days and figures as people read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "champion": "Champion",
    "committee": "Committee",
    "mbg_nbd": "MBG/NBD",
    "logistic_rfm": "Logistic RFM",
    "frequency": "Frequency",
    "recency": "Recency",
}
"""How models and rules are called where people read, the most interesting first."""

UNKNOWN = "-"


@dataclass(frozen=True)
class Section:
    """A part of a report: sentences, a table whose columns after the first hold numbers, and how to draw a picture."""

    title: str
    sentences: Sequence[str] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figure: "Callable[[], Figure] | None" = None


def long_date(day: date) -> str:
    """A day as people write it: 31 March 1998."""
    return f"{day.day} {day:%B %Y}"


def words(name: str) -> str:
    """A name of a table as people read it: ``win_back_cheaply`` becomes win back cheaply."""
    return name.replace("_", " ")
