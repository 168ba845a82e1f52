"""The memory of the pipeline: what was trained, how good it was, and which model serves."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from assets.experiment_store import open_store
from assets.model_card import TrainingRecord
from assets.tracking import Tracking
from assets.training_run import write_training
from models.calibration import Calibration
from models.learning import Scorer, TrainingRecipe, fit

ROOT = Path(__file__).parents[2]
HORIZON = timedelta(days=30)
FIRST, SECOND, THIRD = date(2024, 3, 31), date(2024, 6, 30), date(2024, 9, 30)
SCORERS = ("committee", "mbg_nbd")
FIGURES = {"customers": 300.0, "churn_rate": 0.5, "log_loss": 0.55, "log_loss_low": 0.5, "log_loss_high": 0.6}


def examples(as_of: date) -> pl.DataFrame:
    """Customers of six nights whose churn follows from their recency."""
    generator, nights = np.random.default_rng(as_of.toordinal()), [as_of - n * HORIZON for n in range(1, 7)]
    rows = 300 * len(nights)
    recency = generator.integers(0, 200, rows)
    return pl.DataFrame(
        {
            "night": [night for night in nights for _ in range(300)],
            "customer_id": [f"customer-{n % 300:05}" for n in range(rows)],
            "recency_days": recency.astype(np.float32),
            "tenure_days": (recency + generator.integers(0, 100, rows)).astype(np.float32),
            "purchase_days": generator.integers(1, 9, rows).astype(np.float32),
            "spend": generator.gamma(2, 30, rows).astype(np.float32),
            "churned": generator.random(rows) < 0.1 + 0.8 * recency / 200,
            "outcome_spend": generator.gamma(2, 10, rows),
        }
    ).sort("night", "customer_id")


def scorer(as_of: date) -> Scorer:
    frame = examples(as_of)
    last = as_of - HORIZON
    histories = frame.filter(pl.col("night") == last).select(
        "customer_id",
        pl.col("purchase_days").cast(pl.Int64),
        first_day=pl.lit(last) - pl.duration(days="tenure_days"),
        last_day=pl.lit(last) - pl.duration(days="recency_days"),
    )
    return fit(frame, histories, histories, as_of=as_of, horizon_days=HORIZON.days, recipe=TrainingRecipe())


@pytest.fixture(scope="module")
def scorers() -> dict[date, Scorer]:
    return {night: scorer(night) for night in (FIRST - HORIZON, FIRST, SECOND)}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing in them: making them takes seconds."""
    database = tmp_path_factory.mktemp("empty") / "mlflow.db"
    tracking = Tracking(tracking_uri=f"sqlite:///{database}", experiment="other", artifact_root=str(database.parent))
    assert tracking.champion() is None
    return database


@pytest.fixture
def tracking(empty_store, tmp_path) -> Tracking:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Tracking(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifact_root=str(tmp_path / "artifacts"))


@pytest.fixture
def record(scorers) -> TrainingRecord:
    """The first night: the challenger won."""
    return TrainingRecord(
        night=FIRST,
        judged_night=FIRST - HORIZON,
        learned_from=[FIRST - 2 * HORIZON, FIRST - HORIZON],
        definition="An active customer makes no purchase in 30 days.",
        serving=scorers[FIRST],
        judged=scorers[FIRST - HORIZON],
        metrics=dict.fromkeys(SCORERS, FIGURES),
        rivals={"mbg_nbd": {"log_loss_gain": 0.1, "log_loss_gain_low": 0.05, "log_loss_gain_high": 0.15}},
        passed=True,
        sentence="The challenger beat every rule.",
        data_digest="d" * 64,
        settings_digest="s" * 64,
        segments={"tenure=under 90 days": {"auroc": 0.7}, "channel=web, phone": {"auroc": 0.6}},
        params={"max_depth": 3},
        tags={"git_sha": "abc", "dagster.run_id": "42"},
        tables={"calibration": pl.DataFrame({"night": [FIRST], "bin": [1], "churn_rate": [0.5]})},
    )


def later(record: TrainingRecord, night: date, **changes: object) -> TrainingRecord:
    return replace(record, night=night, judged_night=night - HORIZON, **changes)  # type: ignore[arg-type]


def runs(tracking: Tracking, condition: str = "") -> list[str]:
    return [run.info.run_name for run in tracking.store.runs(condition)]


