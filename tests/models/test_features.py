import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from models import history, population, priors
from models.catalogue import catalogue, meanings
from models.customer_items import TRAITS, CustomerItem
from models.features import FeatureRecipe, feature_names, features, reach_days
from models.formulas import FAMILIES
from models.history import MEASURES, blocks, measured
from models.population import Returns, returns
from models.snapshot import Reach
from models.stock import stock

NIGHT = date(2024, 6, 30)
ACTIVE, HORIZON = 15, 8
RECIPE = FeatureRecipe(lookback_days=60, windows=(3, 7, 30), families=tuple(FAMILIES))
ALL = dict.fromkeys(MEASURES, pl.Int64()) | dict.fromkeys(TRAITS, pl.String())
SCHEMA = {"customer_id": pl.String, "day": pl.Date} | dict.fromkeys(MEASURES, pl.Int64)

Row = tuple[str, date, int, int, int, int | None, int | None, int, int | None]

# A planted leak is to be found every time, and nobody reads the example.
PLANTED = settings(max_examples=500, derandomize=True, phases=[Phase.generate], deadline=None, database=None)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def a_single_customer_is_a_population() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "WEIGHT", 1)
        patch.setattr(priors, "WEIGHT", 1)
        yield


def table(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SCHEMA, orient="row")


def purchases(*days_ago: int, customer: str = "a", spend: int = 10_000) -> list[Row]:
    """Days with one order of one line each, some days before the night."""
    return [(customer, NIGHT - timedelta(days=d), 1, 1, 10_000, spend, 0, 0, 0) for d in days_ago]


def bought(days: pl.LazyFrame) -> pl.LazyFrame:
    """What the customers of some days may have bought: the quantity of a day tells of which items its lines are."""
    item = {trait: pl.format(f"{trait} {{}}", pl.col("quantity") % (5 - n)) for n, trait in enumerate(TRAITS)}
    rows = [days.filter(pl.col("lines") > 0).with_columns(trait=pl.lit(trait), item=item[trait]) for trait in TRAITS]
    return pl.concat(rows).select(CustomerItem.column_names())


def known(days: pl.LazyFrame, nights: Sequence[date] = (NIGHT,), **more: Any) -> pl.DataFrame:
    how: dict[str, Any] = {"active_days": ACTIVE, "recipe": RECIPE, "horizon_days": HORIZON, "held": ALL}
    how["items"] = bought(days)
    return features(days, nights, **how | more).collect()


def context(days: pl.LazyFrame, night: date = NIGHT) -> dict[date, Returns]:
    """What became of the customers of some days, counted as if `night` were tonight."""
    packed = blocks(days, after=date(2020, 1, 1), until=night, measures={"orders": pl.Int64()})
    shift = night - NIGHT
    ends = NIGHT, NIGHT - timedelta(days=365 - HORIZON)
    return {end: returns(packed, end + shift, ACTIVE, HORIZON) for end in ends}


def expected(days: pl.LazyFrame, night: date = NIGHT) -> dict[tuple[date, str, str], priors.Prior]:
    """How many customers of some days came back, by their items, counted as if `night` were tonight."""
    packed = blocks(days, after=date(2020, 1, 1), until=night, measures={"orders": pl.Int64()})
    reach = Reach(ACTIVE, RECIPE.lookback_days, HORIZON)
    names = [f"{trait}.kinds.1" for trait in TRAITS]
    shelves = stock(bought(days), packed, names, reach, nights=[night], priors=None).shelves
    return {
        (NIGHT, trait, which): priors.prior(packed, shelves.get(trait, []), which, night, reach)
        for trait in TRAITS
        for which in ("main", "first")
    }


