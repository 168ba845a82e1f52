"""What is known of customers besides purchases: attributes, contacts, tickets, answers; each from its own time on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import dataframely as dy
import numpy as np
import polars as pl

from models.history import Block
from models.population import outcomes
from models.priors import Prior
from models.snapshot import Reach
from models.terms import Terms

Kind = Literal["events", "attributes"]


class Fact(dy.Schema):
    """One row of an optional input, as it arrived on a night."""

    input = dy.String(nullable=False)
    kind = dy.String(nullable=False)
    customer_id = dy.String(nullable=False)
    timestamp = dy.Datetime(nullable=False, time_unit="us", time_zone="UTC")
    day = dy.Date(nullable=False)
    until = dy.Date(nullable=True)
    value = dy.Float64(nullable=True)
    text = dy.String(nullable=True)
    occurrence = dy.Int64(min=1)


@dataclass(frozen=True)
class Told:
    """An input of which something has arrived.

    Attributes:
        name: Of the input.
        kind: ``events`` count and have a last one; of ``attributes`` the valid one counts.
        has_value: Whether any row has a number.
        has_text: Whether any row has a text.
    """

    name: str
    kind: Kind
    has_value: bool
    has_text: bool


def arriving(rows: pl.LazyFrame, known: pl.LazyFrame, *, night: date) -> pl.LazyFrame:
    """The facts that arrive on a night: those of its day or before that no earlier night has brought.

    Args:
        rows: Canonical columns of `models.mapping.canonical` with input and kind; value stands in ``amount``, text in
            ``category``, the last valid day in ``contract_until``.
        known: Facts of earlier nights.
        night: As-of date.

    Returns:
        Columns of :class:`Fact`, sorted by all of them; rows without a customer or a readable time are left out, and
        rows that agree in everything are counted, not merged.
    """
    key = Fact.column_names()
    identity = [name for name in key if name != "occurrence"]
    value = pl.col("amount")
    return (
        rows.filter(pl.col("customer_id").is_not_null(), pl.col("day") <= night)
        .with_columns(value=pl.when(value.is_finite()).then(value), text="category", until="contract_until")
        .with_columns(occurrence=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("source_file", *identity))
        .select(key)
        .unique()
        .join(known.select(key), on=key, how="anti", nulls_equal=True)
        .sort(key)
    )


def unusable(rows: pl.LazyFrame) -> list[str]:
    """What is lost of optional inputs, a sentence for each file and cause.

    Args:
        rows: As for `arriving`.
    """
    said = pl.col("unreadable").fill_null("{}")
    lost = {
        "lack a customer and are left out": pl.col("customer_id").is_null(),
        "lack a time that can be read and are left out": pl.col("day").is_null(),
        "have a value that is no number; it counts as unknown": said.str.contains('"amount":"', literal=True),
        "have a last valid day that is none; they count as valid for ever": said.str.contains(
            '"contract_until":"', literal=True
        ),
    }
    found = rows.group_by("input", "source_file").agg(
        pl.len().alias("rows"), *(cases.sum().alias(words) for words, cases in lost.items())
    )
    return [
        f"input {line['input']!r}: {line[words]:,} of {line['rows']:,} rows of {line['source_file']} {words}."
        for line in found.sort("input", "source_file").collect().iter_rows(named=True)
        for words in lost
        if line[words]
    ]


def told(facts: pl.LazyFrame) -> tuple[Told, ...]:
    """The inputs that have rows, sorted by name, and what these hold."""
    found = (
        facts.group_by("input", "kind")
        .agg(has_value=pl.col("value").is_not_null().any(), has_text=pl.col("text").is_not_null().any())
        .sort("input", "kind")
        .collect()
    )
    return tuple(Told(*row) for row in found.iter_rows())


def as_of(facts: pl.DataFrame, kind: Kind, night: date, *, lookback_days: int, windows: Sequence[int]) -> pl.DataFrame:
    """What the rows of one input say about each customer as of a night.

    Args:
        facts: Rows of one input, sorted by time, value and text.
        kind: Of the input.
        night: As-of day; rows of later days are not seen.
        lookback_days: Older events are not seen; an attribute counts while it is valid.
        windows: Days over which events are counted.

    Returns:
        customer_id, value (the last known), text (the last known); for events also mean (of the values), age (days
        since the last) and a count for each window.
    """
    seen = facts.filter(pl.col("day") <= night)
    last = pl.col("value", "text").drop_nulls().last()
    if kind == "attributes":
        valid = seen.filter(pl.col("until").is_null() | (pl.col("until") >= night))
        return valid.group_by("customer_id", maintain_order=True).agg(last)
    since = {f"count@{days}": pl.col("day") > night - timedelta(days=days) for days in windows}
    return (
        seen.filter(pl.col("day") > night - timedelta(days=lookback_days))
        .group_by("customer_id", maintain_order=True)
        .agg(
            last,
            mean=pl.col("value").mean(),
            age=(pl.lit(night) - pl.col("day").max()).dt.total_days(),
            **{name: recent.sum() for name, recent in since.items()},
        )
    )


@dataclass(frozen=True, eq=False)
class Records:
    """The facts of all inputs, for all nights.

    Attributes:
        rows: By input its facts, sorted by time, value and text.
        inputs: What they are.
        packed: Blocks of customers with their days.
        reach: How far a night looks.
        windows: Days over which events are counted.
        priors: Counted for the whole table, where the blocks are a part of it; keys (night, input, ``last``).
        sold: Terms, where churn is by contract: what became of these is counted then.
    """

    rows: Mapping[str, pl.DataFrame]
    inputs: Sequence[Told]
    packed: Sequence[Block]
    reach: Reach
    windows: Sequence[int]
    priors: Mapping[tuple[date, str, str], Prior] | None
    sold: Terms | None = None

    def tonight(self, night: date) -> pl.DataFrame:
        """One row per customer of whom something is on record, columns ``input@<name>@<figure>``."""
        found = pl.DataFrame(schema={"customer_id": pl.String})
        for each in self.inputs:
            figures = self._figures(each, night)
            if each.has_text:
                counts = self.priors[night, each.name, "last"] if self.priors is not None else self.prior(each, night)
                texts = figures["text"].drop_nulls().unique().sort()
                share = pl.DataFrame({"text": texts, "share": counts.shares(texts)[:-1]})
                figures = figures.join(share, on="text", how="left").with_columns(pl.col("share").fill_nan(None))
            own = {name: f"input@{each.name}@{name}" for name in figures.columns if name != "customer_id"}
            figures = figures.rename(own)
            found = found.join(figures, on="customer_id", how="full", coalesce=True)
        return found

    def prior(self, each: Told, night: date) -> Prior:
        """How many customers of the newest night whose outcome is known stayed, by their text then."""
        ripe = night - timedelta(days=self.reach.horizon_days + (self.sold.grace_days if self.sold else 0))
        became = pl.concat(list(self._outcomes(night))).join(self._figures(each, ripe), on="customer_id")
        counts = (
            became.filter(pl.col("text").is_not_null())
            .group_by("text")
            .agg(customers=pl.len().cast(pl.Int64), returned=pl.col("returned").sum().cast(pl.Int64))
            .sort("text")
        )
        return Prior(counts["text"], counts["customers"].to_numpy(), counts["returned"].to_numpy())

    def _figures(self, each: Told, night: date) -> pl.DataFrame:
        rows, reach = self.rows[each.name], self.reach
        return as_of(rows, each.kind, night, lookback_days=reach.lookback_days, windows=self.windows)

    def _outcomes(self, night: date) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(schema={"customer_id": pl.String, "returned": pl.Boolean})
        if self.sold is not None:
            ripe = night - timedelta(days=self.reach.horizon_days + self.sold.grace_days)
            yield self.sold.outcomes(ripe, self.reach.horizon_days).select("customer_id", returned=~pl.col("churned"))
            return
        for block in self.packed:
            who, _, _, back = outcomes(block, night, self.reach.active_days, self.reach.horizon_days)
            yield pl.DataFrame({"customer_id": block.customers.gather(who), "returned": np.asarray(back)})


def records(
    facts: pl.LazyFrame | None,
    inputs: Sequence[Told],
    packed: Sequence[Block],
    reach: Reach,
    *,
    windows: Sequence[int],
    until: date,
    priors: Mapping[tuple[date, str, str], Prior] | None,
    sold: Terms | None = None,
) -> Records:
    """Read the facts of some inputs, once for all nights; see :class:`Records`."""
    rows = {}
    if facts is not None and inputs:
        read = facts.filter(pl.col("day") <= until).sort("timestamp", "value", "text").collect()
        rows = {each.name: read.filter(pl.col("input") == each.name) for each in inputs}
    return Records(rows, inputs, packed, reach, windows, priors, sold)
