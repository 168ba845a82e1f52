"""A shop may lie in a folder of any name: no part of a path is read as a pattern or as a part of an address."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.settings import load_settings
from pipelines.settings_errors import SettingsError
from pipelines.shop import prepare_instance

ROOT = Path(__file__).resolve().parents[2]
NIGHT = date(2025, 1, 30)
SETTINGS = '[source]\npath = "landing.csv"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "when"\n'


def shop(folder: Path) -> Path:
    """The settings of a shop whose first night trains."""
    folder.mkdir(parents=True)
    lines = "".join(f"C{number},{NIGHT - timedelta(days=7 * number)}\n" for number in range(9))
    (folder / "landing.csv").write_text("who,when\n" + lines, encoding="utf-8")
    (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    return folder / "churn.toml"


def test_a_night_stays_in_its_folder_whatever_that_is_called(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    around = tmp_path / "shops"
    strange = around / "a%41?b[1]*{x}#c d'ä;&"
    # Whoever takes the name for a pattern finds this one too.
    (around / "a%41xb1y{x}#c d'ä;&" / "lake").mkdir(parents=True)
    before = {file.name for file in around.iterdir()} | {strange.name}
    command = [sys.executable, "-m", "pipelines.cli", "run", "--night", f"{NIGHT}", "--config", str(shop(strange))]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DAGSTER_HOME": f"{home}"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {file.name for file in around.iterdir()} == before
    assert {file.name for file in strange.iterdir()} >= {"lake", "crm.db", "mlflow.db", "mlartifacts", "exports"}
    assert any((strange / "mlartifacts").rglob("model_card.md"))


@pytest.mark.parametrize("name", ["a%41b", "a?b"])
def test_a_path_that_dagster_cannot_read_is_refused_before_anything_is_written_elsewhere(tmp_path, name, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(SettingsError, match="Rename the folder, or set DAGSTER_HOME"):
        prepare_instance(load_settings(shop(tmp_path / name)))
    assert [file.name for file in tmp_path.iterdir()] == [name]
