"""Whose rows were erased stays out up to the day of the erasure, and comes as a new customer afterwards."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.erasure import Erased

DAY = date(2026, 3, 31)
NOBODY = Erased("salt", {})


def erased(*customers):
    return Erased("salt", {NOBODY.digest(who): DAY for who in customers})


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(-3, 3)), max_size=12),
    st.sets(st.sampled_from("abc")),
)
def test_only_old_and_undated_rows_of_the_erased_stay_out(rows, gone):
    days = [(who, None if day is None else DAY + timedelta(days=day)) for who, day in rows]
    frame = pl.LazyFrame(days, schema={"customer_id": pl.String, "day": pl.Date}, orient="row")
    kept = [(who, day) for who, day in days if who not in gone or (day is not None and day > DAY)]
    assert erased(*gone).without(frame).collect().rows() == kept


def test_a_row_without_a_customer_comes_in():
    frame = pl.LazyFrame({"customer_id": pl.Series([None, "a"], dtype=pl.String), "day": [DAY, DAY]})
    assert erased("a").without(frame).collect()["customer_id"].to_list() == [None]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(-3, 3)), max_size=12),
    st.sets(st.sampled_from("abc")),
    st.dictionaries(st.sampled_from("abc"), st.integers(-3, 3)),
)
def test_what_the_lake_knows_spares_work_and_changes_nothing(rows, gone, since):
    days = [(who, None if day is None else DAY + timedelta(days=day)) for who, day in rows]
    frame = pl.LazyFrame(days, schema={"customer_id": pl.String, "day": pl.Date}, orient="row")
    # Of who was erased the lake knows days after that alone.
    first = {who: max(day, 1) if who in gone else day for who, day in since.items()}
    lake = [(who, DAY + timedelta(days=day + later)) for who, day in first.items() for later in (0, 2)]
    known = pl.LazyFrame(lake, schema={"customer_id": pl.String, "day": pl.Date}, orient="row")
    nobody_knows = erased(*gone).without(frame).collect()
    assert erased(*gone).without(frame, known).collect().equals(nobody_knows)


def test_only_who_can_have_been_erased_is_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(Erased, "digest", lambda _, who: tried.append(who))
    rows = {"old": DAY, "new": DAY, "later": DAY + timedelta(days=1), "returned": DAY}
    frame = pl.LazyFrame({"customer_id": list(rows), "day": list(rows.values())})
    known = pl.LazyFrame({"customer_id": ["old", "returned"], "day": [DAY, DAY + timedelta(days=3)]})
    Erased("salt", {"x": DAY}).without(frame, known)
    assert sorted(tried) == ["new", "returned"]


def test_nobody_is_named_and_another_salt_knows_nobody():
    assert "ann" not in f"{erased('ann')}"
    frame = pl.LazyFrame({"customer_id": ["ann"], "day": [DAY]})
    assert Erased("pepper", erased("ann").until).without(frame).collect().height == 1
