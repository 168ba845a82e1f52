"""One training night as runs in MLflow: the challenger and every rival beneath it, and the scorers that came of it."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.experiment_store import ExperimentStore
from assets.model_card import TrainingRecord, model_card, summary
from assets.stored_scorer import digest_of, save, scorer_digest
from assets.stored_worth import save as save_worth

CHALLENGER, CHAMPION = "committee", "champion"
JUDGED, PROFILE, WORTH = "judged", "profile.json", "worth"


def write_training(store: ExperimentStore, model: str, record: TrainingRecord, *, promote: bool) -> str:
    """Write down a training night and register what serves.

    Args:
        store: Where to.
        model: Name of the registered model.
        record: What to write.
        promote: Whether the version is to serve; noted here, done by the caller.

    Returns:
        The number of the registered version.
    """
    client = store.client
    own = {
        "trained_as_of": f"{record.night}",
        "judged_night": f"{record.judged_night}",
        "serves": record.serving.serves,
        "passed": f"{record.passed}".lower(),
        "promote": f"{promote}".lower(),
        "digest": training_digest(record),
        "scorer_digest": scorer_digest(record.serving),
        "judged_digest": scorer_digest(record.judged),
    }
    worth = None if record.worth is None else record.worth.model
    if worth is not None:
        with tempfile.TemporaryDirectory() as folder:
            own["worth_digest"] = digest_of(save_worth(worth, Path(folder, WORTH)))
    origin = {"data_digest": record.data_digest, "settings_digest": record.settings_digest}
    tags = {**record.tags, **own, **origin, "record": "training", "night": f"{record.night}"}
    note = {"role": "training", "mlflow.note.content": summary(record)}
    with store.run(f"training {record.night}", tags | note) as parent:
        place, model_id = _log_scorers(store, parent, model, record)
        store.log(parent, _figures(record), record.params, model_id)
        store.log_dataset(parent, f"customers of {record.judged_night}", record.data_digest)
        store.log_pages(parent, record.tables, record.figures)
        if record.profile is not None:
            # As Polars writes it: a table of MLflow is rounded, and a customer on the edge of a bin would change sides.
            client.log_text(parent, record.profile.write_json(), PROFILE)
        if worth is not None:
            with tempfile.TemporaryDirectory() as folder:
                client.log_artifacts(parent, f"{save_worth(worth, Path(folder, WORTH))}", WORTH)
        client.log_text(parent, model_card(record), "model_card.md")
        client.log_text(parent, record.settings, "settings.json")
        for scorer, figures in record.metrics.items():
            role = {CHALLENGER: "challenger", CHAMPION: "champion"}.get(scorer, "baseline")
            with store.run(scorer, tags | {"role": role, "mlflow.parentRunId": parent}) as child:
                store.log(child, keyed({"test": figures}), record.params if scorer == CHALLENGER else {})
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model)
        # Last, so that a version without a whole record hardly ever exists.
        entry = client.create_model_version(model, place, parent, own, description=summary(record), model_id=model_id)
        client.set_tag(parent, "model_version", entry.version)
    return str(entry.version)


def training_digest(record: TrainingRecord) -> str:
    """One digest of what makes a training what it is: its night, data, settings and the model that came of it.

    Of numbers six digits count: the last ones differ between processors, and the same training on another machine is
    no new one.
    """
    booster = record.serving.booster
    content = hashlib.sha256(b"" if booster is None else bytes(booster.save_raw("ubj")))
    for part in (record.serving.describe(), f"{record.night}", record.data_digest, record.settings_digest):
        content.update(json.dumps(_rounded(part), sort_keys=True).encode())
    if record.worth is not None and record.worth.model is not None:
        content.update(bytes(record.worth.model.booster.save_raw("ubj")))
        content.update(json.dumps(_rounded(record.worth.model.describe()), sort_keys=True).encode())
    return content.hexdigest()


def _rounded(described: Any) -> Any:
    if isinstance(described, float):
        return f"{described:.6g}"
    if isinstance(described, dict):
        return {key: _rounded(value) for key, value in described.items()}
    return [_rounded(value) for value in described] if isinstance(described, (list, tuple)) else described


def keyed(groups: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Groups of figures under the names that MLflow groups by: ``test/log_loss``."""
    return {f"{group}/{name}": figure for group, figures in groups.items() for name, figure in figures.items()}


def _figures(record: TrainingRecord) -> dict[str, float]:
    # MLflow allows no "=" in a name: the segment tenure=new becomes tenure:new.
    segments = {re.sub(r"[^\w.\- :]", "_", name.replace("=", ":", 1)): each for name, each in record.segments.items()}
    return keyed(
        {"test": record.metrics.get(CHALLENGER, {})}
        | {f"gate/{rival}": gains for rival, gains in record.rivals.items()}
        | {f"segment/{segment}": figures for segment, figures in segments.items()}
        | {f"value/{name}": each for name, each in (record.worth.figures if record.worth else {}).items()}
    )


def _log_scorers(store: ExperimentStore, run: str, model: str, record: TrainingRecord) -> tuple[str, str]:
    """Store both scorers; returns the place of the serving one and its id as a model."""
    with tempfile.TemporaryDirectory() as folder:
        store.client.log_artifacts(run, f"{save(record.judged, Path(folder, JUDGED))}", JUDGED)
    metadata = {"trained_as_of": f"{record.night}", "serves": record.serving.serves}
    logged = store.log_model(run, f"{model} {record.night}", record.serving, metadata=metadata)
    # Its place, not models:/<id>, which MLflow would look for in the store of its global state.
    return logged.artifact_location, logged.model_id
