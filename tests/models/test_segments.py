"""The at-risk table keeps its contract, night after night."""

from datetime import date, timedelta

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.actions import ACTIONS, Policy
from models.experiment import Experiment
from models.matrix import SEGMENTS
from models.segments import BUSINESS, VOLATILE, AtRiskSegment, at_risk_segments, departed
from models.tiers import Tiers
from models.value import ValueRule

FIRST = date(2026, 3, 1)
NOTHING: pl.DataFrame = AtRiskSegment.create_empty()
TIERS = Tiers(by="probability", low=0.5, medium=0.65, high=0.8, leave_margin=0.05)


def night_of(number):
    return FIRST + timedelta(days=number)


def scores(probabilities, version="7"):
    return pl.DataFrame(
        {"customer_id": list(probabilities), "churn_probability": list(probabilities.values())},
        schema={"customer_id": pl.String, "churn_probability": pl.Float64},
    ).with_columns(model_version=pl.lit(version))


def features(customers):
    ids = sorted(customers)
    typical = {"recency_days": 40, "tenure_days": 400, "purchase_days": 5, "orders_365d": 5, "gap_median_days": 12}
    typical |= {"gap_mean_days": 12}
    base = {name: [figure] * len(ids) for name, figure in typical.items()}
    base["spend_365d"] = [10 + 60 * n for n in range(len(ids))]
    schema = {"customer_id": pl.String, **dict.fromkeys(base, pl.Float32)}
    return pl.DataFrame({"customer_id": ids, **base}, schema=schema)


def contributions(rows):
    return rows.select(recency_days=0.7, orders_365d=pl.col("orders_365d") / 10, tenure_days=-0.2)


def table(probabilities, previous=NOTHING, number=0, known=None, **options):
    return at_risk_segments(
        scores(probabilities),
        features(probabilities) if known is None else known,
        contributions,
        previous,
        night=night_of(number),
        tiers=TIERS,
        **options,
    )


def row(frame, customer):
    return frame.row(by_predicate=pl.col("customer_id") == customer, named=True)


def test_a_row_says_who_why_what_it_is_worth_and_what_to_do():
    frame = table({"a": 0.1, "b": 0.2, "c": 0.90004}, experiment=Experiment("e", 0), worth=ValueRule(currency="EUR"))
    found = row(frame, "c")
    assert frame["customer_id"].to_list() == ["c"]
    assert found["churn_probability"] == 0.9
    assert (found["risk_percentile"], found["risk_tier"], found["segment"]) == (100, "high", "save_now")
    assert found["value_at_risk"] == round(0.9 * found["value"], 2)
    assert found["reason_1"] == "40 days since the last order; usually every 12 days"
    assert [found[f"reason_{n}_code"] for n in (1, 2, 3)] == ["overdue", "buys_rarely", None]
    assert (found["deliver"], found["suppressed_reason"], found["currency"]) == (True, None, "EUR")
    assert FIRST < found["next_purchase_from"] < found["expected_next_purchase"] < found["next_purchase_until"]
    assert found["contact_from"] == FIRST + timedelta(days=1)
    assert (found["status"], found["entered_on"], found["contract_version"]) == ("entered", FIRST, "1")
    assert found["snapshot_id"].startswith("2026-03-01_7_")


def test_a_customer_enters_stays_and_leaves_once():
    first = table({"a": 0.9, "b": 0.1})
    second = table({"a": 0.85, "b": 0.9}, first, 1)
    third = table({"a": 0.1, "b": 0.9}, pl.concat([first, second]), 2)
    fourth = table({"a": 0.1, "b": 0.9}, pl.concat([first, second, third]), 3)
    fifth = table({"a": 0.9, "b": 0.9}, pl.concat([first, second, third, fourth]), 4)
    seen = [
        {found["customer_id"]: (found["status"], found["entered_on"].day) for found in frame.rows(named=True)}
        for frame in (first, second, third, fourth, fifth)
    ]
    assert seen == [
        {"a": ("entered", 1)},
        {"a": ("stayed", 1), "b": ("entered", 2)},
        {"a": ("left", 1), "b": ("stayed", 2)},
        {"b": ("stayed", 2)},
        {"a": ("entered", 5), "b": ("stayed", 2)},
    ]


def test_leaving_is_said_explicitly_and_with_tonights_figures():
    gone = row(table({"a": 0.2, "b": 0.1}, table({"a": 0.9, "b": 0.1}), 1), "a")
    assert (gone["risk_tier"], gone["segment"], gone["action"], gone["channel"]) == ("none",) * 4
    assert (gone["deliver"], gone["suppressed_reason"], gone["expected_profit"]) == (False, "left", 0.0)
    assert (gone["churn_probability"], gone["reason_1"], gone["contact_from"]) == (0.2, None, None)


def test_a_customer_who_is_not_scored_any_more_leaves_without_figures():
    gone = row(table({"b": 0.1}, table({"a": 0.9, "b": 0.1}), 1), "a")
    assert (gone["status"], gone["churn_probability"], gone["value"]) == ("left", None, None)


def test_a_night_without_active_customers_says_goodbye_to_everybody():
    gone = table({}, table({"a": 0.9}), 1)
    assert gone.select("customer_id", "status", "model_version").rows() == [("a", "left", "7")]


@pytest.mark.parametrize("quiet", [0.1, 0.44])
def test_nights_after_the_one_that_runs_are_not_looked_at(quiet):
    before = table({"a": quiet, "b": 0.9})
    later = table({"a": 0.9, "b": 0.1}, before, 5)
    assert table({"a": 0.9, "b": 0.9}, pl.concat([before, later]), 1).equals(table({"a": 0.9, "b": 0.9}, before, 1))


