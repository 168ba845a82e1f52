"""What scores is learned from the known past alone, tells the truth of a simulated shop, and is always the same."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import xgboost as xgb
from polars.testing import assert_frame_equal
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from models import classifier, simulator
from models.features import FeatureRecipe, features
from models.labels import labels
from models.learning import MODELS, ClassifierRecipe, Scorer, TrainingRecipe, fit, training_nights
from models.population import histories

HORIZON = 60
FIRST = date(2024, 1, 1)
AS_OF = FIRST + timedelta(days=540)
LATER = FIRST + timedelta(days=600)
RECIPE = TrainingRecipe(nights=4, classifier=ClassifierRecipe(learning_rate=0.1, rounds=120, patience=15))
SMALL = replace(RECIPE, classifier=ClassifierRecipe(rounds=5, untested_rounds=5, patience=2, rows=0.7))
KEY = ["night", "customer_id"]


def bought(shop, count_of_days, seed):
    orders = simulator.transactions(shop, first_day=FIRST, days=count_of_days, seed=seed)
    return (
        orders.group_by("customer_id", day=pl.col("timestamp").dt.date())
        .agg(
            orders=pl.len().cast(pl.Int64),
            lines=pl.len().cast(pl.Int64),
            quantity=pl.col("quantity").sum() * 10_000,
            spend=(pl.col("amount") * 10_000).round().cast(pl.Int64).sum(),
        )
        .with_columns(pl.lit(0, pl.Int64).alias(name) for name in ("refunds", "returns", "discount"))
        .sort("customer_id", "day")
        .lazy()
    )


@pytest.fixture(scope="module")
def days():
    return bought(simulator.customers(3000, seed=1), 661, seed=1)


@pytest.fixture(scope="module")
def every(days):
    """Examples of the training nights, of one whose outcome is not known as of `AS_OF`, and of a later one."""
    nights = training_nights(AS_OF, horizon_days=HORIZON, first_day=FIRST, recipe=RECIPE)
    nights = [*nights, AS_OF - timedelta(days=HORIZON - 1), LATER]
    recipe = FeatureRecipe(lookback_days=730, windows=(30, 90), families=("recency", "frequency", "money", "tenure"))
    known = features(days, nights, active_days=120, recipe=recipe, horizon_days=HORIZON)
    return known.join(labels(days, nights, HORIZON), on=KEY).sort(KEY).collect()


@pytest.fixture(scope="module")
def past(days):
    return histories(days, AS_OF, 730).collect()


@pytest.fixture(scope="module")
def jury(every):
    return every.filter(pl.col("night") == LATER)


def learned(every, past, recipe=SMALL, **options):
    ripe = pl.lit(AS_OF - timedelta(days=HORIZON))
    earlier = past.filter(pl.col("first_day") <= ripe).with_columns(last_day=pl.min_horizontal("last_day", ripe))
    return fit(every, past, earlier, as_of=AS_OF, horizon_days=HORIZON, recipe=recipe, **options)


@pytest.fixture(scope="module")
def scorer(every, past):
    return learned(every, past, RECIPE)


@pytest.fixture(scope="module")
def quick(every, past):
    return learned(every, past)


def trees(scorer):
    assert scorer.booster is not None
    return bytes(scorer.booster.save_raw())


def same(one, other, jury):
    assert trees(one) == trees(other)
    assert one.describe() == other.describe()
    assert_frame_equal(one.predict(jury), other.predict(jury), check_exact=True)


def best_possible(days, jury):
    """Probability of churn by Bayes' rule for one who knows how habits are spread, but not those of a customer."""
    habits = simulator.customers(2000, seed=99)
    truth = simulator.true_churn(habits, HORIZON)["churn_probability"].to_numpy()
    rate, loss = habits["rate"].to_numpy(), habits["loss"].to_numpy()
    orders = days.filter(pl.col("day") <= LATER).group_by("customer_id").agg(repeats=pl.col("orders").sum() - 1)
    seen = jury.join(orders.collect(), on="customer_id", maintain_order="left")
    repeats, age, silence = (
        seen[n].to_numpy()[:, None].astype(float) for n in ("repeats", "tenure_days", "recency_days")
    )
    both = rate + loss
    here = np.exp(-both * age)
    gone = loss / both * (np.exp(-both * (age - silence)) - here)
    power = repeats * np.log(rate)
    weight = np.exp(power - power.max(1, keepdims=True)) * (here + gone)
    alive = here / (here + gone)
    return (weight * (1 - alive + alive * truth)).sum(1) / weight.sum(1)


