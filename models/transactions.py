"""What a purchase line must look like before anybody learns from it, and where the others go, with their reasons."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import dataframely as dy
import polars as pl


class RawTransaction(dy.Schema):
    """One delivered line: canonical columns, values as they arrived, and where the line stood."""

    customer_id = dy.String(nullable=True)
    timestamp = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")
    day = dy.Date(nullable=True)
    transaction_id = dy.String(nullable=True)
    product = dy.String(nullable=True)
    category = dy.String(nullable=True)
    channel = dy.String(nullable=True)
    quantity = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    unit_price = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    amount = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    discount = dy.Float64(nullable=True, allow_inf=True, allow_nan=True)
    currency = dy.String(nullable=True)
    contract_until = dy.Date(nullable=True)
    unreadable = dy.String(nullable=True)
    source_file = dy.String()
    source_row = dy.Int64(min=1)
    occurrence = dy.Int64(min=1)


class Transaction(RawTransaction):
    """One valid purchase line or return of a known customer at a known time."""

    customer_id = dy.String(min_length=1)
    timestamp = dy.Datetime(time_unit="us", time_zone="UTC")
    day = dy.Date()
    quantity = dy.Float64(nullable=True)
    unit_price = dy.Float64(nullable=True)
    amount = dy.Float64(nullable=True)
    discount = dy.Float64(nullable=True)
    is_return = dy.Bool()


class Quarantine(RawTransaction):
    """One delivered line that was kept out, as it came, with every reason."""

    reasons = dy.List(dy.String(), min_length=1)


@dataclass(frozen=True)
class ValidationRules:
    """What a line and a night must meet.

    Attributes:
        max_rejected_share: Share of a night's lines (0 to 1) that may go to quarantine; above it the night stops.
        max_amount: Largest believable amount, price, discount or quantity of one line, whatever its sign.
        first_plausible_day: Days before it are placeholders of the source system, such as 1970-01-01.
        return_pattern: Regular expression on transaction_id that marks a cancellation, for example `^C`.
        currencies: Allowed currency codes. Empty: one currency, whichever.
        min_rows: Fewer delivered lines than this draw a warning.
        freshness_days: The newest known line may be this many days older than the night.
        history_nights: Earlier nights that are needed before a night is compared with them.
        volume_spread: Robust standard deviations that a night's volume may lie from the usual one.
        amount_factor: The typical amount may be this many times larger or smaller than usual.
        min_known_share: Share of lines that must come from customers seen before, once there is history.
        max_respelled_share: Share of lines that may come from customers whose ids an earlier line had in another
            spelling: with other zeros, capitals, blanks or ``.0``; above it the night stops.
        max_customer_share: Share of all lines beyond which a customer, who also has five times as many as usual, is
            taken for the name of many (a till, walk-in sales) and not contacted; 1 takes everybody for one person.
        max_repeated_share: Share of lines that may equal another line of the same file.
        max_changed_share: Share of a night's orders that earlier nights may have with other lines.
        min_filled_share: Share of lines in which a delivered optional column should have a value.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    max_rejected_share: float = 0.05
    max_amount: float = 1e9
    first_plausible_day: date = date(1970, 1, 2)
    return_pattern: str | None = None
    currencies: tuple[str, ...] = ()
    min_rows: int = 1
    freshness_days: int = 31
    history_nights: int = 8
    volume_spread: float = 5.0
    amount_factor: float = 3.0
    min_known_share: float = 0.01
    max_respelled_share: float = 0.1
    max_customer_share: float = 0.05
    max_repeated_share: float = 0.1
    max_changed_share: float = 0.2
    min_filled_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            ValueError: Names the field, its value and what is allowed.
        """
        for name in (name for name in vars(self) if name.endswith("_share")):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: a share is a number from 0 to 1")
        for name in ("max_amount", "freshness_days", "history_nights", "volume_spread"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be greater than 0")
        if self.min_rows < 0:
            raise ValueError(f"min_rows is {self.min_rows}: it must not be negative")
        if not self.amount_factor > 1:
            raise ValueError(f"amount_factor is {self.amount_factor}: it must be greater than 1")
        if self.return_pattern is not None:
            try:
                pl.Series([""]).str.contains(self.return_pattern)
            except pl.exceptions.ComputeError as error:
                raise ValueError(f"return_pattern is {self.return_pattern!r}: no regular expression") from error


@dataclass(frozen=True)
class RowRule:
    """One reason to keep a line out: no value in a column, or, where bounds are given, a value beyond them.

    Attributes:
        name: The reason, as it stands in quarantine and in the report of the night.
        column: Canonical column that the rule looks at.
        sentence: What a good line is like.
        bounds: Least and greatest good value; None for no bound.
    """

    name: str
    column: str
    sentence: str
    bounds: tuple[date | float | None, date | float | None] = (None, None)

    @property
    def is_missing(self) -> bool:
        """Whether the rule asks for a value, not for a range; a range says nothing about lines without a value."""
        return self.bounds == (None, None)

    @property
    def bad(self) -> pl.Expr:
        """Boolean, never null: true on lines that break the rule."""
        value, (low, high) = pl.col(self.column), self.bounds
        if self.is_missing:
            return value.is_null()
        beyond = [value < low] if low is not None else []
        beyond += [value > high] if high is not None else []
        return pl.any_horizontal(beyond).fill_null(value=False)


def row_rules(rules: ValidationRules, *, night: date, mapped: Collection[str]) -> tuple[RowRule, ...]:
    """Every reason to keep a line out on a night.

    Args:
        rules: The limits.
        night: As-of date.
        mapped: Canonical columns that the source delivers; the others are null and obey every rule.
    """
    believable = -rules.max_amount, rules.max_amount
    return (
        RowRule("customer_id_missing", "customer_id", "Every line names its customer."),
        RowRule("timestamp_missing", "timestamp", "Every line has a readable time."),
        *([RowRule("amount_missing", "amount", "Every line has a readable amount.")] if "amount" in mapped else []),
        *(
            RowRule(f"{column}_out_of_range", column, f"Every {column} is believable.", believable)
            for column in ("amount", "quantity", "unit_price", "discount")
            if column in mapped
        ),
        RowRule("day_implausible", "day", "No day is a placeholder.", (rules.first_plausible_day, None)),
        RowRule("timestamp_in_future", "day", "Nothing happened after the night.", (None, night)),
    )


def rejected(rules: ValidationRules, *, night: date, mapped: Collection[str]) -> pl.Expr:
    """Boolean, never null: true on lines that break a rule; arguments as for :func:`row_rules`."""
    return pl.any_horizontal(rule.bad for rule in row_rules(rules, night=night, mapped=mapped))


def split(
    raw: pl.LazyFrame, rules: ValidationRules, *, night: date, mapped: Collection[str]
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Part delivered lines into those to learn from and those to mend; every line lands in exactly one of them.

    Args:
        raw: Columns of :class:`RawTransaction`.
        rules: The limits.
        night: As-of date.
        mapped: Canonical columns that the source delivers.

    Returns:
        Valid lines (:class:`Transaction`, sorted by customer, time, file and row) and quarantined ones
        (:class:`Quarantine`, sorted by file and row).
    """
    checks = row_rules(rules, night=night, mapped=mapped)
    bad = rejected(rules, night=night, mapped=mapped)
    cancelled = [pl.col("amount") < 0, pl.col("quantity") < 0]
    if rules.return_pattern is not None:
        cancelled.append(pl.col("transaction_id").str.contains(rules.return_pattern))
    valid = raw.filter(~bad).with_columns(
        is_return=pl.any_horizontal(mark.fill_null(value=False) for mark in cancelled)
    )
    reasons = pl.concat_list(pl.when(check.bad).then(pl.lit(check.name)) for check in checks).list.drop_nulls()
    quarantine = raw.filter(bad).with_columns(reasons=reasons)
    return (
        valid.select(Transaction.column_names()).sort("customer_id", "timestamp", "source_file", "source_row"),
        quarantine.select(Quarantine.column_names()).sort("source_file", "source_row"),
    )
