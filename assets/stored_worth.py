"""The model of value as files beside the scorers of its training."""

import json
from pathlib import Path

from models.worth import WorthModel

TREES, FACTS = "model.ubj", "worth.json"


def save(model: WorthModel, folder: Path) -> Path:
    """Write a model of value into a new folder, its trees and all else as JSON; returns the folder."""
    folder.mkdir()
    model.booster.save_model(folder / TREES)
    (folder / FACTS).write_text(json.dumps(model.describe(), sort_keys=True), encoding="utf-8")
    return folder


def restore(folder: Path) -> WorthModel:
    """The model of value that was saved in a folder."""
    import xgboost as xgb

    described = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return WorthModel.restore(xgb.Booster(model_file=folder / TREES), described)
