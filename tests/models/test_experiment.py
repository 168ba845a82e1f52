"""The control is drawn once, at random, and its size says what can be measured."""

from datetime import date
from math import inf

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.experiment import Experiment, assign, draw, minimum_detectable_effect, uplift

NOBODY = pl.DataFrame(
    schema={"night": pl.Date, "customer_id": pl.String, "experiment_id": pl.String, "is_control": pl.Boolean}
)


def at_risk(count, segment="save_now"):
    ids = pl.Series("customer_id", [str(n) for n in range(count)], dtype=pl.String)
    return ids.to_frame().with_columns(segment=pl.lit(segment), risk_tier=pl.lit("high"))


@pytest.mark.parametrize(
    ("customer", "salt", "number"),
    [
        ("17850", "retention-1", 0.6776518021263181),
        ("13047", "retention-1", 0.8743115492324363),
        ("c1", "retention-1", 0.5862179450242828),
        ("Müller", "retention-1", 0.9197219232959272),
        ("17850", "retention-2", 0.42288808426669283),
    ],
)
def test_no_upgrade_of_a_library_draws_again(customer, salt, number):
    assert draw(pl.Series([customer]), salt).to_list() == [number]


@settings(max_examples=20, deadline=None)
@given(share=st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]), salt=st.text(min_size=1, max_size=5))
def test_the_control_has_the_share_that_was_asked_for(share, salt):
    drawn = assign(at_risk(4_000), NOBODY, Experiment(salt, share))["is_control"].mean()
    assert drawn == pytest.approx(share, abs=5 * (share * (1 - share) / 4_000) ** 0.5)


def test_two_experiments_draw_independently():
    first, second = (draw(at_risk(20_000)["customer_id"], salt) < 0.1 for salt in ("one", "two"))
    assert (first & second).mean() == pytest.approx(0.01, abs=0.0035)


def test_a_segment_may_have_a_share_of_its_own():
    customers = pl.concat([at_risk(1_000), at_risk(1_000, "let_go")])
    drawn = assign(customers, NOBODY, Experiment("e", 0.0, {"let_go": 0.5}))
    shares = dict(drawn.group_by("segment").agg(pl.col("is_control").mean()).rows())
    assert shares["save_now"] == 0
    assert shares["let_go"] == pytest.approx(0.5, abs=0.08)
    assert set(drawn["stratum"]) == {"save_now/high", "let_go/high"}


def test_a_customer_stays_where_he_was_drawn_when_shares_change():
    tonight = at_risk(500)
    before = assign(tonight, NOBODY, Experiment("e", 0.2)).with_columns(night=pl.lit(date(2026, 1, 1)))
    after = assign(tonight, before, Experiment("e", 0.2, {"save_now": 0.9}))
    assert after["is_control"].to_list() == before["is_control"].to_list()
    anew = assign(tonight, before, Experiment("another", 0.9))
    assert anew["is_control"].to_list() != before["is_control"].to_list()


@pytest.mark.parametrize(
    ("treated", "control", "effect"),
    [(1_900, 100, 0.132), (9_000, 1_000, 0.043), (8_000, 2_000, 0.032), (100_000, 100_000, 0.006), (10, 0, inf)],
)
def test_the_smallest_effect_that_shows_at_a_churn_rate_of_30_percent(treated, control, effect):
    assert minimum_detectable_effect(treated, control, 0.3) == pytest.approx(effect, abs=5e-4)


def test_the_interval_is_that_of_newcombes_paper():
    # R. G. Newcombe 1998, Statistics in Medicine 17, table II: 56/70 against 48/80, method 10.
    found = uplift(56, 70, 48, 80)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_three_points_with_a_control_of_one_thousand_are_no_proof():
    found = uplift(6_300, 9_000, 670, 1_000)
    assert found.low < 0 < found.estimate < found.high


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_the_interval_holds_the_estimate_and_stays_within_possible_differences(n1, n0, rate1, rate0):
    found = uplift(round(n1 * rate1), n1, round(n0 * rate0), n0)
    assert -1 - 1e-9 <= found.low <= found.estimate <= found.high <= 1 + 1e-9


def test_an_empty_arm_has_no_uplift():
    with pytest.raises(ValueError, match="10 and 0 customers"):
        uplift(5, 10, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"experiment_id": ""}, "experiment_id is empty"),
        ({"control_share": 1.2}, "control_share is 1.2"),
        ({"control_shares": {"nurture": -1}}, "nurture is -1"),
    ],
)
def test_an_impossible_experiment_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Experiment(**arguments)


def test_nights_that_nobody_acts_on_are_no_experiment():
    nights = [date(2026, 1, day) for day in (1, 2, 3)]
    rows = pl.LazyFrame({"night": nights})
    assert Experiment().acted_on(rows).collect()["night"].to_list() == nights
    assert Experiment(starts=nights[1]).acted_on(rows).collect()["night"].to_list() == nights[1:]
