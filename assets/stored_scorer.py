"""A scorer as files, and as a model that MLflow loads anywhere: what serves, whole, with the code that it needs."""

import ast
import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from models.scorer import Scorer

if TYPE_CHECKING:
    import pandas as pd

BOOSTER, SCORER = "model.ubj", "scorer.json"
LOADER = "assets.stored_scorer"


def save(scorer: Scorer, folder: Path) -> Path:
    """Write a scorer into a new folder: its trees, if it has any, and everything else as JSON; returns the folder."""
    folder.mkdir()
    if scorer.booster is not None:
        scorer.booster.save_model(folder / BOOSTER)
    (folder / SCORER).write_text(json.dumps(scorer.describe(), sort_keys=True), encoding="utf-8")
    return folder


def digest_of(folder: Path) -> str:
    """One digest of every file in a folder, with its path: the registry keeps it, so that an exchange is seen."""
    content = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        content.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        content.update(file.read_bytes())
    return content.hexdigest()


def scorer_digest(scorer: Scorer) -> str:
    """The digest that a scorer has once it is saved."""
    with TemporaryDirectory() as folder:
        return digest_of(save(scorer, Path(folder, "scorer")))


def refuse_exchanged(folder: Path, digest: str | None) -> None:
    """Compare stored files with the digest that was noted when they were written.

    Raises:
        ValueError: If they are not those.
    """
    if digest_of(folder) != digest:
        raise ValueError(
            "the stored model is not the one that was trained: its files were exchanged or damaged. Restore the "
            "artifacts of MLflow from a backup, or let another version serve: churn champion --set VERSION"
        )


def restore(folder: Path, digest: str | None = None) -> Scorer:
    """The scorer that was saved in a folder, or in a model of MLflow that is there.

    Args:
        folder: The folder.
        digest: As `scorer_digest` gave it; not compared if None.

    Raises:
        ValueError: If the files have another digest.
    """
    (described,) = folder.rglob(SCORER)
    if digest is not None:
        refuse_exchanged(described.parent, digest)
    trees, booster = described.with_name(BOOSTER), None
    if trees.exists():
        import xgboost as xgb

        booster = xgb.Booster(model_file=trees)
    return Scorer.restore(booster, json.loads(described.read_text(encoding="utf-8")))


def copy_code(folder: Path) -> list[str]:
    """Copy the modules that scoring needs, found by their imports, into a folder; returns the packages in it."""
    waiting, seen = [LOADER], {LOADER}
    while waiting:
        module = waiting.pop()
        found = find_spec(module)
        assert found is not None
        assert found.origin is not None
        target = folder.joinpath(*module.split(".")).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.origin, target)
        ours = set(_imports(target.read_text(encoding="utf-8"))) - seen
        waiting += sorted(ours)
        seen |= ours
    return sorted(f"{package}" for package in folder.iterdir())


def _imports(code: str) -> Iterator[str]:
    """The modules of this pipeline that a module imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("models", "assets")):
            package = node.module or ""
            yield from [package] if "." in package else [f"{package}.{name.name}" for name in node.names]


class StoredScorer:
    """What MLflow calls: a table of features in, the probability of what serves and of each model out."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def predict(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The columns of `Scorer.predict`, one row per customer; NaN where the data did not support a model."""
        import pandas as pd
        import polars as pl

        features = pl.DataFrame({name: frame[name].to_numpy() for name in frame.columns})
        scores = self._scorer.predict(features)
        return pd.DataFrame({name: scores[name].to_numpy() for name in scores.columns}, index=frame.index)


def _load_pyfunc(place: str) -> StoredScorer:
    """The hook of MLflow's generic flavour: no pickle, so that loading runs nothing but the code beside the model."""
    return StoredScorer(restore(Path(place)))
