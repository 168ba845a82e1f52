"""Dagster's record of runs, as `dagster.yaml` has it kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log import SqliteEventLogStorage

from pipelines import ROOT

RUNS = 20


@dg.asset
def counted(context: dg.AssetExecutionContext) -> int:
    """Something to be recorded."""
    context.log.info("counting")
    return 1


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """What the project's file makes, in a folder of its own."""
    settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8").replace(": .dagster", f": {tmp_path}")
    with dg.DagsterInstance.local_temp(f"{tmp_path}", overrides=yaml.safe_load(settings)) as made:
        yield made


def open_files(folder: Path) -> set[str]:
    """The databases of runs that this process holds open."""
    held = {file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    return {file.name for file in held if file.suffix == ".db" and folder in file.parents}


def test_runs_are_recorded_as_dagster_itself_reads_them_and_few_files_stay_open(instance, tmp_path):
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    job = dg.Definitions(assets=[counted], jobs=[dg.define_asset_job("job")]).resolve_job_def("job")
    runs = [job.execute_in_process(instance=instance, run_config=quiet).run_id for _ in range(RUNS)]
    assert 1 < len(open_files(tmp_path)) <= 16
    with ThreadPoolExecutor(4) as readers:
        ours = list(readers.map(instance.all_logs, runs))
    own = SqliteEventLogStorage(f"{tmp_path}/history/runs")
    for run, logs in zip(runs, ours, strict=True):
        assert [entry.user_message for entry in logs].count("counting") == 1
        assert list(own.get_logs_for_run(run)) == list(logs)
    assert instance.get_latest_materialization_event(dg.AssetKey("counted")).run_id == runs[-1]
    instance.dispose()
    assert not open_files(tmp_path)