def rows(first: int, last: int, *, max_size: int = 25) -> st.SearchStrategy[list[Row]]:
    """Days of a few customers, some twice, from `first` to `last` days after the night."""
    money = st.integers(0, 10**9) | st.none()
    one = st.tuples(
        st.sampled_from(["ann", "bob", "Ôtto", "zoe"]),
        st.integers(first, last).map(lambda after: NIGHT + timedelta(days=after)),
        st.integers(0, 3), st.integers(0, 9), st.integers(0, 10**6), money, money, st.integers(0, 2), money,
    )  # fmt: skip
    return st.lists(one, max_size=max_size)


def assert_future_changes_nothing(compute: Callable[[pl.LazyFrame], pl.DataFrame], *, planted: bool = False) -> None:
    """The law: whatever is computed as of the night is the same with any rows after it, and with none."""

    @(PLANTED if planted else settings(quick, max_examples=50))
    @given(rows(-75, 0), rows(1, 40))
    def law(past: list[Row], future: list[Row]) -> None:
        assert_frame_equal(compute(table(past)), compute(table([*past, *future])))

    law()


def test_the_future_changes_no_feature() -> None:
    assert_future_changes_nothing(lambda days: known(days, held=None))


def test_the_law_catches_a_feature_that_reads_the_next_gap() -> None:
    def leaky(days: pl.LazyFrame) -> pl.DataFrame:
        later = (
            days.filter(pl.col("day") > NIGHT, pl.col("orders") > 0).group_by("customer_id").agg(pl.col("day").min())
        )
        gap = (pl.col("day") - pl.col("night")).dt.total_days() + pl.col("recency_days")
        joined = known(days).join(later.collect(), on="customer_id", how="left")
        return joined.with_columns(next_gap_days=gap).drop("day")

    with pytest.raises(AssertionError, match="next_gap_days"):
        assert_future_changes_nothing(leaky, planted=True)


def test_the_law_catches_a_population_counted_beyond_the_night() -> None:
    def leaky(days: pl.LazyFrame) -> pl.DataFrame:
        return known(days, context=context(days, NIGHT + timedelta(days=HORIZON)))

    with pytest.raises(AssertionError, match="_share"):
        assert_future_changes_nothing(leaky, planted=True)


def test_the_law_catches_priors_counted_beyond_the_night() -> None:
    def leaky(days: pl.LazyFrame) -> pl.DataFrame:
        return known(days, priors=expected(days, NIGHT + timedelta(days=HORIZON)))

    with pytest.raises(AssertionError, match="_return_share"):
        assert_future_changes_nothing(leaky, planted=True)


@quick
@given(rows(-75, 5), st.randoms(use_true_random=False), st.integers(1, 4))
def test_no_order_or_split_of_rows_changes_a_feature(past: list[Row], random, parts: int) -> None:
    shuffled = random.sample(past, len(past))
    split = pl.concat([table(shuffled[part::parts]) for part in range(parts)])
    assert_frame_equal(known(table(past)), known(split))


@quick
@given(rows(-75, 0))
def test_a_customer_is_described_without_a_look_at_the_others(past: list[Row]) -> None:
    shared: dict[str, Any] = {"context": context(table(past)), "priors": expected(table(past))}
    everybody = known(table(past), **shared)
    assert_frame_equal(everybody, known(table(past)))
    for customer in ("ann", "bob"):
        alone = table(past).filter(pl.col("customer_id") == customer)
        assert_frame_equal(known(alone, **shared), everybody.filter(pl.col("customer_id") == customer))


@quick
@given(rows(-75, 10), st.sets(st.integers(-20, 10), min_size=1, max_size=4))
def test_many_nights_at_once_are_each_night_alone(past: list[Row], offsets: set[int]) -> None:
    nights = [NIGHT + timedelta(days=offset) for offset in offsets]
    alone = [known(table(past), [night]) for night in sorted(nights)]
    assert_frame_equal(known(table(past), nights), pl.concat(alone))


