"""What runs on Spark, and the same in this process: all of it here, because one Java serves the tests of a file."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import TypeAdapter

from assets.lake import SCHEMAS, Lake
from assets.raw_judgement import judge_raw
from assets.spark_examples import store_of
from assets.spark_features import Features, Stored
from assets.spark_job import FeatureJob, ValidationJob
from assets.stored_scorer import restore, save
from models.catalogue import FAMILIES
from models.census import KNOWN, Tables, described
from models.challenge import Question, challenge
from models.classifier import ClassifierRecipe
from models.consent import ConsentRule
from models.customer_days import customer_days
from models.customer_items import customer_items
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.ranking import EvaluationRecipe
from models.simulator import customers, transactions
from models.transactions import RawTransaction, ValidationRules
from pipelines.definitions import definitions
from pipelines.settings import load_settings
from tests.shops import SOURCE, bought

FIRST_DAY, TRAINED, SCORED = date(2024, 1, 1), date(2024, 10, 1), date(2024, 10, 20)
CORRECTED = SOURCE.replace("[source]", '[source]\ncorrections = "replace"')
SETTINGS = f"""{CORRECTED}[churn]
horizon_days = 20
active_days = 90
[training]
nights = 3
[training.classifier]
rounds = 10
[evaluation]
replicates = 20
[engine]
"""
TABLES = "customer_features", "churn_scores", "at_risk_segments"


class Shop:
    """A folder whose nights are computed by an engine of the settings."""

    def __init__(self, folder: Path, engine: str = "") -> None:
        self.folder = folder
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        (folder / "churn.toml").write_text(SETTINGS + engine, encoding="utf-8")

    def run(self, night: date) -> None:
        job = definitions(load_settings(self.folder / "churn.toml")).resolve_job_def("nightly")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(partition_key=f"{night}", instance=instance, run_config=quiet).success

    def digests(self, night: date) -> dict[str, str]:
        files = {table: self.folder / "lake" / table / f"night={night}" / "data.parquet" for table in TABLES}
        return {table: hashlib.sha256(file.read_bytes()).hexdigest() for table, file in files.items()}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Shop]:
    """A shop whose model was trained in this process, and whose next night is computed by an engine."""
    trained = Shop(tmp_path_factory.mktemp("shop") / "trained")
    rows = transactions(customers(600, seed=1), first_day=FIRST_DAY, days=300, seed=1)
    rows.write_csv(trained.folder / "landing" / "history.csv")
    trained.run(TRAINED)
    last = rows.filter(pl.col("timestamp").dt.date().is_between(TRAINED - timedelta(days=9), TRAINED))
    last.with_columns(amount=pl.col("amount") * 2).head(9).write_csv(trained.folder / "landing" / "mended.csv")

    def run(name: str, engine: str) -> Shop:
        shutil.copytree(trained.folder, folder := trained.folder.with_name(name))
        shop = Shop(folder, engine)
        shop.run(SCORED)
        return shop

    return run


@pytest.fixture(scope="module")
def whole(scored: Callable[[str, str], Shop]) -> dict[str, str]:
    """The tables of the night, computed at once in this process."""
    shop = scored("whole", "")
    assert (shop.folder / "lake" / "replaced_orders" / f"night={SCORED}").is_dir()
    return shop.digests(SCORED)


def test_a_night_in_buckets_is_the_night_as_a_whole_byte_for_byte(scored, whole):
    assert scored("parted", "buckets = 3").digests(SCORED) == whole


def test_a_night_on_spark_is_the_night_as_a_whole_byte_for_byte(scored, whole, spark_engine):
    options = ", ".join(f'"{name}" = "{value}"' for name, value in spark_engine.options.items())
    engine = f'kind = "spark"\nbuckets = 3\nmaster = "{spark_engine.master}"\noptions = {{ {options} }}'
    assert scored("spark", engine).digests(SCORED) == whole


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stored]:
    """The lake of a shop in which one account is that of all guests: a million lines, 2,000 products."""
    line = pl.col("line")
    lines = pl.LazyFrame({"line": pl.int_range(1_000_400, eager=True)}).select(
        customer_id=pl.when(line < 400).then(pl.format("customer {}", line % 50)).otherwise(pl.lit("guest")),
        timestamp=pl.lit(datetime(2024, 4, 1, tzinfo=UTC)) + pl.duration(seconds=line * 7919 % 17_000_000),
        transaction_id=pl.lit(None, pl.String),
        is_return=pl.lit(value=False),
        quantity=1.0,
        amount=pl.lit(2.0) + line % 7,
        discount=pl.lit(None, pl.Float64),
        product=pl.format("P{}", line * 31 % 2000),
        category=pl.lit(None, pl.String),
        channel=pl.lit(None, pl.String),
    )
    lines = lines.with_columns(day=pl.col("timestamp").dt.date())
    lake, folder = {"customer_days": customer_days(lines), "customer_items": customer_items(lines)}, tmp_path_factory
    stored = {name: Stored(SCHEMAS[name].create_empty().schema, []) for name in KNOWN}
    for name, table in lake.items():
        table.sink_parquet(file := folder.mktemp(name) / "data.parquet")
        stored[name] = Stored(table.collect_schema(), [file])
    return stored


def test_a_guest_with_a_million_lines_and_a_worker_that_is_killed_change_nothing(spark, guests, tmp_path):
    driver, killed = os.getpid(), tmp_path / "killed"

    class Fatal(ConsentRule):
        def __getattribute__(self, name: str) -> Any:
            if name == "recorded" and os.getpid() != driver and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getattribute__(name)

    churn, recipe, nights = ChurnDefinition(horizon_days=20), FeatureRecipe(families=tuple(FAMILIES)), (SCORED,)
    target = tmp_path / "features"
    Features(nights, churn, recipe, Fatal(recorded=False)).compute(spark, guests, target, 3)
    assert killed.exists()
    lake = {
        name: pl.scan_parquet(each.files) if each.files else pl.LazyFrame(schema=each.schema)
        for name, each in guests.items()
    }
    here = described(Tables.of(lake, ConsentRule(recorded=False), SCORED), nights, churn, recipe)
    assert_frame_equal(pl.read_parquet(sorted(target.glob("*.parquet"))), here.collect(), check_exact=True)


JUDGING = date(2025, 3, 1)
QUESTION = Question(
    churn=ChurnDefinition(horizon_days=60, active_days=120),
    features=FeatureRecipe(lookback_days=500, windows=(30, 90), families=("recency", "frequency", "tenure")),
    training=TrainingRecipe(
        nights=3, min_outcomes=50, classifier=ClassifierRecipe(learning_rate=0.1, rounds=40, patience=10)
    ),
    evaluation=EvaluationRecipe(replicates=20),
    gate=GateRecipe(),
)


@pytest.fixture(scope="module")
def shop_days():
    """The purchases of a simulated shop by customer and day."""
    return bought(FIRST_DAY, 426, customers=2500, seed=4)


def test_trees_of_spark_are_as_good_are_judged_alike_and_load_anywhere(spark_engine, tmp_path, shop_days):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    lake = Lake(root=str(tmp_path / "lake"))
    lake.write("customer_days", JUDGING, shop_days)
    files = {name: [lake.file(name, JUDGING)] if name == "customer_days" else [] for name in KNOWN}

    def described(nights: Sequence[date]) -> list[Path]:
        asked = Features(tuple(nights), QUESTION.churn, QUESTION.features, ConsentRule(), heard=JUDGING)
        FeatureJob(spark_engine, files, asked, tmp_path / "features").run()
        return sorted((tmp_path / "features").glob("*.parquet"))

    with store_of("auto", spark_engine, scratch, described) as store:
        there = challenge(shop_days, JUDGING, QUESTION, None, store=store)
    here = challenge(shop_days, JUDGING, QUESTION, None)
    assert there.examples.collect().equals(here.examples.collect())
    assert (there.judged.weights, there.judged.linear) == (here.judged.weights, here.judged.linear)
    assert there.verdict.serves == here.verdict.serves
    assert there.metrics.keys() == here.metrics.keys()
    for name, most in (("auroc", 0.01), ("log_loss", 0.01)):
        assert there.metrics["committee"][name] == pytest.approx(here.metrics["committee"][name], abs=most)
    one, other = there.judged.booster, here.judged.booster
    assert one is not None
    assert other is not None
    assert one.save_raw() != other.save_raw()  # several tasks, each with rows of its own
    for fact in ("feature_names", "feature_types"):
        assert getattr(one, fact) == getattr(other, fact)
    assert one.num_boosted_rounds() == other.num_boosted_rounds()
    loaded = restore(save(there.serving, tmp_path / "scorer"))
    assert_frame_equal(loaded.predict(there.jury), there.serving.predict(there.jury), check_exact=True)
    assert all(file.name.startswith("examples ") for file in scratch.iterdir())


EVENING = datetime(JUDGING.year, JUDGING.month, JUDGING.day, 20, tzinfo=UTC)
MAPPED = ("customer_id", "timestamp", "transaction_id", "product", "quantity", "unit_price", "amount", "currency")


# In a process that has not judged before.
JUDGE = """
import sys
from pydantic import TypeAdapter
from assets.spark_job import FeatureJob, ValidationJob
for job in TypeAdapter(list[ValidationJob]).validate_json(sys.stdin.read()):
    job.run()
