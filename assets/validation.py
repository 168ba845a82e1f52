"""The gates: tables of a night are judged before anybody learns from them or reads them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import dagster as dg
import polars as pl

from assets.commands import with_settings
from assets.data_docs import page_of
from assets.engine import Engine
from assets.lake import Lake
from assets.nights import as_night
from assets.raw_judgement import RAW, judge_raw
from assets.spark_job import ValidationJob, on_spark
from assets.verdict import Finding, validate
from models.arrivals import raw_expectations
from models.definition import ChurnDefinition
from models.expectations import Expectation, feature_expectations, segment_expectations
from models.mapping import ColumnMapping
from models.segments import AtRiskSegment
from models.transactions import ValidationRules

ACCEPT_TAG = "churn/accept"
"""Tag of a run: names of checks, separated by commas, whose failure an operator accepts."""

NOT_ASKED = "Not asked: there is too little history, or the source does not deliver the column."
_BEFORE = pl.DataFrame({"status": ["stayed"], "churn_probability": [0.5], "is_control": [False]})
"""A night before that leaves nothing unasked."""
_RAW = raw_expectations()
_FEATURES = feature_expectations(active_days=365, previous_rows=10_000)
_SEGMENTS = segment_expectations(AtRiskSegment.column_names(), pl.concat([_BEFORE] * 1_000))
RAW_CHECKS, FEATURE_CHECKS, SEGMENT_CHECKS = (
    list(dict.fromkeys(expectation.check for expectation in asked)) for asked in (_RAW, _FEATURES, _SEGMENTS)
)
CHECKS = [*RAW_CHECKS, *FEATURE_CHECKS, *SEGMENT_CHECKS]
"""Every check that a night may fail, and an operator accept."""


@dataclass(frozen=True)
class DataDocs:
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
                **(_figures(asked) if asked else {}),
                "accepted": bool(broken) and check in accepted,
                "page": dg.MetadataValue.path(str(page)),
                "link": dg.MetadataValue.url(link),
            },
        )


def _reported(
    context: dg.AssetCheckExecutionContext,
    docs: DataDocs,
    *,
    table: str,
    findings: Sequence[Finding],
    checks: Sequence[str],
) -> Iterator[dg.AssetCheckResult]:
    night, root = as_night(context.partition_key), Path(docs.root)
    accepted = context.run.tags.get(ACCEPT_TAG, "").replace(" ", "").split(",")
    page = page_of(root, table, night)
    link = f"{docs.url.rstrip('/')}/{page.relative_to(root).as_posix()}"
    for result in check_results(findings, asset=table, checks=checks, accepted=accepted, page=page, link=link):
        words = f"{table}: {result.check_name}: {result.description}"
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
            context.log.error(
                with_settings(
                    f"{words} Mend the data, change the limit in churn.toml, or accept it this once: "
                    f"`churn run --night {night} --accept {result.check_name}`"
                )
            )
        elif not result.passed:
            context.log.warning(words)
        yield result


def _figures(asked: Sequence[Finding]) -> dict[str, dg.MetadataValue[Any]]:
    return {
        "unexpected_rows": dg.MetadataValue.int(max(finding.unexpected_count for finding in asked)),
        "found": dg.MetadataValue.text("; ".join(f"{finding.name}: {finding.observed}" for finding in asked)),
        "limit": dg.MetadataValue.text("; ".join(f"{finding.name}: {finding.threshold}" for finding in asked)),
    }


def _specs(asset: str, expectations: Sequence[Expectation]) -> list[dg.AssetCheckSpec]:
    """The checks of an asset: what each expects, and whether it can stop a night."""
    by_check: dict[str, list[Expectation]] = {}
    for expectation in expectations:
        by_check.setdefault(expectation.check, []).append(expectation)
    return [
        dg.AssetCheckSpec(
            name,
            asset=asset,
            description=" ".join(dict.fromkeys(each.sentence for each in asked)),
            blocking=any(each.severity == "ERROR" for each in asked),
        )
        for name, asked in by_check.items()
    ]


@dg.multi_asset_check(specs=_specs(RAW, _RAW))
def check_raw_transactions(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    docs: dg.ResourceParam[DataDocs],
    rules: dg.ResourceParam[ValidationRules],
    columns: dg.ResourceParam[ColumnMapping],
    engine: dg.ResourceParam[Engine],
    scratch: dg.ResourceParam[Path],
) -> Iterator[dg.AssetCheckResult]:
    """Stop a delivery that would teach the model nonsense."""
    night, root, mapped = as_night(context.partition_key), Path(docs.root), tuple(columns.delivered)
    if engine.kind == "spark":
        folder = Path(mkdtemp(dir=scratch))
        job = ValidationJob(engine, Path(lake.root), night, rules, mapped, docs_root=root, target=folder)
        on_spark(job, context)
        findings = job.found()
    else:
        findings = judge_raw(lake, night, rules, mapped, docs_root=root)
    yield from _reported(context, docs, table=RAW, findings=findings, checks=RAW_CHECKS)


@dg.multi_asset_check(specs=_specs("customer_features", _FEATURES))
def check_customer_features(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    docs: dg.ResourceParam[DataDocs],
    churn: dg.ResourceParam[ChurnDefinition],
) -> Iterator[dg.AssetCheckResult]:
    """Stop features that cannot be those of the active customers."""
    table, night = "customer_features", as_night(context.partition_key)
    earlier = lake.before(table, night)[-1:]
    previous = lake.scan(table, earlier).select(pl.len()).collect().item() if earlier else 0
    expectations = feature_expectations(
        active_days=churn.active_days,
        previous_rows=previous,
        ends_within=None if churn.grace is None else churn.horizon_days,
    )
    found = validate(lake.scan(table, [night]), expectations, table=table, night=night, docs_root=Path(docs.root))
    yield from _reported(context, docs, table=table, findings=found, checks=FEATURE_CHECKS)


@dg.multi_asset_check(specs=_specs("at_risk_segments", _SEGMENTS))
def check_at_risk_segments(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake], docs: dg.ResourceParam[DataDocs]
) -> Iterator[dg.AssetCheckResult]:
    """Stop a table that a CRM should not read."""
    table, night = "at_risk_segments", as_night(context.partition_key)
    previous = lake.scan(table, lake.before(table, night)[-1:])
    expectations = segment_expectations(AtRiskSegment.column_names(), previous.collect())
    found = validate(lake.scan(table, [night]), expectations, table=table, night=night, docs_root=Path(docs.root))
    yield from _reported(context, docs, table=table, findings=found, checks=SEGMENT_CHECKS)
