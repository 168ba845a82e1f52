"""How the moments of a column are written, as text or as numbers, and how they are read: one list for every file."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

import polars as pl

from models.ids import INVISIBLE, NO_VALUE, shapes

# Years of two digits stand before those of four: ``%Y`` takes 25 for the year 25, which nobody means.
_DAYS = (
    "%Y-%m-%d",
    "%d.%m.%y",
    "%d.%m.%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%B-%y",
    "%d-%B-%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d %B %y",
    "%d %B %Y",
    "%B %d %Y",
    "%d/%B/%Y",
    "%Y-%B-%d",
    "%Y %B %d",
)
_TIMES = ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", " %I:%M:%S%.f %p", " %H%M", " %H%M%S", "%H%M%S")
_YEARS = (1900, 2199)
"""Days of other years are slips or placeholders: no pattern is chosen for them."""

_ABBREVIATIONS = {
    **dict.fromkeys(("Z", "UTC", "GMT", "WET"), 0),
    **dict.fromkeys(("CET", "MEZ", "WEST"), 60),
    **dict.fromkeys(("CEST", "MESZ", "EET"), 120),
    "EEST": 180,
    "MSK": 180,
    "JST": 540,
    "AEST": 600,
    "AEDT": 660,
    "AKST": -540,
    "AKDT": -480,
    "PST": -480,
    "PDT": -420,
    "MST": -420,
    "MDT": -360,
    "EST": -300,
    "EDT": -240,
}
"""Minutes east of Greenwich. Names that mean several zones, such as CST, IST and BST, are not read."""

_OFFSET = r"(?:(?:UTC|GMT)?(?P<sign>[+\-\u2212])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?(?::?[0-9]{2})?)"
_NAME = rf"(?P<name>{'|'.join(sorted(_ABBREVIATIONS, key=len, reverse=True))})"
_AREA = r"(?:\s*\[[A-Za-z0-9_+\-/]+\]|\s*\([^()]*\))?"
_TIME = r"(?:[0-9]:?[0-9]{2}(?:[.,][0-9]+)?(?:\s?[AaPp]\.?[Mm]\.?)?)"
_ZONED = rf"^(?P<moment>.*{_TIME})\s*(?i:{_OFFSET}|{_NAME}){_AREA}$"
_NET = r"^\\?/Date\((-?[0-9]+)(?:[+\-][0-9]{4})?\)\\?/$"
_PATTERN_ZONE = re.compile(r"\s*(?:%z|%:z|%::z|%#z|%Z|'?Z'?|UTC|GMT|[+-]00(?::?00)?)$")
_ANY_ZONE = re.compile(r"%z|%:z|%::z|%#z|%Z|%\+")

_WEEKDAYS = (
    r"^(?i:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|mo|di|mi|do|fr|sa|so|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend)[.,]*\s+"
)
_SPELLINGS = (
    (_WEEKDAYS, ""),
    (r"^([0-9]{8}|[0-9]{14})\.0*$", "$1"),
    (r"([0-9])[Tt]([0-9])", "$1 $2"),
    (r"(:[0-9]{2}),([0-9]+)", "$1.$2"),
    (r",", ""),
    (r"\b([0-9]{1,2})(?:\.|st|nd|rd|th|er|º)? (?:de |of )?(\pL)", "$1 $2"),
    (r"(\pL)\.? (?:de )?([0-9])", "$1 $2"),
    (r"(\pL) ([0-9]{1,2})(?:st|nd|rd|th)\b", "$1 $2"),
    (r" ([0-9]{1,2})\.([0-9]{2})\.([0-9]{2})(\.[0-9]+)?( |$)", " $1:$2:$3$4$5"),
    (r" ([0-9]{1,2})\.([0-9]{2})( |$)", " $1:$2$3"),
    (r"(?i)\s*\b([ap])\.?\s?m\.?$", " ${1}M"),
    (r"([0-9])\s*(?i:([ap])\.?\s?m\.?)$", "$1 ${2}M"),
    (r"(?i)\s*(?:Uhr|h)$", ""),
)
_MONTHS = {
    "January": "januar jänner janvier janv enero ene gennaio gen januari janeiro",
    "February": "februar feber février févr fév febrero febbraio februari fevereiro fev",
    "March": "märz maerz mrz mär mars marzo maart mrt março",
    "April": "avril avr abril abr aprile",
    "May": "mai mayo maggio mag mei maio",
    "June": "juni juin junio giugno giu junho",
    "July": "juli juillet juil julio luglio lug julho",
    "August": "août aout agosto ago augustus",
    "September": "septembre sept septiembre settembre set setembro",
    "October": "oktober okt octobre octubre ottobre ott outubro out",
    "November": "novembre noviembre novembro",
    "December": "dezember dez décembre déc diciembre dic dicembre december dezembro",
}
_ENGLISH = {name: month for month, names in _MONTHS.items() for name in names.split()}

# Least and greatest number of each way to write a moment; no two of them overlap. Counts reach from 1973 to 2099.
_SPANS = {
    "%Y%m%d": (18_000_101, 99_991_231),
    "s": (10**8, 41 * 10**8),
    "ms": (10**11, 41 * 10**11),
    "%Y%m%d%H%M%S": (18 * 10**12, 100 * 10**12),
    "us": (10**14, 41 * 10**14),
    "ns": (10**17, 41 * 10**17),
}
_MICROSECONDS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
_DIGITS = r"^[0-9]{1,19}(?:\.[0-9]*)?$"
_EXCEL, _EXCEL_EPOCH, _DAY_MICROSECONDS = "excel", -25_569, 86_400_000_000
UNITS = (*_MICROSECONDS, _EXCEL)
"""What can be set in place of a pattern: a unit counted since 1970 in UTC, or ``excel`` for days since 1899-12-30."""

_ROUNDED = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2}$"
_NOTHING = "no moment %Y-%m-%d"
_SAMPLE = 2_000


@dataclass(frozen=True)
class Order:
    """Which pattern reads a column of text, and what could be meant as well.

    Attributes:
        pattern: The pattern; None if none reads any.
        share: Share of the values that it reads.
        rivals: Other patterns that read as many values, as other days.
    """

    pattern: str | None = None
    share: float = 0.0
    rivals: tuple[str, ...] = ()


def moment_order(sample: pl.Series, *, usual: Collection[str] = ()) -> Order:
    """Find the pattern that reads most of a sample of text moments.

    Args:
        sample: Text.
        usual: Patterns that neighbours are written in: of several that read as many, one with their order of day,
            month and year wins.
    """
    text = sample.drop_nulls().str.strip_chars()
    text = text.filter(~text.is_in(NO_VALUE)).unique(maintain_order=True)
    text = text.gather_every(-(-len(text) // _SAMPLE) or 1)
    if text.is_empty():
        return Order()
    bare = _parted(_joined(text))["moment"]
    spelled = _spelled(bare)
    read = {}
    for pattern in _fitting(spelled):
        moments = _strptime(spelled, pattern)
        moments = moments.set(~moments.dt.year().is_between(*_YEARS), None)
        if moments.count():
            read[pattern] = moments
        # Nobody writes the day between year and month: such a pattern has no rival.
        if moments.count() == len(moments) and pattern.startswith("%Y"):
            break
    if not read:
        return Order()
    most = max(moments.count() for moments in read.values())
    best = [pattern for pattern, moments in read.items() if moments.count() == most]
    neighbours = {day_of(pattern) for pattern in usual}
    # A clock of twelve hours is that of people who write the month first.
    best.sort(key=lambda pattern: (day_of(pattern) not in neighbours, "%p" in pattern and not pattern.startswith("%m")))
    main = best[0]
    rivals = [pattern for pattern in best if not read[pattern].equals(read[main])]
    to_the_letter = main.replace(" %H", "T%H", 1)
    if _strptime(bare, to_the_letter).count() > _strptime(bare, main).count():
        main = to_the_letter
    return Order(main, most / len(text), tuple(rivals))


def day_of(pattern: str) -> str:
    """The part of a pattern that says the day."""
    return re.split(r"[T ]?%[HI]", pattern, maxsplit=1)[0]


def _fitting(text: pl.Series) -> Iterator[str]:
    """Patterns worth a try: those whose separators stand in the text."""
    marks = {mark: text.str.contains(mark, literal=True).any() for mark in "-./ :"}
    letters = text.str.contains(r"\pL").any()
    for day in _DAYS:
        if ("%B" in day and not letters) or any(mark in day and not marks[mark] for mark in "-./"):
            continue
        for time in _TIMES:
            if (":" in time) <= marks[":"] and ("%p" not in time or letters):
                yield day + time


def how_written(sample: pl.Series, *, usual: Collection[str] = ()) -> Order:
    """How the moments of a column are written, found out from some of them.

    Args:
        sample: Values of the column.
        usual: Patterns that neighbours are written in.

    Returns:
        A strftime pattern; or the unit that is counted since 1970 (``s``, ``ms``, ``us`` or ``ns``), told by the
        magnitude of the numbers; no pattern where the type of the column says it all, or none reads any of its text.

    Raises:
        ValueError: If they are numbers that are neither days nor time since 1970.
    """
    if sample.dtype.is_temporal() or sample.dtype == pl.Null:
        return Order()
    if sample.dtype == pl.String and not _are_numbers(sample):
        return moment_order(sample, usual=usual)
    numbers = sample.to_frame().select(_as_number(pl.first(), sample.dtype)).to_series()
    written, share = _number_format(numbers)
    if written is None and sample.dtype == pl.String and sample.str.contains(_ROUNDED).any():
        raise ValueError(
            f"column {sample.name!r} holds numbers that a spreadsheet has rounded, such as {shapes(sample)}: deliver "
            "them whole, no source.timestamp_format brings back what is lost"
        )
    if written is None and sample.count():
        raise ValueError(
            f"column {sample.name!r} holds numbers such as {shapes(sample)}, which are neither days such as 20260331 "
            f"nor time since 1970; days as a spreadsheet counts them are read by the pattern {_EXCEL!r}"
        )
    return Order(written, share)


def read_moments(column: pl.Expr, dtype: pl.DataType, written: str | None, zone: str) -> pl.Expr:
    """A column as moments in UTC (Datetime us); null where it cannot be read.

    Text that does not follow the pattern to the letter is read by the same days with another time of day, and in the
    spellings that mean the same (a comma before the fraction, months and weekdays in words, ``a.m.``). A zone or offset
    behind it is always obeyed, whatever the pattern says.

    Args:
        column: The column.
        dtype: Its type.
        written: From :func:`how_written`, or a strftime pattern or one of `UNITS` that somebody has set.
        zone: Where moments belong that say neither a zone nor an offset. Time since 1970 is counted in UTC.

    Raises:
        ValueError: If a pattern has a zone in its middle.
    """
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    if dtype.is_temporal():
        return _local(column.cast(pl.Datetime("us"), strict=False), zone)
    if written is None:
        return pl.lit(None, pl.Datetime("us", "UTC"))
    if written in UNITS:
        counted = _counted(_as_number(column, dtype), written)
        return _local(counted, zone) if written == _EXCEL else counted
    if dtype != pl.String:
        return _local(_counted(_as_number(column, dtype), written), zone)
    if _ANY_ZONE.search(written) and not _PATTERN_ZONE.search(written):
        raise ValueError(f"the pattern {written!r} has a zone before its end: leave it out, zones are read anyway")
    return column.map_batches(
        lambda values: _read_text(values, written, zone), return_dtype=pl.Datetime("us", "UTC"), is_elementwise=True
    )


def _read_text(values: pl.Series, pattern: str, zone: str) -> pl.Series:
    bare = _PATTERN_ZONE.sub("", pattern)
    text = values.str.strip_chars()
    # Most files follow one pattern to the letter, or to the zone: what costs more is asked of the rest alone.
    naive = _strptime(text, bare if bare == pattern else _NOTHING)
    zoned = pl.repeat(False, len(text), eager=True)
    rest = (naive.is_null() & text.is_not_null()).arg_true()
    if len(rest):
        parts = _parted(text.gather(rest))
        read, offsets = _strptime(parts["moment"], bare), parts["offset"]
        odd = read.is_null().arg_true()
        if len(odd):
            spelled = _parted(_joined(text.gather(rest.gather(odd))))
            read = read.scatter(odd, _read_alike(_spelled(spelled["moment"]), bare))
            offsets = offsets.scatter(odd, spelled["offset"])
        east = (offsets.fill_null(0).cast(pl.Int64) * 60_000_000).cast(pl.Duration("us"))
        naive = naive.scatter(rest, read - east)
        zoned = zoned.scatter(rest, offsets.is_not_null())
    if zoned.all():
        return naive.dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"naive": naive, "zoned": zoned})
    utc = pl.when("zoned").then(pl.col("naive").dt.replace_time_zone("UTC"))
    local = _placed(pl.col("naive"), zone).dt.convert_time_zone("UTC")
    read = frame.select(utc.otherwise(local) if zoned.any() else local).to_series()
    skipped = (read.is_null() & naive.is_not_null()).arg_true()
    if len(skipped):
        later = naive.gather(skipped).to_frame().select(_local(pl.first(), zone)).to_series()
        read = read.scatter(skipped, later)
    return read


def _read_alike(text: pl.Series, pattern: str) -> pl.Series:
    moments = _strptime(text, _NOTHING)
    for other in _alike(pattern):
        rest = (moments.is_null() & text.is_not_null()).arg_true()
        if not len(rest):
            break
        moments = moments.scatter(rest, _strptime(text.gather(rest), other))
    return moments


@cache
def _alike(pattern: str) -> tuple[str, ...]:
    """The pattern in our spelling, and the same day with other times of day."""
    own = pattern.replace("%b", "%B").replace("%h", "%B").replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    own = re.sub(r"%[aA][.,]*\s+", "", own.replace("T%H", " %H"))
    own = re.sub(r"(?<=%[dBYyp]),(?=\s)|(?<=%d)\.(?=\s)", "", own).replace("%S,%f", "%S%.f")
    own = re.sub(r"%([HI])\.%M(?:\.%S)?", lambda found: found.group().replace(".", ":"), own)
    own = re.sub(r"(%M|%S|%\.f)%p", r"\1 %p", own.replace("%P", "%p"))
    day = next((day for day in sorted(_DAYS, key=len, reverse=True) if own.startswith(day)), None)
    return (own, *(day + time for time in _TIMES if day + time != own)) if day else (own,)


def _strptime(text: pl.Series, pattern: str) -> pl.Series:
    return text.str.to_datetime(pattern, strict=False, exact=True, time_unit="us")


def _parted(text: pl.Series) -> pl.DataFrame:
    """Columns moment (text without its zone) and offset (minutes east of Greenwich, null where no zone is said)."""
    zone = pl.col("text").str.extract_groups(_ZONED)
    hours, minutes = (zone.struct.field(name).cast(pl.Int32, strict=False) for name in ("hours", "minutes"))
    east = hours * 60 + minutes.fill_null(0)
    by_offset = pl.when(zone.struct.field("sign") == "+").then(east).otherwise(-east)
    name = zone.struct.field("name").str.to_uppercase()
    by_name = name.replace_strict(_ABBREVIATIONS, default=None, return_dtype=pl.Int32)
    return (
        text.alias("text")
        .to_frame()
        .select(
            moment=pl.coalesce(zone.struct.field("moment"), "text").str.strip_chars(),
            offset=pl.coalesce(by_offset, by_name),
        )
    )


def _joined(text: pl.Series) -> pl.Series:
    """Text with single blanks, without what nobody sees; the zone that Java writes before the year stands behind."""
    text = text.str.replace_all(INVISIBLE, "").str.replace_all(r"\s+", " ").str.strip_chars()
    return text.str.replace(r"^(.*) ([0-9:]{5,8}) ([A-Z]{3,4}|GMT[+\-][0-9:]{2,5}) ([0-9]{4})$", "$1 $4 $2 $3")


def _spelled(text: pl.Series) -> pl.Series:
    """One spelling: English months, no weekday, a blank before the time, colons in it, a point before the fraction."""
    for pattern, by in _SPELLINGS:
        text = text.str.replace_all(pattern, by)
    words = text.str.extract(r"(\pL{3,})\.?").str.to_lowercase()
    english = words.replace_strict(_ENGLISH, default=None, return_dtype=pl.String)
    frame = pl.DataFrame({"text": text, "english": english})
    named = pl.col("text").str.replace(r"\pL{3,}\.?", pl.col("english"))
    return frame.select(pl.when(pl.col("english").is_not_null()).then(named).otherwise("text")).to_series()


def _local(naive: pl.Expr, zone: str) -> pl.Expr:
    # The hour that a clock skips in spring is read as the hour after, the one it repeats in autumn as the first.
    later = _placed(naive + pl.duration(hours=1), zone)
    return _placed(naive, zone).fill_null(later).dt.convert_time_zone("UTC")


def _placed(naive: pl.Expr, zone: str) -> pl.Expr:
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")


def _as_number(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Numbers, and text that holds numbers, as numbers; anything else as null."""
    if dtype == pl.String:
        text = column.str.strip_chars().str.replace(_NET, "$1")
        digits = pl.when(text.str.contains(_DIGITS)).then(text)
        return digits.cast(pl.Float64, strict=False)
    return column.cast(pl.Int64 if dtype.is_integer() else pl.Float64, strict=False)


