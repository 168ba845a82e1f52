"""Every mistake in the settings is answered with the key, its value and what is allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.reference import settings_reference
from pipelines.settings import load_settings
from pipelines.settings_errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = '[source]\npath = "landing"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "when"\n'
CONSENT = SOURCE + '[consent]\npath = "said"\ncustomer_id = "c"\ntimestamp = "t"\n'


def settings_of(tmp_path, text):
    file = tmp_path / "churn.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_two_columns_are_enough(tmp_path):
    settings = settings_of(tmp_path, SOURCE)
    assert settings.source.columns.customer_id == ("who",)
    assert settings.churn.horizon_days == 90
    assert settings.transactions().path == str(tmp_path / "landing")


def test_a_column_may_have_several_names(tmp_path):
    settings = settings_of(tmp_path, SOURCE.replace('"who"', '["who", "client"]'))
    assert settings.source.columns.customer_id == ("who", "client")


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN__CHURN__HORIZON_DAYS", "60")
    assert settings_of(tmp_path, SOURCE + "[churn]\nhorizon_days = 30\nactive_days = 200\n").churn.horizon_days == 60


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SOURCE + "[churn]\nhorizont_days = 30\n", "churn.horizont_days is no setting; did you mean 'horizon_days'?"),
        (SOURCE + "[chrun]\nhorizon_days = 30\n", "chrun is no setting; did you mean 'churn'?"),
        (SOURCE + "[churn]\nhorizon_days = 0\n", "horizon_days is 0: it must be at least 1 day"),
        (SOURCE + '[churn]\nhorizon_days = "soon"\n', "churn.horizon_days = 'soon': input should be a valid integer"),
        (SOURCE + '[churn]\ndefinition = "silence"\n', "churn.definition = 'silence': input should be 'inactivity'"),
        (SOURCE + '[churn]\ntimezone = "Berlin"\n', "timezone is 'Berlin': use an IANA name"),
        (SOURCE + "zzz = 1\n", "source.columns.zzz is no setting; known keys: amount"),
        (SOURCE.replace('timestamp = "when"\n', ""), "source.columns.timestamp is missing"),
        (SOURCE.replace('path = "landing"\n', ""), "path is missing: name the folder or file"),
        (
            SOURCE.replace('path = "landing"', 'path = "landing"\nkind = "ftp"'),
            "source.kind = 'ftp': input should be 'files' or 'database'",
        ),
        (CONSENT + 'channels = { emial = "E-Mail" }\n', "names 'emial', which no action uses; did you mean 'email'?"),
        (CONSENT.replace('customer_id = "c"\n', ""), "consent: customer_id or timestamp is missing"),
        (CONSENT + 'channel = "what"\n', "channel and given belong together"),
        (CONSENT + 'channel = "what"\ngiven = "said"\n', "channels is missing: name every value"),
        (CONSENT + 'channels = { email = "x", phone = "x" }\n', "gives two of ours the same name"),
        (SOURCE + '[consent]\nprofiling_basis = "consent"\n', "scores only who agreed, so name their file"),
        (SOURCE + '[segments.names]\nsave = "Halten"\n', "names or purposes tell of save; the segments are save_now"),
        (SOURCE + "[segments]\nhigh_value = 0.4\n", "they must rise between 0 and 1, for example 0.5 and 0.8"),
        (SOURCE + "[tiers]\ncapacity = 0\n", "capacity is 0; it must be at least 1 customer"),
        (SOURCE + "[source]\n", "is not TOML"),
        ("path = ", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, sentence):
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, text)
    assert sentence in str(error.value)
    assert "churn.toml" in str(error.value)


def test_a_missing_file_is_named_with_the_option_that_names_another(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml: no such file\. Name your settings with --config"):
        load_settings(tmp_path / "gone.toml")


def test_the_command_ends_with_2_when_settings_cannot_be_used(tmp_path):
    command = [sys.executable, "-m", "pipelines.cli", "run", "--config", str(tmp_path / "gone.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "gone.toml: no such file. Name your settings with --config." in done.stderr


def test_the_reference_in_the_docs_is_what_the_code_says():
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_reference()


def test_every_setting_is_explained():
    unexplained = [line for line in settings_reference().splitlines() if line.startswith("|") and line.endswith("|  |")]
    assert unexplained == []
