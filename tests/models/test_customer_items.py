from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.customer_items import TRAITS, CustomerItem, carried, customer_items

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)
LINES = {"customer_id": pl.String, "day": pl.Date} | dict.fromkeys(TRAITS, pl.String) | {"is_return": pl.Boolean}

Line = tuple[str, date, str | None, str | None, str | None, bool]


def lines(*rows: Line) -> pl.LazyFrame:
    """Rows of (customer, day, product, category, channel, is_return)."""
    return pl.LazyFrame(rows, schema=LINES, orient="row")


def test_counts_purchase_lines_by_day_and_item_of_each_trait() -> None:
    items = customer_items(
        lines(
            ("a", MONDAY, "tea", "drinks", "web", False),
            ("a", MONDAY, "milk", "drinks", "web", False),
            ("a", MONDAY, "tea", "drinks", None, False),
            ("a", TUESDAY, "tea", "drinks", "shop", True),
            ("b", TUESDAY, None, None, "shop", False),
        )
    ).collect()
    assert items.rows() == [
        ("a", MONDAY, "category", "drinks", 3),
        ("a", MONDAY, "channel", "web", 2),
        ("a", MONDAY, "product", "milk", 1),
        ("a", MONDAY, "product", "tea", 2),
        ("b", TUESDAY, "channel", "shop", 1),
    ]
    CustomerItem.validate(items)


def test_a_trait_that_the_source_lacks_has_no_rows() -> None:
    items = customer_items(lines(("a", MONDAY, None, "drinks", None, False)))
    assert list(carried(items)) == ["category"]
    assert carried(customer_items(lines())) == {}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from([MONDAY, TUESDAY]), st.sampled_from(["tea", "milk", None]),
            st.sampled_from(["drinks", None]), st.sampled_from(["web", "shop", None]), st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_rows_of_several_nights_add_up_in_any_order(rows: list[Line], cut: int, random) -> None:
    whole = customer_items(lines(*rows)).collect()
    shuffled = random.sample(rows, len(rows))
    nights = pl.concat([customer_items(lines(*shuffled[:cut])), customer_items(lines(*shuffled[cut:]))])
    added = nights.group_by("customer_id", "day", "trait", "item").agg(pl.col("lines").sum()).collect()
    assert_frame_equal(added.select(whole.columns), whole, check_row_order=False)
