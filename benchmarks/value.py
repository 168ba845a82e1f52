"""How well the spend of kept customers is foreseen: the learned value beside the simple rules, on real purchases.

Run ``python -m benchmarks.value --data ../shared/data``. As of each night, the last day of the data and others before
it, the value is learned and judged as a training does; nothing is tuned on these nights.
"""

import argparse
from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.datasets import SOURCES, read
from models.challenge import Question
from models.classifier import ClassifierRecipe
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.ranking import EvaluationRecipe
from models.worth import appraise

VALUE_DAYS = 365


def main() -> None:
    """Print a table for each data set and night."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=["cdnow", "oxford_spend"], choices=sorted(SOURCES))
    parser.add_argument("--nights", type=int, default=3, help="nights, a month apart")
    given = parser.parse_args()
    for name in given.sets:
        data = read(name, given.data)
        training = TrainingRecipe(classifier=ClassifierRecipe(threads=1))
        churn = ChurnDefinition(horizon_days=data.horizon_days, active_days=365)
        question = Question(churn, FeatureRecipe(), training, EvaluationRecipe(), GateRecipe())
        for number in range(given.nights):
            night = data.last_day - timedelta(days=30 * number)
            known = [table.filter(pl.col("day") <= night).lazy() for table in (data.days, data.items)]
            found = appraise(known[0], night, question, VALUE_DAYS, items=known[1])
            print(f"\n{name}, as of {night}: {found.sentence}")
            for candidate, figures in found.figures.items():
                print(f"  {candidate:16}", "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
