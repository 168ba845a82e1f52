"""Where every model, every comparison and every settled night is written down, and which model serves."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.addresses import shown
from assets.experiment_store import ExperimentStore, open_store
from assets.model_card import TrainingRecord
from assets.stored_scorer import refuse_exchanged, restore
from assets.stored_worth import restore as restore_worth
from assets.training_run import JUDGED, PROFILE, WORTH, keyed, training_digest, write_training
from models import drift
from models.scorer import Scorer
from models.worth import WorthModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities.model_registry import ModelVersion

_SINCE = "champion_from."
_FOLLOWED = "aliases_follow"
"""Tag of the appointment that the aliases follow, written last: without it a crash came between."""


@dataclass(frozen=True)
class Version:
    """A registered version of the model.

    Attributes:
        version: Its number in the registry.
        run_id: The run that trained it.
        trained_as_of: Night on which it was trained.
        judged_night: Night on which it was compared with its rivals.
        serves: What scores: the model, or the rule that it could not beat.
        passed: Whether it won the comparison.
        tags: Everything that was noted.
    """

    version: str
    run_id: str
    trained_as_of: date
    judged_night: date
    serves: str
    passed: bool
    tags: Mapping[str, str]

    @property
    def stale_from(self) -> date | None:
        """The night on which it was first seen to know the customers no longer, if any."""
        night = self.tags.get("stale_from")
        return None if night is None else date.fromisoformat(night)


@dataclass(frozen=True)
class Tracking:
    """The experiments in MLflow and the succession of models that serve.

    Which version serves is kept night by night in the registered model's tags, so that a past night that runs again
    finds the model of its time. The aliases ``champion`` and ``previous`` follow from them. One tag decides; whatever
    a crash leaves undone beside it, `finish_appointment` and the next appointment do.

    Attributes:
        tracking_uri: ``sqlite:////absolute/path.db``, another database, or the address of a server; a secret.
        experiment: Name of the experiment.
        artifact_root: Folder or address of the artifacts; a server decides for itself if absent.
        model_name: Name of the registered model.
        locks: Folder for the lock on a store that is no file of this machine.
    """

    tracking_uri: str = field(repr=False)
    experiment: str = "churn"
    artifact_root: str | None = None
    model_name: str = "churn"
    locks: Path | None = None

    @property
    def store(self) -> ExperimentStore:
        """The store, created where it does not exist yet.

        Raises:
            ValueError: If the URI is a path, or an SQLite file by a relative path.
        """
        return open_store(self.tracking_uri, self.experiment, self.artifact_root, self.locks)

    def record_training(self, record: TrainingRecord) -> Version:
        """Write down a training night, and let its model serve if it has earned it.

        Recording the same night, data, settings and model again changes nothing.

        Returns:
            The version that was registered, now or when it was recorded first.
        """
        mine = f"tags.record = 'training' and tags.night = '{record.night}'"
        same = f"{mine} and tags.role = 'training' and tags.digest = '{training_digest(record)}'"
        for run in self.store.runs(f"{same} and attributes.status = 'FINISHED'"):
            return self._appointed(self.version(run.data.tags["model_version"]))
        self._sweep(mine)
        promote = record.passed if record.promote is None else record.promote
        version = write_training(
            self.store, self.model_name, record, promote=promote or self.champion(record.night) is None
        )
        return self._appointed(self.version(version))

    def record_settlement(
        self,
        night: date,
        metrics: Mapping[str, Mapping[str, float]],
        *,
        digest: str,
        tags: Mapping[str, str] | None = None,
        tables: Mapping[str, pl.DataFrame] | None = None,
        figures: "Mapping[str, Figure] | None" = None,
    ) -> str:
        """Write down what became of the customers of a ripe night, and who had said it best.

        Args:
            night: The night whose outcome is known now.
            metrics: Per scorer (``champion`` and the baselines) its figures.
            digest: Digest of scores and outcomes; recording the same one again changes nothing.
            tags: Where it came from.
            tables: Frames without customers.
            figures: Pictures by name.

        Returns:
            The id of the run.
        """
        mine = f"tags.record = 'settlement' and tags.night = '{night}'"
        for known in self.store.runs(f"{mine} and tags.digest = '{digest}' and attributes.status = 'FINISHED'"):
            return str(known.info.run_id)
        self._sweep(mine)
        own = {"record": "settlement", "role": "settlement", "night": f"{night}", "digest": digest}
        with self.store.run(f"settlement {night}", {**(tags or {}), **own}) as run:
            self.store.log(run, keyed({f"settled/{scorer}": figures for scorer, figures in metrics.items()}), {})
            self.store.log_pages(run, tables or {}, figures or {})
        return run

    def champion(self, as_of: date | None = None) -> Version | None:
        """The version that serves, or served as of a night, or None where none did.

        The newest appointment up to the night decides, so that no night is scored by a model of its future. For the
        present the alias does: whoever moves it by hand in MLflow is obeyed. An alias that does not follow the newest
        appointment yet was not moved, it was left behind by a crash.
        """
        succession, aliases, followed = self._succession()
        past = [night for night in succession if as_of is None or night <= as_of]
        if not past:
            return None
        appointed, present = succession[past[-1]], followed and past[-1] == max(succession)
        return self.version(aliases.get("champion", appointed) if present else appointed)

    def appointments(self) -> dict[date, str]:
        """From which night on which version serves, oldest first."""
        return self._succession()[0]

    def versions(self) -> list[Version]:
        """Every registered version, oldest first."""
        entries = self.store.client.search_model_versions(f"name = '{self.model_name}'")
        return sorted(map(_described, entries), key=lambda each: int(each.version))

    def figures(self, version: Version) -> dict[str, float]:
        """The metrics of the run that trained a version."""
        return dict(self.store.client.get_run(version.run_id).data.metrics)

    def profile(self, version: str) -> pl.DataFrame | None:
        """What the customers looked like when a version was trained, see `models.drift.profile`; None if not noted."""
        run = self.store.client.get_run(self.version(version).run_id)
        with tempfile.TemporaryDirectory() as folder:
            if not any(file.path == PROFILE for file in self.store.client.list_artifacts(run.info.run_id)):
                return None
            stored = self.store.download(f"{run.info.artifact_uri}/{PROFILE}", Path(folder))
            return pl.read_json(stored, schema=drift.PROFILE)

    def mark_stale(self, version: str, night: date, why: str) -> None:
        """Note that a version no longer knows the customers; the first night on which it did not is kept."""
        if self.version(version).stale_from is None:
            for key, value in (("stale_from", f"{night}"), ("stale", why)):
                self.store.client.set_model_version_tag(self.model_name, version, key, value)

    def last_training(self, night: date) -> date | None:
        """The newest night up to a given one as of which a model was trained, whether or not it serves."""
        return max((each.trained_as_of for each in self.versions() if each.trained_as_of <= night), default=None)

    def previous(self) -> Version | None:
        """The version that served before the champion, or None."""
        version = self._succession()[1].get("previous")
        return None if version is None else self.version(version)

    def set_champion(self, version: str, from_night: date) -> None:
        """Let a version serve from a night on, until a later appointment.

        Raises:
            ValueError: If there is no such version.
        """
        client, name = self.store.client, self.model_name
        known = [each.version for each in self.versions()]
        if version not in known:
            raise ValueError(f"{name} has no version {version}: choose one of {', '.join(known) or 'none yet'}")
        client.set_registered_model_tag(name, f"{_SINCE}{from_night}", version)
        self._set_aliases()

    def finish_appointment(self) -> None:
        """Do what a crash left undone of the newest appointment; nothing where all is done."""
        succession, _, followed = self._succession()
        if succession and not followed:
            self._set_aliases()

    def version(self, version: str) -> Version:
        """What the registry knows of a version."""
        return _described(self.store.client.get_model_version(self.model_name, version))

    def link(self, version: Version) -> str | None:
        """The page of the run that trained a version, if a server keeps the store."""
        if not self.tracking_uri.startswith("http"):
            return None
        return f"{shown(self.tracking_uri).rstrip('/')}/#/experiments/{self.store.experiment}/runs/{version.run_id}"

    def places(self, version: str) -> list[str]:
        """The addresses of the files of a version: what serves, and the run that trained it."""
        client = self.store.client
        run = client.get_run(self.version(version).run_id)
        return [client.get_model_version_download_uri(self.model_name, version), run.info.artifact_uri]

    def load(self, version: str) -> Scorer:
        """The scorer of a version as it serves."""
        place = self.store.client.get_model_version_download_uri(self.model_name, version)
        return self._restore(place, self.version(version).tags.get("scorer_digest", ""))

    def load_judged(self, version: str) -> Scorer:
        """The scorer of a version as it was judged: it has not seen the judged night."""
        described = self.version(version)
        run = self.store.client.get_run(described.run_id)
        return self._restore(f"{run.info.artifact_uri}/{JUDGED}", described.tags.get("judged_digest", ""))

    def load_worth(self, version: str) -> WorthModel | None:
        """The model of value that was learned with a version; None where the premium gives the value."""
        described = self.version(version)
        run = self.store.client.get_run(described.run_id)
        if not any(file.path == WORTH for file in self.store.client.list_artifacts(run.info.run_id)):
            return None
        with tempfile.TemporaryDirectory() as folder:
            stored = self.store.download(f"{run.info.artifact_uri}/{WORTH}", Path(folder))
            refuse_exchanged(stored, described.tags.get("worth_digest"))
            return restore_worth(stored)

    def _appointed(self, recorded: Version) -> Version:
        """Appoint a version that has earned it; after a crash between record and appointment the next call does."""
        night, version = recorded.trained_as_of, recorded.version
        if recorded.tags["promote"] == "true" and self._succession()[0].get(night) != version:
            self.set_champion(version, night)
        self.finish_appointment()
        aliases = self._succession()[1]
        known = aliases.get("champion"), aliases.get("challenger")
        if version == self.versions()[-1].version and version not in known:
            self.store.client.set_registered_model_alias(self.model_name, "challenger", version)
        return self.version(version)

    def _set_aliases(self) -> None:
        """Let the aliases follow the succession."""
        client, name = self.store.client, self.model_name
        succession, aliases, _ = self._succession()
        holders = _newest(succession)
        for alias, holder in zip(("champion", "previous"), holders, strict=False):
            client.set_registered_model_alias(name, alias, holder)
        if aliases.get("challenger") == holders[0]:
            client.delete_registered_model_alias(name, "challenger")
        client.set_registered_model_tag(name, _FOLLOWED, _mark(succession))

    def _succession(self) -> tuple[dict[date, str], dict[str, str], bool]:
        """From which night which version serves, oldest first; the aliases; and whether these follow the newest."""
        models = self.store.client.search_registered_models(f"name = '{self.model_name}'")
        if not models:
            return {}, {}, True
        tags = models[0].tags
        since = {key.removeprefix(_SINCE): held for key, held in tags.items() if key.startswith(_SINCE)}
        aliases = {alias: str(holder) for alias, holder in models[0].aliases.items()}
        succession = {date.fromisoformat(night): since[night] for night in sorted(since)}
        return succession, aliases, tags.get(_FOLLOWED) == _mark(succession)

    def _sweep(self, condition: str) -> None:
        """Close what a killed process left open, and remove the model and version of a record that was not finished."""
        client = self.store.client
        for run in self.store.runs(f"{condition} and attributes.status != 'FINISHED'"):
            ended, status = run.info.run_id, "KILLED" if run.info.status == "RUNNING" else run.info.status
            # What was written beneath it and beside it belongs to no whole training either.
            beneath = self.store.runs(f"tags.mlflow.parentRunId = '{ended}'")
            for each in (each for each in (*beneath, run) if each.info.status != status):
                client.set_terminated(each.info.run_id, status)
            for orphan in client.search_model_versions(f"run_id = '{ended}'"):
                client.delete_model_version(self.model_name, str(orphan.version))
            for model in client.search_logged_models([self.store.experiment], f"source_run_id = '{ended}'"):
                client.delete_logged_model(model.model_id)

    def _restore(self, place: str, digest: str) -> Scorer:
        with tempfile.TemporaryDirectory() as folder:
            return restore(self.store.download(place, Path(folder)), digest)


def _newest(succession: Mapping[date, str]) -> list[str]:
    """The version that serves and the one before it, as far as there are any."""
    return list(dict.fromkeys(reversed(list(succession.values()))))[:2]


def _mark(succession: Mapping[date, str]) -> str:
    return " ".join([f"{max(succession, default='')}", *_newest(succession)])


def _described(entry: "ModelVersion") -> Version:
    return Version(
        version=str(entry.version),
        run_id=str(entry.run_id),
        trained_as_of=date.fromisoformat(entry.tags["trained_as_of"]),
        judged_night=date.fromisoformat(entry.tags["judged_night"]),
        serves=entry.tags["serves"],
        passed=entry.tags["passed"] == "true",
        tags=dict(entry.tags),
    )