def versions(tracking: Tracking) -> list[str]:
    found = tracking.store.client.search_model_versions("name = 'churn'")
    return sorted(str(version.version) for version in found)


def aliases(tracking: Tracking) -> dict[str, str]:
    found = tracking.store.client.get_registered_model("churn").aliases
    return {alias: str(version) for alias, version in found.items()}


def test_a_process_that_only_knows_the_resource_does_not_pay_for_mlflow():
    code = "import sys, assets.tracking; assert not {'mlflow', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)


OPEN_AND_WRITE = """
import sys
from assets.tracking import Tracking
tracking = Tracking(tracking_uri=sys.argv[1], artifact_root=sys.argv[2])
for n in range(3):
    with tracking.store.run(f"{sys.argv[3]} {n}", {}) as run:
        tracking.store.log(run, {"test/log_loss": 0.5}, {"n": n})
"""


def test_two_processes_may_open_a_new_store_at_the_same_time(tmp_path):
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    command = [sys.executable, "-W", "error", "-c", OPEN_AND_WRITE, uri, str(tmp_path / "artifacts")]
    both = [subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE, text=True) for name in ("one", "two")]
    said = [process.communicate()[1] for process in both]
    assert said == ["", ""]
    found = Tracking(tracking_uri=uri, artifact_root=str(tmp_path / "artifacts"))
    expected = sorted(f"{name} {n}" for name in ("one", "two") for n in range(3))
    assert sorted(runs(found, "attributes.status = 'FINISHED'")) == expected


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "mlflow.db", "./mlruns"])
def test_a_store_that_depends_on_the_working_directory_is_refused(uri):
    with pytest.raises(ValueError, match=r"tracking_uri is .* absolute path such as sqlite:////srv"):
        Tracking(tracking_uri=uri).champion()


def test_a_training_night_is_one_run_with_its_scorers_beneath(tracking, record):
    version = tracking.record_training(record)
    (parent,) = tracking.store.runs("tags.role = 'training'")
    assert parent.info.run_id == version.run_id
    assert parent.info.run_name == "training 2024-03-31"
    assert sorted(runs(tracking, f"tags.mlflow.parentRunId = '{version.run_id}'")) == list(SCORERS)
    assert runs(tracking, "tags.role = 'challenger'") == ["committee"]
    assert parent.data.metrics["test/log_loss_high"] == 0.6
    assert parent.data.metrics["gate/mbg_nbd/log_loss_gain_low"] == 0.05
    assert parent.data.metrics["segment/tenure:under 90 days/auroc"] == 0.7
    assert parent.data.metrics["segment/channel:web_ phone/auroc"] == 0.6
    assert parent.data.params == {"max_depth": "3"}
    assert parent.data.tags["git_sha"] == "abc"
    assert parent.data.tags["data_digest"] == "d" * 64


def test_a_scientist_finds_a_run_by_its_figures(tracking, record):
    tracking.record_training(record)
    assert "training 2024-03-31" in runs(tracking, "metrics.`test/log_loss` < 0.6")
    assert runs(tracking, "metrics.`test/log_loss` < 0.5") == []
    models = tracking.store.client.search_logged_models(
        [tracking.store.experiment], filter_string="metrics.`test/log_loss` < 0.6"
    )
    assert len(models) == 1


def test_the_model_card_says_what_the_gate_said(tracking, record):
    version = tracking.record_training(record)
    card = Path(tracking.store.client.download_artifacts(version.run_id, "model_card.md")).read_text(encoding="utf-8")
    assert "Passed: The challenger beat every rule." in card
    assert "| MBG/NBD | 0.1000 [0.0500, 0.1500] | - |" in card
    assert "| Committee | 0.5500 [0.5000, 0.6000] |" in card
    assert "**Learned from** 2 nights (2024-01-31 to 2024-03-01)" in card


def test_a_figure_that_is_no_number_is_not_recorded(tracking, record):
    broken = FIGURES | {"auroc": float("nan")}
    version = tracking.record_training(replace(record, metrics={"committee": broken}))
    assert "test/auroc" not in tracking.store.client.get_run(version.run_id).data.metrics


