"""MLflow notes absolute addresses of artifacts; a shop whose folder was moved or copied takes its own along."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Experiment

_OF_EXPERIMENT = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)
_OF_REGISTRY = (("model_versions", "source"), ("model_versions", "storage_location"))


def follow_artifacts(uri: str, experiment: "Experiment", root: Path) -> None:
    """Correct the addresses of an experiment's artifacts, if its models are in a folder that the store does not know.

    Nothing is corrected unless every model that was noted lies in the new folder: artifacts stay where they are when
    `mlflow.artifacts` merely names another place for those to come.

    Args:
        uri: Address of the store's database.
        experiment: The experiment, as the store notes it.
        root: Where the settings say that artifacts are.
    """
    from sqlalchemy import Connection, create_engine, text

    old, new = experiment.artifact_location.rstrip("/"), root.as_uri()
    if old == new or not old.startswith("file:") or not root.is_dir():
        return

    def correct(connection: Connection, table: str, column: str, condition: str) -> None:
        connection.execute(
            text(  # names of tables and columns are those above
                f"UPDATE {table} SET {column} = :new || substr({column}, :after) "  # noqa: S608
                f"WHERE ({column} = :old OR {column} LIKE :below) AND {condition}"
            ),
            {"new": new, "old": old, "below": f"{_pattern(old)}/%", "after": len(old) + 1, "of": own},
        )

    own = int(experiment.experiment_id)
    engine = create_engine(uri)
    try:
        with engine.begin() as connection:
            query = text("SELECT artifact_location FROM logged_models WHERE experiment_id = :of")
            models = [place for (place,) in connection.execute(query, {"of": own}) if place.startswith(f"{old}/")]
            if not models or not all((root / place.removeprefix(f"{old}/")).is_dir() for place in models):
                return
            for table, column in _OF_EXPERIMENT:
                correct(connection, table, column, "experiment_id = :of")
            for table, column in _OF_REGISTRY:
                correct(connection, table, column, "run_id IN (SELECT run_uuid FROM runs WHERE experiment_id = :of)")
    finally:
        engine.dispose()


def _pattern(prefix: str) -> str:
    """A prefix for LIKE. A percent sign, which an address has before each odd character, would match too much."""
    return prefix.replace("%", "_")