def test_the_same_night_again_is_the_same_to_the_last_digit():
    probabilities = {f"c{n:02}": n / 40 for n in range(40)}
    known = features(probabilities)
    once = table(probabilities)
    shuffled = at_risk_segments(
        scores(probabilities).sample(fraction=1, shuffle=True, seed=3),
        known.sample(fraction=1, shuffle=True, seed=5),
        contributions,
        NOTHING,
        night=FIRST,
        tiers=TIERS,
    )
    assert shuffled.equals(once)
    assert shuffled["snapshot_id"].n_unique() == 1


def test_the_snapshot_changes_with_the_content_and_the_policy_version_with_the_settings():
    usual, pricier = table({"a": 0.9}), table({"a": 0.9}, policy=Policy(ACTIONS[:1]))
    other = table({"a": 0.91})
    assert usual["snapshot_id"][0] != other["snapshot_id"][0]
    assert usual["policy_version"][0] == other["policy_version"][0] != pricier["policy_version"][0]


def test_reasons_are_asked_for_customers_at_risk_only():
    asked = []

    def ask(rows):
        asked.extend(rows["customer_id"])
        return contributions(rows)

    probabilities = {"a": 0.9, "b": 0.1, "c": 0.7}
    at_risk_segments(scores(probabilities), features(probabilities), ask, NOTHING, night=FIRST, tiers=TIERS)
    assert asked == ["a", "c"]


def test_without_amounts_the_risk_alone_names_the_segment():
    frame = table({"a": 0.9, "b": 0.7, "c": 0.5}, known=features("abc").drop("spend_365d"))
    assert frame["segment"].to_list() == ["save_now", "win_back_cheaply", "nurture"]
    money = frame.filter(pl.col("action") != "none").select("value", "value_at_risk", "expected_profit")
    assert money.null_count().row(0) == (money.height,) * 3
    assert frame["deliver"].any()


def test_every_risk_and_value_has_a_segment():
    values = ("high", "medium", "low", "unknown")
    assert set(SEGMENTS) == {(risk, value) for risk in ("high", "medium", "low") for value in values}


def test_every_column_is_either_news_or_not():
    assert set(BUSINESS) | set(VOLATILE) == set(AtRiskSegment.column_names())
    assert not set(BUSINESS) & set(VOLATILE)


def test_reasons_may_be_given_in_german():
    assert (
        row(table({"a": 0.9}, language="de"), "a")["reason_1"]
        == "40 Tage seit der letzten Bestellung; sonst alle 12 Tage"
    )


@pytest.mark.parametrize(
    ("night_scores", "sentence"),
    [
        (scores({"a": 0.9, "z": 0.9}), "1 of 2 scored customers have no features"),
        (pl.concat([scores({"a": 0.9}), scores({"b": 0.9}, "8")]), "come from 2 models"),
    ],
)
def test_scores_that_do_not_belong_together_are_refused(night_scores, sentence):
    with pytest.raises(ValueError, match=sentence):
        at_risk_segments(night_scores, features("ab"), contributions, NOTHING, night=FIRST)


@pytest.mark.parametrize(
    "change",
    [
        {"churn_probability": 1.2},
        {"risk_tier": "urgent"},
        {"suppressed_reason": "capacity"},
        {"is_control": True},
        {"status": "left"},
        {"risk_tier": "none"},
        {"contact_from": FIRST},
        {"action": "none"},
    ],
)
def test_a_row_that_contradicts_itself_breaks_the_contract(change):
    good = table({"a": 0.1, "b": 0.2, "c": 0.9}, experiment=Experiment("e", 0))
    with pytest.raises(dy.exc.ValidationError):
        AtRiskSegment.validate(good.with_columns(pl.lit(value).alias(name) for name, value in change.items()))


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 100).map(lambda n: n / 100)), min_size=1, max_size=4
    )
)
def test_over_any_nights_those_leave_who_were_at_risk_and_are_no_longer(nights):
    history: pl.DataFrame = NOTHING
    at_risk: set[str] = set()
    for number, probabilities in enumerate(nights):
        frame = table(probabilities, history, number)
        AtRiskSegment.validate(frame)
        assert frame["customer_id"].is_sorted()
        by_status = {
            status: set(frame.filter(pl.col("status") == status)["customer_id"])
            for status in ("entered", "stayed", "left")
        }
        now = by_status["entered"] | by_status["stayed"]
        assert by_status["left"] == at_risk - now
        assert by_status["entered"] == now - at_risk
        assert {who for who, p in probabilities.items() if p >= 0.5} <= now
        assert {who for who, p in probabilities.items() if p < 0.45}.isdisjoint(now)
        history, at_risk = pl.concat([history, frame]), now


def test_departing_keeps_who_was_in_which_arm():
    before = table({"a": 0.9}, experiment=Experiment("e", 1.0))
    after = departed(before, night_of(1))
    AtRiskSegment.validate(after)
    kept = ("customer_id", "is_control", "experiment_id", "stratum", "entered_on")
    assert after.select(kept).equals(before.select(kept))
    assert after["night"].to_list() == [night_of(1)]


def test_a_save_rate_that_has_been_learned_moves_the_profit_and_the_version_of_the_policy():
    learned = pl.DataFrame({"action": ["service_call"], "segment": ["save_now"], "rate": [0.6]})
    before, after = (table({"a": 0.1, "b": 0.2, "c": 0.9}, rates=each) for each in (None, learned))
    assert row(after, "c")["action"] == "service_call"
    assert row(after, "c")["expected_profit"] > row(before, "c")["expected_profit"]
    assert after["policy_version"][0] != before["policy_version"][0]
    assert after.equals(table({"a": 0.1, "b": 0.2, "c": 0.9}, rates=learned))
