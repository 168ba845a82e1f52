"""Contracts: who is asked about, who renewed in time, what is known of a term, and nothing of it from the future."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contract_simulator import lines, subscribers, switches, true_churn
from models.customer_days import customer_days
from models.definition import ChurnDefinition
from models.facts import Fact
from models.features import features
from models.labels import happened
from models.terms import Terms, customer_terms

NIGHT, GRACE, HORIZON = date(2026, 4, 1), 14, 30
CHURN = ChurnDefinition(definition="contract", horizon_days=HORIZON, grace_days=GRACE)


def sold(*rows):
    """Lines: customer, day, last paid day (None for a line without a contract), plan, whether it is a return."""
    columns = ("customer_id", "day", "contract_until", "product", "is_return")
    schema = dict(zip(columns, (pl.String, pl.Date, pl.Date, pl.String, pl.Boolean), strict=True))
    full = [(*row, *("basic", False)[len(row) - 3 :]) for row in rows]
    known = pl.DataFrame([row[:5] for row in full], schema=schema, orient="row").with_columns(
        timestamp=pl.col("day").cast(pl.Datetime("us", "UTC")),
        transaction_id=pl.lit(None, pl.String),
        quantity=pl.lit(None, pl.Float64),
        amount=pl.lit(30.0),
        discount=pl.lit(None, pl.Float64),
    )
    return known.lazy()


def on(text):
    return date.fromisoformat(text)


END = on("2026-04-10")
BOOK = sold(
    ("ann early", on("2025-04-11"), END),
    ("ann early", on("2026-03-20"), on("2027-04-10")),
    ("bob in grace", on("2025-04-11"), END),
    ("bob in grace", END + timedelta(days=GRACE), on("2027-04-10")),
    ("cyd too late", on("2025-04-11"), END),
    ("cyd too late", END + timedelta(days=GRACE + 1), on("2027-04-10")),
    ("dan gone", on("2025-04-11"), END),
    ("dan gone", on("2026-04-05"), None, "use"),
    ("eve overlapping", on("2025-04-11"), END),
    ("eve overlapping", on("2026-02-01"), on("2026-04-20")),
    ("eve overlapping", on("2026-05-04"), on("2026-06-20")),
    ("fay upgraded", on("2025-10-11"), END),
    ("fay upgraded", on("2026-01-05"), END, "pro"),
    ("fay upgraded", on("2026-04-03"), END, "plus"),
    ("gus prolonged", on("2025-10-11"), END),
    ("gus prolonged", on("2026-01-05"), on("2026-04-30"), "pro"),
    ("gus prolonged", on("2026-04-30"), on("2026-10-30"), "pro"),
    ("hal last day", on("2025-04-11"), NIGHT + timedelta(days=HORIZON)),
    ("ivy beyond", on("2025-04-11"), NIGHT + timedelta(days=HORIZON + 1)),
    ("jon over", on("2025-04-11"), NIGHT),
    ("kim returned", on("2025-04-11"), END),
    ("kim returned", on("2026-04-02"), on("2027-04-10"), "basic", True),
    ("lee lapsed", on("2024-06-01"), on("2025-06-01")),
    ("lee lapsed", on("2025-08-01"), on("2025-12-01")),
    ("lee lapsed", on("2025-12-11"), on("2026-04-05")),
    ("max double", on("2025-04-11"), on("2025-10-11")),
    ("max double", on("2025-04-11"), END),
)


def test_who_is_asked_about_and_who_did_not_renew_in_time():
    found = Terms.of(customer_terms(BOOK), GRACE).outcomes(NIGHT, HORIZON)
    assert dict(found.rows()) == {
        "bob in grace": False,
        "cyd too late": True,
        "dan gone": True,
        "eve overlapping": False,
        "fay upgraded": True,
        "gus prolonged": False,
        "hal last day": True,
        "kim returned": True,
        "lee lapsed": True,
        "max double": True,
    }


def test_who_renews_early_is_asked_about_until_then_and_stays():
    terms = Terms.of(customer_terms(BOOK), GRACE)
    day_before = terms.outcomes(on("2026-03-19"), HORIZON)
    assert ("ann early", False) in day_before.rows()
    assert "ann early" not in terms.outcomes(on("2026-03-20"), HORIZON)["customer_id"]


def test_what_a_night_knows_of_a_term():
    table = features(
        customer_days(BOOK),
        [NIGHT],
        active_days=1,
        horizon_days=HORIZON,
        terms=customer_terms(BOOK),
        grace_days=GRACE,
    ).collect()
    assert (table["night"] == NIGHT).all()
    told = {row["customer_id"]: row for row in table.to_dicts()}
    assert set(told) == set(Terms.of(customer_terms(BOOK), GRACE).outcomes(NIGHT, HORIZON)["customer_id"])
    names = ("days_to_expiry", "term_days", "term_age_days", "renewals", "lapses", "plan_changes")
    assert [told["dan gone"][name] for name in names] == [9, 364, 355, 0, 0, 0]
    assert [told["eve overlapping"][name] for name in names] == [19, 10, 59, 1, 0, 0]
    assert [told["fay upgraded"][name] for name in names] == [9, 181, 172, 0, 0, 1]
    assert [told["gus prolonged"][name] for name in names] == [29, 20, 86, 1, 0, 1]
    assert [told["lee lapsed"][name] for name in names] == [4, 125, 111, 1, 1, 0]
    assert [told["max double"][name] for name in names] == [9, 364, 355, 0, 0, 0]
    leads = ("renewal_lead_mean_days", "renewal_lead_last_days", "early_renewal_share", "renewal_overdue_days")
    assert [told["dan gone"][name] for name in leads] == [None] * 4
    assert [told["eve overlapping"][name] for name in leads] == [68, 68, 1, 49]
    assert [told["lee lapsed"][name] for name in leads] == [-10, -10, 0, -14]
    assert told["dan gone"]["recency_days"] == 355


@st.composite
def books(draw):
    row = st.tuples(st.sampled_from("ab"), st.integers(-90, 90), st.integers(-40, 60), st.sampled_from(("p", "q")))
    rows = draw(st.lists(row, max_size=14))
    return [(who, NIGHT + timedelta(days=day), NIGHT + timedelta(days=day + end), plan) for who, day, end, plan in rows]


@settings(max_examples=40, deadline=None)
@given(books())
def test_a_plain_count_agrees(rows):
    terms = Terms.of(customer_terms(sold(*rows)), GRACE)
    expected = {}
    for who in sorted({row[0] for row in rows}):
        ends = [until for customer, day, until, _ in rows if customer == who and day <= NIGHT]
        if ends and NIGHT < max(ends) <= NIGHT + timedelta(days=HORIZON):
            last = max(ends)
            renewed = any(
                customer == who and NIGHT < day <= last + timedelta(days=GRACE) and until > last
                for customer, day, until, _ in rows
            )
            expected[who] = not renewed
    assert dict(terms.outcomes(NIGHT, HORIZON).rows()) == expected


@settings(max_examples=40, deadline=None)
@given(books(), books())
def test_nothing_after_a_night_is_known_on_it_and_nothing_after_the_last_grace_matters(rows, others):
    ripe = NIGHT + timedelta(days=CHURN.ripe_days)

    def until(day, further):
        late = [
            (who, day + timedelta(days=1 + abs((sold_on - NIGHT).days)), end, plan)
            for who, sold_on, end, plan in further
        ]
        return Terms.of(customer_terms(sold(*[row for row in rows if row[1] <= day], *late)), GRACE)

    whole = Terms.of(customer_terms(sold(*rows)), GRACE)
    assert until(NIGHT, others).as_of(NIGHT, HORIZON).equals(whole.as_of(NIGHT, HORIZON))
    assert until(NIGHT, others).ended(NIGHT, 400).equals(whole.ended(NIGHT, 400))
    assert until(ripe, others).outcomes(NIGHT, HORIZON).equals(whole.outcomes(NIGHT, HORIZON))


@settings(max_examples=40, deadline=None)
@given(books(), st.randoms())
def test_terms_may_arrive_in_any_order_and_in_parts(rows, random):
    shuffled = random.sample(rows, len(rows))
    cut = len(rows) // 2
    parts = pl.concat([customer_terms(sold(*shuffled[:cut])), customer_terms(sold(*shuffled[cut:]))])
    assert Terms.of(parts, GRACE).rows.equals(Terms.of(customer_terms(sold(*rows)), GRACE).rows)


@pytest.fixture(scope="module")
def simulated():
    holders = subscribers(400, seed=5)
    first = date(2024, 1, 1)
    rows = lines(holders, first_day=first, days=600, term_days=60, grace_days=GRACE, seed=5).lazy()
    known = rows.with_columns(
        timestamp=pl.col("timestamp").dt.replace_time_zone("UTC"),
        day=pl.col("timestamp").dt.date(),
        is_return=pl.lit(False),
        transaction_id=pl.lit(None, pl.String),
        quantity=pl.lit(None, pl.Float64),
        discount=pl.lit(None, pl.Float64),
    )
    facts = switches(holders, first_day=first).select(
        "customer_id",
        input=pl.lit("auto_renew"),
        kind=pl.lit("attributes"),
        timestamp=pl.col("since").cast(pl.Datetime("us", "UTC")),
        day="since",
        until=pl.lit(None, pl.Date),
        value=pl.lit(None, pl.Float64),
        text="auto_renew",
        occurrence=pl.lit(1, pl.Int64),
    )
    return holders, known, Fact.cast(facts).lazy()


def test_features_of_contracts_do_not_see_beyond_the_night(simulated):
    _, known, facts = simulated
    nights = [date(2025, 3, 1), date(2025, 5, 1)]

    def told(rows, nights):
        return features(
            customer_days(rows),
            nights,
            active_days=365,
            horizon_days=HORIZON,
            facts=facts,
            terms=customer_terms(rows),
            grace_days=GRACE,
        ).collect()

    whole = told(known, nights)
    for night in nights:
        alone = told(known.filter(pl.col("day") <= night), [night])
        assert alone.height > 50
        assert whole.filter(pl.col("night") == night).select(alone.columns).equals(alone)
    assert set(whole["auto_renew"].unique()) == {0, 1}
    shares = ["population_renewal_share", "similar_renewal_share", "plan_renewal_share"]
    assert whole.select(pl.col(shares).is_between(0.3, 1).all()).row(0) == (True,) * 3


def test_outcomes_are_those_of_the_known_truth(simulated):
    holders, known, _ = simulated
    terms = Terms.of(customer_terms(known), GRACE)
    nights = [date(2024, 7, 1) + timedelta(days=45 * step) for step in range(8)]
    seen = pl.concat(
        terms.outcomes(night, HORIZON).join(
            true_churn(holders, terms.as_of(night, HORIZON).select("customer_id", "end"), night), on="customer_id"
        )
        for night in nights
    )
    chance, churned = seen["churn_probability"].to_numpy(), seen["churned"].to_numpy()
    for part in (chance > np.median(chance), chance <= np.median(chance)):
        error = (chance[part] * (1 - chance[part])).sum() ** 0.5 / part.sum()
        assert churned[part].mean() == pytest.approx(chance[part].mean(), abs=4 * error)


def test_every_known_customer_has_an_outcome_and_only_those_with_an_ending_contract_can_churn():
    found = happened(customer_days(BOOK), [NIGHT], CHURN, customer_terms(BOOK)).collect()
    assert "ann early" in found["customer_id"]
    assert set(found.filter("churned")["customer_id"]) == {
        who for who, churned in Terms.of(customer_terms(BOOK), GRACE).outcomes(NIGHT, HORIZON).rows() if churned
    }
    with pytest.raises(ValueError, match="computed from terms"):
        happened(customer_days(BOOK), [NIGHT], CHURN).collect()
