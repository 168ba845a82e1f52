"""What the control can tell is said before anybody hopes for it."""

from datetime import date, timedelta

import polars as pl
import pytest

from models.enrolment import ARM
from models.experiment import minimum_detectable_effect
from models.power import power

NIGHT = date(2026, 1, 31)
RATES = {"call": 0.2}


def table(nights, treated, control, *, risk=0.5):
    """at_risk_segments of some nights before tonight, other customers each."""
    rows = [
        (NIGHT - timedelta(days=before), f"{before}-{n}", "e", n < treated, None if n < treated else "control")
        for before in nights
        for n in range(treated + control)
    ]
    names = ["night", "customer_id", "experiment_id", "deliver", "suppressed_reason"]
    schema = dict(zip(names, [pl.Date, pl.String, pl.String, pl.Boolean, pl.String], strict=True))
    frame = pl.LazyFrame(rows, schema=schema, orient="row")
    return frame.with_columns(ARM, action=pl.lit("call"), churn_probability=pl.lit(risk))


def told(frame):
    return power(frame, RATES, experiment_id="e", night=NIGHT, horizon_days=28)


def test_the_smallest_effect_is_that_of_all_who_entered_and_of_tonight():
    found = told(table([14, 7, 0], 90, 10))
    assert (found.treated, found.control) == (270, 30)
    assert found.detectable == pytest.approx(minimum_detectable_effect(270, 30, 0.5))
    assert found.tonight == pytest.approx(minimum_detectable_effect(90, 10, 0.5))
    assert found.assumed == pytest.approx(0.1)


def test_the_weeks_are_those_until_enough_have_entered_and_are_ripe():
    found = told(table([14, 7, 0], 90, 10))
    weekly = found.weeks - 4
    after = minimum_detectable_effect(round(90 * (3 + weekly)), round(10 * (3 + weekly)), 0.5)
    assert after == pytest.approx(found.assumed, rel=0.02)
    assert told(table([60, 53], 5000, 5000)).weeks == 0
    assert told(table([21, 14], 5000, 5000)).weeks == 2


def test_one_night_tells_no_pace_and_no_control_nothing():
    assert told(table([0], 90, 10)).weeks is None
    assert told(table([7, 0], 90, 0)).detectable == float("inf")
    assert told(table([], 90, 0)) is None


def test_who_enters_twice_counts_once():
    again = table([7], 90, 10).with_columns(night=pl.lit(NIGHT))
    assert told(pl.concat([table([7], 90, 10), again])).treated == 90
