from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl
import pytest

from models.doubts import busiest_day, doubts, idle_pattern, return_pattern
from models.mapping import ColumnMapping, Reading, canonical

MAPPING = ColumnMapping(
    customer_id=("who",),
    timestamp=("when",),
    transaction_id=("order",),
    amount=("amount",),
    quantity=("pieces",),
    unit_price=("price",),
    currency=("currency",),
)
ROWS = 60
SOUND: Mapping[str, Sequence[object]] = {
    "who": [f"K{row % 7}" for row in range(ROWS)],
    "when": [date(2024, 1, 1) + timedelta(days=row) for row in range(ROWS)],
    "order": [str(row // 2) for row in range(ROWS)],
    "amount": [row + 0.5 for row in range(ROWS)],
    "pieces": [row % 3 + 1 for row in range(ROWS)],
    "price": [row / 4 for row in range(ROWS)],
}


def read(columns: Mapping[str, Sequence[object]]) -> pl.DataFrame:
    frame = pl.LazyFrame({**SOUND, **columns})
    return canonical(frame, MAPPING, Reading(), timezone="UTC", file="a.csv").collect()


def test_sound_lines_raise_no_doubt() -> None:
    assert doubts(read({})) == []


def test_a_customer_per_order_is_doubted() -> None:
    (sentence,) = doubts(read({"who": [f"K{row}" for row in range(ROWS)]}))

    assert sentence.startswith("nearly all of the 60 values of customer_id stand on a single day: it names orders")


def test_placeholders_are_counted() -> None:
    (sentence,) = doubts(read({"who": [("Guest", "K1", "K2")[row % 3] for row in range(ROWS)]}))

    assert sentence.startswith("customer_id says 'Guest' in 20 lines")


def test_a_number_is_a_placeholder_where_it_outweighs_everybody() -> None:
    alone = [f"K{row}" if row else "0000" for row in range(ROWS)]
    heavy = ["0000" if row % 2 else f"K{row % 30}" for row in range(ROWS)]

    assert not any("0000" in sentence for sentence in doubts(read({"who": alone})))
    assert any(sentence.startswith("customer_id says '0000' in 30 lines") for sentence in doubts(read({"who": heavy})))


def test_customers_in_two_spellings_are_counted() -> None:
    (sentence,) = doubts(read({"who": [f"{row % 7 + 1:0{5 if row % 2 else 1}}" for row in range(ROWS)]}))

    assert sentence.startswith("14 of 14 values of customer_id are another one but for capitals, blanks, leading zeros")


def test_a_total_on_every_line_of_an_order_is_doubted() -> None:
    (sentence,) = doubts(read({"amount": [row // 2 * 3.5 for row in range(ROWS)]}))

    assert sentence.startswith("amount is the same on all lines of an order")


def test_amounts_that_look_like_pieces_are_doubted() -> None:
    (sentence,) = doubts(read({"amount": [row % 3 + 1 for row in range(ROWS)], "pieces": [None] * ROWS}))

    assert sentence.startswith("amount holds whole numbers, typically 2: if they are pieces")


def test_several_currencies_are_doubted() -> None:
    (sentence,) = doubts(read({"currency": [("EUR", "USD")[row % 2] for row in range(ROWS)]}))

    assert sentence.startswith("amounts are in 2 currencies (EUR, USD)")


def test_many_lines_under_one_name_are_doubted_whatever_it_is() -> None:
    crowd = ["Onslow" if row % 4 == 0 else f"K{row}" for row in range(ROWS)]

    assert any(
        sentence.startswith("customer_id says 'Onslow' in 15 lines") for sentence in doubts(read({"who": crowd}))
    )


@pytest.mark.parametrize(
    "name",
    [
        "Diverse",
        "Laufkunde",
        "Barverkauf",
        "CPD",
        "Mr X",
        "Cash Customer",
        "Walk-In Customer",
        "Default Customer",
        "info@shop.example",
        "noreply@market.example",
        "test@test.com",
        "guest@example.com",
        "cliente de contado",
        "Gäst",
        "consumidor final",
    ],
)
def test_names_of_the_till_and_shared_addresses_stand_for_nobody(name: str) -> None:
    people = [name if row % 12 == 0 else f"mia{row % 11}@mail.example" for row in range(ROWS)]

    assert any(sentence.startswith(f"customer_id says {name!r}") for sentence in doubts(read({"who": people})))


def test_a_name_among_numbers_stands_for_nobody() -> None:
    people = [("Umsatz", "Bon")[row // 20 % 2] if row % 20 == 0 else f"{1000 + row % 9}" for row in range(ROWS)]

    assert any("'Umsatz'" in sentence and "'Bon'" in sentence for sentence in doubts(read({"who": people})))


@pytest.mark.parametrize(
    ("one", "other"), [("a{}@mail.example", "A{}@mail.example"), ("0000{}", "{}"), ("K {}", "k{}")]
)
def test_ids_that_are_one_but_for_their_spelling_are_doubted(one: str, other: str) -> None:
    people = [(one if row < ROWS / 2 else other).format(10 + row % 7) for row in range(ROWS)]

    assert any(
        "14 of 14 values of customer_id are another one" in sentence for sentence in doubts(read({"who": people}))
    )


@pytest.mark.parametrize(
    ("pattern", "columns", "what"),
    [
        ("^RX", {}, "which matches none of 30 order ids"),
        (".", {}, "which matches all of 30 order ids"),
        ("^C", {"order": [None] * ROWS}, "but no line has an order id"),
    ],
)
def test_a_return_pattern_that_does_nothing_is_said(
    pattern: str, columns: Mapping[str, Sequence[object]], what: str
) -> None:
    assert what in (idle_pattern(read(columns), pattern) or "")


def test_a_return_pattern_that_works_is_no_matter() -> None:
    assert idle_pattern(read({}), "^1") is None


def test_a_day_that_holds_most_rows_is_the_day_of_an_import() -> None:
    days = [date(2025, 1, 15) if row % 3 else date(2024, 1, 1) + timedelta(days=row) for row in range(ROWS)]

    assert (busiest_day(read({"when": days})) or "").startswith("67% of the rows fall on 2025-01-15")
    assert busiest_day(read({})) is None


def test_cancellations_are_known_by_the_letters_they_begin_with() -> None:
    cancelled = [row % 5 == 0 for row in range(ROWS)]
    columns: Mapping[str, Sequence[object]] = {
        "order": [f"C{row}" if back else str(row) for row, back in enumerate(cancelled)],
        "pieces": [-1 if back else 1 for back in cancelled],
    }

    assert return_pattern(read(columns)) == "^C"


def test_letters_of_purchases_are_no_cancellations() -> None:
    assert return_pattern(read({"order": [f"{'WS'[row % 2]}{row}" for row in range(ROWS)]})) is None
    assert return_pattern(read({"order": [f"C{row}" for row in range(ROWS)], "pieces": [-1] * ROWS})) is None
