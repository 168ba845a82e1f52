"""Rows have the same fingerprint if, and only if, they say the same; everywhere and for good."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from models.fingerprint import fingerprints

SCHEMA = {
    "text": pl.String,
    "other": pl.String,
    "number": pl.Float64,
    "whole": pl.Int16,
    "flag": pl.Boolean,
    "day": pl.Date,
}
texts = st.none() | st.text(max_size=3)
rows = st.tuples(
    texts,
    texts,
    st.none() | st.floats(allow_nan=False),
    st.none() | st.integers(-5, 5),
    st.none() | st.booleans(),
    st.none() | st.dates(),
)


def of(table):
    return fingerprints(pl.DataFrame(table, schema=SCHEMA, orient="row"), list(SCHEMA)).to_list()


@given(st.lists(rows, max_size=6), st.lists(rows, min_size=1, max_size=6))
def test_equal_rows_have_equal_fingerprints_whatever_stands_beside_them_and_others_have_others(before, table):
    found = of(table)
    assert of(before + table)[len(before) :] == found
    assert len(set(found)) == len(set(table))


def test_fingerprints_are_the_same_everywhere():
    table = [(None,) * 6, ("Ä", "", 0.5, 3, True, date(2026, 3, 1)), ("", "Ä", -0.0, -3, False, date(1969, 1, 1))]
    assert of(table) == [-335642184959307377, -485871561320701717, -755813663263332532]