"""


def delivered(count: int, broken: int = 0, amount: float = 20.0) -> pl.DataFrame:
    """Lines of a night, of which the first ones break every rule in turn; the others are of customers C0 to C49."""
    row = pl.int_range(1, count + 1, dtype=pl.Int64)

    def bad(every: int) -> pl.Expr:
        return (row <= broken) & (row % every == 0)

    lines = pl.select(
        source_row=pl.when(bad(13)).then(1).otherwise(row),
        customer_id=pl.when(bad(3))
        .then(None)
        .when(bad(1))
        .then(pl.format("N{}", row))
        .otherwise(pl.format("C{}", row % 50)),
        timestamp=pl.when(~bad(5)).then(pl.lit(EVENING)),
        day=pl.when(bad(7)).then(date(1900, 1, 1)).when(bad(11)).then(date(2031, 1, 1)).when(~bad(5)).then(JUDGING),
        transaction_id=pl.format("T{}", row),
        product=pl.when(~bad(1)).then(pl.lit("tea")),
        quantity=pl.when(bad(4)).then(float("nan")).when(bad(2)).then(float("-inf")).otherwise(1.0),
        amount=pl.when(bad(4)).then(float("inf")).when(~bad(2)).then(amount),
        currency=pl.when(bad(1)).then(pl.lit("USD")).otherwise(pl.lit("EUR")),
        source_file=pl.lit("sales.csv"),
        occurrence=1 + bad(2).cast(pl.Int64),
    )
    empty = RawTransaction.create_empty()
    return pl.concat([empty, lines], how="diagonal_relaxed").cast(empty.schema)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Lakes whose newest night is good, breaks rules of lines and of the whole, or is empty."""
    lakes = []
    for name, raw, last in (
        ("good", delivered(400), 1),
        ("broken", delivered(4000, 3900, amount=0.2), 60),
        ("empty", delivered(0), 1),
    ):
        lake = Lake(root=str(tmp_path_factory.mktemp(name)))
        for night in (JUDGING - timedelta(days=last + 1), JUDGING - timedelta(days=last)):
            past = delivered(400).with_columns(day=pl.lit(night))
            known = past.with_columns(is_return=pl.lit(value=False))
            lake.write("raw_transactions", night, past)
            lake.write("transactions", night, known)
            lake.write("customer_days", night, customer_days(known.lazy()))
        lake.write("raw_transactions", JUDGING, raw)
        lakes.append(lake)
    return lakes


def test_great_expectations_judges_lines_on_spark_as_in_this_process(spark_engine, judged, tmp_path):
    rules = ValidationRules(history_nights=2)
    jobs = []
    for lake in judged:
        (folder := tmp_path / Path(lake.root).name).mkdir()
        jobs.append(ValidationJob(spark_engine, Path(lake.root), JUDGING, rules, MAPPED, folder / "docs", folder))
    given = TypeAdapter(list[ValidationJob]).dump_json(jobs)
    command = [sys.executable, "-W", "error", "-c", JUDGE]
    subprocess.run(command, input=given, check=True, cwd=Path(__file__).parents[2])
    there = [job.found() for job in jobs]
    here = [judge_raw(lake, JUDGING, rules, MAPPED, docs_root=tmp_path / "here") for lake in judged]
    assert there == here
    good, broken, empty = ([finding.name for finding in findings if not finding.passed] for findings in there)
    assert good == []
    assert {"rejected_share", "lines_unique", "lines_repeated", "volume_usual", "amount_usual"} <= {*broken}
    assert empty == ["rows_present", "volume_usual"]
    pages = "".join(page.read_text(encoding="utf-8") for page in tmp_path.rglob("20*.html"))
    assert "sales.csv" not in pages
    assert "N17" not in pages