@quick
@given(rows(-100, 0), st.sampled_from([60, 400]))
def test_nothing_out_of_reach_changes_a_feature(past: list[Row], lookback: int) -> None:
    recipe = replace(RECIPE, lookback_days=lookback)
    reach = reach_days(recipe, active_days=ACTIVE, horizon_days=HORIZON)
    older = [(row[0], row[1] - timedelta(days=reach - 70), *row[2:]) for row in past]
    near = [row for row in [*past, *older] if row[1] > NIGHT - timedelta(days=reach)]
    assert_frame_equal(known(table([*past, *older]), recipe=recipe), known(table(near), recipe=recipe))


@quick
@given(past=rows(-75, 0))
def test_blocks_of_any_size_give_the_same(past: list[Row]) -> None:
    whole = known(table(past))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "BLOCK_ROWS", 2)
        assert_frame_equal(known(table(past)), whole)


@quick
@given(rows(-75, 0))
def test_features_are_float32_without_nan_or_infinity_in_the_order_of_the_catalogue(past: list[Row]) -> None:
    result = known(table(past))
    names = [feature.name for feature in catalogue(RECIPE, HORIZON)]
    assert result.schema == {"night": pl.Date, "customer_id": pl.String} | dict.fromkeys(names, pl.Float32)
    assert feature_names(result) == names
    values = result.select(names).to_numpy().astype(np.float64)
    assert np.isfinite(values[~result.select(pl.col(names).is_null()).to_numpy()]).all()
    assert result.equals(result.sort("night", "customer_id"))


ORACLE = """
WITH d AS (
  SELECT customer_id, day, sum(orders)::BIGINT orders, sum(lines)::BIGINT lines_, sum(spend)::BIGINT spend,
         sum(refunds)::BIGINT refunds, sum(returns)::BIGINT returns_, sum(discount)::BIGINT discount,
         sum(quantity)::BIGINT quantity
  FROM days WHERE day > n.night - 60 AND day <= n.night GROUP BY ALL
), g AS (
  SELECT *, n.night - day AS age, CASE WHEN orders > 0 THEN day - lag(day) OVER (
    PARTITION BY customer_id, orders > 0 ORDER BY day) END AS gap FROM d
)
SELECT customer_id,
  min(age) FILTER (orders > 0) recency_days, max(age) FILTER (orders > 0) tenure_days,
  count(*) FILTER (orders > 0) purchase_days, sum(orders) orders,
  coalesce(sum(orders) FILTER (age < 3), 0) orders_3d, coalesce(sum(orders) FILTER (age < 7), 0) orders_7d,
  coalesce(sum(orders) FILTER (age < 30), 0) orders_30d,
  coalesce(sum(spend), 0) / 10000 spend, coalesce(sum(spend) FILTER (age < 3), 0) / 10000 spend_3d,
  coalesce(sum(spend) FILTER (age < 7), 0) / 10000 spend_7d,
  coalesce(sum(spend) FILTER (age < 30), 0) / 10000 spend_30d,
  avg(gap) gap_mean_days, median(gap) gap_median_days, max(gap) gap_longest_days, arg_min(gap, age) gap_last_days,
  min(age) FILTER (orders > 0) / median(gap) overdue_ratio,
  sum(lines_) / sum(orders) lines_per_order, sum(returns_) / nullif(sum(lines_), 0) returns_share,
  coalesce(sum(refunds), 0) / nullif(sum(spend), 0) refunds_share,
  coalesce(sum(discount), 0) / nullif(sum(spend), 0) discount_share,
  sum(quantity) / 10000 / sum(orders) quantity_per_order
FROM g GROUP BY customer_id HAVING min(age) FILTER (orders > 0) < 15 ORDER BY customer_id
"""


@settings(quick, max_examples=40)
@given(rows(-75, 5, max_size=60))
def test_duckdb_computes_the_same(past: list[Row]) -> None:
    with duckdb.connect() as connection:
        connection.register("days", table(past).collect())
        oracle = connection.sql(ORACLE.replace("n.night", f"DATE '{NIGHT}'")).pl()
    oracle = oracle.with_columns(pl.exclude("customer_id").cast(pl.Float32))
    assert_frame_equal(known(table(past)).select(oracle.columns), oracle, check_exact=True)


