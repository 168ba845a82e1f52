"""What Great Expectations says about a table of a night, in words and as a page to read."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from assets.data_docs import write_page
from assets.imports import without
from models.expectations import Expectation, Severity

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Finding:
    """What became of one expectation.

    Attributes:
        name: Name of the expectation.
        check: Name of the asset check that reports it.
        passed: Whether it was met.
        severity: ``ERROR`` stops the night, ``WARN`` is reported.
        observed: What was found, in words.
        threshold: The limit, in words.
        sentence: What was expected.
        unexpected_count: Rows that do not meet it; 0 where rows are not judged.
    """

    name: str
    check: str
    passed: bool
    severity: Severity
    observed: str
    threshold: str
    sentence: str
    unexpected_count: int = 0

    @property
    def words(self) -> str:
        """All of it in a sentence or two."""
        return f"{self.sentence} Limit: {self.threshold}. Found: {self.observed}."

    @property
    def verdict(self) -> Literal["passed", "warned", "failed"]:
        """The verdict in a word."""
        if self.passed:
            return "passed"
        return "failed" if self.severity == "ERROR" else "warned"


def validate(
    frame: "pl.LazyFrame | DataFrame",
    expectations: Sequence[Expectation],
    *,
    table: str,
    night: date,
    docs_root: Path,
) -> list[Finding]:
    """Judge a table of a night and write its page of Data Docs.

    Args:
        frame: The rows, scanned and not held; by Spark where they are its own.
        expectations: What is expected of them.
        table: Name of the table.
        night: As-of date.
        docs_root: Folder of Data Docs; the page is ``<docs_root>/<table>/<night>.html``.

    Returns:
        One finding for each expectation, in their order.

    Raises:
        RuntimeError: If an expectation could not be computed: a fault of the pipeline, not of the data.
    """
    columns = frame.collect_schema().names() if isinstance(frame, pl.LazyFrame) else frame.columns
    answerable = [expectation for expectation in expectations if set(columns) >= set(expectation.columns)]
    result = _run(frame, answerable, table)
    results = {each.expectation_config.meta["name"]: each for each in result.results}
    findings = [_finding(expectation, results.get(expectation.name)) for expectation in expectations]
    write_page(docs_root, table, night, result=result, findings=findings)
    return findings


def _run(frame: "pl.LazyFrame | DataFrame", expectations: Sequence[Expectation], table: str) -> Any:
    # Importing them takes seconds, which only a run that validates should pay. GX 1.24 reads a module of the
    # standard library that Python has renamed; nobody here can mend that.
    with without("pyspark"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "module 'sre_", DeprecationWarning)
        import great_expectations as gx
    from great_expectations.data_context.types import base

    import assets.polars_engine  # noqa: F401 (makes `add_polars` known)

    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        progress_bars=base.ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    in_process = isinstance(frame, pl.LazyFrame)
    if in_process:
        asset = context.data_sources.add_polars(name="lake").add_polars_frame_asset(name=table)
    else:
        asset = context.data_sources.add_spark(name="lake").add_dataframe_asset(name=table)
    batch = asset.get_batch(asset.build_batch_request({"dataframe": frame}))
    # What Spark shows of values is the values, and a page must not name customers: none of them.
    form = {"result_format": "SUMMARY"} | ({} if in_process else {"partial_unexpected_count": 0})
    result = batch.validate(context.suites.add(suite_of(expectations, table)), result_format=form)
    # Great Expectations reports a fault of a query as data that failed.
    if (fault := getattr(asset.datasource.get_execution_engine(), "fault", None)) is not None:
        raise RuntimeError(f"{table} could not be validated: {fault}") from fault
    for each in result.results:
        if each.exception_info.get("raised_exception"):
            name, message = each.expectation_config.meta["name"], each.exception_info["exception_message"]
            raise RuntimeError(f"{table}: {name} could not be judged: {message}")
    return result


def suite_of(expectations: Sequence[Expectation], table: str) -> Any:
    """The expectations of a table as a suite of Great Expectations."""
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name=table, expectations=[_stock(expectation) for expectation in expectations])


def _stock(expectation: Expectation) -> Any:
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column, ComparisonCondition, Operator

    arguments = dict(expectation.arguments)
    if expectation.where is not None:
        column, operator, value = expectation.where
        arguments["row_condition"] = ComparisonCondition(
            column=Column(column), operator=Operator(operator), parameter=value
        )
    return getattr(gxe, f"Expect{expectation.kind}")(
        **arguments,
        severity="critical" if expectation.severity == "ERROR" else "warning",
        description=expectation.sentence,
        meta={"name": expectation.name},
    )


def _finding(expectation: Expectation, result: Any | None) -> Finding:
    figures = {} if result is None else result.result
    return Finding(
        name=expectation.name,
        check=expectation.check,
        passed=result is not None and bool(result.success),
        severity=expectation.severity,
        observed=f"no column {' or '.join(expectation.columns)}"
        if result is None
        else _observed(figures, expectation.known),
        threshold=expectation.threshold,
        sentence=expectation.sentence,
        unexpected_count=figures.get("unexpected_count") or 0,
    )


def _observed(figures: Mapping[str, Any], known: date | None) -> str:
    if "unexpected_count" in figures:
        # To Spark a sum over no rows is null.
        share, count = 100 - (figures["unexpected_percent"] or 0), figures["unexpected_count"] or 0
        return f"{share:.2f}% of rows; {count:,} of {figures['element_count']:,} otherwise"
    if "details" in figures:
        missing = figures["details"]["mismatched"].get("missing")
        return f"without {', '.join(missing)}" if missing else "all"
    value = figures["observed_value"]
    if known is not None:
        # A night without lines has nothing of its own, and yet something is known.
        return max(f"{known}", f"{value or ''}")
    if value is None:
        return "nothing"
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)
