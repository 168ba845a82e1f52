"""What reasons cost: those of the tenth most at risk, over the plain scores of everybody.

Run ``python -m benchmarks.reasons``. A committee with trees is trained on simulated customers; features and model are
in memory, both ways score in one process in turns.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from benchmarks.record import Row, arguments, paired, report
from models.customer_days import UNIT
from models.features import features
from models.labels import labels
from models.learning import ClassifierRecipe, TrainingRecipe, fit
from models.population import histories
from models.reasons import reasons
from models.simulator import customers, transactions

FIRST, DAYS, HORIZON, ACTIVE = date(2023, 1, 1), 600, 30, 200
NIGHT = FIRST + timedelta(days=DAYS - 1)
ASKED = 3.0


def days_of(size: int) -> pl.LazyFrame:
    """`customer_days` of a simulated shop."""
    sold = transactions(customers(size, seed=1), first_day=FIRST, days=DAYS, seed=1)
    bought = sold.group_by("customer_id", day=pl.col("timestamp").dt.date()).agg(
        orders=pl.len().cast(pl.Int64),
        lines=pl.len().cast(pl.Int64),
        quantity=(pl.col("quantity").sum() * UNIT).cast(pl.Int64),
        spend=(pl.col("amount").sum() * UNIT).round().cast(pl.Int64),
    )
    return bought.with_columns(
        refunds=pl.lit(0, pl.Int64), returns=pl.lit(0, pl.Int64), discount=pl.lit(0, pl.Int64)
    ).lazy()


def main() -> None:
    """Train, measure, print."""
    given = arguments(__doc__).parse_args()
    size = round(200_000 * given.scale)
    learned = days_of(20_000)
    ripe = [NIGHT - timedelta(days=HORIZON * back) for back in range(5, 0, -1)]
    known = features(learned, ripe, active_days=ACTIVE, horizon_days=HORIZON)
    examples = known.join(labels(learned, ripe, HORIZON), on=["night", "customer_id"]).drop("outcome_spend").collect()
    now, before = (histories(learned, night, DAYS).collect() for night in (NIGHT, ripe[-1]))
    recipe = TrainingRecipe(classifier=ClassifierRecipe(rounds=300))
    scorer = fit(examples, now, before, as_of=NIGHT, horizon_days=HORIZON, recipe=recipe)
    everybody = features(days_of(size), [NIGHT], active_days=ACTIVE, horizon_days=HORIZON).collect()
    risk = scorer.predict(everybody)["churn_probability"].to_numpy()
    tenth = everybody[np.argsort(-risk)[: everybody.height // 10]]
    ways = {
        "reasons": lambda: reasons(tenth, scorer.contributions(tenth)),
        "scores": lambda: scorer.predict(everybody),
    }
    costs = paired(ways, given.repetitions)
    trees = 0 if scorer.booster is None else scorer.booster.num_boosted_rounds()
    row = Row(
        "reasons of the tenth most at risk / scores of everybody",
        {"active customers": everybody.height, "features": len(scorer.features), "trees": trees},
        costs["reasons"].wall,
        costs["scores"].wall,
        ASKED,
    )
    report("reasons", [row], given.json)


if __name__ == "__main__":
    main()
