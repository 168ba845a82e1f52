"""The MLflow store: opened once and quietly, written to without touching any global state of MLflow."""

import fcntl
import hashlib
import json
import logging
import math
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from polars import selectors as cs

from assets.addresses import redacted, shown, sqlite_file
from assets.imports import without
from assets.moved_artifacts import follow_artifacts
from assets.stored_scorer import LOADER, copy_code, save
from models.scorer import Scorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.types import Schema

REQUIREMENTS = ("mlflow", "numpy", "polars", "scipy", "xgboost-cpu")
_ABOUT = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "One run per training night, with the challenger, the champion and every baseline on the "
    "same customers beneath it, and one run per settled night.",
}
_LOCK_SECONDS, _LOOK_SECONDS = 300.0, 0.1
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is not there is said to be so after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class StoreError(ValueError):
    """MLflow's store cannot be opened or written; the message says why, and what to do."""


class PatientClient:
    """MLflow's client, which waits for another writer of an SQLite file as long as the CRM does.

    MLflow itself waits 20 seconds, and then says the statement with all its values.
    """

    def __init__(self, client: "MlflowClient", place: str, patience: float = 60.0) -> None:
        self._client, self._place, self._patience = client, place, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        from mlflow import MlflowException

        deadline = time.monotonic() + self._patience
        while True:
            try:
                return method(*given, **named)
            except MlflowException as error:
                # Of a database: its driver's error, whose transaction was undone.
                known = re.match(r"\([\w.]+\) (.+)", f"{error}")
                if known is None:
                    raise
                if "database is locked" not in known[1] or time.monotonic() >= deadline:
                    raise StoreError(
                        f"{self._place}: MLflow's store cannot be written ({known[1].strip()}). Free it of what holds "
                        "it, or make room, and run the night again."
                    ) from None


