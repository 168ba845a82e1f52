"""Whether lines look like the purchases of people: they come back, are known, fill their columns, and have weekdays."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from models.judgement import Judgement, graded

REPEAT = (0.01, 0.2)
KNOWN = (0.01, 0.1)
FILLED = 0.8
_EVEN_WEEK = 0.02
_LEAST_ORDERS = 5_000


def fill(shares: Mapping[str, float]) -> Judgement:
    """Whether the columns that the source delivers hold values.

    Args:
        shares: Column -> share of the usable lines that have a value.
    """
    gaps = {name: share for name, share in shares.items() if share < FILLED}
    told = ", ".join(f"{name} {share:.0%}" for name, share in sorted(gaps.items(), key=lambda each: each[1]))
    advice = "Deliver them filled, or take them out of source.columns: features of a column with gaps mislead." * bool(
        gaps
    )
    figure = told or f"{len(shares)} optional columns filled"
    return Judgement("filled columns", "doubtful" if gaps else "good", figure, f"{FILLED:.0%} of the lines", advice)


def usable(rejected: int, lines: int, most: float) -> Judgement:
    """Whether the lines obey the contract.

    Args:
        rejected: Lines that go to quarantine.
        lines: All lines.
        most: Share of them that a night accepts.
    """
    share = rejected / lines if lines else 1.0
    advice = "Look into quarantine, mend the delivery or the mapping, or raise validation.max_rejected_share."
    return graded(
        "usable lines", 1 - share, (0.5, 1 - most), f"{1 - share:.1%} of {lines:,}", f"{1 - most:.0%}", advice
    )


def repeat(bought: pl.DataFrame) -> Judgement:
    """Whether customers come back; customer_id and day, one row per purchase day."""
    per_customer = bought.group_by("customer_id").agg(pl.col("day").n_unique())
    share = float(per_customer.select((pl.col("day") > 1).mean()).item())
    return graded(
        "customers who came back",
        share,
        REPEAT,
        f"{share:.1%} of {per_customer.height:,} bought on two days",
        f"{REPEAT[1]:.0%}; at least {REPEAT[0]:.0%}",
        "Who bought once has no rhythm. If nearly all did, source.columns.customer_id names orders, not people.",
    )


def known(bought: pl.DataFrame, as_of: date, horizon: int) -> Judgement:
    """Whether the buyers of the last horizon had been seen before it; purchase days as for `repeat`."""
    since = as_of - timedelta(days=horizon)
    firsts = bought.group_by("customer_id").agg(first=pl.col("day").min(), last=pl.col("day").max())
    recent = firsts.filter(pl.col("last") > since)
    share = float(recent.select((pl.col("first") <= since).mean()).item())
    return graded(
        "known customers",
        share,
        KNOWN,
        f"{share:.1%} of the buyers of the last {horizon} days bought before",
        f"{KNOWN[1]:.0%}; at least {KNOWN[0]:.0%}",
        "Ids that are never seen again are no customers: name the column that stays with a person, or ask whether the "
        "system renamed everybody.",
    )


def week(bought: pl.DataFrame) -> Judgement:
    """Whether some weekdays sell more than others, as in every shop; day and orders, any number of rows."""
    item, limit = "looks real", f"weekdays differ by {_EVEN_WEEK:.0%} or more"
    last = bought.select(pl.col("day").max()).item()
    span = (last - bought.select(pl.col("day").min()).item()).days + 1
    whole = bought.filter(pl.col("day") > last - timedelta(days=span // 7 * 7))
    orders = int(whole.select(pl.col("orders").sum()).item() or 0)
    if orders < _LEAST_ORDERS:
        return Judgement(item, "good", f"{orders:,} orders are too few to tell", limit)
    counts = whole.group_by(pl.col("day").dt.weekday()).agg(pl.col("orders").sum())["orders"].to_list()
    uneven = sum((7 * count / orders - 1) ** 2 for count in [*counts, *[0] * (7 - len(counts))]) / 7
    # Even a week by lot is uneven: its mean square is taken off.
    spread = max(0.0, uneven - 6 / orders) ** 0.5
    advice = (
        "No shop sells alike on all days of the week: if the data are simulated, no figure says anything about people."
    )
    real = spread >= _EVEN_WEEK
    return Judgement(
        item, "good" if real else "doubtful", f"weekdays differ by {spread:.1%}", limit, "" if real else advice
    )
