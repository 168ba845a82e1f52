"""Drift is seen where there is some, and nowhere else."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from models.drift import Drift, DriftLimits, drift, profile, stale

LEARNED, TONIGHT = date(2026, 1, 1), date(2026, 4, 1)
FEATURES = ("recency_days", "orders", "season", "gap")
NO_SETTLED = pl.DataFrame(schema={"night": pl.Date, "scorer": pl.String, "figure": pl.String, "value": pl.Float64})


def customers(count: int, *, seed: int, later: float = 0.0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "recency_days": chance.exponential(30, count) + later,
            "orders": chance.poisson(2, count).astype(float),
            "season": np.full(count, 0.5),
            "gap": np.where(chance.random(count) < 0.4, np.nan, chance.gamma(2, 10, count)),
        },
        schema=dict.fromkeys(FEATURES, pl.Float32),
    ).fill_nan(None)


def score(rows: pl.DataFrame) -> pl.Series:
    return (rows["recency_days"] / (rows["recency_days"] + 30)).cast(pl.Float64)


def learned() -> pl.DataFrame:
    return profile(customers(4000, seed=1), FEATURES, score, churn_rate=0.5)


def compared(rows: pl.DataFrame, settled: pl.DataFrame = NO_SETTLED) -> pl.DataFrame:
    return drift(
        learned(),
        rows,
        score(rows),
        settled,
        night=TONIGHT,
        model_version="3",
        trained_as_of=LEARNED + timedelta(days=40),
        horizon_days=30,
        limits=DriftLimits(),
    )


def settlement(night: date, *, rate: float, expected: float) -> pl.DataFrame:
    rows = [(night, "champion", "churn_rate", rate), (night, "champion", "mean_prediction", expected)]
    return pl.DataFrame(rows, schema=NO_SETTLED.schema, orient="row")


def test_what_contacts_changed_is_no_fault_of_the_model():
    seen = settlement(TONIGHT - timedelta(days=30), rate=0.3, expected=0.5)
    alone = settlement(TONIGHT - timedelta(days=30), rate=0.49, expected=0.5)
    assert stale(compared(customers(4000, seed=1), seen))
    both = pl.concat([seen, alone.with_columns(scorer=pl.lit("champion_untreated"))])
    assert not stale(compared(customers(4000, seed=1), both))


def test_the_night_of_the_training_has_not_drifted_at_all():
    found = compared(customers(4000, seed=1))
    assert found["value"].to_list() == [0.0] * found.height


def test_nights_of_the_same_kind_do_not_drift():
    found = Drift.validate(compared(customers(4000, seed=9)))
    assert found.filter(pl.col("kind") == "feature", pl.col("value") > 0.02).is_empty()
    assert stale(found) == ""


def test_customers_who_are_away_longer_are_seen_in_their_feature_and_in_the_score():
    found = compared(customers(4000, seed=9, later=40))
    beyond = found.filter(pl.col("value") > pl.col("limit"))
    assert set(beyond["name"]) == {"recency_days", "churn_probability", "drifted_share"}
    assert "the scores are distributed otherwise" in stale(found)
    assert "33% of the features" in stale(found)


def test_a_feature_that_becomes_unknown_drifts():
    rows = customers(4000, seed=9).with_columns(gap=pl.lit(None, pl.Float32))
    found = compared(rows).filter(pl.col("value") > pl.col("limit"))
    assert found["name"].to_list()[0] == "gap"


def test_what_is_one_value_a_night_is_not_compared():
    assert "season" not in learned()["name"]


def test_the_index_is_the_one_of_the_formula():
    rows = pl.DataFrame({"orders": [1.0, 1.0, 2.0, 2.0]})
    known = profile(rows, ["orders"], lambda these: these["orders"] / 4, churn_rate=0.5)
    tonight = pl.DataFrame({"orders": [1.0, 2.0, 2.0, 2.0]})
    found = drift(
        known,
        tonight,
        tonight["orders"] / 4,
        NO_SETTLED,
        night=TONIGHT,
        model_version="1",
        trained_as_of=LEARNED,
        horizon_days=30,
        limits=DriftLimits(),
    )
    # Bins up to 1, up to 2, above, unknown: each holds half a customer more, of 4 + 4 / 2.
    before, now = np.array([2.5, 2.5, 0.5, 0.5]) / 6, np.array([1.5, 3.5, 0.5, 0.5]) / 6
    expected = np.sum((now - before) * np.log(now / before))
    assert found.filter(pl.col("kind") == "feature")["value"].item() == pytest.approx(expected)


def test_predictions_that_did_not_come_true_make_a_model_stale():
    settled = settlement(LEARNED + timedelta(days=20), rate=0.7, expected=0.5)
    why = stale(compared(customers(4000, seed=9), settled))
    assert "predictions and outcomes were 20.0% apart" in why
    assert "the churn rate is 20.0% away" in why


def test_an_outcome_that_the_model_has_learned_from_says_nothing_about_it():
    settled = settlement(LEARNED + timedelta(days=10), rate=0.7, expected=0.5)
    assert stale(compared(customers(4000, seed=9), settled)) == ""


def test_a_limit_that_every_night_exceeds_is_refused():
    with pytest.raises(ValueError, match="max_psi is 0; it must be above 0"):
        DriftLimits(max_psi=0)
