"""Examples on disk: the model from files is the one from memory, and grows from more than memory may hold."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from assets.example_store import DiskExamples
from models import batches, classifier, simulator
from models.challenge import Question, challenge
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import ClassifierRecipe, TrainingRecipe
from models.ranking import EvaluationRecipe
from tests.shops import bought

FIRST, NIGHT = date(2024, 1, 1), date(2025, 3, 1)
QUESTION = Question(
    churn=ChurnDefinition(horizon_days=60, active_days=120),
    features=FeatureRecipe(lookback_days=500, windows=(30, 90), families=("recency", "frequency", "tenure")),
    training=TrainingRecipe(
        nights=3, min_outcomes=50, memory="disk", classifier=ClassifierRecipe(rounds=10, patience=5)
    ),
    evaluation=EvaluationRecipe(replicates=20),
    gate=GateRecipe(),
)


@pytest.fixture(scope="module")
def days():
    return bought(FIRST, 426)


@pytest.fixture(scope="module")
def delivered():
    """Some who were treated and some left alone, so that examples are left out and repeated."""
    return pl.LazyFrame(
        {
            "night": [date(2024, 9, 1)] * 300,
            "customer_id": simulator.customers(1000, seed=2)["customer_id"].head(300),
            "status": ["stayed"] * 300,
            "segment": ["save_now"] * 300,
            "deliver": [number % 3 > 0 for number in range(300)],
            "suppressed_reason": [None if number % 3 > 0 else "control" for number in range(300)],
        }
    )


def trees(scorer):
    assert scorer.booster is not None
    return bytes(scorer.booster.save_raw())


def test_the_model_from_disk_is_that_from_memory_byte_for_byte(days, delivered, tmp_path):
    on_disk = challenge(days, NIGHT, QUESTION, None, delivered=delivered, store=DiskExamples(tmp_path))
    in_memory = challenge(days, NIGHT, QUESTION, None, delivered=delivered)
    assert on_disk.examples.collect().equals(in_memory.examples.collect())
    for one, other in ((on_disk.judged, in_memory.judged), (on_disk.serving, in_memory.serving)):
        assert trees(one) == trees(other)
        assert one.describe() == other.describe()
    assert on_disk.verdict == in_memory.verdict
    assert {file.suffix for file in tmp_path.iterdir()} == {".parquet"}  # no bins


def test_the_trees_grow_from_every_example_though_memory_holds_a_part(days, tmp_path):
    few = replace(QUESTION, training=replace(QUESTION.training, max_examples=700))
    found = challenge(days, NIGHT, few, None, store=DiskExamples(tmp_path))
    everybody = found.examples.filter(pl.col("night").is_in(found.serving.nights))
    assert found.jury.height <= 700 < everybody.select(pl.len()).collect().item()
    assert trees(found.serving) != trees(challenge(days, NIGHT, few, None).serving)
    assert found.serving.booster is not None
    cover = found.serving.booster.trees_to_dataframe().query("Node == 0")["Cover"].max()
    assert cover > 700 / 4  # p (1 - p) of each row adds up to at most a quarter of the rows


def test_bins_in_batches_on_disk_give_the_same_trees(monkeypatch, days, tmp_path):
    rows = challenge(days, NIGHT, QUESTION, None).examples.with_columns(weight=pl.lit(1.0))
    names = ("recency_days", "tenure_days")
    in_memory = classifier.train(rows, names, QUESTION.training.classifier)
    monkeypatch.setattr(batches, "_ROWS", 100)
    on_disk = classifier.train(rows, names, QUESTION.training.classifier, cache=tmp_path)
    assert on_disk.save_raw() == in_memory.save_raw()
    assert not list(tmp_path.iterdir())
