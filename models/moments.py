"""How the moments of a column are written, as text or as numbers, and how they are read."""

import polars as pl

_MOMENT_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d-%m-%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
)
_ZONED = r"(:\d{2}(?:\.\d+)?)\s*(?:[Zz]|[+-]\d{2}:?\d{2})$"
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
_DIGITS = r"^\d{1,19}(\.0*)?$"


def moment_format(sample: pl.Series) -> str | None:
    """The pattern that reads most of a sample of text moments; None if none reads any."""
    text = sample.drop_nulls().str.strip_chars().str.replace(_ZONED, "$1")
    if text.is_empty():
        return None
    read = {
        pattern: text.str.to_datetime(pattern, strict=False, exact=True).is_not_null().sum()
        for pattern in _MOMENT_FORMATS
    }
    best = max(read, key=lambda pattern: read[pattern])
    return best if read[best] else None


def how_written(sample: pl.Series) -> str | None:
    """How the moments of a column are written, found out from some of them.

    Returns:
        A strftime pattern; or the unit that is counted since 1970 (``s``, ``ms``, ``us`` or ``ns``), told by the
        magnitude of the numbers; None where the type of the column says it all, or no pattern reads any of its text.

    Raises:
        ValueError: If they are numbers that are neither days nor time since 1970.
    """
    if sample.dtype.is_temporal():
        return None
    if sample.dtype == pl.String and ((pattern := moment_format(sample)) or not _are_numbers(sample)):
        return pattern
    numbers = sample.to_frame().select(_as_number(pl.first(), sample.dtype)).to_series()
    if (written := _number_format(numbers)) is None:
        digits = len(f"{numbers.drop_nulls()[0]:.0f}") if numbers.count() else 0
        raise ValueError(
            f"column {sample.name!r} holds numbers of {digits} digits, which are neither days such as 20260331 nor "
            "time since 1970"
        )
    return written


def read_moments(column: pl.Expr, dtype: pl.DataType, written: str | None, zone: str) -> pl.Expr:
    """A column as moments in UTC (Datetime us); null where it cannot be read.

    Args:
        column: The column.
        dtype: Its type.
        written: From :func:`how_written`, or a strftime pattern that somebody has set.
        zone: Where moments belong that say neither a zone nor an offset. Time since 1970 is counted in UTC.
    """
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    if dtype.is_temporal():
        return _local(column.cast(pl.Datetime("us"), strict=False), zone)
    if written is None:
        return pl.lit(None, pl.Datetime("us", "UTC"))
    if written in _MICROSECONDS:
        return _counted(_as_number(column, dtype), written)
    if dtype != pl.String:
        return _local(_counted(_as_number(column, dtype), written), zone)
    text = column.str.strip_chars()
    zoned = text.str.contains(_ZONED)
    naive = text.str.replace(_ZONED, "$1").str.to_datetime(written, strict=False, time_unit="us")
    offset = text.str.extract(r"([+-]\d{2}:?\d{2})$").str.replace(":", "")
    minutes = offset.str.slice(0, 3).cast(pl.Int32) * 60 + (offset.str.slice(0, 1) + offset.str.slice(3, 2)).cast(
        pl.Int32
    )
    utc = (naive - pl.duration(minutes=minutes.fill_null(0))).dt.replace_time_zone("UTC")
    return pl.when(zoned).then(utc).otherwise(_local(naive, zone))


def _local(naive: pl.Expr, zone: str) -> pl.Expr:
    # The hour that a clock skips in spring is read as the hour after, the one it repeats in autumn as the first.
    def placed(moment: pl.Expr) -> pl.Expr:
        return moment.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")

    return placed(naive).fill_null(placed(naive + pl.duration(hours=1))).dt.convert_time_zone("UTC")


def _as_number(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Numbers, and text that holds whole numbers, as numbers; anything else as null."""
    if dtype == pl.String:
        text = column.str.strip_chars()
        return pl.when(text.str.contains(_DIGITS)).then(text.str.extract(r"^(\d+)").cast(pl.Int64, strict=False))
    return column.cast(pl.Int64 if dtype.is_integer() else pl.Float64, strict=False)


def _are_numbers(sample: pl.Series) -> bool:
    """Whether most values of a sample of text are whole numbers."""
    return sample.drop_nulls().str.strip_chars().str.contains(_DIGITS).sum() * 2 > sample.count()


def _number_format(sample: pl.Series) -> str | None:
    """How at least half of a sample of numbers tell moments, by their magnitude; None where they do not."""
    known = sample.drop_nulls()
    fitting = {name: known.is_between(*span).sum() for name, span in _SPANS.items()}
    best = max(fitting, key=lambda name: fitting[name])
    return best if 2 * fitting[best] >= known.len() else None


def _counted(number: pl.Expr, written: str) -> pl.Expr:
    """Numbers as moments, naive where digits say a day; null beyond the years in which such numbers can be meant."""
    if written.startswith("%"):
        return (
            number.cast(pl.Int64, strict=False).cast(pl.String).str.to_datetime(written, strict=False, time_unit="us")
        )
    times, by = _MICROSECONDS[written]
    inside = pl.when(number.is_between(*_SPANS[written])).then(number)
    return (inside * times // by).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
