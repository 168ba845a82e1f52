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


NUMBERS = ["nan", "inf", "-inf", "1e400", "true", "1e-300", "1e13"]
PLACES = {
    "evaluation": ("save_alpha", "save_beta", "offer_cost", "contact_cost"),
    "training.classifier": ("min_child_weight", "learning_rate"),
    "value": ("margin",),
    "lake": ("wait_minutes",),
    "gate": ("max_slope",),
    "network": ("pause_seconds",),
    "churn": ("active_days", "horizon_days"),
    "crm": ("history_days",),
    "training": ("min_outcomes",),
}


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in PLACES.items() for key in keys])
def test_a_number_that_cannot_be_meant_is_refused_with_its_key(tmp_path, section, key, value):
    with pytest.raises(SettingsError, match=key):
        settings_of(tmp_path, f"{SOURCE}[{section}]\n{key} = {value}\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[evaluation]\nsave_alpha = nan\n",
            "evaluation.save_alpha = nan: it must be a number that is 0 or from 1e-09",
        ),
        ("[churn]\nactive_days = true\n", "churn.active_days = True: it must be a number."),
        ("[churn]\nactive_days = 40000\n", "churn.active_days = 40000: it must be at most 36,525 days"),
        ("[experiment]\nstarts = 1e-300\n", "experiment.starts = 1e-300: it must be a date, such as 2026-03-31."),
        ("[experiment]\nstarts = true\n", "experiment.starts"),
        ('[crm]\ndatabase = ""\n', "crm.database = '': it must not be empty"),
        ('[crm]\nexports = " "\n', "crm.exports = ' ': it must not be empty"),
        ('[lake]\npath = "\\u0000"\n', "lake.path = '\\x00': it must not hold the character NUL."),
        ('[mlflow]\nmodel = "a\\u0000b"\n', "mlflow.model = 'a\\x00b': it must not hold the character NUL."),
        ('[[inputs]]\nname = "a"\npath = ""\ncustomer_id = "c"\ntimestamp = "t"\n', "inputs.0.path = ''"),
    ],
)
def test_what_cannot_be_meant_is_said_with_key_value_and_what_is_allowed(tmp_path, text, sentence):
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, SOURCE + text)
    assert sentence in str(error.value)


def test_a_quotation_mark_may_be_none_and_a_delimiter_a_blank(tmp_path):
    source = settings_of(tmp_path, SOURCE.replace("[source]", '[source]\nquote = ""\ndelimiter = " "')).source
    assert (source.quote, source.delimiter) == ("", " ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SOURCE + "[churn]\nhorizon_days = \n", "is not TOML: line 7, churn.horizon_days: Invalid value."),
        (SOURCE + '[churn]\n# a comment\n\ntimezone = """UTC\n\n', "is not TOML: line 9, churn.timezone: "),
        (SOURCE + "[churn]\nhorizon_days = 3\nhorizon_days = 4\n", "line 8, churn.horizon_days: Cannot overwrite"),
        (SOURCE + "[inputs]\n'a b'.c = [1,\n2\n", "line 7, inputs.'a b'.c: "),
        ("path", "is not TOML: line 1: "),
        ("[source", "is not TOML: line 1: "),
    ],
)
def test_where_a_file_stops_being_toml_is_said_with_line_and_key(tmp_path, text, sentence):
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, text)
    assert sentence in str(error.value)


def test_a_file_in_another_encoding_is_named_with_the_line(tmp_path):
    (tmp_path / "churn.toml").write_bytes(b"[source]\n# L\xe4den\n")
    with pytest.raises(SettingsError, match="line 2 is not UTF-8"):
        load_settings(tmp_path / "churn.toml")


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
