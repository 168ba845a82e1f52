"""Reasons are true of the customer, and said with his own numbers."""

from datetime import date
from string import Formatter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import FAMILIES, FeatureRecipe, meanings
from models.facts import Told
from models.phrases import GROUPS, SINGULAR, TEXTS
from models.reasons import codes, group_of, reasons

LATE = {"recency_days": 34.0, "gap_median_days": 12.0}
FALLING = {"orders_90d": 1.0, "orders_180d": 5.0, "purchase_days": 9.0}


def explain(features, contributions, **options):
    row = pl.DataFrame([features]).cast({name: pl.Float32 for name in features if name != "customer_id"})
    return reasons(row, pl.DataFrame([contributions]), **options).row(0, named=True)


@pytest.mark.parametrize(
    ("features", "feature", "code", "english", "german"),
    [
        (
            LATE,
            "recency_days",
            "overdue",
            "34 days since the last order; usually every 12 days",
            "34 Tage seit der letzten Bestellung; sonst alle 12 Tage",
        ),
        (
            LATE | {"recency_days": 1.0},
            "quiet_share",
            "long_silence",
            "1 day since the last order",
            "1 Tag seit der letzten Bestellung",
        ),
        (
            {"recency_days": 34.0, "gap_median_days": None},
            "overdue_ratio",
            "long_silence",
            "34 days since the last order",
            "34 Tage seit der letzten Bestellung",
        ),
        (
            FALLING,
            "orders_trend_90d",
            "buys_less_often",
            "1 order in the last 90 days, 4 in the 90 days before",
            "1 Bestellung in den letzten 90 Tagen, 4 in den 90 Tagen davor",
        ),
        (
            FALLING | {"orders_180d": 1.0, "tenure_days": 400.0},
            "orders_30d",
            "buys_rarely",
            "Bought on 9 days in the 400 days as a customer",
            "Kaufte an 9 von 400 Tagen seit dem ersten Kauf",
        ),
        (
            {"purchase_days": 1.0},
            "orders",
            "bought_once",
            "Has bought only once so far",
            "Hat bisher nur einmal gekauft",
        ),
        (
            {"gap_recent_ratio": 2.13},
            "gap_mean_days",
            "slowing_down",
            "The latest breaks between orders were 2.1 times as long as usual",
            "Die letzten Pausen zwischen Bestellungen waren 2,1-mal so lang wie sonst",
        ),
        (
            {"returns_share": 0.256},
            "returns_share",
            "more_returns",
            "Sent back 26 % of the items",
            "Schickte 26 % der Artikel zurück",
        ),
        ({}, "moon_phase", "other", "Behaves like customers who did not come back", None),
    ],
)
def test_a_reason_is_said_with_the_customers_own_numbers(features, feature, code, english, german):
    row = {"customer_id": "c1", **features}
    said = explain(row, {feature: 0.5})
    assert (said["reason_1_code"], said["reason_1"]) == (code, english)
    if german:
        assert explain(row, {feature: 0.5}, language="de")["reason_1"] == german


def test_contributions_of_one_kind_are_added_up_before_they_are_ranked():
    said = explain(
        LATE | FALLING | {"tenure_days": 40.0},
        {"tenure_days": 0.5, "recency_days": 0.3, "overdue_ratio": 0.3, "orders_90d": 0.9, "orders_180d": -0.6},
    )
    assert [said[f"reason_{n}_code"] for n in (1, 2, 3)] == ["overdue", "short_history", "buys_less_often"]


def test_what_speaks_for_staying_is_no_reason():
    said = explain(LATE | {"tenure_days": 40.0}, {"recency_days": 0.2, "tenure_days": -0.4, "spend": 0.0})
    assert said["reason_1_code"] == "overdue"
    assert [said[name] for name in ("reason_2", "reason_3", "reason_2_code", "reason_3_code")] == [None] * 4


