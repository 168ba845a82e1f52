"""Each question about the data is answered by its figure: on hand-made frames, and on shops that never were."""

from datetime import date, timedelta

import polars as pl
import pytest

from models import simulator
from models.definition import ChurnDefinition
from models.diagnosis import Diagnosis, diagnose
from models.judgement import graded
from models.learning import TrainingRecipe
from models.plausibility import fill, known, repeat, usable, week

FIRST = date(2024, 1, 1)
CHURN = ChurnDefinition(horizon_days=30, active_days=120)


def bought(rows: dict[str, list[int]]) -> pl.DataFrame:
    """Purchase days from the place of each day in the data."""
    return pl.DataFrame(
        [(who, FIRST + timedelta(days=day), 1) for who, days in rows.items() for day in days],
        schema={"customer_id": pl.String, "day": pl.Date, "orders": pl.Int64},
        orient="row",
    )


def shop(count: int, span: int) -> pl.DataFrame:
    lines = simulator.transactions(simulator.customers(count, seed=5), first_day=FIRST, days=span, seed=5)
    days = lines.group_by("customer_id", day=pl.col("timestamp").dt.date()).agg(orders=pl.len().cast(pl.Int64))
    return days.with_columns(pl.lit(0, pl.Int64).alias(name) for name in ("spend", "refunds"))


def diagnosed(days: pl.DataFrame, churn: ChurnDefinition = CHURN) -> Diagnosis:
    last = days["day"].max()
    assert isinstance(last, date)
    return diagnose(days.lazy(), last, churn, TrainingRecipe())


def verdicts(found: Diagnosis) -> dict[str, str]:
    return {each.item: each.verdict for each in found.judgements}


def test_a_shop_of_plenty_is_enough_but_looks_as_simulated_as_it_is():
    found = diagnosed(shop(2500, 420))
    assert found.refused is None
    assert found.outcomes
    assert {item for item, verdict in verdicts(found).items() if verdict != "good"} == {"looks real"}


def test_the_refusal_names_the_days_and_stands_in_the_verdicts():
    found = diagnosed(shop(800, 121), ChurnDefinition(horizon_days=90, active_days=365))
    assert found.refused is not None
    assert "span 120 days" in found.refused
    bad = {item for item, verdict in verdicts(found).items() if verdict == "not enough"}
    assert {"history", "ripe nights to learn from", "customers who churned", "customers who stayed"} <= bad
    assert all(each.advice for each in found.judgements if each.verdict != "good")


def test_ids_that_name_orders_are_found_out():
    days = bought({f"order {number}": [number % 400] for number in range(3000)})
    found = verdicts(diagnosed(days.with_columns(spend=pl.lit(0, pl.Int64), refunds=pl.lit(0, pl.Int64))))
    assert (found["customers who came back"], found["known customers"]) == ("not enough", "not enough")
    assert found["churn rate"] == "not enough"


def test_a_day_of_data_is_judged_too():
    day = bought({"a": [0], "b": [0]}).with_columns(spend=pl.lit(0, pl.Int64), refunds=pl.lit(0, pl.Int64))
    assert diagnosed(day).refused is not None


@pytest.mark.parametrize(("back", "verdict"), [(0, "not enough"), (10, "doubtful"), (50, "good")])
def test_customers_who_came_back_are_counted_by_days(back, verdict):
    judged = repeat(bought({f"{n}": [0, 0, 1] if n < back else [0, 0] for n in range(100)}))
    assert judged.verdict == verdict
    assert judged.figure.startswith(f"{back:.1f}% of 100")


def test_known_customers_are_those_who_bought_before_the_last_horizon():
    days = bought({"old": [0, 95], "new": [96], "lost": [3]})
    assert known(days, FIRST + timedelta(days=100), 30).figure.startswith("50.0%")


def test_a_shop_that_closes_on_sundays_looks_real_and_one_without_weekdays_does_not():
    every = {f"{n}": list(range(280)) for n in range(20)}
    open_days = {who: [day for day in days if day % 7 != 6] for who, days in every.items()}
    assert week(bought(open_days)).verdict == "good"
    assert week(bought(every)).verdict == "doubtful"
    assert "too few to tell" in week(bought({"a": [0, 1]})).figure


def test_columns_with_gaps_and_lines_without_use_are_named():
    assert fill({"amount": 1.0, "channel": 0.25}).figure == "channel 25%"
    assert fill({"amount": 1.0}).verdict == "good"
    assert [usable(bad, 1000, 0.05).verdict for bad in (50, 51, 501)] == ["good", "doubtful", "not enough"]


def test_advice_is_given_where_something_is_to_do():
    assert [graded("", value, (1, 3), "", "", "mend it").advice for value in (0, 1, 3)] == ["mend it", "mend it", ""]
