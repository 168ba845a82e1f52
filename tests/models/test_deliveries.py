"""Whatever the order of deliveries, every line arrives once."""

from collections import Counter
from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.deliveries import IDENTITY, Delivery, discrepancies, due, numbered, unknown, waiting
from models.mapping import ColumnMapping, Reading, canonical

MAPPING = ColumnMapping(customer_id=("customer",), timestamp=("day",), product=("product",), transaction_id=("order",))
START = date(2026, 1, 1)


def delivery(name, lines):
    """A file of (customer, day number, product) lines, as canonical rows."""
    columns = {
        "customer": [customer for customer, _, _ in lines],
        "day": [START + timedelta(days=day) for _, day, _ in lines],
        "product": [product for _, _, product in lines],
        "order": ["o"] * len(lines),
    }
    schema = {"customer": pl.String, "day": pl.Date, "product": pl.String, "order": pl.String}
    frame = pl.LazyFrame(columns, schema=schema)
    return numbered(canonical(frame, MAPPING, Reading(), timezone="UTC", file=name))


def taken(rows):
    return Counter(rows.select("customer_id", "day", "product").collect().rows())


def test_equal_lines_of_one_file_are_several_and_of_two_files_the_same():
    twice = delivery("1.csv", [("a", 0, "tea"), ("a", 0, "tea")])
    again = delivery("2.csv", [("a", 0, "tea"), ("a", 0, "tea"), ("a", 0, "tea")])
    new = unknown(pl.concat([twice, again]), twice.clear())
    assert taken(new) == {("a", START, "tea"): 3}
    assert taken(unknown(again, twice)) == {("a", START, "tea"): 1}


def test_a_file_that_was_read_before_brings_only_what_was_not_due_then():
    rows = delivery("1.csv", [("a", 0, "tea"), ("a", 1, "tea"), ("a", 2, "tea")])
    days = [START + timedelta(days=n) for n in range(3)]
    assert due(rows, night=days[1], after=None).select("day").collect()["day"].to_list() == days[:2]
    assert due(rows, night=days[2], after=days[1]).select("day").collect()["day"].to_list() == days[2:]


lines = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.sampled_from(["tea", "jam"])), max_size=8)


@settings(max_examples=40, deadline=None)
@given(files=st.lists(lines, min_size=1, max_size=4), nights=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_each_line_arrives_as_often_as_the_fullest_file_holds_it(files, nights):
    """The naive model: the multiplicity of a line is its largest count in any one file delivered and due so far."""
    deliveries = [delivery(f"{place}.csv", content) for place, content in enumerate(files)]
    stored = deliveries[0].clear()
    for night in (START + timedelta(days=n) for n in sorted(nights)):
        due_rows = pl.concat([due(rows, night=night, after=None) for rows in deliveries])
        stored = pl.concat([stored, unknown(due_rows, stored)]).collect().lazy()
    last = START + timedelta(days=max(nights))
    counts = [Counter((c, START + timedelta(days=d), p) for c, d, p in content) for content in files]
    expected = {
        line: max(count[line] for count in counts)
        for line in {line for count in counts for line in count}
        if line[1] <= last
    }
    assert taken(stored) == expected


def test_the_identity_of_a_line_is_made_of_canonical_columns():
    assert set(IDENTITY) <= set(delivery("1.csv", [("a", 0, "tea")]).collect_schema().names())


def test_a_ledger_adds_up_or_says_where_it_does_not():
    stored = {"due": 1_009, "raw": 1_009, "valid": 1_000, "quarantined": 7}
    ledger = {"delivered": 1_009, "valid": 1_000, "quarantined": 7, "known": 2}
    assert discrepancies(ledger, **stored) == []
    assert discrepancies(ledger | {"known": 1}, **stored) == [
        "1,009 delivered rows of the ledger, but 1,008 valid, quarantined and known rows together."
    ]
    assert discrepancies(ledger, **stored | {"due": 1_008}) == [
        "1,008 rows due from the deliveries, but 1,009 rows stored as they arrived."
    ]


def test_rows_that_wait_are_counted_every_night_and_doubted_where_they_cannot_have_happened():
    def line(file, night, later, first, last):
        empty = dict.fromkeys(Delivery.column_names())
        counts = {"rows": 9, "due": 1, "later": later, "size": 1, "digest": file, "identity": ""}
        return empty | counts | {"night": night, "source_file": file, "next_day": first, "last_day": last}

    days = [START + timedelta(days=day) for day in range(40)]
    manifest = pl.DataFrame(
        [
            line("a", days[0], 3, days[2], days[3]),
            line("b", days[0], 5, days[4], days[30]),
            line("c", days[0], 7, days[1], days[1]),
        ],
        schema=Delivery.create_empty().schema,
    )
    tonight = [line("d", days[1], 1, days[2], days[2])]
    assert list(waiting(manifest, tonight, night=days[1], today=days[1])) == [
        ("a", "rows_waiting", f"3 from {days[2]} to {days[3]}"),
        ("b", "rows_in_future", f"5 from {days[4]} to {days[30]}"),
        ("d", "rows_waiting", f"1 from {days[2]} to {days[2]}"),
    ]
    again = {file: kind for file, kind, _ in waiting(manifest, tonight, night=days[1], today=days[39])}
    assert again["b"] == "rows_waiting"
