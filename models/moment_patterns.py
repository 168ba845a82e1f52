"""How the dates of a column are written, and whether day and month could be mistaken for each other."""

from dataclasses import dataclass

import polars as pl

from models.moments import how_written, moment_order, read_moments

_DAY_OR_MONTH_FIRST = ("%d/%m", "%m/%d", "%d-%m", "%m-%d")
_YEARS = (1970, 2100)
_SAMPLE = 5_000


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
    values = values.gather_every(-(-values.height // _SAMPLE))
    texts = values["value"].str.replace(r"^(-?[0-9]+)\.0+$", "$1")
    try:
        order = how_written(texts)
    except ValueError:
        return Moments()
    if order.pattern is None:
        return Moments()
    hard = order.pattern.startswith(_DAY_OR_MONTH_FIRST)
    alone = _read(texts, order.pattern)
    # A file of a few days cannot tell day from month; all files together mostly can.
    by_file = 0
    for part in values.partition_by("file"):
        pattern = moment_order(part["value"]).pattern
        by_file += _read(part["value"], pattern) if pattern else 0
    return Moments(
        share=max(alone, by_file) / len(texts),
        pattern=order.pattern,
        to_set=hard and alone >= by_file and not order.rivals,
        ambiguous=bool(order.rivals),
    )


def _read(values: pl.Series, pattern: str) -> int:
    read = values.to_frame().select(read_moments(pl.first(), pl.String(), pattern, "UTC")).to_series()
    return int(read.dt.year().is_between(*_YEARS).sum())