@pytest.mark.parametrize(
    ("first_day", "recipe", "expected"),
    [
        (date(2025, 1, 1), TrainingRecipe(nights=3), [1, -29, -59]),
        (date(2025, 12, 3), TrainingRecipe(nights=3, min_history_days=0), [1, -13, -27]),
        (date(2025, 12, 25), TrainingRecipe(nights=12, min_history_days=0), [1, -6]),
        (date(2025, 12, 2), TrainingRecipe(nights=3, min_history_days=30), [1]),
        (date(2025, 12, 3), TrainingRecipe(nights=3, min_history_days=30), []),
        (date(2025, 1, 1), TrainingRecipe(nights=1), [1]),
    ],
)
def test_nights_step_back_from_the_newest_ripe_one(first_day, recipe, expected):
    found = training_nights(date(2026, 3, 2), horizon_days=60, first_day=first_day, recipe=recipe)
    assert found == [date(2025, 12, 31) + timedelta(days=n) for n in expected]


def test_probabilities_lie_strictly_between_0_and_1(scorer, jury):
    predicted = scorer.predict(jury)
    assert predicted.columns == ["churn_probability", *MODELS]
    assert set(predicted.dtypes) == {pl.Float64}
    assert predicted.select((pl.all() > 0) & (pl.all() < 1)).to_numpy().all()
    assert predicted["churn_probability"].equals(predicted["committee"])


def test_the_calibrated_probabilities_are_those_of_the_truth(scorer, jury, days):
    told, truth = scorer.predict(jury)["churn_probability"].to_numpy(), best_possible(days, jury)
    for group in np.array_split(np.argsort(told), 10):
        mean = truth[group].mean()
        assert abs(told[group].mean() - mean) < 2.6 * np.sqrt(mean * (1 - mean) / len(group))


def test_nobody_could_rank_much_better(scorer, jury, days):
    churned = jury["churned"].to_numpy()
    found = roc_auc_score(churned, scorer.predict(jury)["churn_probability"].to_numpy())
    assert found > roc_auc_score(churned, best_possible(days, jury)) - 0.01


def test_it_learns_only_from_nights_whose_outcome_was_known(every, past, quick, jury):
    unknown = pl.col("night") > AS_OF - timedelta(days=HORIZON)
    changed = every.with_columns(
        churned=pl.when(unknown).then(~pl.col("churned")).otherwise("churned"),
        recency_days=pl.when(unknown).then(pl.lit(0, pl.Float32)).otherwise("recency_days"),
        outcome_spend=pl.lit(-1.0),
    )
    assert every.filter(unknown)["night"].n_unique() == 2
    same(quick, learned(changed, past), jury)
    same(quick, learned(every.filter(~unknown), past), jury)
    assert max(quick.nights) == AS_OF - timedelta(days=HORIZON)


@pytest.mark.parametrize("monotone", [True, False])
def test_to_have_bought_longer_ago_never_lowers_the_risk_unless_it_may(every, past, jury, monotone):
    recipe = replace(RECIPE, classifier=replace(RECIPE.classifier, monotone=monotone))
    scorer = learned(every, past, recipe)
    ages = [jury.with_columns(recency_days=pl.lit(days, pl.Float32)) for days in range(0, 120, 4)]
    odds = np.array([classifier.log_odds(scorer.booster, frame, scorer.features) for frame in ages])
    assert (np.diff(odds, axis=0) >= -1e-6).all() == monotone


def test_mbg_nbd_never_settles_a_customer_of_the_committee_alone(scorer, jury):
    rule = scorer.baselines["mbg_nbd"]
    regular = jury.head(1).with_columns(
        recency_days=pl.lit(100, pl.Float32), purchase_days=pl.lit(300, pl.Float32), tenure_days=pl.lit(500, pl.Float32)
    )
    assert rule.log_odds(regular)[0] > 10
    without = replace(scorer, weights=(*scorer.weights[:2], 0.0))
    with_it, alone = (logit(each.predict(regular)["committee"][0]) for each in (scorer, without))
    assert with_it - alone <= 5 * scorer.weights[2] + 1e-6


def test_the_order_of_the_rows_changes_nothing(every, past, quick, jury):
    shuffled = learned(every.sample(fraction=1, shuffle=True, seed=1), past.reverse())
    same(quick, shuffled, jury)
    assert_frame_equal(quick.predict(jury.reverse()).reverse(), quick.predict(jury), check_exact=True)


def test_one_thread_grows_the_same_trees_as_two(every, past, jury):
    one, two = (learned(every, past, replace(SMALL, classifier=replace(SMALL.classifier, threads=n))) for n in (1, 2))
    same(one, two, jury)


