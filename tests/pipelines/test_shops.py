"""Two shops on one machine never meet, and a shop's folder is all of it, wherever it is and from wherever it is run."""

import hashlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from assets.lost_models import LostModelError, refuse_lost_models
from pipelines import ROOT
from pipelines.cli import app
from pipelines.definitions import definitions
from pipelines.runs import run_nights
from pipelines.settings import Settings, load_settings
from pipelines.shop import SETTINGS_TAG, SHOP_TAG, open_instance, state_folder
from pipelines.stores import lake_of, tracking_of

NIGHT, NEXT = date(2025, 1, 30), date(2025, 1, 31)
SETTINGS = """
{shop}
[source]
path = "landing"
[source.columns]
customer_id = "who"
timestamp = "when"
[churn]
horizon_days = 5
"""


def opened(folder: Path, shop: str = "", name: str = "churn.toml") -> Settings:
    """A shop of few customers in a folder."""
    (folder / "landing").mkdir(parents=True)
    (folder / name).write_text(SETTINGS.format(shop=shop), encoding="utf-8")
    lines = [f"C{number:03},2025-01-{day:02}" for number in range(6) for day in range(1 + number, 31, 5)]
    (folder / "landing" / "cdnow.csv").write_text("\n".join(["who,when", *lines, ""]), encoding="utf-8")
    return load_settings(folder / name)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def history(shop: Settings) -> list[dict[str, str]]:
    """The tags of the runs that the shop's own Dagster knows."""
    with open_instance(shop) as instance:
        return [dict(run.tags) for run in instance.get_runs()]


@pytest.fixture(autouse=True)
def own_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("CHURN_CONFIG", raising=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop with a night; tests copy it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        shop = opened(tmp_path_factory.mktemp("shops") / "first")
        assert run_nights([NIGHT], shop) == 0
    return shop


def copied(shop: Settings, folder: Path) -> Settings:
    shutil.copytree(shop.file.parent, folder)
    return load_settings(folder / shop.file.name)


def test_a_launch_in_one_shop_touches_that_shop_only(ran, tmp_path):
    other = opened(tmp_path / "second", shop='shop = "Köln & Söhne"')
    before = digests(ran.file.parent)
    place = {"DAGSTER_HOME": f"{state_folder(other)}", "CHURN_CONFIG": f"{other.file}"}
    assert history(other) == []
    launched = [str(Path(sys.executable).parent / "dg"), "launch", "--job", "nightly", "--partition", f"{NIGHT}"]
    subprocess.run(launched, check=True, capture_output=True, cwd=ROOT, env=os.environ | place)
    (tags,) = history(other)
    assert (tags[SHOP_TAG], tags[SETTINGS_TAG]) == ("Köln & Söhne", str(other.file))
    assert lake_of(other).nights("at_risk_segments") == [NIGHT]
    assert {tags[SETTINGS_TAG] for tags in history(ran)} == {str(ran.file)}
    assert {name: digest for name, digest in digests(ran.file.parent).items() if name in before} == before


def test_a_run_of_another_shops_settings_is_refused_before_it_touches_anything(ran, tmp_path):
    other = opened(tmp_path / "second")
    with open_instance(other) as instance:
        result = (
            definitions(other)
            .resolve_job_def("nightly")
            .execute_in_process(
                partition_key=f"{NIGHT}",
                instance=instance,
                raise_on_error=False,
                tags={SETTINGS_TAG: str(ran.file)},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        )
    assert not result.success
    assert f"The run was started for the settings {ran.file}" in str(result.all_events)
    assert not lake_of(other).nights("deliveries")


def test_settings_beside_each_other_have_histories_of_their_own(tmp_path):
    first = opened(tmp_path / "shops", name="hamburg.toml")
    (tmp_path / "shops" / "berlin.toml").write_text(SETTINGS.format(shop=""), encoding="utf-8")
    second = load_settings(tmp_path / "shops" / "berlin.toml")
    assert (first.shop_name, second.shop_name) == ("hamburg", "berlin")
    assert state_folder(first) != state_folder(second)
    with open_instance(first) as one, open_instance(second) as two:
        assert one.root_directory != two.root_directory


def test_a_home_that_is_set_is_kept_and_sharing_it_is_said(ran, tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    with open_instance(ran) as instance:
        assert instance.root_directory == str(home)
        instance.create_run_for_job(definitions(ran).resolve_job_def("backtest"), tags={SETTINGS_TAG: str(ran.file)})
    assert not capsys.readouterr().out
    with open_instance(opened(tmp_path / "second")):
        assert str(ran.file) in " ".join(capsys.readouterr().out.replace("\n", "").split())


def test_a_folder_that_moves_takes_its_history_and_its_models_along(ran, tmp_path):
    before = copied(ran, tmp_path / "before")
    shutil.move(tmp_path / "before", tmp_path / "after")
    moved = load_settings(tmp_path / "after" / "churn.toml")
    assert run_nights([NEXT], moved) == 0
    assert not before.file.parent.exists()
    version = tracking_of(moved).champion(NEXT)
    assert version is not None
    assert all(str(tmp_path / "after") in place for place in tracking_of(moved).places(version.version))
    assert tracking_of(moved).load(version.version).models
    assert len(history(moved)) >= 1


def test_a_copy_of_a_shop_writes_nothing_into_the_original(ran, tmp_path):
    copy, before = copied(ran, tmp_path / "copy"), digests(ran.file.parent)
    assert run_nights([NEXT], copy) == 0
    after = digests(ran.file.parent)
    assert {name: after.get(name) for name in before} == before
    assert set(after) == set(before)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            "deleted",
            r"version 1 of 'churn', which was deleted; there are 2\. Restore MLflow's store from its backup, or",
        ),
        ("files", r"whose files are not in .*mlartifacts.*name the folder that has them in mlflow\.artifacts"),
        ("renamed", r"1 nights of the lake were scored by models of 'churn'.*has none of that name; it has other"),
        ("empty", r"MLflow's store sqlite:.* has none of that name\. Correct mlflow\.tracking_uri or mlflow\.model"),
    ],
)
def test_a_model_that_is_lost_is_said_before_anything_is_ingested(ran, tmp_path, capsys, spoil, says):
    shop = copied(ran, tmp_path / "copy")
    client = tracking_of(shop).store.client
    if spoil == "deleted":
        (version,) = tracking_of(shop).versions()
        source = client.get_model_version("churn", version.version)
        client.create_model_version("churn", f"{source.source}", source.run_id, tags=dict(version.tags))
        client.delete_model_version("churn", "1")
    elif spoil == "files":
        shutil.rmtree(shop.file.parent / "mlartifacts" / "models")
    elif spoil == "renamed":
        client.rename_registered_model("churn", "other")
    else:
        client.delete_registered_model("churn")
    with pytest.raises(LostModelError, match=says):
        refuse_lost_models(tracking_of(shop), lake_of(shop), NEXT)
    capsys.readouterr()
    assert run_nights([NEXT], shop) == 1
    said = capsys.readouterr().err
    assert re.search(says, said.replace("\n", " "))
    assert lake_of(shop).nights("deliveries") == [NIGHT]


