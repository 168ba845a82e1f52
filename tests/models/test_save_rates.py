"""Save rates move from what is assumed to what experiments show, as fast as these can tell."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from models.actions import Action, Policy
from models.experiment import Experiment, assign
from models.policy import decide
from models.propensities import ActionPropensity, propensities
from models.save_rates import SaveRate, levels, posterior, save_rates
from models.simulated_experiments import experiments
from models.simulated_response import Response

NIGHT = date(2026, 1, 31)
CALL, MAIL = (
    Action("service_call", "phone", 1.0, save_alpha=2, save_beta=18),
    Action("mail", "email", 0.1, save_alpha=2, save_beta=18),
)
GREEDY, THOMPSON = Policy((CALL, MAIL)), Policy((CALL, MAIL), policy="thompson")
SEGMENTS = ("nurture", "save_now")


def mean(belief):
    return belief[0] / sum(belief)


def rates(enrolled, policy=GREEDY):
    return save_rates(enrolled, policy, SEGMENTS, night=NIGHT)


def rate(table, action, segment):
    return table.filter(action=action, segment=segment)["rate"].item()


NOTHING = experiments(1, 10, seed=1)[0].clear()


def test_without_an_experiment_the_catalogue_stands():
    found = rates(NOTHING)
    SaveRate.validate(found)
    assert set(found["rate"]) == {0.1}
    assert found.select("action", "segment").rows() == [
        ("mail", "nurture"),
        ("mail", "save_now"),
        ("service_call", "nurture"),
        ("service_call", "save_now"),
    ]


def test_a_large_experiment_teaches_the_true_rate_and_nothing_of_what_it_did_not_try():
    enrolled, _ = experiments(1, 100_000, seed=1, response=Response(0.3), reached=1.0)
    found = rates(enrolled)
    for segment in SEGMENTS:
        assert rate(found, "service_call", segment) == pytest.approx(0.3, abs=0.03)
        assert rate(found, "mail", segment) == 0.1
    assert set(rates(enrolled, Policy((CALL, MAIL), learn=False))["rate"]) == {0.1}


CELL = ("service_call", "save_now")


def told(prior, treated, control, elsewhere=()):
    """The belief after an experiment of one cell; each arm is customers, those who left, their churn probability."""
    controls = {CELL: band(*control)} | {("mail", f"{n}"): band(*each) for n, each in enumerate(elsewhere)}
    known = {cell: bands for cell, bands in controls.items() if len(bands)}
    alpha, beta = prior
    return posterior(alpha, beta, band(*treated), levels(known, [CELL]).get(CELL))


def band(customers, left, probability):
    return np.array([[probability, customers, left]] if customers else np.empty((0, 3)), dtype=float)


def test_a_small_experiment_teaches_little():
    start, after = (2.0, 18.0), told((2, 18), (20, 6, 0.6), (20, 12, 0.6))
    assert mean(start) < mean(after) < 0.2
    assert told((2, 18), (20, 6, 0.6), (0, 0, 0.6)) == start
    assert told((2, 18), (0, 0, 0.6), (20, 12, 0.6)) == start


def test_a_large_experiment_with_a_small_control_is_believed_no_more_than_its_control():
    balanced = told((1, 1), (10_000, 4_800, 0.6), (10_000, 6_000, 0.6))
    lopsided = told((1, 1), (10_000, 4_800, 0.6), (100, 60, 0.6))
    assert mean(balanced) == pytest.approx(0.2, abs=0.01)
    assert sum(lopsided) < sum(balanced) / 20


def test_what_other_controls_say_of_the_score_sharpens_a_belief_and_does_not_move_it_off_its_own():
    alone = told((1, 1), (1_000, 480, 0.6), (100, 60, 0.6))
    helped = told((1, 1), (1_000, 480, 0.6), (100, 60, 0.6), [(2_000, 1_200, 0.6)] * 5)
    assert sum(helped) > 1.5 * sum(alone)
    assert mean(helped) == pytest.approx(0.2, abs=0.02)
    # Its own control is large and says that here the score tells too little: it is believed.
    apart = told((1, 1), (10_000, 6_400, 0.6), (10_000, 8_000, 0.6), [(2_000, 1_200, 0.6)] * 5)
    assert mean(apart) == pytest.approx(0.2, abs=0.02)
    unknown = told((2, 18), (1_000, 480, 0.6), (0, 0, 0.6), [(2_000, 1_200, 0.6)] * 5)
    assert mean((2, 18)) < mean(unknown) < 0.2


@pytest.mark.parametrize("off", [0.7, 1.0, 1.3])
def test_a_score_that_is_wrong_everywhere_is_not_taken_for_an_effect(off):
    nothing = told((2, 18), (9_000, 9_000 * 0.5 * off, 0.5), (1_000, 500 * off, 0.5), [(1_000, 500 * off, 0.5)] * 3)
    assert mean(nothing) < 0.04


def test_treated_who_were_likelier_to_leave_are_not_held_against_the_action():
    # As many left as of a control at half the risk: 0.8 x (1 - 0.25) = 0.6.
    assert mean(told((1, 1), (10_000, 6_000, 0.8), (10_000, 4_000, 0.4))) == pytest.approx(0.25, abs=0.02)


def test_the_belief_holds_the_true_rate_as_often_as_it_says():
    random, held, n = np.random.default_rng(1), 0, 300
    for _ in range(n):
        g, common = random.beta(4, 16), random.normal(0, 0.3)
        probability = random.uniform(0.4, 0.8, 4)
        leaving = expit(logit(probability) + common + random.normal(0, 0.2, 4))
        own, *others = (
            (size, random.binomial(size, q), p)
            for size, q, p in zip((100, 60, 200, 400), leaving, probability, strict=True)
        )
        treated = (900, random.binomial(900, leaving[0] * (1 - g)), probability[0])
        alpha, beta = told((4, 16), treated, own, others)
        low, high = np.quantile(random.beta(alpha, beta, 2000), [0.1, 0.9])
        held += low <= g <= high
    assert held / n == pytest.approx(0.8, abs=0.07)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_whatever_happened_the_belief_is_a_distribution(data):
    def arm():
        n = data.draw(st.integers(0, 100_000))
        return n, data.draw(st.integers(0, n)), data.draw(st.floats(0.01, 0.99))

    alpha, beta = told((data.draw(st.floats(0.5, 50)), data.draw(st.floats(0.5, 50))), arm(), arm(), [arm()])
    assert alpha > 0
    assert beta > 0


def at_risk(count):
    people = pl.DataFrame(
        {
            "customer_id": [f"c{n:03}" for n in range(count)],
            "churn_probability": [0.5] * count,
            "value": [100.0] * count,
        }
    ).with_columns(
        segment=pl.lit("save_now"),
        risk_tier=pl.lit("high"),
        next_purchase_from=pl.lit(None, pl.Date),
        **{f"reason_{n}_code": pl.lit(None, pl.String) for n in (1, 2, 3)},
    )
    nobody = PAST.with_columns(experiment_id=pl.lit(""), is_control=pl.lit(value=False))
    return assign(people, nobody, Experiment("e", 0.2))


PAST = pl.DataFrame(
    schema={
        "night": pl.Date,
        "customer_id": pl.String,
        "action": pl.String,
        "deliver": pl.Boolean,
        "suppressed_reason": pl.String,
    }
)


def chances(policy):
    belief = rates(NOTHING, policy)
    done = decide(at_risk(60), PAST, NIGHT, policy, None, belief)
    table = done.with_columns(night=pl.lit(NIGHT), status=pl.lit("entered"))
    found = propensities(table, PAST, belief, policy, Experiment("e", 0.2), night=NIGHT)
    ActionPropensity.validate(found)
    assert set(found["customer_id"]) == set(done["customer_id"])
    assert set(found["control_share"]) == {0.2}
    return found


def test_a_better_rate_changes_the_action_and_the_greedy_policy_has_no_chance_in_it():
    better = pl.DataFrame({"action": ["mail"], "segment": ["save_now"], "rate": [0.2]})
    for known, action in ((None, "mail"), (better.with_columns(action=pl.lit("service_call")), "service_call")):
        done = decide(at_risk(5), PAST, NIGHT, GREEDY, None, known)
        assert set(done["action"]) == {action}
    assert set(chances(GREEDY)["propensity"]) == {1.0}


def test_thompson_tries_the_same_on_the_same_night_and_anew_on_the_next():
    people = at_risk(400)
    first, again, *other_nights = (
        decide(people[:: 1 - 2 * turned], PAST, NIGHT, THOMPSON, None, rates(NOTHING), salt=salt).sort("customer_id")
        for turned, salt in ((False, "a"), (True, "a"), *((False, f"{n}") for n in range(20)))
    )
    assert first.equals(again)
    tried = [night.filter(action="service_call").height / 400 for night in other_nights]
    assert {share > 0 for share in tried} == {True, False}
    assert all(share == 0 or 0.1 < share < 0.3 for share in tried)
    assert len(set(tried)) > 3
    known = rates(NOTHING).with_columns(
        alpha=pl.when(pl.col("action") == "mail").then(2000.0).otherwise(1000.0), beta=pl.lit(9000.0)
    )
    assert set(decide(people, PAST, NIGHT, THOMPSON, None, known, salt="a")["action"]) == {"mail"}


def test_thompsons_propensity_is_how_often_other_draws_choose_the_same():
    found = chances(THOMPSON)
    # Of two actions of which as much is known, the dearer one is tried on a fifth, every other night.
    usual = found.filter(action="mail")["propensity"].to_numpy()
    assert 0.8 < usual.mean() < 0.95
    assert chances(replace(THOMPSON, explore=1.0))["propensity"].to_numpy().mean() == pytest.approx(0.55, abs=0.15)