def test_the_order_of_the_columns_and_further_ones_change_nothing(quick, jury):
    turned = jury.select(reversed(jury.columns)).with_columns(further=pl.lit("x"))
    assert_frame_equal(quick.predict(turned), quick.predict(jury), check_exact=True)
    assert_frame_equal(quick.contributions(turned), quick.contributions(jury), check_exact=True)


@pytest.mark.parametrize("change", [lambda frame: frame.drop("spend"), lambda frame: frame.rename({"spend": "Spend"})])
@pytest.mark.parametrize("ask", [Scorer.predict, Scorer.contributions])
def test_a_missing_feature_is_named(quick, jury, change, ask):
    with pytest.raises(ValueError, match=r"lacks spend.*train again"):
        ask(quick, change(jury))


@pytest.mark.parametrize("serves", MODELS)
def test_a_scorer_survives_being_written_as_json(scorer, jury, serves):
    chosen = scorer.serving(serves)
    booster = xgb.Booster(model_file=bytearray(trees(chosen)))
    again = Scorer.restore(booster, json.loads(json.dumps(chosen.describe())))
    assert again.describe() == chosen.describe()
    assert_frame_equal(again.predict(jury), chosen.predict(jury), check_exact=True)
    assert_frame_equal(again.contributions(jury), chosen.contributions(jury), check_exact=True)


@pytest.mark.parametrize("serves", MODELS)
def test_the_churn_probability_is_of_what_serves_and_so_are_the_contributions(scorer, jury, serves):
    chosen = scorer.serving(serves)
    predicted, terms = chosen.predict(jury), chosen.contributions(jury)
    assert predicted["churn_probability"].equals(predicted[serves])
    assert terms.columns == list(chosen.features)
    assert set(terms.dtypes) == {pl.Float64}
    total, probability = terms.sum_horizontal().to_numpy(), predicted["churn_probability"].to_numpy()
    # The trees speak for the committee, whose other members may rank a few customers otherwise.
    order = np.corrcoef(np.argsort(np.argsort(total)), np.argsort(np.argsort(probability)))[0, 1]
    assert order > (0.9 if serves == "committee" else 0.9999)


@pytest.mark.parametrize("serves", MODELS)
def test_what_is_asked_for_serves(every, past, serves):
    small = every.filter(pl.col("customer_id") < "C0001000")
    assert learned(small, past, replace(SMALL, nights=1), serves=serves).serves == serves


def test_with_too_few_outcomes_mbg_nbd_serves(every, past, jury):
    scorer = learned(every, past, replace(SMALL, min_outcomes=100_000))
    predicted = scorer.predict(jury)
    assert (scorer.serves, scorer.booster) == ("mbg_nbd", None)
    assert predicted["committee"].null_count() == jury.height
    assert predicted["churn_probability"].equals(predicted["mbg_nbd"])
    assert {name for name in scorer.features if scorer.contributions(jury)[name].abs().sum() > 0} == {
        "recency_days",
        "purchase_days",
        "tenure_days",
    }
    assert Scorer.restore(None, json.loads(json.dumps(scorer.describe()))) == scorer


def test_without_any_known_outcome_mbg_nbd_serves_too(every, past, jury):
    predicted = learned(every.filter(pl.col("night") == LATER), past).predict(jury)
    assert predicted["churn_probability"].equals(predicted["mbg_nbd"])
    assert (
        predicted.select("committee", "recency", "frequency", "logistic_rfm").null_count().row(0) == (jury.height,) * 4
    )


def test_what_it_does_not_have_cannot_serve(every, past):
    with pytest.raises(ValueError, match=r"'committee' cannot serve.*mbg_nbd"):
        learned(every.filter(pl.col("night") == LATER), past).serving("committee")


def test_a_history_from_after_the_night_is_refused(every, days):
    with pytest.raises(ValueError, match=f"the night {AS_OF}"):
        learned(every, histories(days, LATER, 730).collect())


def test_nobody_is_refused(every, past):
    with pytest.raises(ValueError, match="at least one customer"):
        learned(every, past.clear())


@pytest.mark.parametrize(
    ("recipe", "wrong"),
    [
        (TrainingRecipe, {"nights": 0}),
        (TrainingRecipe, {"min_step_days": 31}),
        (TrainingRecipe, {"min_history_days": -1}),
        (ClassifierRecipe, {"depth": 0}),
        (ClassifierRecipe, {"learning_rate": 0.0}),
        (ClassifierRecipe, {"rows": 1.1}),
        (ClassifierRecipe, {"ridge": -1.0}),
    ],
)
def test_an_impossible_recipe_is_refused_by_name(recipe, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        recipe(**wrong)
