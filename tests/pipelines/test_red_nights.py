"""A night that the gate stops, as the person sees it who has to do something about it."""

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.validation import ACCEPT_TAG
from pipelines import ROOT
from pipelines.cli import app

SETTINGS = '[source]\npath = "landing"\n[source.columns]\ncustomer_id = "customer"\ntimestamp = "day"\n'
LINES = "customer,day\n" + "ann,2024-01-05\n" * 6 + ",2024-01-06\n" * 4


@pytest.fixture
def churn(tmp_path, monkeypatch, capfd):
    """Type a `churn run`; returns its exit code and what the terminal showed."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(ROOT)
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "a.csv").write_text(LINES, encoding="utf-8")
    (tmp_path / "churn.toml").write_text(SETTINGS, encoding="utf-8")

    def typed(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["run", "--config", str(tmp_path / "churn.toml"), *options])
        return result.exit_code, " ".join((result.output + capfd.readouterr().err).split())

    return typed


def test_a_blocked_night_ends_with_1_and_says_what_failed_the_figure_the_limit_and_the_way_out(churn):
    code, shown = churn("--night", "2024-03-31")

    assert code == 1
    assert (
        "rejected_share: Most lines obey every rule. Limit: in at least 95.00% of rows. "
        "Found: 60.00% of rows; 4 of 10 otherwise."
    ) in shown
    assert "Limit: from 2024-02-29. Found: 2024-01-06." in shown
    assert "churn run --night 2024-03-31 --accept fresh" in shown
    assert "night 2024-03-31 is red. The CRM keeps what it has." in shown


def test_what_an_operator_accepts_is_recorded_with_the_run_and_the_rest_still_stops_it(churn):
    code, shown = churn("--night", "2024-03-31", "--accept", "rejected_share")

    assert code == 1
    assert "--accept rejected_share" not in shown
    assert "--accept fresh" in shown
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
    assert run.tags[ACCEPT_TAG] == "rejected_share"
