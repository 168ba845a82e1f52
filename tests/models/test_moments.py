"""Every notation of a moment is read as the moment that is meant, in the zone that it says, or refused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, look_at, notation_of
from models.moment_patterns import moments
from models.moments import UNITS, how_written, moment_order, read_moments
from models.notation import Usual, contradictions, is_open, usual

BERLIN = ZoneInfo("Europe/Berlin")
MAPPING = ColumnMapping(customer_id=("who",), timestamp=("when",))


def read(values, pattern=None, zone="Europe/Berlin"):
    column = pl.Series("when", values)
    written = pattern or how_written(column).pattern
    moments = read_moments(pl.col("when"), column.dtype, written, zone)
    return column.to_frame().lazy().select(moments).collect().to_series()


EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (1995, 2060))
EVENING = datetime(2025, 4, 2, 23, 30, tzinfo=UTC)
ZONED = [
    "2025-04-02 23:30:00+00",
    "2025-04-02 23:30:00.000000+00",
    "2025-04-03 01:30:00+02",
    "2025-04-03 01:30:00+02:00",
    "2025-04-02 18:00:00-0530",
    "2025-04-02T23:30Z",
    "2025-04-02T23:30:00z",
    "2025-04-02 23:30:00 UTC",
    "2025-04-02 23:30:00.000 UTC",
    "2025-04-02 23:30 GMT",
    "2025-04-03 01:30:00 CEST",
    "2025-04-02 16:30:00 PDT",
    "2025-04-02T23:30:00,000Z",
    "2025-04-03T01:30:00+02:00[Europe/Berlin]",
    "2025-04-02T18:30:00\u221205:00",
    "20250402T233000Z",
    "20250402T2330Z",
    "20250402T233000+0000",
    "Wed, 02 Apr 2025 23:30:00 +0000",
    "Wed Apr 02 23:30:00 UTC 2025",
    "Thu Apr 03 2025 01:30:00 GMT+0200 (Central European Summer Time)",
    "4/2/2025 11:30 PM UTC",
    "02.04.2025 23:30:00 +00:00",
    "02-APR-25 11.30.00.000000 PM UTC",
    "/Date(1743636600000)/",
    "/Date(1743636600000+0200)/",
    "1743636600",
    "1743636600.0",
    "1743636600.000",
    "1743636600000",
    "1743636600000000",
    "1743636600000000000",
]


@pytest.mark.parametrize("text", ZONED)
def test_a_zone_or_offset_is_obeyed(text):
    assert read([text, "", None, "NULL"]).to_list() == [EVENING, None, None, None]


LOCAL = [
    "2025-04-13 23:30:00",
    "2025-04-13T23:30",
    "2025-04-13 23:30:00,000",
    "2025-04-13 23:30:00.0000000",
    "2025-04-13 23.30.00",
    "2025/04/13 23:30",
    "2025.04.13 23:30",
    "13.04.2025 23:30",
    "13.04.25 23:30",
    "13.04.2025, 23:30 Uhr",
    "13/04/2025 23:30:00",
    "13/04/25 23:30",
    "4/13/2025 11:30 PM",
    "4/13/2025 11:30:00pm",
    "4/13/2025, 11:30:00\u202fPM",
    "4/13/25 23:30",
    "13-04-2025 23:30",
    "13-APR-25 11.30.00.000000 PM",
    "13-Apr-2025 23:30",
    "13/Apr/2025 23:30",
    "April 13, 2025 11:30 pm",
    "Apr 13th, 2025 11:30 p.m.",
    "Sunday, April 13, 2025 23:30",
    "13. April 2025 23:30",
    "Sonntag, 13. April 2025 23:30",
    "13 avr. 2025 23:30",
    "13 de abril de 2025 23:30",
    "20250413233000",
    "20250413 23:30",
    "  2025-04-13\u00a023:30:00 ",
    "\ufeff2025-04-13 23:30:00",
]


@pytest.mark.parametrize("text", LOCAL)
def test_a_clock_without_a_zone_is_that_of_the_shop(text):
    assert read([text]).item() == datetime(2025, 4, 13, 23, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        *("2025-03-13", "20250313", "20250313.0", "2025/03/13", "13.03.25", "13.03.2025", "13-MAR-25", "13-Mar-2025"),
        *("3/13/2025", "13. März 2025", "13 Mrz 2025", "13 mars 2025", "13 maart 2025", "March 13, 2025"),
    ],
)
def test_a_day_alone_is_a_day_of_the_shop(text):
    assert read([text]).item().astimezone(BERLIN).date() == date(2025, 3, 13)


def test_a_year_of_two_digits_is_one_of_this_age():
    assert moment_order(pl.Series(["24.02.25", "25.02.25"])).pattern == "%d.%m.%y"
    assert moment_order(pl.Series(["24.02.2025", "25.02.2025"])).pattern == "%d.%m.%Y"


def test_days_among_moments_are_read_by_the_same_pattern():
    assert read(["2025-04-13 10:00:00", "2025-04-14 11:00:00", "2025-04-13", "2025-04-13 10:00"]).null_count() == 0


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d %H:%M:%S%#z", "2025-04-02 23:30:00+00"),
        ("%Y-%m-%d %H:%M:%S%z", "2025-04-03 01:30:00+02:00"),
        ("%Y-%m-%d %H:%M:%S %Z", "2025-04-02 16:30:00 PDT"),
        ("%Y-%m-%d %H:%M:%S UTC", "2025-04-02 23:30:00 UTC"),
        ("%Y-%m-%dT%H:%MZ", "2025-04-02T23:30Z"),
        ("%Y%m%dT%H%M%SZ", "20250402T233000Z"),
        ("%Y-%m-%d %H:%M:%S", "2025-04-02 23:30:00+00"),
        ("%a, %d %b %Y %H:%M:%S %z", "Wed, 02 Apr 2025 23:30:00 +0000"),
        ("s", "1743636600"),
    ],
)
def test_a_pattern_of_the_settings_never_drops_a_zone(pattern, text):
    assert read([text], pattern).item() == EVENING


def test_a_zone_in_the_middle_of_a_pattern_is_refused():
    with pytest.raises(ValueError, match="has a zone before its end"):
        read(["Wed Apr 02 23:30:00 UTC 2025"], "%a %b %d %H:%M:%S %Z %Y")


def test_days_of_a_spreadsheet_are_read_where_the_settings_say_so():
    assert "excel" in UNITS
    assert read(["45749.5"], "excel").item() == datetime(2025, 4, 2, 12, tzinfo=BERLIN)
    assert read([45749, 45750], "excel")[1] == datetime(2025, 4, 3, tzinfo=BERLIN)


@pytest.mark.parametrize("values", [["45749", "45750"], ["45749.5"], [45749], [12.5]])
def test_numbers_that_could_be_anything_are_refused_with_the_setting(values):
    with pytest.raises(ValueError, match=r"holds numbers such as '9.*since 1970; .* by the pattern 'excel'"):
        how_written(pl.Series("when", values))


def test_moments_that_a_spreadsheet_rounded_are_refused_with_what_happened():
    with pytest.raises(ValueError, match=r"that a spreadsheet has rounded, such as '9\.99a"):
        how_written(pl.Series("when", ["1.74E+12", "1.75E+12"]))


@given(
    moments=st.lists(st.datetimes(EARLIEST, LATEST), min_size=1, max_size=30),
    hours=st.integers(-11, 13),
    pattern=st.sampled_from(
        ["%Y-%m-%d %H:%M:%S{}:00", "%Y-%m-%dT%H:%M:%S.%f{}:00", "%Y-%m-%d %H:%M:%S{}", "%Y%m%dT%H%M%S{}00"]
    ),
)
@settings(deadline=None)
def test_what_is_written_with_an_offset_is_read_back(moments, hours, pattern):
    texts = [moment.strftime(pattern.format(f"{hours:+03d}")) for moment in moments]
    whole = [moment if "%f" in pattern else moment.replace(microsecond=0) for moment in moments]
    assert read(texts).to_list() == [moment.replace(tzinfo=UTC) - timedelta(hours=hours) for moment in whole]


def test_the_order_of_day_and_month_is_that_of_the_values_or_of_the_neighbours():
    unclear = pl.Series(["03/04/2025", "05/06/2025"])
    assert moment_order(unclear) == moment_order(unclear, usual=["%d/%m/%Y %H:%M"])
    assert moment_order(unclear).rivals == ("%m/%d/%Y",)
    assert moment_order(unclear, usual=["%m/%d/%Y %H:%M"]).pattern == "%m/%d/%Y"
    assert moment_order(pl.Series(["03/04/2025", "13/04/2025"])).rivals == ()
    assert moment_order(pl.Series(["3/4/2025 9:00 AM"])).pattern == "%m/%d/%Y %I:%M %p"


def notation(values, reading=None, beside=None):
    frame = pl.LazyFrame({"who": ["a"] * len(values), "when": values})
    return notation_of(look_at(frame, MAPPING, file="f"), reading or Reading(), file="f", beside=beside)


def test_an_unclear_order_is_said_and_an_unclear_year_refused():
    assert notation(["03/04/2025"]).notes == (
        ("day_month_unclear", "'when' is read as '%d/%m/%Y', and could be '%m/%d/%Y' as well"),
    )
    beside = notation(["03/04/2025"], beside=Usual(patterns=("%m/%d/%Y",)))
    assert (beside.patterns["timestamp"], beside.notes[0][1]) == (
        "%m/%d/%Y",
        "'when' is read as '%m/%d/%Y', as in other files",
    )
    with pytest.raises(DeliveryError, match=r"can be read as .* Set source.timestamp_format"):
        notation(["03-04-05"])


def test_a_pattern_that_reads_nothing_is_refused_with_one_that_would():
    with pytest.raises(
        DeliveryError, match=r"'%d\.%m\.%Y' reads none of column 'when'; '%d\.%m\.%y' would: '99\.99\.99'"
    ):
        notation(["24.02.25"], Reading("%d.%m.%Y"))
    partly = notation(["24.02.2025", "soon"], Reading("%d.%m.%Y"))
    assert partly.notes == (("timestamp_format_partial", "1 of the first 2 values of 'when'"),)


def test_a_column_without_moments_is_refused_without_its_values():
    with pytest.raises(
        DeliveryError, match=r"holds no moments that can be read: 'aaaa@aaaa\.aa'.*source.timestamp_format"
    ) as e:
        notation(["anna@home.de"])
    assert "anna" not in str(e.value)


def test_files_that_are_written_otherwise_than_most_are_named():
    tonight = {"a": (",", "%d/%m/%Y"), "b": (".", "%m/%d/%Y"), "c": (None, None)}
    earlier = [("old", ",", "%d/%m/%Y %H:%M")]
    assert list(contradictions(tonight, earlier)) == [
        ("b", "decimal_mark_differs", "a decimal point, most files a decimal comma"),
        ("b", "day_order_differs", "days are written as '%m/%d/%Y', in most files as '%d/%m/%Y'"),
    ]
    assert usual([(",", "%d/%m/%Y"), (None, None)]) == Usual(",", ("%d/%m/%Y",))
    assert usual([(",", None), (".", None)]).decimal is None


def test_a_file_is_open_where_its_neighbours_have_to_tell():
    frame = pl.LazyFrame({"who": ["a"], "when": ["03/04/2025"], "total": ["1.250"]})
    mapping = ColumnMapping(customer_id=("who",), timestamp=("when",), amount=("total",))
    seen = look_at(frame, mapping, file="f")
    assert is_open(seen, None, ".")
    assert is_open(seen, "%d/%m/%Y", "auto")
    assert not is_open(seen, "%d/%m/%Y", ".")


def test_moments_behind_the_head_of_a_file_are_read_too():
    values = ["2025-04-02 10:00:00"] * 25_000 + ["2025-04-02T23:30:00Z", "2025-04-02"]
    frame = pl.LazyFrame({"who": ["a"] * len(values), "when": values})
    rows = canonical(frame, MAPPING, Reading(), timezone="Europe/Berlin", file="f").collect()
    assert rows["timestamp"].null_count() == 0
    assert rows["day"][25_000] == date(2025, 4, 3)


@pytest.mark.parametrize(
    "values", [["1743636600"], ["1743636600.0"], ["1743636600000"], ["20250402233000"], ["20250402"]]
)
def test_init_knows_the_numbers_that_a_night_reads(values):
    column = pl.DataFrame({"file": ["f"] * len(values), "value": values})
    assert moments(column, [pl.String()]).share == 1.0
