"""How well the spend of kept customers is foreseen: the learned value beside the simple rules, on real purchases.

Run ``python -m benchmarks.value --data ../shared/data``. As of each night, the last day of the data and others before
it, a month apart, as many as ``--repetitions`` says, the value is learned and judged as a training does; nothing is
tuned on these nights. ``--scale`` is the share of the customers.
"""

from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.datasets import SOURCES, read
from benchmarks.record import Row, arguments, report
from models.challenge import Question
from models.classifier import ClassifierRecipe
from models.definition import ChurnDefinition
from models.features import FeatureRecipe
from models.gate import GateRecipe
from models.learning import TrainingRecipe
from models.ranking import EvaluationRecipe
from models.worth import LEARNED, MEAN, OWN_RATE, PREMIUM, appraise

VALUE_DAYS = 365
RULES = (PREMIUM, OWN_RATE, MEAN)


def main() -> None:
    """Learn, judge and print what was said of each night."""
    parser = arguments(__doc__, repetitions=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=["cdnow", "oxford_spend"], choices=sorted(SOURCES))
    given = parser.parse_args()
    rows = []
    for name in given.sets:
        data = read(name, given.data)
        part = pl.col("customer_id").hash(0) < given.scale * 2**64
        training = TrainingRecipe(classifier=ClassifierRecipe(threads=1))
        churn = ChurnDefinition(horizon_days=data.horizon_days, active_days=365)
        question = Question(churn, FeatureRecipe(), training, EvaluationRecipe(), GateRecipe())
        losses: dict[str, list[float]] = {}
        for number in range(given.repetitions):
            night = data.last_day - timedelta(days=30 * number)
            known = [table.filter(part, pl.col("day") <= night).lazy() for table in (data.days, data.items)]
            found = appraise(known[0], night, question, VALUE_DAYS, items=known[1])
            print(f"{name}, as of {night}: {found.sentence}")
            for candidate, figures in found.figures.items():
                print(f"  {candidate:16}", "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))
            for candidate in (LEARNED, *RULES) if found.figures else ():
                losses.setdefault(candidate, []).append(found.figures[candidate]["deviance"])
        sizes = {"customers": data.days.filter(part)["customer_id"].n_unique(), "nights": given.repetitions}
        rows += [
            Row(f"{name}: deviance, learned / {rule}", sizes, losses[LEARNED], losses[rule], unit="")
            for rule in RULES
            if rule in losses
        ]
    report("value", rows, given.json)


if __name__ == "__main__":
    main()
