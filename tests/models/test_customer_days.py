from datetime import UTC, date, datetime, time

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.customer_days import CustomerDay, customer_days

LINES = pl.Schema(
    {
        "customer_id": pl.String(),
        "timestamp": pl.Datetime("us", "UTC"),
        "day": pl.Date(),
        "transaction_id": pl.String(),
        "quantity": pl.Float64(),
        "amount": pl.Float64(),
        "discount": pl.Float64(),
        "is_return": pl.Boolean(),
    }
)
MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)

Line = tuple[str, date, int, str | None, float | None, float | None, float | None, bool]


def lines(*rows: Line) -> pl.LazyFrame:
    """Rows of (customer, day, hour, order, quantity, amount, discount, is_return)."""
    moments = [(who, datetime.combine(day, time(hour), UTC), day, *rest) for who, day, hour, *rest in rows]
    return pl.LazyFrame(moments, schema=LINES, orient="row")


def test_adds_up_a_day_of_purchases_and_returns_in_ten_thousandths() -> None:
    days = customer_days(
        lines(
            ("a", MONDAY, 9, "1", 2.0, 10.5, 1.0, False),
            ("a", MONDAY, 9, "1", 1.0, 0.1, None, False),
            ("a", MONDAY, 17, "2", 1.0, 5.0, 0.5, False),
            ("a", MONDAY, 18, "3", -1.0, -4.0, None, True),
            ("a", TUESDAY, 8, "4", 1.0, 1.0, None, False),
        )
    ).collect()
    assert days.rows() == [
        ("a", MONDAY, 2, 3, 40_000, 156_000, 40_000, 1, 15_000),
        ("a", TUESDAY, 1, 1, 10_000, 10_000, 0, 0, None),
    ]
    CustomerDay.validate(days)


def test_a_day_of_returns_has_no_order() -> None:
    days = customer_days(lines(("a", MONDAY, 9, "1", -1.0, -4.0, None, True))).collect()
    assert days.select("orders", "lines", "quantity", "spend", "refunds", "returns").rows() == [(0, 0, 0, 0, 40_000, 1)]


def test_without_order_ids_each_moment_is_an_order() -> None:
    days = customer_days(
        lines(
            ("a", MONDAY, 9, None, 1.0, 1.0, None, False),
            ("a", MONDAY, 9, None, 1.0, 1.0, None, False),
            ("a", MONDAY, 10, None, 1.0, 1.0, None, False),
        )
    ).collect()
    assert days["orders"].to_list() == [2]


def test_what_the_source_lacks_is_null_and_quantity_is_zero() -> None:
    days = customer_days(lines(("a", MONDAY, 9, None, None, None, None, False))).collect()
    assert days.select("quantity", "spend", "refunds", "discount").rows() == [(0, None, None, None)]
    CustomerDay.validate(days)


AMOUNTS = st.floats(-1e6, 1e6).map(lambda x: round(x, 4)) | st.none()


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from([MONDAY, TUESDAY]),
            st.integers(0, 3),
            st.sampled_from(["1", "2", None]),
            AMOUNTS,
            AMOUNTS,
            AMOUNTS,
            st.booleans(),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_no_order_of_rows_changes_a_sum(rows: list[Line], random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert_frame_equal(customer_days(lines(*rows)).collect(), customer_days(lines(*shuffled)).collect())
