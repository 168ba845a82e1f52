"""Uplift is told of comparable customers, each counted once, and its intervals hold the truth as often as they say."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.enrolment import ARM, enrolments_apart, first_enrolments
from models.experiment import uplift
from models.simulated_experiments import MARGIN, experiments
from models.uplift import ALL, RetentionUplift, retention_uplift

NIGHT = date(2026, 1, 31)


def outcomes(rows, **more):
    """Settled rows from (arm, segment, churned, spend), all of one experiment and action."""
    return pl.DataFrame(
        {
            "experiment_id": ["e"] * len(rows),
            "customer_id": [f"c{n:04}" for n in range(len(rows))],
            "arm": [row[0] for row in rows],
            "action": ["call"] * len(rows),
            "segment": [row[1] for row in rows],
            "churned": [row[2] for row in rows],
            "churn_probability": [0.5] * len(rows),
            "contacted": [None] * len(rows),
            "outcome_spend": [row[3] for row in rows],
            "action_cost": [2.0] * len(rows),
        },
        schema_overrides={"contacted": pl.Boolean, "outcome_spend": pl.Float64},
    ).with_columns(**more)


def many(arm, segment, count, kept):
    return [(arm, segment, number >= kept, 100.0 if number < kept else 0.0) for number in range(count)]


SMALL = [*many("treated", "a", 70, 56), *many("control", "a", 80, 48)]


def cell(table, segment, action="call"):
    return table.filter(action=action, segment=segment).row(0, named=True)


def test_one_cell_is_newcombes_interval_and_its_money_the_difference_in_margin_less_the_costs():
    found = retention_uplift(outcomes(SMALL), night=NIGHT, margin=0.3)
    RetentionUplift.validate(found)
    row, expected = cell(found, "a"), uplift(56, 70, 48, 80)
    assert (row["uplift"], row["uplift_low"], row["uplift_high"]) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert (row["retained_treated"], row["retained_control"]) == pytest.approx((0.8, 0.6))
    assert row["money_kept"] == pytest.approx(70 * (0.3 * (80 - 60) - 2))
    assert row["money_kept_low"] < row["money_kept"] < row["money_kept_high"]
    assert row["on_contacted"] is None
    for pooled in (cell(found, ALL), cell(found, ALL, ALL)):
        assert {**pooled, "action": "call", "segment": "a"} == row


def test_segments_with_other_shares_of_control_are_not_mixed_up():
    # 10 points in both; treated and control together, regardless of segments, would differ by 45.
    rows = [*many("treated", "a", 900, 810), *many("control", "a", 100, 80)]
    rows += [*many("treated", "b", 100, 30), *many("control", "b", 900, 180)]
    found = retention_uplift(outcomes(rows), night=NIGHT, margin=0.3)
    assert cell(found, ALL)["uplift"] == pytest.approx(0.1)
    assert cell(found, ALL)["uplift_low"] > cell(found, "b")["uplift_low"]


def test_a_chance_difference_in_scores_is_taken_out_and_the_interval_narrows():
    rows, truth = experiments(1, 4000, seed=3)
    row = cell(retention_uplift(rows, night=NIGHT, margin=MARGIN), ALL, ALL)
    assert row["adjusted_high"] - row["adjusted_low"] < 0.97 * (row["uplift_high"] - row["uplift_low"])
    assert row["adjusted_low"] < truth["uplift"].item() < row["adjusted_high"]


def test_where_only_some_are_reached_the_effect_on_them_is_told_besides():
    # 60 of 100 reached, all of the effect is theirs.
    reached = [number % 10 < 6 for number in range(1000)] + [False] * 1000
    rows = outcomes([*many("treated", "a", 1000, 560), *many("control", "a", 1000, 500)], contacted=pl.Series(reached))
    row = cell(retention_uplift(rows, night=NIGHT, margin=0.3), "a")
    assert (row["contacted_treated"], row["contacted_control"]) == (0.6, 0.0)
    assert row["on_contacted"] == pytest.approx(0.1)
    assert row["uplift"] == pytest.approx(0.06)
    assert row["on_contacted_low"] < 0.1 < row["on_contacted_high"]


@pytest.mark.parametrize("rows", [many("treated", "a", 5, 3), many("control", "a", 5, 3)])
def test_an_empty_arm_has_counts_but_no_uplift(rows):
    row = cell(retention_uplift(outcomes(rows), night=NIGHT, margin=0.3), "a")
    assert row["treated"] + row["control"] == 5
    assert row["uplift"] is None
    assert row["money_kept"] is None


def test_without_amounts_there_is_retention_but_no_money():
    rows = outcomes(SMALL).with_columns(outcome_spend=pl.lit(None, pl.Float64))
    row = cell(retention_uplift(rows, night=NIGHT, margin=0.3), "a")
    assert row["uplift"] == pytest.approx(0.2)
    assert row["money_kept"] is None


def test_nobody_enrolled_is_no_row():
    assert retention_uplift(outcomes(SMALL).clear(), night=NIGHT, margin=0.3).is_empty()


def test_a_customer_counts_with_the_first_night_on_which_only_the_draw_decided():
    names = ["night", "customer_id", "experiment_id", "deliver", "suppressed_reason"]
    rows = pl.DataFrame(
        [
            (0, "ann", "e", False, "budget"),
            (1, "ann", "e", True, None),
            (40, "ann", "e", True, None),
            (0, "bob", "e", False, "control"),
            (50, "bob", "e", False, "control"),
            (60, "bob", "f", True, None),
            (0, "cyd", "e", False, "no_consent"),
        ],
        schema=names,
        orient="row",
    ).with_columns(night=pl.lit(NIGHT) + pl.duration(days="night"))
    found = first_enrolments(rows.with_columns(ARM).lazy()).collect()
    assert found.select("experiment_id", "customer_id", "arm", "night").rows() == [
        ("e", "bob", "control", NIGHT),
        ("e", "ann", "treated", NIGHT + timedelta(days=1)),
        ("f", "bob", "treated", NIGHT + timedelta(days=60)),
    ]
    assert_frame_equal(first_enrolments(rows[::-1].with_columns(ARM).lazy()).collect(), found)


def test_what_save_rates_learn_from_lies_a_horizon_apart():
    nights = {"ann": [0, 29, 30, 59, 61], "bob": [10, 39]}
    rows = pl.DataFrame(
        [("e", who, NIGHT + timedelta(days=day), "treated") for who, days in nights.items() for day in days]
        + [("e", "ann", NIGHT + timedelta(days=90), None), ("f", "ann", NIGHT + timedelta(days=1), "control")],
        schema=["experiment_id", "customer_id", "night", "arm"],
        orient="row",
    )
    found = enrolments_apart(rows[::-1].lazy(), 30).group_by("experiment_id", "customer_id", maintain_order=True)
    assert [(*key, [(night - NIGHT).days for night in part["night"]]) for key, part in found] == [
        ("e", "ann", [0, 30, 61]),
        ("e", "bob", [10]),
        ("f", "ann", [1]),
    ]
    assert enrolments_apart(rows.clear().lazy(), 30).is_empty()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200)), max_size=40, unique=True), st.integers(1, 70))
@settings(max_examples=50, deadline=None)
def test_every_row_is_kept_or_too_close_after_one_that_is(entered, days):
    rows = pl.DataFrame(entered, schema={"customer_id": pl.String, "day": pl.Int64}, orient="row").select(
        "customer_id",
        night=pl.lit(NIGHT) + pl.duration(days="day"),
        experiment_id=pl.lit("e"),
        arm=pl.lit("treated"),
    )
    last: dict[str, int] = {}
    expected = []
    for who, day in sorted(entered):
        if who not in last or day - last[who] >= days:
            last[who] = day
            expected.append((who, NIGHT + timedelta(days=day)))
    assert enrolments_apart(rows.lazy(), days).select("customer_id", "night").rows() == expected


def test_over_a_thousand_experiments_the_intervals_hold_the_truth_as_often_as_they_say():
    rows, truth = experiments(1000, 400, seed=1)
    found = retention_uplift(rows, night=NIGHT, margin=MARGIN, replicates=2).filter(action=ALL, segment=ALL)
    both = found.join(truth, on="experiment_id", suffix="_true", validate="1:1")
    assert both.height == 1000
    for figure, estimate in (("uplift", "uplift"), ("uplift", "adjusted"), ("on_contacted", "on_contacted")):
        true = pl.col("uplift_true") if figure == "uplift" else pl.col("on_contacted_true")
        held = both.select(true.is_between(f"{estimate}_low", f"{estimate}_high").mean()).item()
        assert 0.93 <= held <= 0.97, (estimate, held)