def test_recording_a_night_again_changes_nothing(tracking, record):
    first = tracking.record_training(record)
    before = runs(tracking), aliases(tracking)
    assert tracking.record_training(record) == first
    assert (runs(tracking), aliases(tracking)) == before
    assert versions(tracking) == ["1"]


def test_a_night_with_too_little_data_for_trees_is_recorded_too(tracking, record):
    rules = replace(record.serving, booster=None).serving("mbg_nbd")
    version = tracking.record_training(replace(record, serving=rules, judged=rules, passed=False)).version
    assert tracking.champion().serves == "mbg_nbd"
    frame = examples(FIRST).head(50)
    assert tracking.load(version).predict(frame).equals(rules.predict(frame))
    assert tracking.load_judged(version).booster is None


@pytest.mark.parametrize("change", [{"data_digest": "e" * 64}, {"settings_digest": "t" * 64}])
def test_other_data_or_settings_make_another_version(tracking, record, change):
    tracking.record_training(record)
    assert tracking.record_training(replace(record, **change)).version == "2"
    assert tracking.champion(FIRST).version == "2"


def test_a_scorer_comes_back_as_it_went(tracking, record):
    version = tracking.record_training(record).version
    frame = examples(FIRST).head(50)
    assert tracking.load(version).predict(frame).equals(record.serving.predict(frame))
    assert tracking.load(version).describe() == record.serving.describe()
    assert tracking.load_judged(version).predict(frame).equals(record.judged.predict(frame))


ELSEWHERE = f"""
import sys
# An editable installation would hide what the model lacks.
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
sys.path = [place for place in sys.path if "editable" not in place and place not in ({str(ROOT)!r}, "")]
import pandas as pd
import mlflow
model, features = mlflow.pyfunc.load_model(sys.argv[1]), pd.read_json(sys.argv[2], dtype=float)
model.predict(features).to_json(sys.argv[3], double_precision=15)
try:
    model.predict(features.rename(columns={{"spend": "Spend"}}))
except mlflow.MlflowException as error:
    print(error)
"""


@pytest.mark.parametrize("serves", ["committee", "recency"])
def test_what_serves_can_be_loaded_from_mlflow_without_this_pipeline(tracking, record, serves, tmp_path):
    chosen = record.serving.serving(serves)
    tracking.record_training(replace(record, serving=chosen))
    frame = examples(FIRST).select(chosen.features).with_columns(pl.all().cast(pl.Float64)).head(20)
    frame = frame.with_columns(spend=pl.when(pl.int_range(pl.len()) > 2).then("spend"))
    asked, told = tmp_path / "asked.json", tmp_path / "told.json"
    asked.write_text(json.dumps(frame.select(reversed(frame.columns)).to_dict(as_series=False)))
    command = [sys.executable, "-I", "-W", "ignore", "-c", ELSEWHERE, "models:/churn@champion", f"{asked}", f"{told}"]
    store = {"MLFLOW_TRACKING_URI": tracking.tracking_uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **store}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.returncode == 0, done.stderr
    scores = {name: list(rows.values()) for name, rows in json.loads(told.read_text()).items()}
    expected = chosen.predict(frame)
    assert list(scores) == expected.columns
    assert np.allclose(scores["churn_probability"], expected["churn_probability"], rtol=0, atol=1e-12)
    assert "spend" in done.stdout


def test_the_first_version_serves_even_if_it_lost(tracking, record):
    version = tracking.record_training(replace(record, passed=False))
    assert not version.passed
    assert tracking.champion() == version
    assert tracking.previous() is None


def test_a_challenger_that_lost_does_not_serve(tracking, record):
    tracking.record_training(record)
    lost = tracking.record_training(later(record, SECOND, passed=False))
    assert aliases(tracking) == {"champion": "1", "challenger": lost.version}
    won = tracking.record_training(later(record, THIRD))
    assert aliases(tracking) == {"champion": won.version, "previous": "1"}
    assert tracking.previous().version == "1"


def test_a_rule_that_beats_everybody_serves(tracking, record):
    tracking.record_training(record)
    rule = tracking.record_training(later(record, SECOND, passed=False, promote=True))
    assert tracking.champion() == rule


