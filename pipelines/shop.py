"""A shop's own Dagster: the history of its runs lies beside its settings, and every run bears its name."""

import json
import os
import re
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING

from assets.commands import DEFAULT_CONFIG
from pipelines import ROOT
from pipelines.console import CONSOLE
from pipelines.settings import Settings
from pipelines.settings_errors import SettingsError

if TYPE_CHECKING:
    import dagster as dg

SHOP_TAG, SETTINGS_TAG = "churn/shop", "churn/settings"
_TEMPLATE = ROOT / "dagster.yaml"
_OURS = "# Written by churn, and again whenever it differs. Without this line it is yours, and stays as it is.\n"


class OtherShopError(Exception):
    """A run was meant for another shop than the one whose settings its process has."""


def state_folder(settings: Settings) -> Path:
    """The folder of the shop's own instance: `.dagster` beside `churn.toml`; for another file, a folder of its name."""
    folder = settings.beside(Path(".dagster"))
    # Below the former, not beside it: whoever removes the state removes one folder.
    return folder if settings.file.name == DEFAULT_CONFIG.name else folder / settings.file.stem


def prepare_instance(settings: Settings) -> Path:
    """The home of Dagster for this shop, with what Dagster reads there: `$DAGSTER_HOME`, else the shop's own folder.

    The shop's own folder gets a `dagster.yaml`, the project's with absolute paths, which follow when the folder moves.

    Raises:
        SettingsError: If the folder cannot be written, `$DAGSTER_HOME` is none, or Dagster cannot read its path.
    """
    own, given = state_folder(settings), os.environ.get("DAGSTER_HOME")
    if given and not Path(given).is_dir():
        raise SettingsError(
            f"DAGSTER_HOME={given} is no folder: make it, or unset it to have Dagster's history in {own}."
        )
    try:
        own.mkdir(parents=True, exist_ok=True)
        _write(own / "dagster.yaml", _instance(own))
    except OSError as error:
        raise SettingsError(
            f"{own} cannot be written ({error.strerror}): Dagster keeps the shop's history there; change its owner."
        ) from None
    home = Path(given).resolve() if given else own
    if strange := sorted(set("%?") & set(f"{home}")):
        raise SettingsError(
            f"{home}: Dagster reads {' and '.join(strange)} in the path of its history as something else. Rename the "
            "folder, or set DAGSTER_HOME to one without."
        )
    return home


def open_instance(settings: Settings) -> "dg.DagsterInstance":
    """The Dagster instance that keeps the record of this shop's runs, to be closed; warns where others keep theirs."""
    import dagster as dg

    home = prepare_instance(settings)
    # Two processes that open a new history at once destroy it.
    with (state_folder(settings) / ".opening").open("w") as held:
        flock(held, LOCK_EX)
        instance = dg.DagsterInstance.from_config(str(home))
    if others := shops_beside(instance, settings):
        CONSOLE.print(
            f"DAGSTER_HOME also keeps the runs of {', '.join(others)}: its pages mix the tables of these shops. Unset "
            "it to give each shop a history of its own.",
            style="yellow",
            markup=False,
        )
    return instance


def run_tags(settings: Settings) -> dict[str, str]:
    """Tags of every run: the shop, and the settings that it was started for."""
    return {SHOP_TAG: settings.shop_name, SETTINGS_TAG: str(settings.file)}


def refuse_another_shop(run: "dg.DagsterRun", settings: Settings) -> None:
    """Refuse a run that another shop's settings were meant for.

    A job's runs say so by their tag. What is materialized from an asset's page has no job of ours; there the code
    location tells.

    Raises:
        OtherShopError: If it is another shop's.
    """
    meant, origin = run.tags.get(SETTINGS_TAG), run.remote_job_origin
    if meant is not None and meant != str(settings.file):
        raise OtherShopError(
            f"The run was started for the settings {meant}, this process has {settings.file}: start it in the pages "
            "of its own shop. If the folder was moved, start it anew there."
        )
    if meant is None and origin is not None and origin.location_name != settings.shop_name:
        raise OtherShopError(
            f"The run comes from the code location {origin.location_name!r}, this process has the settings of "
            f"{settings.shop_name!r}: start Dagster by `churn ui`."
        )


def shops_beside(instance: "dg.DagsterInstance", settings: Settings) -> list[str]:
    """Settings of other shops among the newest runs of an instance; some only where several share a `$DAGSTER_HOME`."""
    meant = {run.tags.get(SETTINGS_TAG) for run in instance.get_runs(limit=20)}
    return sorted(file for file in meant if file is not None and file != str(settings.file) and Path(file).exists())


def _instance(home: Path) -> str:
    """The project's instance, with its folder `.dagster` at an absolute place."""
    text = _TEMPLATE.read_text(encoding="utf-8").partition("\n")[2]
    return re.sub(r"(?<=base_dir: )\.dagster(\S*)", lambda found: json.dumps(f"{home}{found[1]}"), text)


def _write(file: Path, text: str) -> None:
    old = file.read_text(encoding="utf-8") if file.exists() else _OURS
    if old.startswith(_OURS) and old != _OURS + text:
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_text(_OURS + text, encoding="utf-8")
        draft.replace(file)
