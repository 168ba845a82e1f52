"""How regularly a customer buys: the gaps between purchase days, and what they say about the present one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.history import Block, Ints, running


def by_length(block: Block) -> NDArray[np.int32]:
    """The purchase days of a block, counted from 0, by customer and by length of the gap before them.

    Sorted once for all nights: the gaps that a night may see stay in order when the others are
    left out, which makes medians and survival counts a matter of look-ups.
    """
    gap = np.diff(block.purchases, prepend=0)
    owner = block.owners()[block.bought()].astype(np.int64)
    return np.argsort((owner << 32) + gap).astype(np.int32)


def gaps(
    block: Block, order: NDArray[np.int32], who: Ints, *, first: Ints, end: Ints, silence: Ints, horizon: int
) -> dict[str, NDArray[Any]]:
    """Figures on the gaps between the purchase days [first, end) of some customers of a block.

    Args:
        block: Whose purchase days are counted through, from 0.
        order: `by_length` of the block.
        who: Places of the customers in the block, rising.
        first: Their first purchase day that counts.
        end: One after their last that counts.
        silence: Days since that last one.
        horizon: Days ahead in which a purchase is hoped for.

    Returns:
        gap_count, gap_squares (sum of squares), gap_last, gap_recent (sum of the last
        gap_recent_count, at most three), gap_middle (sum of the two in the middle), gap_longest,
        gap_longer (how many were longer than the silence) and gap_ended (how many of these had
        ended `horizon` days later); all 0 for a customer without gaps.
    """
    day = block.purchases
    gap = np.diff(day, prepend=0)
    last, recent = end - 1, np.maximum(end - 4, first)
    count = last - first
    # The gap before a customer's first purchase day that counts is none of theirs.
    ranked = gap[order[_within(block, order, who, first + 1, end)]]
    high = np.cumsum(count)
    low = high - count
    spare = np.append(ranked, 0)
    low[count == 0] = len(ranked)

    def longer(than: Ints) -> Ints:
        above = running(ranked > np.repeat(than, count))
        found: Ints = above[high] - above[high - count]
        return found

    squares, still = running(np.square(gap, dtype=np.int64)), longer(silence)
    return {
        "gap_count": count,
        "gap_squares": squares[end] - squares[first + 1],
        "gap_last": np.where(count, gap[last], 0),
        "gap_recent": day[last] - day[recent],
        "gap_recent_count": last - recent,
        "gap_middle": spare[low + np.maximum(count - 1, 0) // 2] + spare[low + count // 2],
        "gap_longest": spare[low + np.maximum(count - 1, 0)],
        "gap_longer": still,
        "gap_ended": still - longer(silence + horizon),
    }


def _within(block: Block, order: NDArray[np.int32], who: Ints, start: Ints, stop: Ints) -> NDArray[np.bool_]:
    """Which entries of `order` lie within [start, stop) of their customer; none of customers who are not asked for."""
    own = np.diff(block.purchase_days[block.edges])
    bounds = np.zeros((2, len(own)), dtype=np.int32)
    bounds[:, who] = start, stop
    lower, upper = (np.repeat(bound, own) for bound in bounds)
    return (order >= lower) & (order < upper)
