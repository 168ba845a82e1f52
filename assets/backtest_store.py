"""The nights of a backtest that are done: stored one by one, so that an interrupted one goes on where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import polars as pl

from assets.lake import Lake
from assets.stored_scorer import restore, save
from models import backtest
from models.backtest import BacktestNight
from models.challenge import Question
from models.scorer import Scorer

_FACTS, _JUDGED, _SERVING = "facts.json", "judged", "serving"
_LIBRARIES = ("numpy", "polars", "scipy", "xgboost-cpu")


@dataclass(frozen=True)
class BacktestStore:
    """What one backtest has stored, under ``backtest/<key>/night=…`` of the lake.

    Attributes:
        lake: Where.
        key: Digest of everything but the data that the result depends on: settings, code, libraries, first night, step.
    """

    lake: Lake
    key: str

    @classmethod
    def of(cls, lake: Lake, question: Question, first: date, step_days: int) -> "BacktestStore":
        """The place of a backtest: the same for whoever asks the same of the same code."""
        content = hashlib.sha256()
        for module in sorted(Path(backtest.__file__).parent.glob("*.py")):
            content.update(module.read_bytes())
        settings = [asdict(question), f"{first}", step_days, [installed(name) for name in _LIBRARIES]]
        content.update(json.dumps(settings, sort_keys=True, default=str).encode())
        return cls(lake, content.hexdigest()[:16])

    @property
    def table(self) -> str:
        """The name of the table in the lake."""
        return f"backtest/{self.key}"

    def forget(self) -> None:
        """Remove what is stored."""
        shutil.rmtree(Path(self.lake.root) / self.table, ignore_errors=True)

    def facts(self, night: date, evidence: str) -> dict[str, Any] | None:
        """What was noted of a night; None if it is not done, or was done on other data.

        Args:
            night: The night.
            evidence: Digest of the data that it rests on.
        """
        if not self.lake.file(self.table, night).exists():
            return None
        noted: dict[str, Any] = json.loads((self._folder(night) / _FACTS).read_text(encoding="utf-8"))
        return noted if noted["evidence"] == evidence else None

    def keep(self, night: date, done: BacktestNight, facts: dict[str, Any]) -> None:
        """Store a night; it counts as done with the last file, the outcomes."""
        folder = self._folder(night)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save(done.judged, folder / _JUDGED)
        save(done.serving, folder / _SERVING)
        (folder / _FACTS).write_text(json.dumps(facts, sort_keys=True), encoding="utf-8")
        self.lake.write(self.table, night, done.outcomes)

    def outcomes(self, night: date) -> pl.DataFrame:
        """What was said and what happened on a night that is done."""
        return self.lake.scan(self.table, [night]).collect()

    def champion(self, night: date) -> tuple[Scorer, Scorer]:
        """The scorers of a night that is done, as judged and as serving."""
        folder = self._folder(night)
        return restore(folder / _JUDGED), restore(folder / _SERVING)

    def _folder(self, night: date) -> Path:
        return self.lake.file(self.table, night).parent


def evidence(tables: Sequence[pl.LazyFrame], ends: Sequence[date]) -> list[str]:
    """For each of some days, in order, a digest of all that happened up to it, and of the digests before.

    Rows may stand in any order; every row is looked at once, however many days are asked for.

    Args:
        tables: What is known, each with `day`.
        ends: The days.
    """
    rows = pl.concat(
        table.select("day", pl.lit(place).alias("table"), row=pl.struct(pl.all()).hash())
        for place, table in enumerate(tables)
    )
    daily = rows.group_by("day", "table").agg(pl.col("row").sum()).sort("day", "table").collect(engine="streaming")
    digests, before = [], ""
    for end in ends:
        content = hashlib.sha256(f"{before} {end}".encode())
        content.update(daily.filter(pl.col("day") <= end).write_csv().encode())
        digests.append(before := content.hexdigest())
    return digests
