"""What the stock metrics of Great Expectations mean as Polars expressions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl
from great_expectations.core.batch import BatchData
from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.expectations.metrics.metric_provider import MetricProvider
from great_expectations.expectations.registry import _get_metric_definition, register_metric
from great_expectations.validator.metric_configuration import MetricConfiguration

_SAMPLE = 20
_FINGERPRINT = "fingerprint of the key"


class FrameData(BatchData):
    """The lazy frame of a batch.

    Attributes:
        frame: The rows.
        schema: Their columns and types.
        repeated: Up to a sample of the keys that stand in several rows, by the domain of the question.
    """

    def __init__(self, engine: ExecutionEngine[pl.Expr], frame: pl.LazyFrame) -> None:
        super().__init__(execution_engine=engine)
        self.frame = frame
        self.schema = frame.collect_schema()
        self.repeated: dict[Any, pl.DataFrame] = {}


@dataclass(frozen=True)
class Query:
    """A metric that needs a query of its own, and how its value is read from it."""

    frame: pl.LazyFrame
    read: Callable[[pl.DataFrame], Any]


@dataclass(frozen=True)
class Question:
    """What a metric asks of the frame."""

    metric: MetricConfiguration
    data: FrameData
    condition: pl.Expr | None
    metrics: Mapping[Any, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it is asked of."""
        domain = self.metric.metric_domain_kwargs
        return tuple(domain.get("column_list") or filter(None, [domain.get("column")]))

    @property
    def column(self) -> pl.Expr:
        """The column, where there is one."""
        return pl.col(self.names[0])

    def given(self, name: str) -> Any:
        """An argument of the expectation, as the type of the column."""
        return typed(self.metric.metric_value_kwargs.get(name), self.data.schema[self.names[0]])

    def where(self, rows: pl.Expr) -> pl.Expr:
        """Those of some rows that meet the row condition."""
        return rows if self.condition is None else rows & self.condition

    def values(self) -> pl.Expr:
        """The column, null where the row condition is not met."""
        return self.column if self.condition is None else pl.when(self.condition).then(self.column)

    @property
    def considered(self) -> pl.Expr:
        """Rows that a question of uniqueness looks at."""
        ignored = self.metric.metric_domain_kwargs.get("ignore_row_if") or "any_value_is_missing"
        filled = [pl.col(name).is_not_null() for name in self.names]
        if ignored == "never":
            return self.where(filled[0].is_not_null())
        return self.where(
            pl.any_horizontal(filled) if ignored == "all_values_are_missing" else pl.all_horizontal(filled)
        )


def typed(value: Any, dtype: pl.DataType) -> Any:
    """A parameter as the type of its column; Great Expectations hands moments on as ISO text."""
    if isinstance(value, list | set | tuple):
        return [typed(item, dtype) for item in value]
    if isinstance(value, str) and dtype.is_temporal():
        value = datetime.fromisoformat(value)
    if isinstance(value, float) and dtype.is_integer() and value.is_integer():
        return int(value)
    if isinstance(value, datetime) and dtype == pl.Date:
        return value.date()
    if isinstance(value, datetime) and value.tzinfo is None and getattr(dtype, "time_zone", None):
        return value.replace(tzinfo=UTC)
    return value


def sample(rows: pl.DataFrame) -> list[Any]:
    """Values for a report; of a text only its shape, ``Aa-99`` for ``Xy-17``: a report must not name customers.

    Great Expectations does not escape what it shows, so what is markup in a page comes as its entity.
    """
    text = pl.col(pl.String)
    shape = text.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"[\p{L}&&\P{Lu}]", "a").str.replace_all(r"\d", "9")
    for letter in "&<>\"'$":
        shape = shape.str.replace_all(letter, f"&#{ord(letter)};", literal=True)
    shapes = rows.with_columns(shape)
    return shapes.to_dicts() if shapes.width > 1 else shapes.to_series().to_list()


def _between(question: Question, value: pl.Expr) -> pl.Expr:
    low, high = question.given("min_value"), question.given("max_value")
    strict_low, strict_high = (question.metric.metric_value_kwargs.get(f"strict_{end}") for end in ("min", "max"))
    bad: list[pl.Expr] = []
    if low is not None:
        bad.append(value <= low if strict_low else value < low)
    if high is not None:
        bad.append(value >= high if strict_high else value > high)
    return pl.any_horizontal(bad)