def test_a_past_night_is_scored_by_the_model_of_its_time(tracking, record):
    tracking.record_training(later(record, SECOND))
    tracking.record_training(record)  # an earlier night that runs later
    assert tracking.champion().trained_as_of == SECOND
    assert tracking.champion(SECOND - timedelta(days=1)).trained_as_of == FIRST
    assert tracking.champion(FIRST).trained_as_of == FIRST
    assert tracking.champion(FIRST - timedelta(days=1)) is None


@pytest.fixture(scope="module")
def three_versions(empty_store, tmp_path_factory, scorers):
    folder = tmp_path_factory.mktemp("three")
    shutil.copy(empty_store, folder / "mlflow.db")
    tracking = Tracking(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", artifact_root=str(folder / "artifacts"))
    one = TrainingRecord(
        FIRST,
        FIRST - HORIZON,
        [],
        "",
        scorers[FIRST],
        scorers[FIRST],
        {},
        {},
        True,
        "",
        data_digest="",
        settings_digest="",
    )
    for night in (FIRST, SECOND, THIRD):
        tracking.record_training(replace(one, night=night))
    return tracking, {FIRST: "1", SECOND: "2", THIRD: "3"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    appointed=st.tuples(st.integers(0, 400), st.sampled_from("123")),
    asked=st.integers(-30, 500),
)
def test_the_newest_appointment_up_to_a_night_decides(three_versions, appointed, asked):
    tracking, succession = three_versions
    night, version = FIRST + timedelta(days=appointed[0]), appointed[1]
    tracking.set_champion(version, night)
    succession[night] = version
    as_of = FIRST + timedelta(days=asked)
    past = [each for each in succession if each <= as_of]
    found = tracking.champion(as_of)
    assert (found and found.version) == (succession[max(past)] if past else None)
    assert tracking.champion().version == succession[max(succession)]


def test_the_champion_can_be_taken_back(tracking, record):
    tracking.record_training(record)
    tracking.record_training(later(record, SECOND))
    tracking.set_champion(tracking.previous().version, THIRD)
    assert aliases(tracking) == {"champion": "1", "previous": "2"}
    assert tracking.champion(THIRD - timedelta(days=1)).version == "2"


def test_an_alias_that_is_moved_by_hand_is_obeyed_from_the_last_appointment_on(tracking, record):
    tracking.record_training(record)
    tracking.record_training(later(record, SECOND))
    tracking.store.client.set_registered_model_alias("churn", "champion", "1")
    assert tracking.champion().version == tracking.champion(SECOND).version == "1"
    assert tracking.champion(SECOND - timedelta(days=1)).version == "1"


def test_a_version_that_is_not_there_cannot_serve(tracking, record):
    tracking.record_training(record)
    with pytest.raises(ValueError, match=r"churn has no version 7: choose one of 1"):
        tracking.set_champion("7", SECOND)


def test_a_killed_recording_is_closed_and_done_again(tracking, record):
    with pytest.raises(KeyboardInterrupt):
        tracking.record_training(replace(record, figures={"killed": _Interrupting()}))
    # A process that is killed outright closes nothing but what had ended before.
    client = tracking.store.client
    (left,) = tracking.store.runs("tags.role = 'training'")
    client.update_run(left.info.run_id, status="RUNNING")
    with tracking.store.run("committee", {"mlflow.parentRunId": left.info.run_id}) as beneath:
        pass
    client.create_registered_model("churn")
    client.create_model_version("churn", "file:///nowhere", left.info.run_id)
    version = tracking.record_training(record)
    assert {client.get_run(each).info.status for each in (left.info.run_id, beneath)} == {"KILLED"}
    models = client.search_logged_models([tracking.store.experiment])
    assert [model.source_run_id for model in models] == [version.run_id]
    assert versions(tracking) == [version.version]
    assert tracking.champion() == version


class _Interrupting(Figure):
    def savefig(self, *_: object, **__: object) -> None:
        raise KeyboardInterrupt


def test_an_appointment_that_a_crash_prevented_is_made_up_for(tracking, record):
    version = tracking.record_training(record)
    client = tracking.store.client
    client.delete_registered_model_tag("churn", f"champion_from.{FIRST}")
    client.delete_registered_model_alias("churn", "champion")
    tracking.record_training(record)
    assert tracking.champion() == version


WRITES = (
    "set_registered_model_tag",
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
)


def killed_after(writes: int, work) -> bool:
    """Whether the work, in a process that is killed before a further write to the registry, had one left to do."""
    child = os.fork()
    if child == 0:
        from mlflow import MlflowClient

        open_store.cache_clear()
        left = [None] * writes

        def counted(write):
            def call(*given, **named):
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left.pop()
                return write(*given, **named)

            return call

        for name in WRITES:
            setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("again", ["training", "another night"])
def test_a_champion_whose_appointment_was_killed_between_any_two_writes_is_appointed(tracking, record, again, tmp_path):
    tracking.record_training(record)
    second = later(record, SECOND)
    write_training(tracking.store, "churn", second, promote=True)
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "before.db")
    writes, kills = 0, 0
    while True:
        shutil.copy(tmp_path / "before.db", tmp_path / "mlflow.db")
        open_store.cache_clear()
        killed = killed_after(writes, lambda: tracking.record_training(second))
        serving = tracking.champion(SECOND).version
        assert tracking.champion().version == serving
        if again == "training":
            tracking.record_training(second)
        else:
            # A night without a training finishes what was begun, and begins nothing.
            tracking.finish_appointment()
        expected = "2" if again == "training" else serving
        assert tracking.champion().version == tracking.champion(SECOND).version == expected
        assert aliases(tracking)["champion"] == expected
        if expected == "2":
            assert aliases(tracking) == {"champion": "2", "previous": "1"}
        if not killed:
            break
        writes, kills = writes + 1, kills + 1
    assert kills > 3


