"""Messages tell names of columns, and never a customer whose file came without a header."""

import polars as pl
import pytest

from models.delivery_notes import drift
from models.headers import tell_header, tell_names, without_values
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical

COLUMNS = ColumnMapping(customer_id=("customer_id",), timestamp=("bought",))
HEADLESS = [
    ["Erika Mustermann", "erika@example.org", "+49 170 1234567", "2026-01-01", "19.99"],
    ["Erika", "Mustermann", "Berlin", "01.02.2026", "19,99"],
    ["C0017", "2026-01-01T10:00:00", "12"],
    ["00017"],
    ["erika@example.org", "ja"],
    ["7c9e6679-7425-40de-944b-e07fc1f90ae7"],
    ["Erika\x1b]0;x\x07"],
    ["E" * 61],
]


@pytest.mark.parametrize("line", HEADLESS)
def test_no_value_of_a_file_without_a_header_is_told(line):
    with pytest.raises(DeliveryError) as refusal:
        canonical(pl.LazyFrame({name: ["x"] for name in line}), COLUMNS, Reading(), timezone="UTC", file="a.csv")
    said = str(refusal.value)
    assert "a.csv: no column 'customer_id' for customer_id. Its first line looks like data" in said
    assert not any(value in said for value in line)


@pytest.mark.parametrize(
    "header", [["Kunde", "Datum", "Netto (EUR)"], ["customer,day,amount"], ["Κωδικός", "Ημερομηνία"]]
)
def test_a_header_is_told_with_the_nearest_name(header):
    assert tell_header(header) == f"The file has: {', '.join(map(repr, header))}."
    with pytest.raises(DeliveryError, match=r"did you mean 'Customer ID'\? The file has: 'Customer ID', 'day'"):
        canonical(pl.LazyFrame({"Customer ID": ["x"], "day": ["x"]}), COLUMNS, Reading(), timezone="UTC", file="a.csv")


def test_what_could_be_data_among_names_and_what_is_too_much_is_counted():
    assert tell_names(["colour", "erika@example.org"]) == "'colour' and 1 more"
    assert tell_names([f"{letter}{letter}" for letter in "abcdefghijklmnop"]).endswith("'jj' and 6 more")
    assert tell_names(["line 1", "line 2"]) == "2 that are not shown"


def test_columns_that_nobody_mapped_are_noted_without_values():
    header = ["customer_id", "bought", "colour", "erika@example.org"]
    assert [note[2] for note in drift(header, COLUMNS, file="a.csv")] == ["'colour' and 1 more"]


@pytest.mark.parametrize(
    "message",
    [
        "conversion from `str` to `date` failed in column 'day' for 1 out of 2 values: [\"Erika\"]",
        "could not parse `Erika` as dtype `i64`",
        'invalid input syntax for type integer: "Erika"',
        "unexpected 'Erika' at line 3",
    ],
)
def test_what_a_library_quotes_is_not_told(message):
    assert "Erika" not in without_values(message)
