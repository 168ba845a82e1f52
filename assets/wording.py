"""How a report speaks: its sections, and names, days and figures as people read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from models.definition import ChurnDefinition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "champion": "Champion",
    "champion_untreated": "Champion, without contacts",
    "committee": "Committee",
    "mbg_nbd": "MBG/NBD",
    "renewal_rate": "Renewal rate",
    "logistic_rfm": "Logistic RFM",
    "frequency": "Frequency",
    "recency": "Recency",
}
"""How models and rules are called where people read, the most interesting first."""

UNKNOWN = "-"


def definition_of(churn: ChurnDefinition) -> str:
    """What churn means and who is asked about, as a sentence."""
    if churn.grace is None:
        return (
            f"A customer with a purchase in the last {churn.active_days} days churns by making none in the next "
            f"{churn.horizon_days}."
        )
    return (
        f"A customer whose contract ends within {churn.horizon_days} days churns by not renewing it up to "
        f"{churn.grace_days} days after its last day."
    )


def asked_about(churn: ChurnDefinition) -> str:
    """The customers who are scored, in words that follow a number."""
    if churn.grace is None:
        return "active customers"
    return f"customers whose contract ends within {churn.horizon_days} days"


def leaving(churn: ChurnDefinition) -> str:
    """What a customer who leaves does, as it follows ``at risk of`` or ``likely to be``."""
    if churn.grace is None:
        return f"making no purchase in the next {churn.horizon_days} days"
    return "not renewing it"


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
