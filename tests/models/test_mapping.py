"""Deliveries in many spellings are read as the same transactions."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from models.mapping import ColumnMapping, DeliveryError, Reading, canonical
from models.moments import moment_order

MAPPING = ColumnMapping(
    customer_id=("customer", "client"),
    timestamp=("when",),
    amount=("amount",),
    quantity=("pieces",),
    unit_price=("price",),
)


def read(columns, mapping=MAPPING, timezone="Europe/Berlin", **reading):
    frame = canonical(pl.LazyFrame(columns), mapping, Reading(**reading), timezone=timezone, file="f.csv")
    return frame.collect()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-31", datetime(2026, 3, 30, 22, tzinfo=UTC)),
        ("2026-03-31T10:15:00", datetime(2026, 3, 31, 8, 15, tzinfo=UTC)),
        ("2026-03-31 10:15", datetime(2026, 3, 31, 8, 15, tzinfo=UTC)),
        ("2026-03-31T10:15:00Z", datetime(2026, 3, 31, 10, 15, tzinfo=UTC)),
        ("2026-03-31T10:15:00.250-04:00", datetime(2026, 3, 31, 14, 15, 0, 250_000, tzinfo=UTC)),
        ("20260331", datetime(2026, 3, 30, 22, tzinfo=UTC)),
        ("31.03.2026 10:15", datetime(2026, 3, 31, 8, 15, tzinfo=UTC)),
        ("31/03/2026", datetime(2026, 3, 30, 22, tzinfo=UTC)),
        ("03/31/2026", datetime(2026, 3, 30, 22, tzinfo=UTC)),
        ("31-Mar-2026", datetime(2026, 3, 30, 22, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_the_zone_it_belongs_to(text, expected):
    row = read({"customer": ["a"], "when": [text]}).row(0, named=True)
    assert row["timestamp"] == expected
    assert row["day"] == date(2026, 3, 31)


NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (SECONDS, NOON),
        (SECONDS * 1_000, NOON),
        (SECONDS * 1_000_000, NOON),
        (SECONDS * 1_000_000_000, NOON),
        (float(SECONDS) + 0.25, NOON.replace(microsecond=250_000)),
        (20260331, datetime(2026, 3, 30, 22, tzinfo=UTC)),
        (20260331140000, NOON.replace(hour=12)),
    ],
)
@pytest.mark.parametrize("dtype", [None, pl.String])
def test_numbers_are_days_of_the_zone_or_time_since_1970(number, expected, dtype):
    moments = pl.Series("when", [number, None]).cast(dtype or pl.Series([number]).dtype)
    if dtype == pl.String and isinstance(number, float):
        moments, expected = pl.Series("when", [f"{SECONDS}.0", None]), NOON
    assert read({"customer": ["a", "b"], "when": moments})["timestamp"].to_list() == [expected, None]


def test_a_number_that_is_no_moment_among_moments_is_kept_as_it_came():
    rows = read({"customer": ["a"] * 4, "when": [SECONDS, SECONDS + 1, 0, 10**18]})
    assert rows["timestamp"].null_count() == 2
    assert rows["unreadable"].to_list() == [None, None, '{"timestamp":"0"}', '{"timestamp":"1000000000000000000"}']


@pytest.mark.parametrize("numbers", [[43921, 43922], ["43921", "43922"], [260331, 260401]])
def test_numbers_that_could_be_anything_are_asked_about(numbers):
    with pytest.raises(DeliveryError) as refusal:
        read({"customer": ["a", "b"], "when": numbers})
    shown = "9" * len(str(numbers[0]))
    assert f"f.csv: column 'when' holds numbers such as '{shown}', which are neither days" in str(refusal.value)
    assert "Set source.timestamp_format" in str(refusal.value)


def test_numbers_that_could_be_anything_are_read_as_the_settings_say():
    assert read({"customer": ["a"], "when": [260331]}, timestamp_format="%y%m%d")["day"].item() == date(2026, 3, 31)


def test_a_column_cannot_be_the_customer_and_the_time():
    with pytest.raises(
        ValueError, match="'when ' stands for customer_id and for timestamp: a column means one of them"
    ):
        ColumnMapping(customer_id=("When",), timestamp=("when ",))
    assert ColumnMapping(("who",), ("when",), product=("sku",), category=("sku",)).product == ("sku",)


@pytest.mark.parametrize(
    ("naive", "utc"),
    [
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_the_hour_that_a_clock_skips_or_repeats_loses_nothing(naive, utc):
    assert read({"customer": ["a"], "when": [naive]})["timestamp"].item() == utc


def test_an_evening_in_utc_is_the_next_day_in_the_zone_of_the_shop():
    moment = pl.Series([datetime(2026, 6, 1, 23, 30, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    assert read({"customer": ["a"], "when": moment})["day"].item() == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.50", "2"], [1.5, 2.0]),
        (["1,50", "1.234,50"], [1.5, 1234.5]),
        (["1,234.50", "-3.25"], [1234.5, -3.25]),
        (["€ 12.00", "(4.00)"], [12.0, -4.0]),
    ],
)
def test_numbers_are_read_with_the_decimal_mark_that_they_show(texts, numbers):
    rows = read({"customer": ["a", "b"], "when": ["2026-01-01"] * 2, "amount": texts})
    assert rows["amount"].to_list() == numbers


def test_a_decimal_mark_can_be_set_where_the_values_do_not_show_it():
    rows = read({"customer": ["a"], "when": ["2026-01-01"], "amount": ["1,500"]}, decimal=",")
    assert rows["amount"].item() == 1.5


def test_the_amount_is_quantity_times_price_where_there_is_no_amount():
    rows = read({"customer": ["a"], "when": ["2026-01-01"], "pieces": ["3"], "price": ["2.5"]})
    assert rows["amount"].item() == 7.5


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["00042", " 7 ", ""], ["00042", "7", None]),
        ([17850.0, 12345.0, None], ["17850", "12345", None]),
        ([1, 2, None], ["1", "2", None]),
    ],
)
def test_ids_are_text_with_their_leading_zeros_and_no_decimals(ids, expected):
    rows = read({"customer": ids, "when": ["2026-01-01"] * 3})
    assert rows["customer_id"].to_list() == expected


def test_headers_may_drift_in_name_case_and_blanks():
    assert read({" CLIENT ": ["a"], "When": ["2026-01-01"]})["customer_id"].item() == "a"


def test_what_could_not_be_read_is_kept_as_it_came():
    rows = read({"customer": ["a", "b"], "when": ["2026-01-01", "00:00:00"], "amount": ["1.00", "1.00"]})
    assert rows["timestamp"].null_count() == 1
    assert rows["unreadable"].to_list() == [None, '{"timestamp":"00:00:00"}']


def test_a_missing_column_is_named_with_the_file_and_the_nearest_header():
    with pytest.raises(DeliveryError, match=r"f\.csv: no column 'customer' or 'client' .* did you mean 'custmer'"):
        read({"custmer": ["a"], "when": ["2026-01-01"]})


def test_rows_are_numbered_from_one_in_the_order_of_the_file():
    assert read({"customer": ["b", "a"], "when": ["2026-01-02", "2026-01-01"]})["source_row"].to_list() == [
        1,
        2,
    ]


def test_a_sample_without_any_moment_has_no_format():
    assert moment_order(pl.Series(["soon", None])).pattern is None


def test_the_currency_of_a_line_is_kept_as_it_came():
    columns = {"customer": ["a", "b"], "when": ["2026-03-31"] * 2, "amount": ["1.00", "2.00"], "money": [" EUR", ""]}
    mapping = ColumnMapping(("customer",), ("when",), amount=("amount",), currency=("money",))
    assert read(columns, mapping)["currency"].to_list() == ["EUR", None]
