"""The paid terms of each customer: when a contract ends, how it was renewed before, and whether it is renewed in time.

A line with ``contract_until`` sells a term. A later last day than all before is a new term: a renewal if the line comes
by the last paid day or within the days of grace after it, else a new beginning after a lapse. A line within the
term that ends no later changes nothing but, perhaps, the plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

_BY = "customer_id"
FIGURES = (
    "end",
    "length",
    "since",
    "renewals",
    "early",
    "lead_sum",
    "lead_last",
    "lapses",
    "plan",
    "plan_changes",
)
"""What `Terms.as_of` knows of a customer; everything follows from the lines up to the night."""


def customer_terms(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """The lines that sell a term: one row per customer and day, the longest term sold on it.

    Args:
        transactions: Valid lines; returns sell nothing.

    Returns:
        customer_id, day, until (last paid day) and plan (product; of equal terms the first by name, null if unknown),
        sorted by customer and day.
    """
    sold = transactions.filter(~pl.col("is_return"), pl.col("contract_until").is_not_null())
    return _longest(sold.select(_BY, "day", until="contract_until", plan="product"))


@dataclass(frozen=True, eq=False)
class Terms:
    """All that was ever sold, in the order of time, to be looked at as of any night.

    Attributes:
        rows: One row per customer and day with `FIGURES`, and ``next_day``, the day of the next longer term, which only
            outcomes may look at.
        grace_days: A renewal so many days after the last paid day is still in time.
    """

    rows: pl.DataFrame
    grace_days: int

    @classmethod
    def of(cls, terms: pl.LazyFrame, grace_days: int) -> "Terms":
        """Put the terms of every customer in order.

        Args:
            terms: As from :func:`customer_terms`; rows of one customer and day count as the longest of them.
            grace_days: See the class.
        """
        before, day = pl.col("before"), pl.col("day")
        lead = (before - day).dt.total_days()
        rows = _longest(terms).with_columns(before=pl.col("until").cum_max().shift(1).over(_BY))
        rows = rows.with_columns(
            longer=before.is_null() | (pl.col("until") > before),
            changed=(pl.col("plan") != pl.col("plan").shift(1).over(_BY)).fill_null(value=False),
            lead=lead,
        )
        renewed = (pl.col("longer") & (pl.col("lead") >= -grace_days)).fill_null(value=False)
        rows = rows.with_columns(renewed=renewed).with_columns(
            lead=pl.when("renewed").then("lead"),
            start=pl.when("renewed").then("before").when("longer").then("day"),
        )
        longer = pl.when("longer")
        rows = rows.with_columns(
            end=pl.col("until").cum_max().over(_BY),
            since=longer.then("day").forward_fill().over(_BY),
            start=pl.col("start").forward_fill().over(_BY),
            plan=longer.then("plan").forward_fill().over(_BY),
            renewals=pl.col("renewed").cum_sum().over(_BY).cast(pl.Int64),
            early=(pl.col("lead") > 0).fill_null(value=False).cum_sum().over(_BY).cast(pl.Int64),
            lead_sum=pl.col("lead").fill_null(0).cum_sum().over(_BY),
            lead_last=pl.col("lead").forward_fill().over(_BY),
            lapses=(pl.col("longer") & ~pl.col("renewed") & before.is_not_null()).cum_sum().over(_BY).cast(pl.Int64),
            plan_changes=pl.col("changed").cum_sum().over(_BY).cast(pl.Int64),
            next_day=longer.then("day").shift(-1).backward_fill().over(_BY),
        ).with_columns(length=(pl.col("end") - pl.col("start")).dt.total_days())
        return cls(rows.select(_BY, "day", "longer", *FIGURES, "next_day").collect(), grace_days)

    def as_of(self, night: date, horizon_days: int) -> pl.DataFrame:
        """The customers whose current term ends in (night, night + horizon_days], with what the night knows of it.

        Returns:
            customer_id and `FIGURES`: end (last paid day), length (days), since (day of its sale), renewals (in time,
            so far), early (of them before the last paid day), lead_sum and lead_last (days from renewal to that day),
            lapses, plan and plan_changes; sorted by customer.
        """
        return self._expiring(night, horizon_days).select(_BY, *FIGURES)

    def outcomes(self, night: date, horizon_days: int) -> pl.DataFrame:
        """Whether the customers of :meth:`as_of` churned: no longer term was sold by the end of the grace.

        Returns:
            customer_id and churned; meaningful when the grace of all of them is over.
        """
        rows = self._expiring(night, horizon_days)
        return rows.select(_BY, churned=~self._in_time())

    def ended(self, night: date, lookback_days: int) -> pl.DataFrame:
        """The terms whose outcome became known in (night - lookback_days, night], renewed early or not at all.

        Returns:
            plan, renewals (in time, before the term), lead (days from the renewal to its end, below zero within the
            grace; null if none came in time) and known (the day on which the grace was over).
        """
        known = pl.col("end") + pl.duration(days=self.grace_days)
        # A term may be sold after its last day, and be unknown until then.
        rows = self.rows.filter(
            "longer", pl.col("day") <= night, known <= night, known > night - timedelta(days=lookback_days)
        )
        lead = (pl.col("end") - pl.col("next_day")).dt.total_days()
        return rows.select("plan", "renewals", lead=pl.when(self._in_time()).then(lead), known=known)

    def _expiring(self, night: date, horizon_days: int) -> pl.DataFrame:
        last = self.rows.filter(pl.col("day") <= night).unique(_BY, keep="last", maintain_order=True)
        return last.filter(pl.col("end") > night, pl.col("end") <= night + timedelta(days=horizon_days))

    def _in_time(self) -> pl.Expr:
        return (pl.col("next_day") <= pl.col("end") + pl.duration(days=self.grace_days)).fill_null(value=False)


def expiring(terms: pl.LazyFrame, nights: Sequence[date], *, horizon_days: int, grace_days: int) -> pl.DataFrame:
    """The population of each night under the definition ``contract``, with its outcome.

    Args:
        terms: As from :func:`customer_terms`.
        nights: As-of days.
        horizon_days: How far ahead contracts are looked at.
        grace_days: See :class:`Terms`.

    Returns:
        night, customer_id and churned, sorted by night and customer.
    """
    sold = Terms.of(terms, grace_days)
    return pl.concat(
        [
            sold.outcomes(night, horizon_days).select(pl.lit(night).alias("night"), _BY, "churned")
            for night in sorted(set(nights))
        ]
    )


def _longest(rows: pl.LazyFrame) -> pl.LazyFrame:
    order = rows.sort(_BY, "day", "until", "plan", descending=[False, False, True, False], nulls_last=True)
    return order.unique([_BY, "day"], keep="first", maintain_order=True)