ITEMS_ORACLE = """
WITH pairs AS (
  SELECT customer_id, item, sum(lines) lines_, max(day) AS last_, count(DISTINCT day) visits,
         coalesce(sum(lines) FILTER (day > n.night - 7), 0) recent,
         row_number() OVER (PARTITION BY customer_id ORDER BY sum(lines) DESC, item) AS place
  FROM items WHERE trait = 'category' AND day > n.night - 60 AND day <= n.night GROUP BY customer_id, item
), active AS (
  SELECT customer_id, max(day) AS last_ FROM days WHERE orders > 0 AND day <= n.night GROUP BY customer_id
  HAVING max(day) > n.night - 15
)
SELECT active.customer_id, count(item)::BIGINT categories, count(*) FILTER (recent > 0) categories_7d,
  max(lines_) / sum(lines_) category_main_share, sum(lines_ ** 2) / sum(lines_) ** 2 category_concentration,
  (sum(visits) - count(item)) / sum(visits) category_again_share,
  max(active.last_ - pairs.last_) FILTER (place = 1) category_main_quiet_days,
  coalesce(sum(recent) FILTER (recent = lines_), 0) / nullif(sum(recent), 0) category_new_share_7d
FROM active LEFT JOIN pairs USING (customer_id) GROUP BY customer_id ORDER BY customer_id
"""

PRIORS_ORACLE = """
WITH held AS (
  SELECT customer_id, n.night - ago AS day_, item,
         row_number() OVER (PARTITION BY customer_id, ago ORDER BY sum(lines) DESC, item) AS main_,
         row_number() OVER (PARTITION BY customer_id, ago
           ORDER BY min(day), arg_min(lines, day) DESC, item) AS first_
  FROM (SELECT customer_id, day, item, sum(lines) lines FROM items WHERE trait = 'channel' GROUP BY ALL),
       (VALUES (0), (8)) ages(ago)
  WHERE day > n.night - ago - 60 AND day <= n.night - ago GROUP BY customer_id, ago, item
), was AS (
  SELECT customer_id, item, (coalesce(max(day) FILTER (day > n.night - 8), n.night - 99) > n.night - 8)::INT AS back
  FROM days JOIN held USING (customer_id)
  WHERE orders > 0 AND day > n.night - 23 AND day <= n.night AND day_ = n.night - 8 AND which_ = 1
  GROUP BY customer_id, item HAVING min(day) <= n.night - 8
), everybody AS (
  SELECT sum(back) / nullif(count(*), 0) AS share FROM was
), shares AS (
  SELECT item, (sum(back) + share) / (count(*) + 1) AS share FROM was, everybody GROUP BY item, everybody.share
), active AS (
  SELECT customer_id FROM days WHERE orders > 0 AND day > n.night - 15 AND day <= n.night GROUP BY ALL
)
SELECT customer_id, CASE WHEN item IS NOT NULL THEN coalesce(shares.share, everybody.share) END share
FROM active LEFT JOIN (FROM held WHERE day_ = n.night AND which_ = 1) USING (customer_id)
     LEFT JOIN shares USING (item), everybody
ORDER BY customer_id
"""


@settings(quick, max_examples=40)
@given(rows(-75, 5, max_size=60))
def test_duckdb_computes_the_same_of_the_items(past: list[Row]) -> None:
    result = known(table(past))
    with duckdb.connect() as connection:
        connection.register("days", table(past).collect())
        connection.register("items", bought(table(past)).collect())

        def ask(query: str) -> pl.DataFrame:
            answer: pl.DataFrame = connection.sql(query.replace("n.night", f"DATE '{NIGHT}'")).pl()
            return answer

        oracle = ask(ITEMS_ORACLE).with_columns(pl.exclude("customer_id").cast(pl.Float32))
        assert_frame_equal(result.select(oracle.columns), oracle, check_exact=True)
        for which in ("main", "first"):
            share = ask(PRIORS_ORACLE.replace("which_", f"{which}_"))["share"].cast(pl.Float32)
            column = result[f"{which}_channel_return_share"].rename("share")
            assert_series_equal(column, share, check_exact=True)


