"""Models that nights need and MLflow does not have: said before anything is ingested."""

from datetime import date
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from assets.addresses import shown
from assets.lake import Lake
from assets.tracking import Tracking

_APPOINT = "let another one serve: `churn champion` lists them, `churn champion --set VERSION` takes one"


class LostModelError(Exception):
    """A model that a night needs is not where MLflow should have it; the message says what to do."""


def refuse_lost_models(tracking: Tracking, lake: Lake, night: date) -> None:
    """Refuse a night whose model was deleted, or whose store, registry or artifacts are other ones than the lake's.

    Args:
        tracking: Where models are.
        lake: Pins the version of each night that ran.
        night: The night that is to run.

    Raises:
        LostModelError: Names what is not there, where it was looked for, and what to do.
    """
    nights = lake.nights("churn_model")
    if not nights:
        return
    pinned = dict(lake.scan("churn_model", nights).select("night", "model_version").collect().rows())
    name, known = tracking.model_name, [each.version for each in tracking.versions()]
    if not known:
        others = ", ".join(sorted(model.name for model in tracking.store.client.search_registered_models()))
        instead = f"; it has {others}" if others else ""
        raise LostModelError(
            f"{len(pinned):,} nights of the lake were scored by models of {name!r}, and MLflow's store "
            f"{shown(tracking.tracking_uri)} has none of that name{instead}. "
            "Correct mlflow.tracking_uri or mlflow.model, or restore the store of this lake from its backup."
        )
    appointed = [version for since, version in tracking.appointments().items() if since <= night]
    needed = [pinned[night]] if night in pinned else appointed[-1:]
    for version in needed:
        use = f"Night {night} {'was' if night in pinned else 'is to be'} scored by version {version} of {name!r}"
        if version not in known:
            pin = lake.file("churn_model", night).parent
            other = f"remove {pin} to have it scored by the one that serves" if night in pinned else _APPOINT
            raise LostModelError(
                f"{use}, which was deleted; there are {', '.join(known)}. Restore MLflow's store from its backup, or "
                f"{other}."
            )
        for place in tracking.places(version):
            if (folder := _folder(place)) is not None and not folder.is_dir():
                raise LostModelError(
                    f"{use}, whose files are not in {folder}. If they were moved, name "
                    "the folder that has them in mlflow.artifacts; or move them back, or restore them from the backup."
                )


def _folder(address: str) -> Path | None:
    """The folder of an address of this machine; None where it is another's."""
    parts = urlparse(address)
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None
