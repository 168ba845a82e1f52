import polars as pl
import pytest

from models.odd_tables import lines_above, nested, no_header, second_header, twins

HEADER = "customer_id,order_date,amount\n"
ROWS = "C08,2025-01-02,8.90\nC01,2025-01-03,7.50\n"
ABOVE = {
    "a comment": ("# exported by the warehouse\n", 1),
    "a title": ("Orders of May,,\n", 1),
    "a title and a blank line": ("Orders of May\n\n", 2),
    "a mark of the delimiter": ("sep=,\n", 1),
    "three lines": ("Report\nShop: North\nPeriod: May\n", 3),
    "a quoted title of two lines": ('"Orders\nof May",,\n', 2),
    "nothing": ("", 0),
}


@pytest.mark.parametrize("name", ABOVE)
def test_the_header_is_found_below_other_lines(name: str) -> None:
    above, lines = ABOVE[name]

    assert lines_above(above + HEADER + ROWS) == lines


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_header_is_found_whatever_the_delimiter(delimiter: str) -> None:
    assert (
        lines_above(f"Umsatzliste{delimiter * 2}\n" + f"Kunde,Belegdatum,Betrag\n{ROWS}".replace(",", delimiter)) == 1
    )


def test_a_header_over_several_lines_is_one() -> None:
    assert lines_above('"customer\nid","order\ndate",amount\n' + ROWS) == 0


def test_without_a_header_nothing_is_skipped() -> None:
    assert lines_above(ROWS) == 0


@pytest.mark.parametrize(
    "header",
    [["C08", "2025-01-02 09:20:29", "1001", "8.90"], ["17", "3", "8,90"], ["K1", "03.02.2025"], ["Umsatz", "", "", ""]],
)
def test_a_first_line_of_values_is_no_header(header: list[str]) -> None:
    names = [name or f"column {place}" for place, name in enumerate(header, 1)]

    assert no_header(pl.DataFrame({name: ["x"] for name in names}))


@pytest.mark.parametrize(
    "header",
    [
        ["customer", "date", "amount"],
        ["column 1", "customer", "date"],
        ["Kunde", "2024", "2025", "Ort", "Datum"],
        ["q1"],
    ],
)
def test_names_are_a_header(header: list[str]) -> None:
    assert no_header(pl.DataFrame({name: ["x"] for name in header})) is None


def test_a_second_line_of_names_is_told_from_a_row() -> None:
    rows = {
        "Customer": ["K1", "K2", "K3"],
        "Order": ["2025-01-02", "2025-01-03", "2025-01-04"],
        "Sales": ["1", "2", "3"],
    }
    names = {"Customer": ["id", *rows["Customer"]], "Order": ["date", *rows["Order"]], "Sales": ["EUR", *rows["Sales"]]}

    assert "line 2 says 'id', 'date', 'EUR'" in (second_header(pl.DataFrame(names)) or "")
    assert second_header(pl.DataFrame(rows)) is None
    assert second_header(pl.DataFrame(rows | {"Sales": ["n/a", "2", "3"]})) is None


def test_columns_of_one_name_are_told() -> None:
    frame = pl.DataFrame({"id (1)": ["1"], "id (2)": ["2"], "Date": ["3"], "date": ["4"], "Total (2)": ["5"]})

    several, capitals = twins(frame)

    assert several.startswith("the column 'id' stands several times in the header")
    assert capitals == "the columns 'Date' and 'date' differ in their capitals alone: rename one of them"


def test_columns_inside_of_columns_are_named_with_the_remedy() -> None:
    frame = pl.DataFrame(
        {
            "customer": [{"number": "7", "mail": "x"}] * 3,
            "items": [["a", "b"]] * 3,
            "data": ['{"customer_id": 9, "at": "2025-01-02"}'] * 3,
            "note": ["{in braces}"] * 3,
        }
    )

    found = nested(frame)

    assert found.keys() == {"customer", "items", "data"}
    assert "columns ('number', 'mail') are inside 'customer'" in found["customer"]
    assert "a row for each" in found["items"]
    assert "holds JSON text" in found["data"]
