"""The last word on a channel counts, silence means what the basis says, and nothing that is said is passed over."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.consent import (
    Consent,
    ConsentRule,
    arriving,
    contactable,
    flags,
    latest,
    profiled,
    tell_unknown,
    unknown,
)
from models.mapping import DeliveryError

NIGHT = date(2026, 3, 31)
MORNING = datetime(2026, 4, 1, 8, tzinfo=UTC)
CHANNELS = {"E-Mail": "email", "Telefon": "phone", "Profil": "profiling", "Alles": "marketing"}


def at(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def rows(*said):
    """Rows of (customer, about, said, moment)."""
    frame = pl.LazyFrame(
        said,
        schema={
            "customer_id": pl.String,
            "about": pl.String,
            "said": pl.String,
            "timestamp": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    return frame.with_columns(day=pl.col("timestamp").dt.date()).with_row_index("source_row", offset=1)


def consents(*said, night=NIGHT, known=None):
    known = Consent.create_empty(lazy=True) if known is None else known
    return arriving(flags(rows(*said), CHANNELS, file="consents.csv"), known, night=night)


def test_the_last_word_on_a_channel_counts_and_no_later_one_is_heard():
    said = consents(
        ("a", "E-Mail", "ja", at(1)),
        ("a", "E-Mail", "nein", at(5)),
        ("b", "E-Mail", "0", at(1)),
        ("b", "E-Mail", "TRUE", at(2)),
        ("b", "Telefon", "no", at(3)),
    )
    assert dict(latest(said, "email", NIGHT).collect().rows()) == {"a": False, "b": True}
    assert dict(latest(said, "email", date(2026, 3, 4)).collect().rows()) == {"a": True, "b": True}


def test_of_two_words_at_once_the_objection_counts():
    said = consents(("a", "E-Mail", "yes", at(1)), ("a", "E-Mail", "no", at(1)))
    assert latest(said, "email", NIGHT).collect().rows() == [("a", False)]


def test_an_objection_to_marketing_is_one_to_every_channel_and_to_profiling_until_a_later_yes():
    said = consents(("a", "Alles", "no", at(2)), ("a", "E-Mail", "yes", at(1)), ("a", "Telefon", "yes", at(3)))
    found = {channel: latest(said, channel, NIGHT).collect()["permitted"][0] for channel in ("email", "phone")}
    assert found == {"email": False, "phone": True}
    customers = pl.LazyFrame({"customer_id": ["a", "b"]})
    assert profiled(customers, said, ConsentRule(), NIGHT).collect()["customer_id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("basis", "contacted", "scored"),
    [("consent", {"yes": True, "no": False, "silent": False}, ["yes"]),
     ("legitimate_interest", {"yes": True, "no": False, "silent": True}, ["yes", "silent"])],
)  # fmt: skip
def test_silence_means_what_the_basis_says(basis, contacted, scored):
    said = consents(*((who, what, who, at(1)) for who in ("yes", "no") for what in ("E-Mail", "Profil")))
    ids, rule = pl.Series("customer_id", ["yes", "no", "silent"]), ConsentRule(basis, basis)
    found = contactable(ids, said, rule, ["email"], NIGHT)
    assert found is not None
    assert dict(found.rows()) == contacted
    assert profiled(ids.to_frame().lazy(), said, rule, NIGHT).collect()["customer_id"].to_list() == scored


def test_where_consent_is_not_on_record_nobody_is_held_back():
    rule, nothing = ConsentRule("consent", "consent", recorded=False), Consent.create_empty(lazy=True)
    customers = pl.LazyFrame({"customer_id": ["a"]})
    assert contactable(pl.Series(["a"]), nothing, rule, ["email"], NIGHT) is None
    assert profiled(customers, nothing, rule, NIGHT).collect().height == 1


def test_an_objection_without_a_time_counts_from_its_night_on_and_a_yes_without_one_never():
    said = consents(("a", "E-Mail", "yes", at(30)), ("a", "E-Mail", "no", None), ("b", "E-Mail", "yes", None))
    assert latest(said, "email", NIGHT).collect().rows() == [("a", False)]
    again = consents(("a", "E-Mail", "no", None), night=NIGHT + timedelta(days=1), known=said)
    assert again.collect().is_empty()


def test_what_a_later_night_brings_again_is_known():
    first = consents(("a", "E-Mail", "yes", at(1)), ("a", "Telefon", None, at(1)), ("a", "E-Mail", "no", at(31, 23)))
    assert first.collect().height == 2
    later = consents(("a", "E-Mail", "yes", at(1)), ("a", "E-Mail", "no", at(31)), known=first)
    assert later.collect()["timestamp"].to_list() == [at(31)]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("a", "E-Mail", "ann@example.org", at(1)), "consents.csv: row 2 says neither yes nor no"),
        (("a", "Fax", "no", at(1)), "consents.csv: row 2 is about no channel that a setting names"),
        (("a", None, "no", at(1)), "consents.csv: row 2 is about no channel that a setting names"),
    ],
)
def test_what_is_not_understood_is_refused(line, sentence):
    with pytest.raises(DeliveryError, match=sentence) as refusal:
        consents(("a", "E-Mail", "yes", at(1)), line)
    assert "ann@" not in str(refusal.value)
    assert "Fax" not in str(refusal.value)


@pytest.mark.parametrize("day", [at(31, 23).replace(year=2062), MORNING])
def test_an_objection_counts_from_the_night_on_which_it_arrives_whatever_its_date(day):
    said = consents(("a", "E-Mail", "yes", at(1)), ("a", "E-Mail", "no", day), ("b", "E-Mail", "yes", day))
    assert latest(said, "email", NIGHT).collect().rows() == [("a", False)]
    tomorrow = NIGHT + timedelta(days=1)
    again = consents(("a", "E-Mail", "no", day), night=tomorrow, known=said)
    assert again.collect().height == (day == MORNING)
    # A slip in a date does not outlive what is said later.
    later = consents(("a", "E-Mail", "yes", MORNING + timedelta(hours=1)), night=tomorrow, known=said)
    assert latest(pl.concat([said, again, later]), "email", tomorrow).collect().rows() == [("a", True)]


def test_who_is_known_under_another_id_or_under_none_is_counted():
    said = consents(*((who, "E-Mail", "no", at(1)) for who in ("17", "C18", "019", "20 ", "nobody")))
    customers = pl.LazyFrame({"customer_id": ["17", "17", "c18", "19", "20", "21"]})
    assert unknown(said, customers) == (5, 4, 3)
    assert tell_unknown(5, 0, 0) is None
    assert tell_unknown(5, 4, 3).startswith("consent: 4 of 5 customers (80%) are in no transaction; 3 of them would be")
    assert tell_unknown(*unknown(said, customers.filter(pl.col("customer_id") == "21"))).startswith("consent: 5 of 5")


@settings(max_examples=30, deadline=None)
@given(st.permutations([("a", what, said, at(1 + n % 3)) for n, (what, said) in enumerate(
    (what, said) for what in CHANNELS for said in ("yes", "no"))]), st.integers(0, 8))  # fmt: skip
def test_neither_the_order_of_lines_nor_the_nights_they_come_in_matter(said, cut):
    whole = consents(*said)
    first = consents(*said[:cut], night=NIGHT - timedelta(days=1))
    parts = pl.concat([first, consents(*said, known=first)])
    for channel in ("email", "phone", "profiling"):
        assert latest(whole, channel, NIGHT).collect().rows() == latest(parts, channel, NIGHT).collect().rows()