@pytest.mark.parametrize(
    ("ago", "counted"),
    [(0, (1, 1, 1)), (2, (1, 1, 1)), (3, (0, 1, 1)), (6, (0, 1, 1)), (7, (0, 0, 1)), (29, (0, 0, 1)), (30, (0, 0, 0))],
)
def test_windows_are_half_open(ago: int, counted: tuple[int, int, int]) -> None:
    result = known(table(purchases(ago)), active_days=60)
    assert result.select("orders_3d", "orders_7d", "orders_30d").row(0) == counted
    assert result["recency_days"].to_list() == [ago]


@pytest.mark.parametrize(("ago", "is_active"), [(0, True), (14, True), (15, False), (-1, False)])
def test_only_active_customers_are_described(ago: int, is_active: bool) -> None:
    assert known(table(purchases(ago))).height == is_active


def test_the_lookback_is_half_open_and_cuts_the_gap_across_its_edge() -> None:
    result = known(table(purchases(60, 59, 9, 3)))
    assert result.select("purchase_days", "tenure_days", "gap_longest_days", "orders").row(0) == (3, 59, 50, 3)


def test_the_rhythm_of_a_customer() -> None:
    # Gaps of 2, 4, 4 and 10 days, and a silence of 5.
    result = known(table(purchases(25, 23, 19, 15, 5))).row(0, named=True)
    expected = {
        "gap_mean_days": 5.0,
        "gap_median_days": 4.0,
        "gap_spread_days": np.sqrt(12.0),
        "gap_longest_days": 10.0,
        "gap_last_days": 10.0,
        "gap_recent_ratio": 6.0 / 5.0,
        "overdue_ratio": 5.0 / 4.0,
        "overdue_days": 0.0,
        "gap_longer_share": 1 / 4,
        "return_share": 1.0,
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_a_single_purchase_has_no_rhythm_but_a_chance_to_return() -> None:
    others = [row for n in range(20) for row in purchases(20, customer=f"c{n:02}")]
    back = [row for n in range(10) for row in purchases(3, customer=f"c{n:02}")]
    result = known(table([*others, *back, *purchases(3, customer="new")])).filter(pl.col("customer_id") == "new")
    rhythm = [f.name for f in catalogue(RECIPE, HORIZON) if f.family == "rhythm"]
    assert result.select(rhythm).row(0) == (None,) * len(rhythm)
    assert result["population_return_share"].item() == 0.5
    assert result["return_chance"].item() == pytest.approx(result["similar_return_share"].item())


def test_the_chance_to_return_weighs_own_gaps_with_similar_customers() -> None:
    result = known(table(purchases(36, 33, 17, 5))).row(0, named=True)
    # Of the gaps 3, 16 and 12, two outlast the silence of 5 days; 12 ends within the next 8.
    assert result["return_chance"] == pytest.approx((1 + 2 * result["similar_return_share"]) / (2 + 2))


def test_what_the_customer_bought_a_year_ago_in_the_coming_season() -> None:
    ago = [364, 360, 358, 357, 356, 0]
    result = features(table(purchases(*ago)), [NIGHT], active_days=90, horizon_days=HORIZON).collect()
    # A year ago the eight days up to 357 days before the night were those that lie ahead now.
    assert result["orders_season"].to_list() == [4]


def test_the_season_of_the_night_and_how_it_went_for_everybody_a_year_ago() -> None:
    nights = [date(2024, 1, 1), date(2024, 4, 1)]
    # Active when the season began a year before April: a and b. Only b bought in the eight days from then.
    days_of = {"a": [375, 1], "b": [372, 360, 1], "c": [400, 93, 1]}
    april = [
        (who, nights[1] - timedelta(days=ago), 1, 1, 0, 0, 0, 0, 0) for who, them in days_of.items() for ago in them
    ]
    result = known(table(april), nights)
    assert result.group_by("night", maintain_order=True).len().rows() == [(nights[0], 1), (nights[1], 3)]
    assert result["winter_season"].to_list() == pytest.approx([1, 0, 0, 0], abs=0.02)
    assert result["spring_season"].to_list() == pytest.approx([0, 1, 1, 1], abs=0.02)
    assert result["season_return_share"].to_list() == [None, 0.5, 0.5, 0.5]


def test_on_which_days_a_customer_likes_to_buy() -> None:
    # The night is Sunday, the 30th of June: before it a Saturday, a Monday, Saturday the 8th and Saturday the 1st.
    result = known(table(purchases(1, 6, 22, 29))).select("weekend_share", "weekday_share", "month_start_share")
    assert result.row(0) == (0.75, 0.75, 0.5)


def test_trends_compare_a_window_with_the_one_before() -> None:
    recipe = FeatureRecipe(lookback_days=90, windows=(30,))
    result = known(table(purchases(1, 31, 32, 33)), recipe=recipe)
    assert result.select("orders_trend_30d", "spend_trend_30d").row(0) == (-0.5, -0.5)


def test_a_measure_that_the_source_lacks_drops_its_features_and_no_others() -> None:
    bare = [(c, d, o, n, 0, None, None, 0, None) for c, d, o, n, *_ in purchases(1, 9)]
    result = known(table(bare), held=None)
    assert "spend" not in result.columns
    families = {f.name: f.family for f in catalogue(RECIPE, HORIZON)}
    assert {families[name] for name in feature_names(result)} == set(FAMILIES) - {
        "money",
        "returns",
        "discounts",
        "inputs",
    }
    assert feature_names(known(table(purchases(1, 9)), held=None)).count("spend") == 1


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "inputs"])
def test_the_recipe_switches_families(family: str) -> None:
    recipe, day = FeatureRecipe(families=(family,)), table(purchases(1))
    names = feature_names(
        features(day, [NIGHT], active_days=30, recipe=recipe, horizon_days=90, items=bought(day), held=ALL)
    )
    assert names == [f.name for f in catalogue(FeatureRecipe(families=tuple(FAMILIES)), 90) if f.family == family]
    assert names


