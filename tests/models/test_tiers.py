"""Risk tiers follow the thresholds, and nobody flips every night."""

from dataclasses import replace
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tiers import TIERS, Tiers, risk

NOBODY = pl.DataFrame(schema={"customer_id": pl.String, "risk_tier": pl.String})
BY_PROBABILITY = Tiers(by="probability", low=0.5, medium=0.6, high=0.8, leave_margin=0.05)


def scores(*probabilities):
    ids = [f"c{n:03}" for n in range(len(probabilities))]
    return pl.DataFrame({"customer_id": ids, "churn_probability": probabilities}).with_columns(
        model_version=pl.lit("7")
    )


@pytest.mark.parametrize(
    ("probability", "before", "after"),
    [
        (0.49999, None, "low"),
        (0.4999, None, "none"),
        (0.4999, "low", "low"),
        (0.45, "low", "low"),
        (0.4499, "low", "none"),
        (0.55, "medium", "medium"),
        (0.5499, "medium", "low"),
        (0.78, "high", "high"),
        (0.74, "high", "medium"),
        (0.1, "high", "none"),
        (0.8, "none", "high"),
        (1.0, "low", "high"),
    ],
)
def test_a_tier_is_entered_at_its_threshold_and_left_below_the_margin(probability, before, after):
    previous = NOBODY if before is None else pl.DataFrame({"customer_id": ["c000"], "risk_tier": [before]})
    assert risk(scores(probability), previous, BY_PROBABILITY)["risk_tier"].to_list() == [after]


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 1), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_a_probability_that_moves_within_the_margin_never_falls_a_tier(top, moves):
    levels, previous = [], NOBODY
    for move in moves:
        placed = risk(scores(top - 0.0499 * move), previous, BY_PROBABILITY)
        levels.append(TIERS.index(placed["risk_tier"].item()))
        previous = placed
    assert all(later >= earlier for earlier, later in pairwise(levels))


def test_percentiles_count_from_the_safest_to_the_riskiest():
    placed = risk(scores(*(n / 1_000 for n in range(200))), NOBODY, Tiers())
    assert placed["risk_percentile"].to_list() == [n // 2 + 1 for n in range(200)]
    tiers = placed.group_by("risk_tier").len().sort("len").rows()
    assert dict(tiers) == {"high": 22, "medium": 20, "low": 20, "none": 138}


def test_customers_with_the_same_score_share_their_percentile():
    assert risk(scores(0.2, 0.2, 0.2, 0.9), NOBODY, Tiers())["risk_percentile"].to_list() == [50, 50, 50, 100]


def test_places_come_in_the_order_of_ids_and_a_night_without_customers_has_none():
    placed = risk(scores(0.9, 0.1, 0.7).reverse(), NOBODY, BY_PROBABILITY)
    assert placed.select("customer_id", "risk_tier").rows() == [("c000", "high"), ("c001", "none"), ("c002", "medium")]
    assert risk(scores(0.5).clear(), NOBODY, Tiers()).is_empty()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"low": 0.9}, "must rise between 0 and 1"),
        ({"high": 70}, "must rise between 0 and 1"),
        ({"leave_margin": 0.7}, "leave_margin is 0.7"),
    ],
)
def test_impossible_thresholds_are_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Tiers(**arguments)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_beyond_the_capacity_nobody_is_at_risk_and_who_was_so_before_goes_first(probabilities, capacity, before):
    previous = pl.DataFrame(
        {"customer_id": [f"c{n:03}" for n in sorted(before)], "risk_tier": ["low"] * len(before)},
        schema={"customer_id": pl.String, "risk_tier": pl.String},
    )
    whole = risk(scores(*probabilities), previous, BY_PROBABILITY).filter(pl.col("risk_tier") != "none")
    capped = risk(scores(*probabilities), previous, replace(BY_PROBABILITY, capacity=capacity))
    chosen = capped.filter(pl.col("risk_tier") != "none")
    assert chosen.height == min(capacity, whole.height)
    assert chosen.join(whole, on=chosen.columns).height == chosen.height
    left_out = whole.join(chosen, on="customer_id", how="anti")
    known = pl.col("customer_id").is_in(previous["customer_id"].implode())
    for each in (known, ~known):
        inside, outside = (frame.filter(each)["churn_probability"].to_list() for frame in (chosen, left_out))
        assert min(inside, default=1) >= max(outside, default=0) - 1e-4
