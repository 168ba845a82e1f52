"""What a night's delivery as a whole must look like: how much, how fresh, how usable, how unlike the nights before."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import log10

import numpy as np
import polars as pl

from models.expectations import (
    Expectation,
    filled,
    has_columns,
    mean_within,
    one_of,
    row_count,
    unique,
    within,
)
from models.transactions import RawTransaction, ValidationRules, row_rules

_OPTIONAL = ("transaction_id", "product", "category", "channel", "currency")
_NIGHTS_OF_A_WEEKDAY = 4
_MAD_TO_SIGMA = 1.4826
_RULE_OF_THREE = 3
_ENOUGH_CHANGED = 10
_MAGNITUDE = pl.when(pl.col("amount") != 0).then(pl.col("amount").abs().log10())


@dataclass(frozen=True)
class Past:
    """What is known of the nights before a night; empty before the first one.

    Attributes:
        nights: :func:`profile` of the recent nights, one row each.
        customers: ``customer_id`` of everybody seen before.
        newest_day: The last day on which something is known to have happened.
        changed_orders: Orders of theirs that this night brings again with other lines.
        orders: Orders that this night brings.
        respelled: Customers of the night who may be others in another spelling; None where that was not looked at.
        crowds: Customers of the night under whose name many may stand; None where that was not looked at.
    """

    nights: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"night": pl.Date, "rows": pl.Int64, "magnitude": pl.Float64})
    )
    customers: pl.Series = field(default_factory=lambda: pl.Series("customer_id", [], pl.String))
    newest_day: date | None = None
    changed_orders: int = 0
    orders: int = 0
    respelled: pl.Series | None = None
    crowds: pl.Series | None = None


def profile(raw: pl.LazyFrame, night: date) -> pl.LazyFrame:
    """The figures of a night that later ones are compared with.

    Returns:
        One row: ``night``, ``rows`` Int64, ``magnitude`` Float64 (mean log10 of absolute amounts; null without any).
    """
    return raw.select(night=pl.lit(night), rows=pl.len().cast(pl.Int64), magnitude=_MAGNITUDE.mean())


def usual_rows(nights: pl.DataFrame, night: date, rules: ValidationRules) -> tuple[int, int] | None:
    """Rows that usually come on a night of this weekday: the median, plus or minus robust standard deviations.

    The deviation is the median absolute deviation x 1.4826 (Hampel 1974), at least a tenth of the median: a source
    that always delivers the same number may change a little. Weekdays are told apart from their fourth night on.

    Returns:
        Least and most; None where there are too few nights to tell.
    """
    if nights.height < rules.history_nights:
        return None
    same = nights.filter(pl.col("night").dt.weekday() == night.isoweekday())
    rows = (same if same.height >= _NIGHTS_OF_A_WEEKDAY else nights)["rows"].to_numpy()
    median = float(np.median(rows))
    deviation = _MAD_TO_SIGMA * float(np.median(abs(rows - median)))
    slack = rules.volume_spread * max(deviation, median / 10)
    return max(0, round(median - slack)), round(median + slack)


def raw_gate(
    raw: pl.LazyFrame, rules: ValidationRules, *, night: date, mapped: Collection[str], past: Past, rows: int
) -> tuple[pl.LazyFrame, list[Expectation]]:
    """What is expected of a night's lines, and the lines with the columns that it is asked of.

    What cannot be judged is not asked: a night is compared with the past only where there is enough of one.

    Args:
        raw: Columns of :class:`RawTransaction`.
        rules: The limits.
        night: As-of date.
        mapped: Canonical columns that the source delivers.
        past: The nights before.
        rows: Number of lines.

    Returns:
        The lines with ``rejected`` (Boolean), ``known_customer`` (Boolean, null without a customer) and
        ``magnitude`` (log10 of the absolute amount), ``respelled`` and ``crowd`` (Boolean, null without a customer);
        all but the first only where they are asked for. The expectations.
    """
    checks = row_rules(rules, night=night, mapped=mapped)
    frame = raw.with_columns(rejected=pl.any_horizontal(check.bad for check in checks))
    accepted = 1 - rules.max_rejected_share
    expected = [
        has_columns(RawTransaction.column_names()),
        one_of("rejected_share", "ERROR", "Most lines obey every rule.", "rejected", [False], mostly=accepted),
        unique("lines_unique", "No line of a file is taken twice.", "source_file", "source_row"),
        row_count("rows_present", "WARN", "Something was delivered.", rules.min_rows),
        within(
            "lines_repeated",
            "WARN",
            "Few lines of a file are equal; many mean that an export was joined or written twice.",
            "occurrence",
            (None, 1),
            mostly=1 - rules.max_repeated_share,
        ),
    ]
    if "currency" in mapped:
        expected.append(_currencies(rules))
    for check in checks:
        name, column, sentence = check.name, check.column, check.sentence
        if check.is_missing:
            whole = filled(name, "WARN", sentence, column, mostly=accepted)
        else:
            whole = within(name, "WARN", sentence, column, check.bounds, mostly=accepted)
        expected.append(replace(whole, group="lines_complete"))
    for column in _OPTIONAL:
        if column in mapped:
            sentence = f"Most lines have a {column}."
            share = filled(f"{column}_filled", "WARN", sentence, column, mostly=rules.min_filled_share)
            expected.append(replace(share, group="columns_filled"))
    if (past.newest_day or date.min) < (stale := night - timedelta(days=rules.freshness_days)):
        expected.append(
            Expectation(
                "fresh",
                "ERROR",
                "The newest known line is recent; a source that fell silent makes everybody look lost.",
                "ColumnMaxToBeBetween",
                {"column": "day", "min_value": stale},
                where=("day", "<=", night),
                known=past.newest_day,
            )
        )
    if volume := usual_rows(past.nights, night, rules):
        expected.append(row_count("volume_usual", "WARN", "About as many lines came as on such nights.", *volume))
    magnitudes = past.nights["magnitude"].drop_nulls().to_numpy()
    if rows and len(magnitudes) >= rules.history_nights:
        usual, factor = float(np.median(magnitudes)), log10(rules.amount_factor)
        frame = frame.with_columns(magnitude=_MAGNITUDE)
        sentence = "The typical amount (as log10) is about as usual; 2 more or less means cents for whole units."
        expected.append(mean_within("amount_usual", "WARN", sentence, "magnitude", (usual - factor, usual + factor)))
    # None known among fewer lines than three times the inverse share is no proof (rule of three, Hanley 1983).
    if past.nights.height >= rules.history_nights and rows * rules.min_known_share >= _RULE_OF_THREE:
        frame = frame.with_columns(known_customer=pl.col("customer_id").is_in(past.customers.implode()))
        sentence = "Some lines come from customers seen before; none do when the customer column is the wrong one."
        expected.append(
            one_of("customers_known", "ERROR", sentence, "known_customer", [True], mostly=rules.min_known_share)
        )
    frame, about_names = _names_gate(frame, rules, past)
    frame, about_orders = _orders_gate(frame, rules, past)
    return frame, [*expected, *about_names, *about_orders]


def _orders_gate(frame: pl.LazyFrame, rules: ValidationRules, past: Past) -> tuple[pl.LazyFrame, list[Expectation]]:
    """What is expected of orders that come again, where enough of them have other lines."""
    if past.changed_orders < _ENOUGH_CHANGED:
        return frame, []
    sentence = (
        "Few orders come again with other lines; a history that was saved anew, without seconds or with other numbers, "
        "would count twice."
    )
    limit = {"column": "changed_share", "max_value": rules.max_changed_share}
    expected = Expectation("orders_changed", "ERROR", sentence, "ColumnMaxToBeBetween", limit)
    return frame.with_columns(changed_share=pl.lit(past.changed_orders / past.orders)), [expected]


def _names_gate(frame: pl.LazyFrame, rules: ValidationRules, past: Past) -> tuple[pl.LazyFrame, list[Expectation]]:
    """What is expected of the names of a night's customers, where they were looked at."""
    if past.respelled is None or past.crowds is None:
        return frame, []
    frame = frame.with_columns(
        respelled=pl.col("customer_id").is_in(past.respelled.implode()),
        crowd=pl.col("customer_id").is_in(past.crowds.implode()),
    )
    anew = "Customers are spelled as before: other zeros, capitals, blanks or .0 make two of one."
    many = "No customer is the name of many, such as a till's; what seems to be one is not contacted."
    accepted = 1 - rules.max_respelled_share
    return frame, [
        one_of("customers_respelled", "ERROR", anew, "respelled", [False], mostly=accepted),
        one_of("customers_spelled_once", "WARN", anew, "respelled", [False]),
        one_of("customers_single", "WARN", many, "crowd", [False]),
    ]


def raw_expectations() -> list[Expectation]:
    """All that :func:`raw_gate` can expect of a night."""
    night = date(2000, 1, 2)
    _, expected = raw_gate(
        RawTransaction.create_empty(lazy=True),
        ValidationRules(history_nights=1),
        night=night,
        mapped=RawTransaction.column_names(),
        past=Past(
            nights=pl.DataFrame({"night": [night], "rows": [1], "magnitude": [0.0]}),
            changed_orders=_ENOUGH_CHANGED,
            orders=_ENOUGH_CHANGED,
            respelled=pl.Series([], dtype=pl.String),
            crowds=pl.Series([], dtype=pl.String),
        ),
        rows=1_000,
    )
    return expected


def _currencies(rules: ValidationRules) -> Expectation:
    if rules.currencies:
        sentence = "Amounts are in a currency of the settings."
        return one_of("currency_expected", "WARN", sentence, "currency", rules.currencies)
    return Expectation(
        "currency_expected",
        "WARN",
        "All amounts are in one currency; they are added up.",
        "ColumnUniqueValueCountToBeBetween",
        {"column": "currency", "max_value": 1},
    )