def test_every_feature_has_a_meaning_of_its_own() -> None:
    names = [feature.name for feature in catalogue(FeatureRecipe(families=tuple(FAMILIES)), 90)]
    assert len(names) == len(set(names)) == len(set(meanings(FeatureRecipe(families=tuple(FAMILIES))).values()))
    assert list(meanings(FeatureRecipe(families=tuple(FAMILIES)))) == names


def test_a_projection_and_a_filter_give_the_same_values() -> None:
    days = table([*purchases(1, 4, 9), *purchases(2, 30, customer="b")])
    lazy = features(days, [NIGHT, NIGHT - timedelta(days=3)], active_days=ACTIVE, recipe=RECIPE, horizon_days=HORIZON)
    whole = lazy.collect()
    for name in feature_names(whole):
        assert_frame_equal(lazy.select(name, "night").collect(), whole.select(name, "night"))
    is_b = pl.col("customer_id") == "b"
    assert_frame_equal(lazy.filter(is_b).select("spend").collect(), whole.filter(is_b).select("spend"))
    assert_frame_equal(lazy.head(3).collect(), whole.head(3))


def test_nobody_gives_an_empty_table_with_all_columns() -> None:
    result = known(table([]))
    assert result.shape == (0, 2 + len(catalogue(RECIPE, HORIZON)))