# Each is true on a bad row. Where the value is null so is the answer, and a sum of answers leaves it out.
_ROW_METRICS: dict[str, Callable[[Question], pl.Expr]] = {
    "column_values.nonnull": lambda q: q.column.is_null(),
    "column_values.null": lambda q: q.column.is_not_null(),
    "column_values.between": lambda q: _between(q, q.column),
    "column_values.value_length.between": lambda q: _between(q, q.column.str.len_chars()),
    "column_values.in_set": lambda q: ~q.column.is_in(q.given("value_set")),
    "column_values.not_in_set": lambda q: q.column.is_in(q.given("value_set")),
    "column_values.match_regex": lambda q: ~q.column.str.contains(q.given("regex")),
    "column_values.not_match_regex": lambda q: q.column.str.contains(q.given("regex")),
}
_FIGURES: dict[str, Callable[[Question], Any]] = {
    "table.row_count": lambda q: pl.len() if q.condition is None else q.condition.sum(),
    "table.columns": lambda q: q.data.schema.names(),
    "table.column_count": lambda q: len(q.data.schema),
    "table.column_types": lambda q: [{"name": name, "type": str(dtype)} for name, dtype in q.data.schema.items()],
    "column.max": lambda q: q.values().max(),
    "column.min": lambda q: q.values().min(),
    "column.sum": lambda q: q.values().sum(),
    "column.mean": lambda q: q.values().mean(),
    "column.median": lambda q: q.values().median(),
    "column.standard_deviation": lambda q: q.values().std(),
    "column.distinct_values.count": lambda q: q.values().drop_nulls().n_unique(),
    "column.unique_proportion": lambda q: q.values().drop_nulls().n_unique() / q.values().count(),
    "column.quantile_values": lambda q: pl.concat_list(
        q.values().quantile(share, "nearest") for share in q.metric.metric_value_kwargs["quantiles"]
    ),
}
_UNIQUE_METRICS = ("column_values.unique", "compound_columns.unique")


def _counted(bad: Callable[[Question], pl.Expr], question: Question) -> pl.Expr:
    return question.where(bad(question)).sum()


def _sampled(bad: Callable[[Question], pl.Expr], question: Question) -> Query | list[Any]:
    count = question.metrics[question.metric.metric_dependencies["unexpected_count"].id]
    if not count or question.data.schema[question.names[0]] == pl.Boolean:
        return []
    rows = question.data.frame.filter(question.where(bad(question))).select(question.names).head(_SAMPLE)
    return Query(rows, sample)


def _repeated(question: Question) -> Query:
    """Count rows whose key stands in another row too, exactly, without grouping all rows.

    Equal keys have equal hashes, so sorting 64-bit hashes and comparing neighbours leaves few candidates; only those
    are grouped by the real key.
    """
    frame, names = question.data.frame, question.names
    fingerprint = pl.struct(names).hash().alias(_FINGERPRINT)

    def count(hashes: pl.DataFrame) -> int:
        ordered = hashes.to_series().sort()
        candidates = ordered.filter(ordered == ordered.shift()).unique()
        if candidates.is_empty():
            return 0
        keys = (
            frame.filter(question.considered)
            .select(*names, fingerprint)
            .join(candidates.to_frame().lazy(), on=_FINGERPRINT, how="semi")
            .group_by(names)
            .len("rows")
            .filter(pl.col("rows") > 1)
            .collect(engine="streaming")
        )
        question.data.repeated[question.metric.metric_domain_kwargs_id] = keys.select(names).sort(names).head(_SAMPLE)
        return int(keys["rows"].sum())

    # No row is filtered out: rows that do not count have no hash, and null equals no neighbour.
    return Query(frame.select(pl.when(question.considered).then(fingerprint)), count)


def _repeated_sample(question: Question) -> list[Any]:
    keys = question.data.repeated.get(question.metric.metric_domain_kwargs_id)
    return [] if keys is None else sample(keys)


class _AfterTheCount(MetricProvider):
    """A metric that is asked only when it is known how many rows are bad."""

    @classmethod
    def _get_evaluation_dependencies(  # type: ignore[override]
        cls, metric: MetricConfiguration, **_: Any
    ) -> dict[str, MetricConfiguration]:
        name = metric.metric_name.rpartition(".")[0] + ".unexpected_count"
        arguments = {key: value for key, value in metric.metric_value_kwargs.items() if key != "result_format"}
        return {"unexpected_count": MetricConfiguration(name, metric.metric_domain_kwargs, arguments)}


def register_metrics(engine: type[ExecutionEngine[pl.Expr]]) -> None:
    """Teach an engine every metric of this module, under the name and keys that it has in the other engines."""
    answers: dict[str, Callable[[Question], Any]] = dict(_FIGURES)
    answers["compound_columns.unique.filtered_row_count"] = lambda q: q.considered.sum()
    for name, bad in _ROW_METRICS.items():
        answers[f"{name}.unexpected_count"] = partial(_counted, bad)
        answers[f"{name}.unexpected_values"] = partial(_sampled, bad)
    # What is missing has nothing to show.
    answers["column_values.nonnull.unexpected_values"] = lambda _: []
    for name in _UNIQUE_METRICS:
        answers[f"{name}.unexpected_count"] = _repeated
        answers[f"{name}.unexpected_values"] = _repeated_sample
    for name in (*_ROW_METRICS, *_UNIQUE_METRICS):
        # The number of a row means nothing in a lazy frame; samples say what to look for.
        answers[f"{name}.unexpected_index_list"] = answers[f"{name}.unexpected_index_query"] = lambda _: None
    for name, answer in answers.items():
        stock = _get_metric_definition(name)
        register_metric(
            metric_name=name,
            metric_domain_keys=stock["metric_domain_keys"],
            metric_value_keys=stock["metric_value_keys"],
            execution_engine=engine,
            metric_class=_AfterTheCount if name.endswith(".unexpected_values") else MetricProvider,
            metric_provider=answer,
        )
