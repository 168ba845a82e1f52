"""How the dates of a column are written, and whether day and month could be mistaken for each other."""

from dataclasses import dataclass

import polars as pl

from models.mapping import ColumnMapping, DeliveryError, Reading, canonical
from models.moments import moment_format

# Patterns that a file is not searched for by itself; where one fits, it has to stand in the settings.
_FURTHER_FORMATS = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%m-%d-%Y %H:%M",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%y%m%d",
)
_DAY_OR_MONTH_FIRST = ("%d/%m", "%m/%d", "%d-%m", "%m-%d")
_EXCHANGE = str.maketrans("dm", "md")
_PLAIN_NUMBER = r"^-?\d+([.,]\d+)?$"
_COMPACT_DAY = r"^\d{6}(\d{2})?$"


@dataclass(frozen=True)
class Moments:
    """How the text of a column reads as moments.

    Attributes:
        share: Share of the different values that read as a day between 1970 and 2100.
        pattern: The strftime pattern that reads them; None where they are no text or read by nothing.
        to_set: Whether the pattern has to stand in the settings, because a file could not find it out by itself.
        ambiguous: Whether every value reads as well with day and month exchanged.
    """

    share: float = 0.0
    pattern: str | None = None
    to_set: bool = False
    ambiguous: bool = False


def moments(values: pl.DataFrame, dtypes: list[pl.DataType]) -> Moments:
    """Find out how a column reads as moments.

    Args:
        values: file · value (String), the different values of each file.
        dtypes: Of the column in each file.
    """
    if all(dtype.is_temporal() for dtype in dtypes):
        return Moments(share=1.0 if all(dtype in (pl.Date, pl.Datetime) for dtype in dtypes) else 0.0)
    plain_number = pl.col("value").str.contains(_PLAIN_NUMBER) & ~pl.col("value").str.contains(_COMPACT_DAY)
    if any(dtype != pl.String for dtype in dtypes) or values.select(plain_number.mean()).item() > 0.5:
        return Moments()
    values = values.gather_every(-(-values.height // 5000))
    by_file = sum(_read(part["value"], None) for part in values.partition_by("file"))
    further = {pattern: _read(values["value"], pattern) for pattern in _FURTHER_FORMATS}
    pattern = moment_format(values["value"])
    best = max(further, key=lambda name: further[name])
    if further[best] > by_file:
        pattern = best
    if pattern is None or not max(by_file, further[best]):
        return Moments()
    alone = _read(values["value"], pattern)
    # A file of a few days cannot tell day from month; all files together mostly can.
    hard = pattern.startswith(_DAY_OR_MONTH_FIRST)
    ambiguous = hard and _read(values["value"], pattern.translate(_EXCHANGE)) == alone
    to_set = (hard or alone > by_file) and alone >= by_file and not ambiguous
    return Moments(max(by_file, alone) / values.height, pattern, to_set, ambiguous)


def _read(values: pl.Series, pattern: str | None) -> int:
    frame = pl.LazyFrame({"who": values, "value": values})
    column = ColumnMapping(customer_id=("who",), timestamp=("value",))
    try:
        read = canonical(frame, column, Reading(timestamp_format=pattern), timezone="UTC", file="")
    except DeliveryError:
        # Numbers, and no moments.
        return 0
    year = pl.col("timestamp").dt.year()
    return int(read.select(year.is_between(1970, 2100).sum()).collect().item())
