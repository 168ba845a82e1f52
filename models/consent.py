"""Who agreed or objected to what, and since when: to contacts by a channel, to profiling, to marketing as a whole."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import dataframely as dy
import polars as pl

from models.ids import folded
from models.mapping import DeliveryError

PROFILING, MARKETING = "profiling", "marketing"
"""What can be agreed or objected to besides the channels; marketing stands for every channel and for profiling."""

Basis = Literal["consent", "legitimate_interest"]

_YES = ("true", "yes", "y", "1", "ja", "j", "granted", "opt-in")
_NO = ("false", "no", "n", "0", "nein", "withdrawn", "objected", "opt-out")
_READ = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


class Consent(dy.Schema):
    """One thing that a customer said, as it arrived on a night; `day` is that night where no time was readable."""

    customer_id = dy.String(nullable=False)
    channel = dy.String(nullable=False)
    permitted = dy.Bool(nullable=False)
    timestamp = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")
    day = dy.Date(nullable=False)


@dataclass(frozen=True)
class ConsentRule:
    """What it means that somebody said nothing.

    Attributes:
        legal_basis: of contacts: ``consent`` needs a yes for the channel, ``legitimate_interest`` the absence of a no.
        profiling_basis: the same of being scored at all.
        recorded: whether consent is on record; where it is not, nobody is held back and whoever reads the table has to
            look.
    """

    legal_basis: Basis = "consent"
    profiling_basis: Basis = "legitimate_interest"
    recorded: bool = True


def flags(rows: pl.LazyFrame, channels: Mapping[str, str], *, file: str) -> pl.LazyFrame:
    """Read what was said.

    Args:
        rows: customer_id, timestamp, day, source_row, and as they came: ``said`` (yes or no) and ``about`` (what
            it was about).
        channels: Our name of what it was about, by theirs.
        file: Name of the delivery, for messages.

    Returns:
        Columns of :class:`Consent`, of those who are named; `day` is null where no time was readable. A blank says
        nothing, and a yes without a time proves nothing: both are left out.

    Raises:
        DeliveryError: If a word is neither yes nor no, or about something that no setting names. An objection that is
            not understood must not be passed over.
    """
    given = rows.filter(pl.col("said").is_not_null() & pl.col("customer_id").is_not_null()).with_columns(
        said=pl.col("said").str.to_lowercase()
    )
    words = given.group_by("about", "said").agg(pl.col("source_row").min()).sort("source_row").collect()
    # The row is told and not the word: where a wrong column is named, the word is a customer's.
    for row in words.filter(~pl.col("said").is_in(list(_READ)))["source_row"].head(1):
        raise DeliveryError(
            f"{file}: row {row:,} says neither yes nor no. Write {', '.join(_YES)}, or {', '.join(_NO)}, or correct "
            "the columns of consent in churn.toml."
        )
    for row in words.filter(~pl.col("about").is_in(list(channels)).fill_null(value=False))["source_row"].head(1):
        raise DeliveryError(
            f"{file}: row {row:,} is about no channel that a setting names. Name every value of the column in "
            "consent.channels, or mend the file."
        )
    return given.select(
        "customer_id",
        channel=pl.col("about").replace_strict(dict(channels), return_dtype=pl.String),
        permitted=pl.col("said").replace_strict(_READ, return_dtype=pl.Boolean),
        timestamp="timestamp",
        day="day",
    ).filter(pl.col("timestamp").is_not_null() | ~pl.col("permitted"))


def arriving(rows: pl.LazyFrame, known: pl.LazyFrame, *, night: date) -> pl.LazyFrame:
    """What arrives on a night: what was said by its end and no earlier night has brought; without a time, tonight.

    An objection is heard on the night on which it arrives, and so counts from then on, even if a slip or another order
    of day and month dates it later. On its own day it arrives once more.

    Args:
        rows: As of `flags`.
        known: :class:`Consent` of earlier nights.
        night: As-of date.

    Returns:
        :class:`Consent`, sorted by all columns.
    """
    key = ["customer_id", "channel", "permitted", "timestamp"]
    early = (pl.col("day") > night) & ~pl.col("permitted")
    return (
        rows.with_columns(pl.when(~early).then("timestamp"), pl.when(~early).then("day").fill_null(night))
        .filter(pl.col("day") <= night)
        .unique(key)
        .join(known.select(key), on=key, how="anti", nulls_equal=True)
        .select(Consent.column_names())
        .sort(Consent.column_names())
    )


def unknown(consents: pl.LazyFrame, customers: pl.LazyFrame) -> tuple[int, int, int]:
    """How many who said something bought nothing: ids that are written otherwise than in the transactions, perhaps.

    Args:
        consents: :class:`Consent`.
        customers: customer_id of everybody who is known.

    Returns:
        How many said something, how many of them nobody knows, and how many of those somebody is known as whose id
        differs in capitals, blanks or leading zeros alone.
    """
    said = consents.select(pl.col("customer_id").unique()).with_columns(folded=folded(pl.col("customer_id"))).collect()
    names = customers.select("customer_id")
    theirs = names.join(said.lazy(), on="customer_id", how="semi").unique().collect()
    strange = said.join(theirs, on="customer_id", how="anti")
    alike = names.select(folded=folded(pl.col("customer_id"))).join(strange.lazy(), on="folded", how="semi").unique()
    near = strange.join(alike.collect(), on="folded", how="semi") if strange.height else strange
    return said.height, strange.height, near.height


def tell_unknown(said: int, strange: int, near: int) -> str | None:
    """What to say about objections and permissions of whom no transaction knows; None if there are none."""
    if not strange:
        return None
    sentence = f"consent: {strange:,} of {said:,} customers ({strange / said:.0%}) are in no transaction"
    if not near:
        return f"{sentence}: nothing is held back or permitted by what they said until they buy."
    return (
        f"{sentence}; {near:,} of them would be but for capitals, blanks or leading zeros. What they said is not "
        "heard: write their ids as the transactions do."
    )


def latest(consents: pl.LazyFrame, channel: str, night: date) -> pl.LazyFrame:
    """The last word of each customer on a channel, or on marketing as a whole, as of a night.

    Args:
        consents: :class:`Consent`.
        channel: A channel, or `PROFILING`.
        night: As-of date; what is said later is not heard.

    Returns:
        customer_id and permitted. Of what was said at the same time the objection counts; what was said without a time
        counts from the end of the night on which it arrived.
    """
    end = pl.col("day").cast(pl.Datetime("us", "UTC")) + timedelta(days=1)
    return (
        consents.filter(pl.col("channel").is_in([channel, MARKETING]), pl.col("day") <= night)
        .with_columns(said=pl.coalesce("timestamp", end))
        .filter(pl.col("said") == pl.col("said").max().over("customer_id"))
        .group_by("customer_id")
        .agg(pl.col("permitted").all())
    )


def profiled(frame: pl.LazyFrame, consents: pl.LazyFrame, rule: ConsentRule, night: date) -> pl.LazyFrame:
    """The rows of those who may be profiled as of a night; the frame itself where nobody is kept out.

    Args:
        frame: Anything with customer_id.
        consents: :class:`Consent`.
        rule: What silence means.
        night: As-of date.
    """
    if not rule.recorded:
        return frame
    last = latest(consents, PROFILING, night).collect()
    if rule.profiling_basis == "consent":
        return frame.join(last.lazy().filter("permitted"), on="customer_id", how="semi", maintain_order="left")
    objectors = last.lazy().filter(~pl.col("permitted"))
    if last["permitted"].all():
        return frame
    return frame.join(objectors, on="customer_id", how="anti", maintain_order="left")


def contactable(
    customers: pl.Series, consents: pl.LazyFrame, rule: ConsentRule, channels: Collection[str], night: date
) -> pl.DataFrame | None:
    """By which channels customers may be contacted as of a night.

    Args:
        customers: Their ids.
        consents: :class:`Consent`.
        rule: What silence means.
        channels: The channels.
        night: As-of date.

    Returns:
        customer_id and a Boolean column for each channel; None where consent is not on record.
    """
    if not rule.recorded:
        return None
    found = pl.LazyFrame({"customer_id": customers})
    for channel in sorted(set(channels)):
        said = latest(consents, channel, night).rename({"permitted": channel})
        found = found.join(said, on="customer_id", how="left", maintain_order="left")
    silence = rule.legal_basis == "legitimate_interest"
    return found.with_columns(pl.exclude("customer_id").fill_null(silence)).collect()
