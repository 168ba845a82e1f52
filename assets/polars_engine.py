"""Great Expectations over Polars: stock expectations, judged in one pass over a lazy frame of any size."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, cast

import polars as pl
from great_expectations.core.batch import BatchMarkers, LegacyBatchDefinition
from great_expectations.core.batch_spec import RuntimeDataBatchSpec
from great_expectations.core.id_dict import IDDict
from great_expectations.datasource.fluent.batch_request import BatchRequest
from great_expectations.datasource.fluent.interfaces import Batch, DataAsset, Datasource
from great_expectations.exceptions.exceptions import MetricResolutionError
from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.expectations.registry import get_metric_provider
from great_expectations.expectations.row_conditions import (
    AndCondition,
    ComparisonCondition,
    Condition,
    NullityCondition,
    OrCondition,
    deserialize_row_condition,
)
from great_expectations.validator.metric_configuration import MetricConfiguration

from assets.polars_metrics import FrameData, Query, Question, register_metrics, typed

_COMPARISONS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda column, values: column.is_in(values),
    "NOT_IN": lambda column, values: ~column.is_in(values),
}


class PolarsExecutionEngine(ExecutionEngine[pl.Expr]):
    """Computes all metrics that are ready in one collection.

    No metric is remembered: another frame under the same name is another night.

    Attributes:
        fault: Why a collection failed, if one did; Great Expectations itself goes on without its metrics.
    """

    fault: Exception | None = None

    def get_batch_data_and_markers(self, batch_spec: RuntimeDataBatchSpec) -> tuple[FrameData, BatchMarkers]:
        """Wrap the lazy frame of a batch; nothing is read."""
        data = FrameData(self, batch_spec.batch_data)
        batch_spec.batch_data = "LazyFrame"
        return data, BatchMarkers({"ge_load_time": None})

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: Mapping[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Answer metrics whose dependencies are known.

        Raises:
            MetricResolutionError: If metrics ask for columns that the frame does not have.
        """
        data = self._data
        asked = [Question(metric, data, self._condition(metric), metrics or {}) for metric in metrics_to_resolve]
        if lost := [question for question in asked if not data.schema.keys() >= set(question.names)]:
            absent = sorted({name for question in lost for name in question.names} - data.schema.keys())
            raise MetricResolutionError(
                f"no column {', '.join(absent)}", failed_metrics=[question.metric for question in lost]
            )
        try:
            return self._answer(asked, data.frame)
        except Exception as error:
            self.fault = error
            raise

    def _answer(self, asked: list[Question], frame: pl.LazyFrame) -> dict[Any, Any]:
        plans = {q.metric.id: get_metric_provider(q.metric.metric_name, self)[1](q) for q in asked}
        figures = {key: plan for key, plan in plans.items() if isinstance(plan, pl.Expr)}
        jobs: dict[tuple[Any, ...], Query] = {(key,): plan for key, plan in plans.items() if isinstance(plan, Query)}
        if figures:
            columns = [figure.alias(str(place)) for place, figure in enumerate(figures.values())]
            jobs[tuple(figures)] = Query(frame.select(columns), lambda figures: figures.row(0))
        # Queries that share a subplan would hold its rows in memory for each other; reading columns twice is cheap.
        alone = pl.QueryOptFlags(comm_subplan_elim=False)
        collected = pl.collect_all([query.frame for query in jobs.values()], optimizations=alone, engine="streaming")
        for (keys, query), rows in zip(jobs.items(), collected, strict=True):
            answer = query.read(rows)
            plans |= zip(keys, answer if keys == tuple(figures) else [answer], strict=True)
        return plans

    @property
    def _data(self) -> FrameData:
        return cast("FrameData", self.batch_manager.active_batch_data)

    def _condition(self, metric: MetricConfiguration) -> pl.Expr | None:
        condition = deserialize_row_condition(metric.metric_domain_kwargs.get("row_condition"))
        return None if condition is None else self.condition_to_filter_clause(cast("Condition", condition))

    def _comparison_condition_to_filter_clause(self, condition: ComparisonCondition) -> pl.Expr:
        name, value = condition.column.name, condition.parameter
        dtype = self._data.schema[name]
        return _COMPARISONS[str(condition.operator)](pl.col(name), typed(value, dtype))

    def _nullity_condition_to_filter_clause(self, condition: NullityCondition) -> pl.Expr:
        column = pl.col(condition.column.name)
        return column.is_null() if condition.is_null else column.is_not_null()

    def _and_condition_to_filter_clause(self, condition: AndCondition) -> pl.Expr:
        return pl.all_horizontal(map(self.condition_to_filter_clause, condition.conditions))

    def _or_condition_to_filter_clause(self, condition: OrCondition) -> pl.Expr:
        return pl.any_horizontal(map(self.condition_to_filter_clause, condition.conditions))


register_metrics(PolarsExecutionEngine)


class PolarsAsset(DataAsset):  # type: ignore[type-arg]
    """A table that is given as a lazy frame when it is validated."""

    type: Literal["polars_frame"] = "polars_frame"

    def test_connection(self) -> None:
        """There is nothing to connect to."""

    def get_batch_parameters_keys(self, partitioner: Any = None) -> tuple[str, ...]:
        """The only parameter is the frame."""
        return ("dataframe",)

    def build_batch_request(
        self, options: dict[str, Any] | None = None, batch_slice: Any = None, partitioner: Any = None
    ) -> BatchRequest[None]:
        """Ask for the frame in ``options["dataframe"]``."""
        return BatchRequest(datasource_name=self.datasource.name, data_asset_name=self.name, options=options)

    def get_batch_identifiers_list(self, batch_request: BatchRequest[None]) -> list[dict[str, Any]]:
        """One batch, the frame."""
        return [IDDict(batch_request.options)]

    def get_batch(self, batch_request: BatchRequest[None]) -> Batch:
        """The frame as a batch."""
        spec = RuntimeDataBatchSpec(batch_data=batch_request.options["dataframe"])
        data, markers = self.datasource.get_execution_engine().get_batch_data_and_markers(spec)
        return Batch(
            datasource=self.datasource,
            data_asset=self,
            batch_request=batch_request,
            data=data,
            batch_markers=markers,
            batch_spec=spec,
            batch_definition=LegacyBatchDefinition(
                self.datasource.name, "fluent", self.name, IDDict(), batch_spec_passthrough=None
            ),
        )


class PolarsDatasource(Datasource):  # type: ignore[type-arg]
    """Lazy frames, by the name of their table."""

    asset_types: ClassVar[list[Any]] = [PolarsAsset]
    execution_engine_override = PolarsExecutionEngine
    type: Literal["polars"] = "polars"
    assets: list[PolarsAsset] = []  # noqa: RUF012 (a pydantic field)

    def test_connection(self, test_assets: bool = True) -> None:
        """There is nothing to connect to."""
