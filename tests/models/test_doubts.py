from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from models.doubts import doubts, events, return_pattern
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


def test_a_total_on_every_line_of_an_order_is_doubted() -> None:
    (sentence,) = doubts(read({"amount": [row // 2 * 3.5 for row in range(ROWS)]}))

    assert sentence.startswith("amount is the same on all lines of an order")


def test_amounts_that_look_like_pieces_are_doubted() -> None:
    (sentence,) = doubts(read({"amount": [row % 3 + 1 for row in range(ROWS)], "pieces": [None] * ROWS}))

    assert sentence.startswith("amount holds whole numbers, typically 2: if they are pieces")


def test_several_currencies_are_doubted() -> None:
    (sentence,) = doubts(read({"currency": [("EUR", "USD")[row % 2] for row in range(ROWS)]}))

    assert sentence.startswith("amounts are in 2 currencies (EUR, USD)")


def test_views_and_carts_are_no_purchases() -> None:
    frame = pl.DataFrame({"event_type": ["view", "cart", "purchase"], "brand": ["a", "b", "c"]})

    (sentence,) = events({"a.csv": frame})

    assert sentence.startswith("event_type tells events apart (cart, purchase, view)")


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
