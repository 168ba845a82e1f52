"""On which days a customer likes to buy: of the week, and of the month."""

import numpy as np

from models.history import Block, Ints, running


def weekdays(block: Block, first: Ints, end: Ints) -> dict[str, Ints]:
    """How many of the purchase days [first, end) of some customers of a block fall where.

    Returns:
        weekend (Saturday or Sunday), weekday (the most frequent day of the week) and month_start (up to
        the tenth of the month), numbers of purchase days.
    """
    days = block.purchases.astype(np.int64).astype("datetime64[D]")
    weekday = (days - np.datetime64("1970-01-05")).astype(np.int64) % 7
    day_of_month = (days - days.astype("datetime64[M]")).astype(np.int64)

    def count(those: np.ndarray) -> Ints:
        until = running(those)
        return until[end] - until[first]

    return {
        "weekend": count(weekday >= 5),
        "weekday": np.max([count(weekday == day) for day in range(7)], axis=0),
        "month_start": count(day_of_month < 10),
    }