def test_the_same_training_on_another_processor_is_no_new_one(tracking, record):
    def elsewhere(scorer):
        weights = tuple(weight * (1 + 1e-13) for weight in scorer.weights)
        linear = replace(scorer.linear, intercept=scorer.linear.intercept * (1 - 1e-13))
        return replace(scorer, weights=weights, linear=linear)

    version = tracking.record_training(record)
    assert elsewhere(record.serving).describe() != record.serving.describe()
    assert tracking.record_training(replace(record, serving=elsewhere(record.serving))) == version
    other = replace(record.serving, calibration=Calibration("platt", (0.1, 1.2, 1.2)))
    assert tracking.record_training(replace(record, serving=other)) != version


def test_a_settled_night_is_recorded_once(tracking):
    metrics = {"champion": {"auroc": 0.75}, "recency": {"auroc": 0.7}}
    run = tracking.record_settlement(FIRST, metrics, digest="a", tags={"model_version": "1"})
    assert tracking.record_settlement(FIRST, metrics, digest="a") == run
    assert runs(tracking, "metrics.`settled/champion/auroc` > 0.7") == ["settlement 2024-03-31"]
    assert runs(tracking, "metrics.`settled/recency/auroc` > 0.7") == []
    late = tracking.record_settlement(FIRST, metrics, digest="b")
    assert late != run


def test_a_table_of_customers_is_refused(tracking, record):
    rows = {"worst": pl.DataFrame({"customer_id": ["customer-00001"]})}
    with pytest.raises(ValueError, match="table 'worst' has a column customer_id"):
        tracking.record_settlement(FIRST, {}, digest="a", tables=rows)
    with pytest.raises(ValueError, match="table 'worst' has a column customer_id"):
        tracking.record_training(replace(record, tables=rows))
    assert versions(tracking) == []


def test_no_customer_is_named_anywhere_in_the_store(tracking, record, tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    tracking.record_training(replace(record, figures={"gain": figure}))
    tracking.record_settlement(FIRST, {"champion": {"auroc": 0.7}}, digest="a", tables=record.tables)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"model.ubj", "scorer.json", "MLmodel", "calibration.json", "gain.png"}
    assert not [path for path in written if b"customer-" in path.read_bytes()]
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        dump = "\n".join(database.iterdump())
    assert "training 2024-03-31" in dump
    assert "customer-" not in dump


@pytest.mark.parametrize("what", ["serving", "judged"])
def test_a_model_whose_files_were_exchanged_is_not_loaded(tracking, record, what, tmp_path):
    version = tracking.record_training(record).version
    load = tracking.load if what == "serving" else tracking.load_judged
    load(version)
    stored = {file.parent.name == "judged": file for file in (tmp_path / "artifacts").rglob("scorer.json")}
    file = stored[what == "judged"]
    file.write_text(file.read_text(encoding="utf-8").replace("0.", "1.", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="the stored model is not the one that was trained"):
        load(version)