def test_measures_are_held_when_any_row_has_one() -> None:
    days = table([("a", NIGHT, 1, 0, 0, None, 70_000, -1, 0), ("b", NIGHT, 2, 0, 0, 3, None, 0, 0)])
    assert measured(days) == {"orders": pl.Int8, "spend": pl.Int8, "refunds": pl.Int32, "returns": pl.Int8}


def test_more_rows_than_can_be_sorted_at_once_are_refused_with_a_way_out() -> None:
    many = pl.LazyFrame({"customer_id": pl.int_range(2**21, eager=True).cast(pl.String)})
    days = many.with_columns(day=pl.lit(NIGHT), orders=1)
    with pytest.raises(ValueError, match="in buckets of customers"):
        blocks(days, after=date(1, 1, 1), until=date(9999, 12, 31), measures={"orders": pl.Int8()})


@pytest.mark.parametrize(
    ("since", "until"),
    [(NIGHT - timedelta(days=400), NIGHT), (date(1, 1, 1), date(9999, 12, 31))],
    ids=["narrow key", "wide key"],
)
@pytest.mark.parametrize("mixed", [False, True], ids=["in order", "out of order"])
def test_days_are_packed_in_order_whatever_order_they_come_in(since: date, until: date, mixed: bool) -> None:
    ago = pl.int_range(3000) * 7 % 300
    days = pl.select(
        customer_id=pl.format("C{}", (pl.int_range(3000) // 2).cast(pl.String).str.zfill(4)),
        day=pl.lit(NIGHT) - pl.duration(days=ago),
        orders=pl.int_range(3000) % 5,
    ).sort("customer_id", "day")
    arrived = days.sample(fraction=1, shuffle=True, seed=1) if mixed else days
    (block,) = blocks(arrived.lazy(), after=since, until=until, measures={"orders": pl.Int8()})
    assert block.customers.gather(block.owners()).to_list() == days["customer_id"].to_list()
    assert block.day.tolist() == days["day"].to_physical().to_list()
    assert block.values["orders"].tolist() == days["orders"].to_list()


def test_one_thread_and_four_write_the_same_bytes(tmp_path: Path) -> None:
    code = """
import sys, polars as pl, numpy as np
from datetime import date
from models.features import features
n, rng = 300_000, np.random.default_rng(3)
ones = {name: rng.integers(0, 1000, n) for name in ("lines", "quantity", "spend", "refunds", "returns", "discount")}
ids = pl.Series(rng.integers(0, 20_000, n)).cast(pl.String)
days = pl.DataFrame({"customer_id": ids, "day": pl.Series(rng.integers(19_000, 19_800, n)).cast(pl.Date),
                     "orders": rng.integers(0, 2, n)} | ones)
nights = [date(2024, 1, 31), date(2024, 2, 29)]
features(days.lazy(), nights, active_days=90, horizon_days=30).collect().write_ipc(sys.argv[1])
"""
    digests = []
    for threads in ("1", "4"):
        file = tmp_path / threads
        environment = os.environ | {"POLARS_MAX_THREADS": threads, "PYTHONPATH": "."}
        root = Path(__file__).parents[2]
        subprocess.run([sys.executable, "-c", code, file], check=True, env=environment, cwd=root)
        digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": (30, 7)}, "windows are"),
        ({"windows": ()}, "windows are"),
        ({"windows": (0, 7)}, "windows are"),
        ({"lookback_days": 300}, "shorter than the window of 365"),
        ({"families": ("money", "astrology")}, "astrology"),
    ],
)
def test_a_recipe_that_cannot_be_computed_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureRecipe(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nights", "active_days", "message"), [((), 30, "nights is empty"), ((NIGHT,), 61, "active_days is 61")]
)
def test_a_question_that_cannot_be_answered_is_refused(
    nights: tuple[date, ...], active_days: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        known(table([]), nights, active_days=active_days)