COMMANDS = {
    "run": f"--night {NIGHT}",
    "nights": f"{NIGHT}..{NIGHT} --resume",
    "train": f"--night {NIGHT}",
    "settle": f"--night {NIGHT}",
    "quarantine": f"--night {NIGHT}",
    "champion": "",
    "explain": "--customer C001",
    "erase": "--customer nobody",
    "publish": f"--night {NIGHT}",
    "backtest": f"--nights {NIGHT}..{NIGHT}",
    "doctor": "",
    "horizon": "",
    "settings": "",
    "example": "",
    "ui": "--port {port}",
}
"""Every command that reads settings, with what makes it short."""
_MAY_FAIL = {"backtest", "doctor", "erase", "horizon", "ui"}


def test_every_command_that_reads_settings_is_tried():
    group = typer.main.get_command(app)
    with_config = {
        name
        for name, command in group.commands.items()  # type: ignore[attr-defined]
        if any("--config" in parameter.opts for parameter in command.params)
    }
    assert with_config - {"init"} == set(COMMANDS)


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works_from_an_empty_folder(command, relative, ran, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    shop = copied(ran, tmp_path / "shop")
    monkeypatch.chdir(empty)
    config = "../shop/churn.toml" if relative else str(shop.file)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = COMMANDS[command].format(port=taken.getsockname()[1])
        typed = [command, *shlex.split(words), "--config", config]
        fresh = f"from pipelines.cli import main; import sys; sys.argv = {['churn', *typed]!r}; main()"
        done = subprocess.run([sys.executable, "-c", fresh], capture_output=True, text=True, check=False)
    assert done.returncode in ({0, 1} if command in _MAY_FAIL else {0}), done.stdout + done.stderr
    assert "no such file" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert list(empty.iterdir()) == []


def test_commands_in_messages_bear_the_settings_unless_they_are_those_of_the_folder(ran, tmp_path, monkeypatch):
    shop = copied(ran, tmp_path / "a shop")
    monkeypatch.chdir(tmp_path)
    typed = ["quarantine", "--night", "2024-12-24", "--config", str(shop.file)]
    shown = " ".join(CliRunner().invoke(app, typed).output.split())
    hint = re.search(r"`churn (run --night 2024-12-24 --config .*?)`", shown)
    assert hint is not None
    assert Path(shlex.split(hint[1])[-1]) == shop.file
    monkeypatch.chdir(shop.file.parent)
    monkeypatch.delenv("CHURN_CONFIG")
    shown = " ".join(CliRunner().invoke(app, typed[:-2]).output.split())
    assert "`churn run --night 2024-12-24`" in shown


def test_settings_in_effect_are_toml_that_shows_the_environment_and_no_secret(ran, monkeypatch):
    monkeypatch.setenv("CHURN__CHURN__HORIZON_DAYS", "7")
    monkeypatch.setenv("CHURN__PUSH__URL", "https://receiver.example/hook")
    monkeypatch.setenv("CHURN__PUSH__TOKEN", "a b'c\"@ü")
    monkeypatch.setenv("CHURN__CRM__DATABASE", "postgresql://writer:geheim@db.example/crm")
    shown = CliRunner().invoke(app, ["settings", "--config", str(ran.file)]).output
    told = tomllib.loads(shown)
    assert told["churn"]["horizon_days"] == 7
    assert told["source"]["columns"]["customer_id"] == ["who"]
    assert not re.search("geheim|receiver|a b'c", shown)


def test_without_a_terminal_a_run_writes_lines_with_time_and_level_or_objects(ran, tmp_path, monkeypatch):
    shop = copied(ran, tmp_path / "copy")
    typed = ["settle", "--night", f"{NIGHT}", "--config", str(shop.file)]
    lines = CliRunner().invoke(app, typed).output.splitlines()
    assert lines
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d (INFO|WARNING|ERROR) \S", line) for line in lines)
    assert "No further night was ripe" in lines[-1]
    monkeypatch.setenv("CHURN__LOG", "json")
    records = [json.loads(line) for line in CliRunner().invoke(app, typed).output.splitlines()]
    assert {tuple(record) for record in records} == {("time", "level", "message")}


def test_the_version_is_told(capsys):
    assert re.fullmatch(r"\d+\.\d+\S*\n", CliRunner().invoke(app, ["--version"]).output)
