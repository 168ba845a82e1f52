"""The one entry point: every asset, check, job and resource of the pipeline, configured by `churn.toml`."""

import os
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from assets.consents import customer_consents
from assets.drift import check_model_drift, model_drift
from assets.features import customer_days, customer_features, customer_items
from assets.ingestion import arrivals
from assets.inputs import customer_facts
from assets.lake import SCHEMAS, Lake, column_schema
from assets.lost_models import refuse_lost_models
from assets.nights import FIRST_NIGHT, NIGHT_TAG, as_night, nights_from
from assets.retention import at_risk_segments, crm_delivery, crm_push
from assets.retention_report import Reports, retention_report
from assets.save_rates import action_propensities, save_rates
from assets.scoring import churn_scores
from assets.scratch import scratch_folder
from assets.settlement import enrolments, live_performance, retention_uplift, settled_outcomes
from assets.training import churn_model
from assets.transactions import parted_rows, rows_accounted_for
from assets.validation import (
    DataDocs,
    check_at_risk_segments,
    check_customer_features,
    check_raw_transactions,
)
from models.challenge import Question
from pipelines.console import CONSOLE
from pipelines.erasure import erase_again
from pipelines.jobs import jobs
from pipelines.progress import progress
from pipelines.schedules import nightly_schedule
from pipelines.sensors import sensors
from pipelines.settings import UMASK, Settings, load_settings
from pipelines.shop import refuse_another_shop, run_tags
from pipelines.stores import crm_of, lake_of, tracking_of


def resources(settings: Settings) -> dict[str, Any]:
    """Everything that assets ask for by name, made from the settings."""
    lake = lake_of(settings)
    return {
        "io_manager": within_a_turn(lake, settings),
        "lake": lake,
        "source": settings.transactions(),
        "network": settings.network,
        "push": settings.push,
        "engine": settings.engine,
        "inputs": settings.optional_inputs(),
        "consents": settings.consents(),
        "consent_rule": settings.consent.rule,
        "contacts": tuple(each.name for each in settings.inputs if each.role == "contacts"),
        "scratch": scratch_in(settings.beside(settings.lake.path)),
        "erasures": settings.erasures(),
        "columns": settings.source.columns,
        "churn": settings.churn,
        "settings_text": settings.text(),
        "question": Question(settings.churn, settings.features, settings.training, settings.evaluation, settings.gate),
        "rules": settings.validation,
        "docs": DataDocs(root=str(settings.beside(settings.lake.data_docs)), url=settings.lake.data_docs_url),
        "feature_recipe": settings.features,
        "evaluation": settings.evaluation,
        "drift_limits": settings.drift,
        "tracking": tracking_of(settings),
        "tiers": settings.tiers,
        "worth": settings.value,
        "policy": settings.retention,
        "experiment": settings.experiment,
        "segments": settings.segments,
        "language": settings.language,
        "crm": crm_of(settings),
        "reports": Reports(root=str(settings.beside(settings.lake.reports))),
    }


def within_a_turn(lake: Lake, settings: Settings) -> dg.IOManagerDefinition:
    """The lake, for the one run whose turn it is: every step stores by it, so that a run holds it from end to end.

    A run that was meant for another shop does not get it, nor one whose model is lost.
    """

    @dg.io_manager  # type: ignore[arg-type]  # (its types know no generators)
    def io_manager(context: dg.InitResourceContext) -> Iterator[Lake]:
        if context.run is not None:
            refuse_another_shop(context.run, settings)
            if (key := context.run.tags.get(NIGHT_TAG)) is not None:
                refuse_lost_models(tracking_of(settings), lake, as_night(key))
        night = "" if context.run is None else f" of night {context.run.tags.get(NIGHT_TAG)}"
        say = context.log.info if context.log else CONSOLE.print
        with settings.turn().taken(f"the run{night}", say):
            erase_again(settings, say)
            yield lake

    return io_manager


def first_night(settings: Settings, wanted: Iterable[date]) -> date:
    """The first night that Dagster has to know: that of the settings or of the lake, or an older one that is wanted.

    The day before it is known too, for the first night asks what there was by then. Without any, every night is known.
    """
    asked = settings.schedule.first_night
    known = [*lake_of(settings).nights("deliveries")[:1], *([] if asked is None else [asked])]
    return max(FIRST_NIGHT, min([*known, *wanted]) - timedelta(days=1)) if known else FIRST_NIGHT


def scratch_in(folder: Path) -> dg.ResourceDefinition:
    """A folder for copies of deliveries, on the disk of the lake, that is gone when the run ends."""

    @dg.resource
    def scratch() -> Iterator[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as place:
            yield place

    return scratch


def definitions(settings: Settings, wanted: Iterable[date] = ()) -> dg.Definitions:
    """The pipeline as these settings want it.

    Args:
        settings: What it is configured with.
        wanted: Nights that are to run, which Dagster has to know, however long ago they were.
    """
    fresh = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=settings.schedule.fresh_hours))
    nights = nights_from(first_night(settings, wanted))

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        schema = SCHEMAS.get(spec.key.path[-1])
        columns = {} if schema is None else {"dagster/column_schema": column_schema(schema.create_empty().schema)}
        return spec.replace_attributes(
            partitions_def=nights, metadata={**spec.metadata, **columns}, freshness_policy=fresh
        )

    return dg.Definitions(
        assets=dg.map_asset_specs(
            described,
            [
                arrivals,
                parted_rows,
                customer_days,
                customer_items,
                customer_facts,
                customer_consents,
                customer_features,
                churn_model,
                churn_scores,
                model_drift,
                save_rates,
                at_risk_segments,
                action_propensities,
                crm_delivery,
                crm_push,
                settled_outcomes,
                enrolments,
                live_performance,
                retention_uplift,
                retention_report,
            ],
        ),
        asset_checks=[
            check_raw_transactions,
            rows_accounted_for,
            check_customer_features,
            check_model_drift,
            check_at_risk_segments,
        ],
        jobs=jobs(run_tags(settings)),
        schedules=[nightly_schedule(settings)],
        sensors=sensors(settings),
        resources=resources(settings),
        # One process: each process of a multiprocess run imports everything again, five times the CPU of a small night.
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The pipeline of the settings that `$CHURN_CONFIG` names, read when Dagster asks and not at import."""
    # Dagster's own processes read this module and nothing of the command line.
    os.umask(UMASK)
    return definitions(load_settings())
