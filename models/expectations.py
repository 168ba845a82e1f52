"""What a table of a night must meet before anybody reads it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import polars as pl

Severity = Literal["ERROR", "WARN"]

_ENOUGH_AT_RISK = 100
_SIZE_FACTOR = 3
_PROBABILITY_SHIFT = 0.15
_CONTROL_SHIFT = 0.1
_ENOUGH_ACTIVE = 100


@dataclass(frozen=True)
class Expectation:
    """One thing that a table of a night must meet, in the words of Great Expectations.

    Attributes:
        name: Stable name, carried by the asset check.
        severity: ``ERROR`` stops the night, ``WARN`` is reported.
        sentence: What is expected, for a reader who knows the business and not the code.
        kind: Class of the expectation without its ``Expect``, for example ``ColumnValuesToNotBeNull``.
        arguments: Its arguments.
        where: Only rows that meet this (column, operator, value) count.
        group: Name of an asset check that reports several expectations together.
        known: The greatest value of earlier nights, where that counts as found too.
    """

    name: str
    severity: Severity
    sentence: str
    kind: str
    arguments: Mapping[str, Any]
    where: tuple[str, str, Any] | None = None
    group: str | None = None
    known: date | None = None

    @property
    def columns(self) -> list[str]:
        """The columns whose values it looks at."""
        own = self.arguments.get("column_list", [self.arguments.get("column")])
        return [column for column in (*own, *(self.where or ())[:1]) if column is not None]

    @property
    def threshold(self) -> str:
        """The limit, in words."""
        if "column_set" in self.arguments:
            return f"all of {len(self.arguments['column_set'])}"
        bounds = [
            f"{word} {limit:,.12g}" if isinstance(limit, int | float) else f"{word} {limit}"
            for word, key in (("from", "min_value"), ("to", "max_value"))
            if (limit := self.arguments.get(key)) is not None
        ]
        bounds.append(" or ".join(each for each in self.arguments.get("value_set", ()) if isinstance(each, str)))
        share = self.arguments.get("mostly", 1)
        if self.judges_rows:
            bounds.append(f"in at least {share:.2%} of rows" if share < 1 else "in every row")
        return " ".join(filter(None, bounds))

    @property
    def judges_rows(self) -> bool:
        """Whether each row meets it or does not."""
        return self.kind.startswith(("ColumnValues", "CompoundColumns"))

    @property
    def check(self) -> str:
        """The asset check that reports it."""
        return self.group or self.name


def row_count(name: str, severity: Severity, sentence: str, low: int, high: int | None = None) -> Expectation:
    """A number of rows within bounds."""
    return Expectation(name, severity, sentence, "TableRowCountToBeBetween", _given(min_value=low, max_value=high))


def has_columns(columns: Collection[str]) -> Expectation:
    """Every column of a contract."""
    return Expectation(
        "columns_present",
        "ERROR",
        "The table has every column of its contract.",
        "TableColumnsToMatchSet",
        {"column_set": list(columns), "exact_match": False},
    )


def unique(name: str, sentence: str, *columns: str) -> Expectation:
    """No two rows with the same key."""
    if len(columns) == 1:
        return Expectation(name, "ERROR", sentence, "ColumnValuesToBeUnique", {"column": columns[0]})
    return Expectation(name, "ERROR", sentence, "CompoundColumnsToBeUnique", {"column_list": list(columns)})


def filled(name: str, severity: Severity, sentence: str, column: str, *, mostly: float = 1.0) -> Expectation:
    """A value in most rows."""
    arguments = {"column": column, "mostly": mostly}
    return Expectation(name, severity, sentence, "ColumnValuesToNotBeNull", arguments)


def within(
    name: str,
    severity: Severity,
    sentence: str,
    column: str,
    bounds: tuple[Any, Any],
    *,
    mostly: float = 1.0,
) -> Expectation:
    """Values, where there are any, within bounds (None: no bound) in most rows."""
    low, high = bounds
    arguments = _given(column=column, min_value=low, max_value=high, mostly=mostly)
    return Expectation(name, severity, sentence, "ColumnValuesToBeBetween", arguments)


def one_of(
    name: str, severity: Severity, sentence: str, column: str, values: Collection[Any], *, mostly: float = 1.0
) -> Expectation:
    """Values, where there are any, from a list in most rows."""
    arguments = {"column": column, "value_set": list(values), "mostly": mostly}
    return Expectation(name, severity, sentence, "ColumnValuesToBeInSet", arguments)


def mean_within(name: str, severity: Severity, sentence: str, column: str, bounds: tuple[float, float]) -> Expectation:
    """A mean within bounds."""
    arguments = {"column": column, "min_value": bounds[0], "max_value": bounds[1]}
    return Expectation(name, severity, sentence, "ColumnMeanToBeBetween", arguments)


def feature_expectations(*, active_days: int, previous_rows: int, ends_within: int | None = None) -> list[Expectation]:
    """What is expected of the features of a night.

    Args:
        active_days: A customer is active with a purchase in so many days.
        previous_rows: Active customers of the night before; 0 where there was none.
        ends_within: Where churn is by contract, the days within which a contract ends for its customer to be asked
            about; then many may end at once, so that a night is not compared with the one before.
    """
    lately = within("recency_active", "ERROR", "Active means bought lately.", "recency_days", (0, active_days - 1))
    if ends_within is not None:
        ends = "Contracts that are asked about end within the horizon."
        lately = within("expiry_ahead", "ERROR", ends, "days_to_expiry", (1, ends_within))
    known = [
        filled(f"{column}_known", "ERROR", f"Every active customer has {column}.", column)
        for column in ("customer_id", "recency_days", "tenure_days", "purchase_days")
    ]
    complete = [
        unique("customers_unique", "Every active customer stands once.", "customer_id"),
        *known,
        lately,
        within("purchases_positive", "ERROR", "Active means bought at all.", "purchase_days", (1, None)),
        within("tenure_possible", "ERROR", "Nobody is a customer from a day to come.", "tenure_days", (0, None)),
    ]
    half, sentence = max(1, previous_rows // 2), "Active customers do not vanish from one night to the next."
    if ends_within is not None:
        half, previous_rows, sentence = 1, 0, "Some contract ends within the horizon."
    grown = "Active customers do not double from one night to the next; they do when they get new keys."
    return [
        row_count("population_kept", "ERROR", sentence, half),
        *(
            [row_count("population_new", "WARN", grown, 1, previous_rows * 2)]
            if previous_rows >= _ENOUGH_ACTIVE
            else []
        ),
        *(replace(expectation, group="features_complete") for expectation in complete),
    ]


def segment_expectations(columns: Collection[str], previous: pl.DataFrame) -> list[Expectation]:
    """What is expected of the at-risk table of a night.

    Args:
        columns: Columns of its contract.
        previous: The table of the night before, empty where there was none; ``status``, ``churn_probability`` and
            ``is_control`` are looked at.
    """
    at_risk = ("status", "!=", "left")
    contract = [
        has_columns(columns),
        unique("customers_unique", "Every customer stands once.", "customer_id"),
        within("probability_valid", "ERROR", "A probability is from 0 to 1.", "churn_probability", (0, 1)),
        one_of("status_known", "ERROR", "A row entered, stayed or left.", "status", ("entered", "stayed", "left")),
        one_of("tier_known", "ERROR", "A tier has a name.", "risk_tier", ("none", "low", "medium", "high")),
        filled("delivery_decided", "ERROR", "Every row says whether it is delivered.", "deliver"),
    ]
    expected = [replace(expectation, group="contract_kept") for expectation in contract]
    last = previous.filter(pl.col("status") != "left")
    if last.height >= _ENOUGH_AT_RISK:
        size = (last.height // _SIZE_FACTOR, last.height * _SIZE_FACTOR)
        probability, control = (last[name].cast(pl.Float64).mean() for name in ("churn_probability", "is_control"))
        expected += [
            row_count("size_usual", "ERROR", "About as many are at risk as in the night before.", *size),
            mean_within(
                "probability_usual",
                "WARN",
                "The mean probability is about that of the night before.",
                "churn_probability",
                _around(probability, _PROBABILITY_SHIFT),
            ),
            mean_within(
                "control_usual",
                "WARN",
                "About as large a share is left alone as in the night before.",
                "is_control",
                _around(control, _CONTROL_SHIFT),
            ),
        ]
    return [replace(each, where=at_risk) if each.group is None else each for each in expected]


def _around(mean: Any, shift: float) -> tuple[float, float]:
    return float(mean) - shift, float(mean) + shift


def _given(**arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if value is not None}