def test_the_end_of_a_contract_is_said_as_a_day():
    known = {"days_to_expiry": 9.0, "renewals": 2.0, "lapses": 0.0, "auto_renew": 0.0}
    row = pl.DataFrame([known]).cast(pl.Float32).with_columns(night=pl.lit(date(2026, 4, 24)))
    pushes = pl.DataFrame([{"auto_renew": 0.5, "days_to_expiry": 0.4}])
    said = {language: reasons(row, pushes, language=language).row(0, named=True) for language in TEXTS}
    assert [said["en"]["reason_1_code"], said["en"]["reason_2_code"]] == ["renewal_off", "contract_ends"]
    assert said["en"]["reason_2"] == "Contract ends on 3 May 2026; renewed 2 times before"
    assert said["de"]["reason_2"] == "Vertrag endet am 03.05.2026; bisher 2-mal verlängert"
    once = reasons(row.with_columns(renewals=pl.lit(1.0)), pushes)["reason_2"].item()
    assert once == "Contract ends on 3 May 2026; renewed 1 time before"


def test_every_feature_of_the_recipe_belongs_to_a_group():
    told = set(FAMILIES) - {"weekdays"}
    recipe = FeatureRecipe(families=tuple(family for family in FAMILIES if family in told))
    names = meanings(recipe, inputs=(Told("auto_renew", "attributes", False, True),), grace_days=14)
    assert "auto_renew" in names
    assert {name for name in [*names, "input_tickets_days"] if group_of(name) is GROUPS[-1]} == set()


@pytest.mark.parametrize("language", TEXTS)
def test_every_code_has_texts_in_every_language(language):
    assert set(TEXTS[language]) == set(codes())
    assert language in SINGULAR


@pytest.mark.parametrize("code", sorted(set(codes())))
def test_both_languages_use_the_same_numbers(code):
    def numbers(language):
        return [{name for _, name, _, _ in Formatter().parse(text) if name} for text in TEXTS[language][code]]

    assert numbers("en") == numbers("de")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_absent_feature_leaves_the_reasons_standing(data):
    names = list(meanings(FeatureRecipe()))
    present = data.draw(st.sets(st.sampled_from(names)))
    count = data.draw(st.integers(1, 4))
    numbers = st.lists(st.one_of(st.none(), st.floats(0, 500, width=32)), min_size=count, max_size=count)
    features = pl.DataFrame(
        {"customer_id": [str(n) for n in range(count)], **{name: data.draw(numbers) for name in sorted(present)}},
        schema_overrides=dict.fromkeys(present, pl.Float32),
    )
    pushes = st.lists(st.floats(-2, 2), min_size=count, max_size=count)
    told = data.draw(st.sets(st.sampled_from(names), min_size=1))
    contributions = pl.DataFrame({name: data.draw(pushes) for name in sorted(told)})
    said = reasons(features, contributions)
    assert said.height == count
    for row in said.rows(named=True):
        given = [row[f"reason_{n}_code"] for n in (1, 2, 3)]
        assert given == sorted(given, key=lambda code: code is None)
        assert len({code for code in given if code}) == len([code for code in given if code])
        assert all((row[f"reason_{n}"] is None) == (row[f"reason_{n}_code"] is None) for n in (1, 2, 3))


def test_the_strongest_reason_comes_first_and_equals_come_in_the_order_of_the_table():
    features = pl.DataFrame({"tenure_days": [40.0, 40.0], "recency_days": [9.0, 9.0]})
    contributions = pl.DataFrame({"tenure_days": [0.3, 0.1], "recency_days": [0.3, 0.2]})
    assert reasons(features, contributions)["reason_1_code"].to_list() == ["long_silence", "long_silence"]


def test_nobody_at_risk_needs_no_reason():
    nobody = pl.DataFrame(schema={"recency_days": pl.Float32})
    assert reasons(nobody, nobody.cast(pl.Float64)).shape == (0, 6)


@pytest.mark.parametrize(
    ("rows", "language", "sentence"),
    [([1.0, 2.0], "en", "1 rows of features and 2"), ([1.0], "fr", "'fr'; there are texts in en, de")],
)
def test_what_cannot_be_explained_is_refused_with_a_sentence(rows, language, sentence):
    with pytest.raises(ValueError, match=sentence):
        reasons(pl.DataFrame({"recency_days": [1.0]}), pl.DataFrame({"recency_days": rows}), language=language)
