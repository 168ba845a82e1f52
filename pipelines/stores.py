"""Where nights are kept: the lake, the CRM and MLflow, as the settings name them."""

from assets.crm import Crm
from assets.lake import Lake
from assets.tracking import Tracking
from models.features import reach_days
from pipelines.settings import Settings


def lake_of(settings: Settings) -> Lake:
    """The lake of these settings."""
    days = reach_days(
        settings.features, active_days=settings.churn.active_days, horizon_days=settings.churn.horizon_days
    )
    return Lake(root=str(settings.beside(settings.lake.path)), reach_days=days)


def tracking_of(settings: Settings) -> Tracking:
    """The tracking of these settings; a server decides for itself where artifacts go."""
    uri = settings.tracking_uri()
    return Tracking(
        tracking_uri=uri,
        artifact_root=None if uri.startswith("http") else settings.artifacts(),
        experiment=settings.mlflow.experiment,
        model_name=settings.mlflow.model,
        locks=settings.beside(settings.lake.path),
    )


def crm_of(settings: Settings) -> Crm:
    """Where these settings deliver to."""
    return Crm(
        database=settings.crm_database(),
        exports=str(settings.beside(settings.crm.exports)),
        departed_days=settings.crm.departed_days,
        history_days=settings.crm.history_days,
        language=settings.language,
        segment_names=dict(settings.segments.names),
    )
