"""What is settled before the trees count: how many, how much beside them, and nothing that one night alone taught."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit

from models import classifier
from models.baselines import MbgNbdRule
from models.calibration import Calibration
from models.classifier import ClassifierRecipe
from models.customer_days import customer_days
from models.evaluation import evaluate
from models.features import features
from models.gate import gate
from models.labels import labels
from models.learning import MODELS, TrainingRecipe, fit, training_nights
from models.mbg_nbd import MbgNbd
from models.population import histories
from models.rehearsal import linear_member, recent, rehearse

RETAIL = Path(__file__).parents[2].parent / "shared" / "data" / "online_retail.parquet"
NIGHT, HORIZON = date(2026, 6, 30), 30
RIPE = NIGHT - timedelta(days=HORIZON)
QUICK = ClassifierRecipe(threads=1, learning_rate=0.1)
RULE = MbgNbdRule(MbgNbd(1.0, 30.0, 1.0, 3.0), HORIZON, (50.0, 5.0, 200.0))
NAMES = ("recency_days", "tenure_days", "purchase_days", "spend", "hidden", "switch", "season")


def shop(customers=300, seed=0, signal=1.0, nights=6):
    """Examples of ripe nights ten days apart; `switch` tells which way `hidden` works, `season` is of the night."""
    random = np.random.default_rng(seed)
    every = [NIGHT - timedelta(days=HORIZON + 10 * back) for back in range(nights)]
    count = customers * nights
    tenure = random.integers(1, 400, count)
    recency = (tenure * random.random(count)).astype(int)
    purchases = np.where(recency == tenure, 1, 2 + random.poisson(tenure / 40))
    hidden, switch = random.normal(size=(2, count))
    score = signal * (recency / 40 - np.log(purchases) + 1.5 * hidden * np.sign(switch) + 0.5)
    columns = {"recency_days": recency, "tenure_days": tenure, "purchase_days": purchases}
    columns |= {"spend": purchases * random.gamma(2, 20, count), "hidden": hidden, "switch": switch}
    return pl.DataFrame(
        {
            "night": [night for night in every for _ in range(customers)],
            "customer_id": [f"c{number:05d}" for number in range(customers)] * nights,
            "weight": 1.0,
            **{name: values.astype(np.float32) for name, values in columns.items()},
            "season": np.repeat(np.arange(nights, dtype=np.float32), customers),
            "churned": random.random(count) < expit(score),
        }
    ).sort("night", "customer_id")


def everybody(examples, night=NIGHT):
    newest = examples.filter(pl.col("night") == examples["night"].max())
    return newest.select(
        "customer_id",
        purchase_days=pl.col("purchase_days").cast(pl.Int64),
        first_day=pl.lit(night) - pl.duration(days=pl.col("tenure_days").cast(pl.Int64)),
        last_day=pl.lit(night) - pl.duration(days=pl.col("recency_days").cast(pl.Int64)),
    )


def learned(examples, **options):
    recipe = TrainingRecipe(min_outcomes=50, classifier=QUICK, **options)
    return taught(examples, examples, recipe)


def taught(examples, whole, recipe):
    past, earlier = everybody(whole), everybody(whole, RIPE)
    return fit(examples.drop("weight"), past, earlier, as_of=NIGHT, horizon_days=HORIZON, recipe=recipe)


@pytest.mark.parametrize("nights", [1, 2])
def test_a_night_or_two_are_not_enough_to_rehearse_on(nights):
    found = rehearse(shop(nights=nights), NAMES, RULE, QUICK)
    assert found.rounds == QUICK.untested_rounds
    assert found.calibration == Calibration()


def test_shares_are_none_of_them_negative_and_add_up_to_one():
    found = rehearse(shop(), NAMES, RULE, QUICK)
    assert sum(found.weights) == pytest.approx(1)
    assert min(found.weights) >= 0


def test_the_member_that_knows_more_is_given_more():
    trees, _, rule = rehearse(shop(4_000), NAMES, RULE, QUICK).weights
    assert trees > 0.6
    assert rule < 0.2


def test_customers_who_come_back_on_every_night_are_not_learned_by_heart():
    # Whoever is told apart by a number of his own has the same outcome on all nights, and nothing else is to be known.
    random = np.random.default_rng(1)
    own, fate = random.normal(size=300), random.random(300) < 0.5
    examples = shop(signal=0.0).with_columns(
        hidden=pl.Series(np.tile(own, 6).astype(np.float32)), churned=pl.Series(np.tile(fate, 6))
    )
    assert rehearse(examples, NAMES, RULE, QUICK).rounds < 30


def test_the_level_of_the_newest_night_is_not_followed():
    examples = shop(3_000)
    newest = examples["night"].max()
    score = examples["churned"].to_numpy()
    all_left = np.random.default_rng(0).random(len(score)) < 0.4
    moved = examples.with_columns(
        churned=pl.when(pl.col("night") == newest).then(pl.col("churned") | pl.Series(all_left)).otherwise("churned")
    )
    calibration = rehearse(moved, NAMES, RULE, QUICK).calibration
    middle = np.array([0.5])
    assert calibration.apply(middle)[0] == pytest.approx(0.5, abs=0.1)


def test_the_linear_member_does_not_read_what_is_the_same_for_everybody():
    examples = shop()
    assert set(linear_member(examples, NAMES).inputs) == set(NAMES) - {"season"}


def test_the_newest_nights_are_counted_from_the_end():
    assert recent(shop(), 2)["night"].unique().sort().to_list() == [
        NIGHT - timedelta(days=HORIZON + 10),
        NIGHT - timedelta(days=HORIZON),
    ]


@pytest.mark.parametrize("name", MODELS)
def test_contributions_add_up_to_the_log_odds_but_for_a_constant(name):
    examples = shop()
    scorer = learned(examples).serving(name)
    frame = examples.tail(200)
    total = scorer.contributions(frame).sum_horizontal().to_numpy()
    # The trees speak for the committee.
    score = logit(scorer.predict(frame)[name].to_numpy())
    if name == "committee":
        score = classifier.log_odds(scorer.booster, frame, scorer.features)
    assert np.ptp(score - total) < 1e-4


def test_a_customer_alone_is_scored_as_in_the_crowd():
    examples = shop()
    scorer, frame = learned(examples), examples.tail(50)
    alone = pl.concat([scorer.predict(row) for row in frame.iter_slices(1)])
    assert alone.to_numpy() == pytest.approx(scorer.predict(frame).to_numpy(), rel=1e-12)


def test_what_no_rule_can_see_passes_the_gate():
    scorer, fresh = learned(shop(1_500, seed=8)), shop(3_000, seed=9, nights=1)
    verdict = gate(fresh["churned"].to_numpy(), scorer.predict(fresh))
    assert verdict.passed, verdict.sentence
    assert verdict.ece < 0.05


def shuffled(examples):
    return examples.with_columns(pl.col("churned").shuffle(seed=0).over("night"))


@pytest.mark.parametrize(("seed", "signal", "spoil"), [(0, 0.0, pl.DataFrame.clone), (1, 1.0, shuffled)])
def test_from_noise_or_shuffled_outcomes_nothing_is_learned_and_the_gate_stays_shut(seed, signal, spoil):
    scorer, fresh = learned(spoil(shop(600, seed, signal))), spoil(shop(2_000, seed + 100, signal, nights=1))
    churned, scores = fresh["churned"].to_numpy(), scorer.predict(fresh)
    found = evaluate(churned, scores["committee"].to_numpy())
    assert found["auroc_low"] - 0.01 < 0.5 < found["auroc_high"] + 0.01
    assert not gate(churned, scores).passed


def test_too_many_examples_are_thinned_by_whole_customers():
    examples = shop()
    half = examples.filter(pl.col("customer_id").rank("dense") % 2 == 0)
    recipe = TrainingRecipe(min_outcomes=50, classifier=QUICK)

    def trees(seen, most):
        return taught(seen, examples, replace(recipe, max_examples=most))

    thin, direct = trees(examples, examples.height // 2), trees(half, examples.height)
    assert thin.describe() == direct.describe()
    assert thin.booster is not None
    assert direct.booster is not None
    assert thin.booster.save_raw() == direct.booster.save_raw()


def test_older_nights_count_less():
    # Half a year ago it was the other way round: only who forgets can be right.
    examples = shop(800, seed=3).with_columns(
        churned=pl.col("churned") ^ (pl.col("night") < NIGHT - timedelta(days=HORIZON + 20))
    )
    fresh = shop(2_000, seed=4, nights=1)
    short, long = (learned(examples, half_life=age).serving("committee") for age in (0.2, 100.0))
    churned = fresh["churned"].to_numpy()
    forgetting, remembering = (evaluate(churned, one.predict(fresh)["committee"].to_numpy()) for one in (short, long))
    assert forgetting["log_loss"] < remembering["log_loss"]


@pytest.mark.skipif(not RETAIL.exists(), reason="needs the Online Retail data")
def test_on_real_customers_the_model_is_better_than_every_rule():
    night, horizon = date(2011, 10, 10), 60
    lines = (
        pl.scan_parquet(RETAIL)
        .filter(pl.col("customer_id").is_not_null())
        .with_columns(
            timestamp=pl.col("timestamp").dt.replace_time_zone("UTC"),
            day=pl.col("timestamp").dt.date(),
            transaction_id=pl.col("order_id"),
            quantity=pl.col("quantity").cast(pl.Float64),
            discount=pl.lit(None, pl.Float64),
            is_return=pl.col("is_cancellation") | (pl.col("amount") < 0),
        )
    )
    days = customer_days(lines).collect().lazy()
    recipe = TrainingRecipe(classifier=ClassifierRecipe(threads=1))
    nights = training_nights(night, horizon_days=horizon, first_day=date(2010, 12, 1), recipe=recipe)
    known = features(days, [*nights, night], active_days=365, horizon_days=horizon).collect()
    examples = known.join(labels(days, [*nights, night], horizon).collect(), on=["night", "customer_id"])
    past, earlier = (histories(days, each, 1095).collect() for each in (night, night - timedelta(days=horizon)))
    scorer = fit(examples, past, earlier, as_of=night, horizon_days=horizon, recipe=recipe)
    jury = examples.filter(pl.col("night") == night)
    scores, churned = scorer.predict(jury), jury["churned"].to_numpy()
    found = {name: evaluate(churned, scores[name].to_numpy()) for name in MODELS}
    assert min(found, key=lambda name: found[name]["log_loss"]) == "committee"
    assert max(found, key=lambda name: found[name]["auroc"]) == "committee"
    assert found["committee"]["auroc"] > 0.74
    assert found["committee"]["ece"] < 0.08
