"""The one entry point: every asset, check, job and resource of the pipeline, configured by `churn.toml`."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from assets.crm import Crm
from assets.features import customer_days, customer_features, customer_items
from assets.ingestion import arrivals
from assets.inputs import customer_facts
from assets.lake import Lake
from assets.retention import at_risk_segments, crm_delivery
from assets.retention_report import Reports, retention_report
from assets.scoring import churn_scores
from assets.settlement import live_performance, settled_outcomes
from assets.tracking import Tracking
from assets.training import churn_model
from assets.transactions import parted_rows
from assets.validation import (
    DataDocs,
    check_at_risk_segments,
    check_customer_features,
    check_raw_transactions,
)
from models.challenge import Question
from pipelines.jobs import JOBS
from pipelines.progress import progress
from pipelines.settings import Settings, load_settings


def tracking_of(settings: Settings) -> Tracking:
    """The tracking of these settings; a server decides for itself where artifacts go."""
    uri = settings.tracking_uri()
    return Tracking(
        tracking_uri=uri,
        artifact_root=None if uri.startswith("http") else settings.artifacts(),
        experiment=settings.mlflow.experiment,
        model_name=settings.mlflow.model,
    )


def resources(settings: Settings) -> dict[str, object]:
    """Everything that assets ask for by name, made from the settings."""
    lake = Lake(root=str(settings.beside(settings.lake.path)))
    return {
        "io_manager": lake,
        "lake": lake,
        "source": settings.transactions(),
        "inputs": settings.optional_inputs(),
        "scratch": scratch_in(settings.beside(settings.lake.path)),
        "columns": settings.source.columns,
        "churn": settings.churn,
        "question": Question(settings.churn, settings.features, settings.training, settings.evaluation, settings.gate),
        "rules": settings.validation,
        "docs": DataDocs(root=str(settings.beside(settings.lake.data_docs))),
        "feature_recipe": settings.features,
        "evaluation": settings.evaluation,
        "tracking": tracking_of(settings),
        "tiers": settings.tiers,
        "worth": settings.value,
        "policy": settings.retention,
        "experiment": settings.experiment,
        "language": settings.language,
        "crm": Crm(
            database=settings.crm_database(),
            exports=str(settings.beside(settings.crm.exports)),
            departed_days=settings.crm.departed_days,
            history_days=settings.crm.history_days,
        ),
        "reports": Reports(root=str(settings.beside(settings.lake.reports))),
    }


def scratch_in(folder: Path) -> dg.ResourceDefinition:
    """A folder for copies of deliveries, on the disk of the lake, that is gone when the run ends."""

    @dg.resource
    def scratch() -> Iterator[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".") as place:
            yield Path(place)

    return scratch


def definitions(settings: Settings) -> dg.Definitions:
    """The pipeline as these settings want it."""
    return dg.Definitions(
        assets=[
            arrivals,
            parted_rows,
            customer_days,
            customer_items,
            customer_facts,
            customer_features,
            churn_model,
            churn_scores,
            at_risk_segments,
            crm_delivery,
            settled_outcomes,
            live_performance,
            retention_report,
        ],
        asset_checks=[check_raw_transactions, check_customer_features, check_at_risk_segments],
        jobs=JOBS,
        resources=resources(settings),
        # One process: each process of a multiprocess run imports everything again, five times the CPU of a small night.
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress},
    )


defs = definitions(load_settings())
