"""What a command loads: libraries that take seconds are imported by the runs that use them, and by no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = """
import sys
from pipelines.cli import app
try:
    app(sys.argv[1:])
finally:
    print("\\n" + " ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
DRAWING, TUNING, OTHERS = "matplotlib", "optuna", {"duckdb", "pyspark", "pytest"}
HEAVY = {"dagster", "great_expectations", "mlflow", "pandas", "sklearn", "xgboost", DRAWING, TUNING} | OTHERS


def loaded(folder: Path, *command: str) -> set[str]:
    """The packages that a command of `churn` has loaded by its end."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    script = folder / "report.py"
    script.write_text(REPORT, encoding="utf-8")
    environment = os.environ | {"DAGSTER_HOME": f"{home}", "PYTHONPATH": f"{ROOT}", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, script, *command], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("command", "needless"), [("--help", HEAVY | {"numpy", "polars", "scipy"}), ("settings", HEAVY), ("schema", HEAVY)]
)
def test_what_only_prints_loads_nothing_that_computes(tmp_path, command, needless):
    assert not loaded(tmp_path, command) & needless


def test_a_night_that_a_rule_scores_neither_draws_nor_loads_trees(tmp_path):
    (tmp_path / "landing.csv").write_text("who,when\nC1,2025-01-02\nC2,2025-01-09\nC1,2025-01-29\n", encoding="utf-8")
    settings = '[source]\npath = "landing.csv"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "when"\n'
    (tmp_path / "churn.toml").write_text(settings, encoding="utf-8")
    found = loaded(tmp_path, "run", "--night", "2025-01-30", "--config", f"{tmp_path / 'churn.toml'}")
    assert found >= {"dagster", "great_expectations", "mlflow"}
    assert not found & {"xgboost", DRAWING, TUNING, *OTHERS}
