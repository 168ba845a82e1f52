"""The gates: tables of a night are judged before anybody learns from them or reads them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from assets.data_docs import page_of
from assets.engine import Engine
from assets.lake import Lake
from assets.nights import as_night
from assets.past_nights import past_of, seen_nights
from assets.spark_features import Stored
from assets.spark_session import spark_session
from assets.spark_validation import gated_lines
from assets.verdict import Finding, validate
from models.arrivals import raw_checks, raw_gate
from models.definition import ChurnDefinition
from models.expectations import Expectation, feature_expectations, segment_expectations
from models.mapping import ColumnMapping
from models.segments import AtRiskSegment
from models.transactions import ValidationRules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ACCEPT_TAG = "churn/accept"
"""Tag of a run: names of checks, separated by commas, whose failure an operator accepts."""

NOT_ASKED = "Not asked: there is too little history, or the source does not deliver the column."
RAW_CHECKS = raw_checks()
FEATURE_CHECKS = ["population_kept", "population_new", "features_complete"]
SEGMENT_CHECKS = ["contract_kept", "size_usual", "probability_usual", "control_usual"]
CHECKS = [*RAW_CHECKS, *FEATURE_CHECKS, *SEGMENT_CHECKS]
"""Every check that a night may fail, and an operator accept."""


class DataDocs(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the pages of judged nights are kept.

    Attributes:
        root: Folder of Data Docs.
        url: Where a browser finds that folder.
    """

    root: str
    url: str


def check_results(
    findings: Sequence[Finding], *, asset: str, checks: Sequence[str], accepted: Collection[str], page: Path, link: str
) -> Iterator[dg.AssetCheckResult]:
    """Findings as asset checks, one for each of `checks`, passed where nothing was asked.

    Args:
        findings: What was found.
        asset: The asset that they are about.
        checks: Names of the declared checks.
        accepted: Checks whose failure an operator accepts; they do not stop the run.
        page: The page of Data Docs.
        link: The same for a browser.
    """
    for check in checks:
        asked = [finding for finding in findings if finding.check == check]
        broken = [finding for finding in asked if not finding.passed]
        stops = check not in accepted and any(finding.severity == "ERROR" for finding in broken)
        yield dg.AssetCheckResult(
            passed=not broken,
            asset_key=asset,
            check_name=check,
            severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
            description=" ".join(each.words for each in broken)
            or " ".join(each.sentence for each in asked)
            or NOT_ASKED,
            metadata={
                "unexpected_rows": max((finding.unexpected_count for finding in asked), default=0),
                "found": "; ".join(f"{finding.name}: {finding.observed}" for finding in asked),
                "limit": "; ".join(f"{finding.name}: {finding.threshold}" for finding in asked),
                "accepted": bool(broken) and check in accepted,
                "page": dg.MetadataValue.path(str(page)),
                "link": dg.MetadataValue.url(link),
            },
        )


def _judge(
    context: dg.AssetCheckExecutionContext,
    docs: DataDocs,
    *,
    table: str,
    frame: "pl.LazyFrame | DataFrame",
    expectations: Sequence[Expectation],
    checks: Sequence[str],
) -> Iterator[dg.AssetCheckResult]:
    night, root = as_night(context.partition_key), Path(docs.root)
    accepted = context.run.tags.get(ACCEPT_TAG, "").replace(" ", "").split(",")
    findings = validate(frame, expectations, table=table, night=night, docs_root=root)
    page = page_of(root, table, night)
    link = f"{docs.url.rstrip('/')}/{page.relative_to(root).as_posix()}"
    for result in check_results(findings, asset=table, checks=checks, accepted=accepted, page=page, link=link):
        words = f"{table}: {result.check_name}: {result.description}"
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
            context.log.error(
                f"{words} Mend the data, change the limit in churn.toml, or accept it this once: "
                f"churn run --night {night} --accept {result.check_name}"
            )
        elif not result.passed:
            context.log.warning(words)
        yield result


def _specs(asset: str, checks: Iterable[str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, blocking=True) for name in checks]


@dg.multi_asset_check(specs=_specs("raw_transactions", RAW_CHECKS))
def check_raw_transactions(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    docs: DataDocs,
    rules: dg.ResourceParam[ValidationRules],
    columns: dg.ResourceParam[ColumnMapping],
    engine: dg.ResourceParam[Engine],
) -> Iterator[dg.AssetCheckResult]:
    """Stop a delivery that would teach the model nonsense."""
    table, night = "raw_transactions", as_night(context.partition_key)
    raw, on_spark = lake.scan(table, [night]), engine.kind == "spark"
    gate = partial(
        raw_gate,
        rules=rules,
        night=night,
        mapped=columns.delivered,
        past=past_of(lake, night, customers=not on_spark),
        rows=raw.select(pl.len()).collect().item(),
    )
    frame, expectations = gate(raw)
    judge = partial(_judge, context, docs, table=table, expectations=expectations, checks=RAW_CHECKS)
    if not on_spark:
        yield from judge(frame=frame)
        return
    seen = [lake.file("customer_days", each) for each in seen_nights(lake, night)]
    with spark_session(engine) as session:
        yield from judge(
            frame=gated_lines(
                session,
                Stored(raw.collect_schema(), [lake.file(table, night)]),
                gate,
                Stored({"customer_id": pl.String()}, seen),
            )
        )


@dg.multi_asset_check(specs=_specs("customer_features", FEATURE_CHECKS))
def check_customer_features(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    docs: DataDocs,
    churn: dg.ResourceParam[ChurnDefinition],
) -> Iterator[dg.AssetCheckResult]:
    """Stop features that cannot be those of the active customers."""
    table, night = "customer_features", as_night(context.partition_key)
    earlier = lake.before(table, night)[-1:]
    previous = lake.scan(table, earlier).select(pl.len()).collect().item() if earlier else 0
    yield from _judge(
        context,
        docs,
        table=table,
        frame=lake.scan(table, [night]),
        expectations=feature_expectations(
            active_days=churn.active_days,
            previous_rows=previous,
            ends_within=None if churn.grace is None else churn.horizon_days,
        ),
        checks=FEATURE_CHECKS,
    )


@dg.multi_asset_check(specs=_specs("at_risk_segments", SEGMENT_CHECKS))
def check_at_risk_segments(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake], docs: DataDocs
) -> Iterator[dg.AssetCheckResult]:
    """Stop a table that a CRM should not read."""
    table, night = "at_risk_segments", as_night(context.partition_key)
    previous = lake.scan(table, lake.before(table, night)[-1:])
    yield from _judge(
        context,
        docs,
        table=table,
        frame=lake.scan(table, [night]),
        expectations=segment_expectations(AtRiskSegment.column_names(), previous.collect()),
        checks=SEGMENT_CHECKS,
    )
