"""What is on record counts from its own time on, in any order, and never before it arrived."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.facts import Fact, arriving, as_of, told
from models.features import FeatureRecipe, features

NIGHT = date(2024, 6, 30)
RECIPE = FeatureRecipe(lookback_days=60, windows=(3, 7, 30), families=("recency", "inputs"))
SCHEMA = Fact.create_empty().schema


def fact(ago: int, customer: str = "ann", name: str = "tickets", kind: str = "events", **more: Any) -> dict[str, Any]:
    day = NIGHT - timedelta(days=ago)
    known = {"input": name, "kind": kind, "customer_id": customer, "day": day, "occurrence": 1}
    return known | {"timestamp": datetime.combine(day, time(9), UTC)} | more


def table(rows: list[dict[str, Any]]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SCHEMA)


def purchases(*rows: tuple[str, int]) -> pl.LazyFrame:
    days = [{"customer_id": who, "day": NIGHT - timedelta(days=ago), "orders": 1} for who, ago in rows]
    zeros = dict.fromkeys(("lines", "quantity", "spend", "refunds", "returns", "discount"), 0)
    return pl.LazyFrame([day | zeros for day in days])


DAYS = purchases(*((who, ago) for who in ("ann", "bob", "zoe") for ago in (2, 20, 40)))


def described(rows: list[dict[str, Any]], night: date = NIGHT) -> pl.DataFrame:
    lazy = features(DAYS, [night], active_days=30, recipe=RECIPE, horizon_days=8, facts=table(rows))
    return lazy.collect()


def some(first: int, last: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    texts = st.sampled_from(["slow", "broken", None])
    one = st.builds(
        fact,
        st.integers(first, last),
        st.sampled_from(["ann", "bob"]),
        value=st.integers(0, 10) | st.none(),
        text=texts,
    )
    return st.lists(one, max_size=8)


@settings(max_examples=30, deadline=None)
@given(some(0, 70), some(-30, -1), st.randoms(use_true_random=False))
def test_neither_the_future_nor_the_order_of_rows_changes_a_feature(past, future, random) -> None:
    mixed = [*past, *future]
    random.shuffle(mixed)
    assert_frame_equal(described(past), described(mixed))


def test_events_are_counted_in_windows_and_the_last_one_is_told() -> None:
    rows = [fact(0, value=2.0), fact(6, value=9.0), fact(7, value=None), fact(61, value=1.0), fact(-1, value=5.0)]
    known = described(rows).filter(pl.col("customer_id") == "ann").row(0, named=True)
    told_of = {name.removeprefix("input_tickets_"): value for name, value in known.items() if "input" in name}
    assert told_of == {"count_3d": 1, "count_7d": 2, "count_30d": 3, "days": 0, "value": 2.0, "mean_value": 5.5}
    nobody = described(rows).filter(pl.col("customer_id") == "zoe").row(0, named=True)
    assert (nobody["input_tickets_count_30d"], nobody["input_tickets_value"]) == (0, None)


@pytest.mark.parametrize(
    ("night", "value"), [(NIGHT, 3.0), (NIGHT - timedelta(days=4), 1.0), (NIGHT - timedelta(days=10), None)]
)
def test_of_attributes_the_one_that_is_valid_counts(night: date, value: float | None) -> None:
    first = fact(9, name="tariff", kind="attributes", value=1.0, until=NIGHT - timedelta(days=4))
    rows = [first, fact(3, name="tariff", kind="attributes", value=3.0)]
    known = as_of(table(rows).collect(), "attributes", night, lookback_days=60, windows=(3,))
    assert known["value"].to_list() == ([] if value is None else [value])


def test_a_text_is_told_by_how_many_with_the_same_one_came_back() -> None:
    days = purchases(*((f"c{n:02}", 20) for n in range(40)), *((f"c{n:02}", 1) for n in range(20)), ("c39", 3))
    rows = [fact(15, customer=f"c{n:02}", text="slow" if n >= 20 else "fine") for n in range(40)]
    lazy = features(days, [NIGHT], active_days=30, recipe=RECIPE, horizon_days=8, facts=table(rows))
    share = dict(lazy.select("customer_id", "input_tickets_return_share").collect().iter_rows())
    # 20 of 20 and 1 of 20 came back, each drawn towards 21 of 40 as if by 20 more customers.
    assert share["c00"] == pytest.approx((20 + 20 * 21 / 40) / 40)
    assert share["c30"] == pytest.approx((1 + 20 * 21 / 40) / 40)


def test_a_row_arrives_once_and_not_before_its_day() -> None:
    canonical = {"amount": "value", "category": "text", "contract_until": "until"}
    rows = table([fact(3, value=1.0), fact(3, value=1.0), fact(-1, value=2.0), fact(2, customer=None)])  # type: ignore[arg-type]
    delivered = rows.rename({ours: theirs for theirs, ours in canonical.items()}).with_columns(source_file=pl.lit("f"))
    first = arriving(delivered, table([]), night=NIGHT).collect()
    assert first.select("day", "value", "occurrence").rows() == [(NIGHT - timedelta(days=3), 1.0, n) for n in (1, 2)]
    second = arriving(delivered, first.lazy(), night=NIGHT + timedelta(days=1)).collect()
    assert second["value"].to_list() == [2.0]
    assert [each.has_text for each in told(first.lazy())] == [False]
