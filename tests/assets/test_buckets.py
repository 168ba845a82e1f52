from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.buckets import features_in_buckets
from models import population, priors, renewals
from models.catalogue import FAMILIES, FeatureRecipe
from models.census import Tables, bucket, described
from models.customer_days import UNIT, customer_days
from models.customer_items import TRAITS
from models.definition import ChurnDefinition
from models.facts import Fact
from models.history import MEASURES

NIGHT = date(2024, 6, 30)
NIGHTS = [NIGHT - timedelta(days=40), NIGHT]
RECIPE = FeatureRecipe(lookback_days=120, windows=(7, 30, 60), families=tuple(FAMILIES))
CUSTOMERS = [f"customer {number}" for number in range(40)]
DAY = st.integers(-500, 10).map(lambda after: NIGHT + timedelta(days=after))
WHO = st.sampled_from(CUSTOMERS)
MONEY = st.integers(-(10**9), 10**9)

days = st.tuples(WHO, DAY, *[st.integers(0, 3)] * 3, MONEY, MONEY | st.none(), st.integers(0, 2), MONEY | st.none())
items = st.tuples(WHO, DAY, st.sampled_from(TRAITS), st.sampled_from("abc"), st.integers(1, 5))
facts = st.tuples(
    st.sampled_from([("tickets", "events"), ("tariff", "attributes")]),
    WHO,
    DAY,
    st.integers(0, 200) | st.none(),
    st.floats(0, 10) | st.none(),
    st.sampled_from("xyz") | st.none(),
)
terms = st.tuples(WHO, DAY, st.integers(10, 90), st.sampled_from("pq") | st.none())


def many(one: st.SearchStrategy, least: int) -> st.SearchStrategy:
    return st.lists(one, min_size=least, max_size=least * 4)


@st.composite
def shops(draw: st.DrawFn) -> Tables:
    noted = [
        (
            name,
            kind,
            who,
            datetime.combine(day, time(), UTC),
            day,
            length and day + timedelta(days=length),
            value,
            text,
            1,
        )
        for (name, kind), who, day, length, value, text in draw(many(facts, 5))
    ]
    sold = [(who, day, day + timedelta(days=length), plan) for who, day, length, plan in draw(many(terms, 30))]
    key = {"customer_id": pl.String, "day": pl.Date}
    return Tables(
        pl.LazyFrame(draw(many(days, 30)), key | dict.fromkeys(MEASURES, pl.Int64), orient="row"),
        pl.LazyFrame(
            draw(many(items, 10)), key | {"trait": pl.String, "item": pl.String, "lines": pl.Int64}, orient="row"
        ),
        pl.LazyFrame(noted, Fact.create_empty().schema, orient="row"),
        pl.LazyFrame(sold, key | {"until": pl.Date, "plan": pl.String}, orient="row"),
    )


@pytest.fixture(autouse=True, scope="module")
def a_single_customer_is_a_population() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (population, priors, renewals):
            patch.setattr(module, "WEIGHT", 1)
        yield


KINDS = ChurnDefinition("contract", 30, 90), ChurnDefinition(horizon_days=20, active_days=90)


@pytest.mark.parametrize("churn", KINDS, ids=lambda churn: churn.definition)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shops(), st.integers(2, 7))
def test_buckets_of_customers_are_together_what_the_whole_is(churn: ChurnDefinition, tables: Tables, count: int):
    with TemporaryDirectory() as folder:
        parted = features_in_buckets(tables, NIGHTS, churn, RECIPE, folder=Path(folder), count=count).collect()
    assert_frame_equal(parted, described(tables, NIGHTS, churn, RECIPE).collect(), check_exact=True)


def test_a_customer_stays_in_a_bucket_for_ever():
    assert bucket(pl.Series("customer_id", ["ann", "Ôtto", ""]), 1000).to_list() == [347, 474, 0]
    shares = bucket(pl.Series([f"C{number:09d}" for number in range(8000)]), 8).value_counts()["count"]
    assert shares.to_list() == [1000] * 8


def test_a_customer_with_a_million_lines_is_no_more_than_its_days():
    lines = pl.LazyFrame({"second": pl.int_range(1_000_000, eager=True)}).select(
        customer_id=pl.lit("guest"),
        timestamp=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)) + pl.duration(seconds=15 * pl.col("second")),
        transaction_id=pl.lit(None, pl.String),
        is_return=pl.lit(value=False),
        quantity=1.0,
        amount=2.0,
        discount=pl.lit(None, pl.Float64),
    )
    known = customer_days(lines.with_columns(day=pl.col("timestamp").dt.date())).collect()
    assert known.height == 174
    assert known["lines"].sum() == 1_000_000
    assert known["spend"].sum() == 2_000_000 * UNIT