@dataclass(frozen=True)
class ExperimentStore:
    """An experiment of an MLflow store.

    Attributes:
        client: MLflow's own client.
        experiment: Id of the experiment.
    """

    client: "MlflowClient"
    experiment: str

    def runs(self, condition: str) -> "list[Run]":
        """The runs that meet a condition in MLflow's search syntax, oldest first."""
        return list(self.client.search_runs([self.experiment], condition, order_by=["start_time ASC"]))

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """A run that is finished when the block is, and failed when it fails; yields its id."""
        run: str = self.client.create_run(self.experiment, tags=dict(tags), run_name=name).info.run_id
        try:
            yield run
        except BaseException:
            self.client.set_terminated(run, "FAILED")
            raise
        self.client.set_terminated(run)

    def log(
        self, run: str, metrics: Mapping[str, float], params: Mapping[str, object], model_id: str | None = None
    ) -> None:
        """Write figures and parameters in one call; a figure that is no number is left out."""
        from mlflow.entities import Metric, Param

        now = time.time_ns() // 1_000_000
        self.client.log_batch(
            run,
            metrics=[Metric(key, value, now, 0, model_id) for key, value in metrics.items() if math.isfinite(value)],
            params=[Param(key, f"{value}") for key, value in params.items()],
        )

    def log_dataset(self, run: str, name: str, digest: str) -> None:
        """Note what a run was judged on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # MLflow allows a digest of 36 characters; the whole one stands in the tags.
        dataset = Dataset(name, digest[:36], "lake", name)
        self.client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])])

    def log_pages(self, run: str, tables: Mapping[str, pl.DataFrame], figures: "Mapping[str, Figure]") -> None:
        """Write tables and pictures.

        Raises:
            ValueError: If a table has a column ``customer_id``.
        """
        for name, table in tables.items():
            if "customer_id" in table.columns:
                raise ValueError(f"table {name!r} has a column customer_id: record sums and shares, never customers")
        # At once: MLflow's own `log_table` looks the run and all its artifacts up for every table.
        with tempfile.TemporaryDirectory() as folder:
            for kind, pages in (("tables", tables), ("figures", figures)):
                if pages:
                    Path(folder, kind).mkdir()
            for name, table in tables.items():
                told = table.with_columns(
                    cs.temporal().cast(pl.String), pl.when(cs.float().is_finite()).then(cs.float())
                )
                content = {"columns": told.columns, "data": told.rows()}
                Path(folder, "tables", f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            for name, figure in figures.items():
                figure.savefig(Path(folder, "figures", f"{name}.png"))
            self.client.log_artifacts(run, folder)
        if tables:
            known = [{"path": f"tables/{name}.json", "type": "table"} for name in tables]
            self.client.set_tag(run, "mlflow.loggedArtifacts", json.dumps(known))

    def log_model(self, run: str, name: str, scorer: Scorer, *, metadata: Mapping[str, str]) -> "LoggedModel":
        """Store a scorer as a model of the run that MLflow can load without this pipeline."""
        with _quiet(), without("pyspark"):
            import mlflow.pyfunc
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model, ModelSignature

        logged = self.client.create_logged_model(self.experiment, name, run)
        model_id = logged.model_id
        described = Model(
            logged.artifact_location, run, model_uuid=model_id, model_id=model_id, metadata=dict(metadata)
        )
        with tempfile.TemporaryDirectory() as folder, _quiet():
            # Signature and requirements are said, not inferred: inferring takes ten seconds.
            mlflow.pyfunc.save_model(
                f"{folder}/model",
                loader_module=LOADER,
                data_path=f"{save(scorer, Path(folder, 'scorer'))}",
                code_paths=copy_code(Path(folder, "code")),
                mlflow_model=described,
                signature=ModelSignature(_doubles(scorer.features), _doubles(("churn_probability", *scorer.models))),
                pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
            )
            self.client.log_model_artifacts(model_id, f"{folder}/model")
        self.client.log_outputs(run, [LoggedModelOutput(model_id, 0)])
        return self.client.finalize_logged_model(model_id, "READY")

    def download(self, place: str, folder: Path) -> Path:
        """Bring artifacts by their address into a folder; returns where they are in it."""
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(place, dst_path=f"{folder}", tracking_uri=self.client.tracking_uri))


def _doubles(names: Iterable[str]) -> "Schema":
    from mlflow.types import ColSpec, Schema

    return Schema([ColSpec("double", name) for name in names])


@cache
def open_store(uri: str, experiment: str, artifact_root: str | None, locks: Path | None = None) -> ExperimentStore:
    """Open a store, and create it first where it does not exist.

    Args:
        uri: Address of the store.
        experiment: Name of the experiment.
        artifact_root: Folder or address of the experiment's artifacts; the store's own choice if absent.
        locks: Folder for the lock on a store that is no file of this machine.

    Raises:
        ValueError: If the address is a path, or an SQLite file by a relative path, or nobody answers there.
    """
    if "://" not in uri or re.match(r"sqlite:///[^/]", uri):
        raise ValueError(
            f"tracking_uri is {shown(uri)!r}: use an address with an absolute path such as "
            "sqlite:////srv/churn/mlflow.db, or processes that start in different folders would write to different "
            "stores"
        )
    # Set before the import, which reads them.
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    with without("pyspark"):
        from mlflow import MlflowClient

    # Two processes that create the tables of a new store at once destroy it, so only one may be here.
    with _explained(uri), _alone(uri, locks), _quiet():
        # What a store refuses is told in a sentence; MLflow's own record of it is a trace and a statement.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        client = cast("MlflowClient", PatientClient(MlflowClient(uri, registry_uri=uri), shown(uri)))
        client.search_registered_models(max_results=1)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            if artifact_root and "://" not in artifact_root and not uri.startswith("http"):
                follow_artifacts(uri, found, Path(artifact_root).absolute())
            return ExperimentStore(client, found.experiment_id)
        root = artifact_root and (artifact_root if "://" in artifact_root else Path(artifact_root).absolute().as_uri())
        return ExperimentStore(client, client.create_experiment(experiment, root, _ABOUT))


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn whatever a store's client or driver raises into a sentence."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        said = redacted(f"{error}", uri)
        known = re.search(r"\[Errno -?\d+\] ([^'\")]+)", said)
        reason = known[1] if known else (said.splitlines() or [type(error).__name__])[0]
        raise StoreError(
            f"mlflow.tracking_uri {shown(uri)}: MLflow's store cannot be opened ({reason}). Start its "
            "server, or correct the address in churn.toml or, where it holds a password, in the environment."
        ) from None  # what MLflow said repeats the address


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep quiet about what MLflow 3.17 does of its own accord beside SQLAlchemy 2.1."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
        # It would put customers into the artifact store.
        warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)
        yield


@contextmanager
def _alone(uri: str, locks: Path | None) -> Iterator[None]:
    """Keep other processes out; beside an SQLite file, so that containers that share it share the lock.

    Raises:
        TimeoutError: If another process keeps it for longer than any opening takes.
    """
    database = sqlite_file(uri)
    if uri.startswith("http") or (locks is None and database is None):
        yield
        return
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
        lock = database.with_name(f"{database.name}.lock")
    else:
        assert locks is not None
        locks.mkdir(parents=True, exist_ok=True)
        lock = locks / f".mlflow-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
    with lock.open("w") as held:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"another process keeps {lock}") from None
                time.sleep(_LOOK_SECONDS)
        yield
