from collections.abc import Mapping

import polars as pl
import pytest

from models.row_kinds import RowKinds, row_kinds, telling, together, told_by_night

ROWS = 60


def seen(columns: Mapping[str, object]) -> dict[str, RowKinds]:
    return {kinds.column: kinds for kinds in row_kinds([pl.DataFrame(columns)])}


STATUSES = {
    "financial_status": ("paid", "voided"),
    "Order Status": ("Completed", "Cancelled"),
    "Bestellstatus": ("Abgeschlossen", "storniert"),
    "Belegart": ("Rechnung", "Gutschrift"),
    "Statut": ("payée", "annulée"),
    "Estado": ("pagado", "cancelado"),
    "Stato": ("pagato", "rimborsato"),
    "status": ("betaald", "geannuleerd"),
    "Status": ("zrealizowane", "anulowane"),
    "orderstatus": ("betald", "makulerad"),
    "state": ("complete", "chargeback"),
    "event_type": ("purchase", "add_to_cart"),
    "what": ("sale", "view"),
    "kind": ("invoice", "credit memo"),
}


@pytest.mark.parametrize("column", STATUSES)
def test_rows_that_are_no_sales_are_counted_by_value(column: str) -> None:
    good, bad = STATUSES[column]

    kinds = seen({column: [bad if row % 6 == 0 else good for row in range(ROWS)]})[column]

    assert dict(kinds.counts) == {bad: 10, good: 50}
    assert kinds.rows == 10
    assert f"marks 10 rows as no plain sales ({bad} 10, {good} 50)" in kinds.sentence


@pytest.mark.parametrize("column", ["test", "is_deleted", "_fivetran_deleted", "isCancelled", "gift_card", "Storniert"])
@pytest.mark.parametrize(
    ("yes", "no"), [(True, False), ("true", "false"), ("1", "0"), ("J", "N"), ("x", None), ("Yes", "No"), (1, 0)]
)
def test_flags_are_counted_however_they_say_yes(column: str, yes: object, no: object) -> None:
    kinds = seen({column: [yes if row % 12 == 0 else no for row in range(ROWS)]})[column]

    assert kinds.rows == 5


@pytest.mark.parametrize("column", ["cancelled_at", "Deleted at", "voided_on", "Cancellation reason"])
def test_what_stands_only_where_something_happened_is_counted(column: str) -> None:
    values = [f"2025-01-{row % 28 + 1:02}" if row % 10 == 0 else None for row in range(ROWS)]

    assert seen({column: values})[column].counts == {"filled": 6}


@pytest.mark.parametrize("pair", ["S H", "D C", "+ -", "DR CR", "Soll Haben", "debit credit", "1 -1"])
def test_a_column_of_signs_is_told(pair: str) -> None:
    gives, takes = pair.split()

    kinds = seen({"SHKZG": [takes if row % 6 == 0 else gives for row in range(ROWS)]})["SHKZG"]

    assert kinds.why == "sign"
    assert "Deliver the amounts with their signs" in kinds.sentence


def test_kinds_that_nobody_knows_are_shown_to_be_looked_at() -> None:
    kinds = seen({"Vorgangstyp": ["A1" if row % 3 else "B7" for row in range(ROWS)]})["Vorgangstyp"]

    assert kinds.rows == 0
    assert "tells kinds of rows apart (A1 40, B7 20)" in kinds.sentence


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("status", ["paid", "completed", "partially_refunded"]),
        ("Customer type", ["B2B", "B2C"]),
        ("product", ["Covid Test", "Return label", "Mug"]),
        ("Ship Mode", ["First Class", "Same Day"]),
        ("test", [False, False]),
        ("cancelled_at", [None, None]),
        ("Refunded Amount", ["0.00", "12.50"]),
        ("country", ["S", "X", "H"]),
    ],
)
def test_what_says_nothing_of_sales_is_left_alone(column: str, values: list[object]) -> None:
    assert seen({column: [values[row % len(values)] for row in range(ROWS)]}) == {}


def test_files_are_counted_together_and_used_columns_left_out() -> None:
    files = [pl.DataFrame({"status": ["paid", "void"]}), pl.DataFrame({"status": ["void", "void"]})]

    (kinds,) = row_kinds(files)

    assert dict(kinds.counts) == {"void": 3, "paid": 1}
    assert row_kinds(files, used=["Status "]) == []


def test_a_header_promises_by_its_words() -> None:
    assert [telling(name) for name in ("Is_Test", "Belegart", "S/H-Kennzeichen", "amount")] == [
        "flag",
        "kind",
        "sign",
        None,
    ]


def test_a_night_looks_at_telling_headers_alone_and_repeats_no_data() -> None:
    frame = pl.LazyFrame(
        {
            "Status": ["cancelled", "paid", "Refunded to Ada Lovelace", None],
            "colour": ["void", "void", "red", "red"],
            "is_test": [True, False, None, True],
        }
    )

    told = told_by_night(frame, used=["colour"])

    assert told is not None
    assert together([told, told]) == "'Status' says cancelled 2, paid 2, others 2; 'is_test' says true 4"
    assert told_by_night(frame.select("colour"), used=[]) is None