def _are_numbers(sample: pl.Series) -> bool:
    """Whether most values of a sample of text are numbers, but those that only a spreadsheet leaves."""
    known = sample.drop_nulls().str.strip_chars()
    known = known.filter(~known.is_in(NO_VALUE))
    return known.str.contains(rf"{_DIGITS}|{_NET}|{_ROUNDED}").sum() * 2 > len(known)


def _number_format(sample: pl.Series) -> tuple[str | None, float]:
    """How at least half of a sample of numbers tell moments, by their magnitude, and which share does."""
    known = sample.drop_nulls()
    fitting = {name: known.is_between(*span).sum() for name, span in _SPANS.items()}
    best = max(fitting, key=lambda name: fitting[name])
    share = float(fitting[best]) / known.len() if known.len() else 0.0
    return (best, share) if share >= 1 / 2 else (None, share)


def _counted(number: pl.Expr, written: str) -> pl.Expr:
    """Numbers as moments, naive where digits say a day; null beyond the years in which such numbers can be meant."""
    if written.startswith("%"):
        return (
            number.cast(pl.Int64, strict=False).cast(pl.String).str.to_datetime(written, strict=False, time_unit="us")
        )
    if written == _EXCEL:
        inside = pl.when(number.is_between(1, 100_000)).then(number)
        # A spreadsheet keeps a moment to the millisecond.
        milliseconds = ((inside + _EXCEL_EPOCH) * 86_400_000).round()
        return (milliseconds.cast(pl.Int64) * 1_000).cast(pl.Datetime("us"))
    times, by = _MICROSECONDS[written]
    inside = pl.when(number.is_between(*_SPANS[written])).then(number)
    return (inside * times / by).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
