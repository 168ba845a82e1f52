"""How one file writes numbers, moments and ids: found out from its columns together, and from the files beside it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from models.ids import EXACT, NO_VALUE, are_whole, shapes
from models.moments import day_of, how_written, moment_order, read_moments
from models.numbers import Evidence, Mark, evidence, shared_mark

_SAMPLE_ROWS = 20_000
_MOSTLY = 0.9
_EXCHANGE = str.maketrans("dm", "md")
_YEARS = (1900, 2199)

GROUPED, MIXED_MARKS, OTHER_MARK = "numbers_grouped", "decimal_marks_mixed", "decimal_mark_differs"
DAY_UNCLEAR, OTHER_ORDER, PARTLY_READ = "day_month_unclear", "day_order_differs", "timestamp_format_partial"
INEXACT = "ids_inexact"
OPEN = (GROUPED, MIXED_MARKS, DAY_UNCLEAR)
"""What is worth saying about how a file is written, by kind."""

_NAMED = {",": "a decimal comma", ".": "a decimal point"}


@dataclass(frozen=True)
class Usual:
    """What the files beside one are written in, as far as these tell.

    Attributes:
        decimal: The decimal mark that all of them share.
        patterns: Patterns of their timestamps.
    """

    decimal: Mark | None = None
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What the values of a file show, before anything is decided.

    Attributes:
        columns: Canonical name -> own name of the columns that are read.
        dtypes: Canonical name -> type.
        numbers: Canonical name -> decimal marks that its text shows.
        decimal: The mark that the file shows; None where it shows none, or two.
        moments: Canonical name -> sample of its values.
        whole: Canonical names of texts that are whole numbers with ``.0`` behind some.
        records: Canonical names of texts that are JSON objects.
        inexact: Canonical names of floats too large to tell whole numbers apart.
    """

    columns: Mapping[str, str]
    dtypes: Mapping[str, pl.DataType]
    numbers: Mapping[str, Evidence]
    decimal: Mark | None
    moments: Mapping[str, pl.Series]
    whole: frozenset[str]
    records: tuple[str, ...]
    inexact: tuple[str, ...]

    @property
    def pattern(self) -> str | None:
        """The pattern of the timestamp, where no other could be meant."""
        if "timestamp" not in self.moments:
            return None
        try:
            order = how_written(self.moments["timestamp"])
        except ValueError:
            return None
        return None if order.rivals else order.pattern


@dataclass(frozen=True)
class Notation:
    """How one file is read.

    Attributes:
        marks: Canonical name of each number -> its decimal mark.
        patterns: Canonical name of each moment -> its pattern; None where its type says it all, or nothing is to read.
        whole: Canonical names of texts whose ``.0`` says nothing.
        notes: Kind and detail of what is worth saying.
    """

    marks: Mapping[str, Mark]
    patterns: Mapping[str, str | None]
    whole: frozenset[str]
    notes: tuple[tuple[str, str], ...] = field(default=())


def usual(looks: Iterable[tuple[str | None, ...]]) -> Usual:
    """What files share.

    Args:
        looks: For each file the decimal mark and the pattern of its timestamp, None where it does not tell.
    """
    marks, patterns = set(), dict[str, None]()
    for decimal, pattern in looks:
        marks |= {decimal} - {None}
        patterns |= {pattern: None} if pattern else {}
    mark = marks.pop() if len(marks) == 1 else None
    return Usual("," if mark == "," else "." if mark == "." else None, tuple(patterns))


def contradictions(
    tonight: Mapping[str, tuple[str | None, str | None]], earlier: Sequence[tuple[str, str | None, str | None]]
) -> Iterator[tuple[str, str, str]]:
    """The files of a night that are written otherwise than most.

    Args:
        tonight: File -> its decimal mark and the pattern of its timestamp, None where it does not tell.
        earlier: File, mark and pattern of the files of earlier nights.

    Yields:
        File, kind and detail of a note.
    """
    marks = Counter(mark for mark, _ in tonight.values() if mark)
    marks += Counter(mark for _, mark, _ in earlier if mark)
    days = Counter(day_of(pattern) for _, pattern in tonight.values() if pattern)
    days += Counter(day_of(pattern) for _, _, pattern in earlier if pattern)
    for file, (mark, pattern) in tonight.items():
        if mark and mark != (most := marks.most_common(1)[0][0]):
            yield file, OTHER_MARK, f"{_NAMED[mark]}, most files {_NAMED[most]}"
        if not pattern:
            continue
        day = day_of(pattern)
        other = day.translate(_EXCHANGE)
        if days[other] > days[day]:
            yield file, OTHER_ORDER, f"days are written as {day!r}, in most files as {other!r}"


def is_open(seen: Look, timestamp_format: str | None, decimal: str) -> bool:
    """Whether a file leaves open how it is written, so that those beside it are asked."""
    marks = decimal == "auto" and seen.decimal is None and any(column.is_open for column in seen.numbers.values())
    if marks or timestamp_format:
        return marks
    try:
        orders = [(how_written(sample), sample) for sample in seen.moments.values()]
    except ValueError:
        return False
    unread = any(order.pattern is None and sample.dtype == pl.String and _written(sample) for order, sample in orders)
    return unread or any(order.rivals for order, _ in orders)


def look(
    frame: pl.LazyFrame,
    columns: Mapping[str, str],
    *,
    numbers: Collection[str],
    texts: Collection[str],
    moments: Collection[str],
) -> Look:
    """Look at the values of a file: at its head, and at all of it where the head leaves something open.

    Args:
        frame: The file, plain types.
        columns: Canonical name -> own name.
        numbers: Canonical names of what is read as numbers.
        texts: The same of texts.
        moments: The same of moments.
    """
    schema = frame.collect_schema()
    dtypes = {role: schema[own] for role, own in columns.items()}
    sample = frame.select(list(dict.fromkeys(columns.values()))).head(_SAMPLE_ROWS).collect()
    is_part = sample.height == _SAMPLE_ROWS

    def of(roles: Collection[str]) -> dict[str, str]:
        return {role: own for role, own in columns.items() if role in roles and dtypes[role] == pl.String}

    shown = {role: evidence(sample[own]) for role, own in of(numbers).items()}
    if shown and is_part and shared_mark(shown.values()) is None:
        rest = {role: pl.col(own).filter(pl.col(own).str.contains("[.,]")) for role, own in of(numbers).items()}
        for role, column in rest.items():
            whole = evidence(frame.select(column).collect().to_series())
            if whole.mark or whole.either:
                shown[role] = evidence(frame.select(columns[role]).collect().to_series())
    decimal = shared_mark(shown.values())
    if decimal is None and any(column.is_open for column in shown.values()):
        decimal = _mark_of_others(frame, {*columns.values()})
    zeros = [role for role, own in of(texts).items() if sample.select(are_whole(_valued(own))).item()]
    if zeros and is_part:
        checked = frame.select(are_whole(_valued(columns[role])).alias(role) for role in zeros).collect()
        zeros = [role for role in zeros if checked[role].item()]
    floats = [role for role in columns if role in texts and dtypes[role].is_float()]
    large = frame.select((pl.col(columns[role]).abs() >= EXACT).any().alias(role) for role in floats)
    return Look(
        columns,
        dtypes,
        shown,
        decimal,
        {role: sample[own] for role, own in columns.items() if role in moments},
        frozenset(zeros),
        tuple(role for role, own in of(texts).items() if _are_records(sample[own])),
        tuple(role for role in floats if large.collect()[role].item()),
    )


def _are_records(values: pl.Series) -> bool:
    known = values.drop_nulls()
    return bool(len(known)) and 2 * known.str.contains(r'^\s*\{\s*"').sum() > len(known)


def _valued(own: str) -> pl.Expr:
    text = pl.col(own).str.strip_chars()
    return text.filter(~text.is_in(NO_VALUE))


def _mark_of_others(frame: pl.LazyFrame, read: Collection[str]) -> Mark | None:
    """The mark of the number columns that nobody reads: a file is written in one country."""
    names = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String and name not in read]
    sample = frame.select(names).head(_SAMPLE_ROWS).collect()
    shown = [evidence(column) for column in sample.iter_columns()]
    return shared_mark(column for column in shown if column.share >= _MOSTLY)


def decide(seen: Look, *, timestamp_format: str | None, decimal: Mark | None, beside: Usual) -> Notation:
    """Decide how a file is read: as the settings say, as its values show, as its neighbours are written.

    Args:
        seen: The file.
        timestamp_format: The pattern that the settings name.
        decimal: The decimal mark that the settings name.
        beside: The files beside it.

    Raises:
        ValueError: If values can mean two things and nothing tells which, or none can be read; a sentence that names
            column and setting.
    """
    notes: list[tuple[str, str]] = []
    marks: dict[str, Mark] = {}
    for role in seen.numbers:
        marks[role] = _mark(role, seen, decimal, beside, notes)
    patterns = {role: _pattern(role, seen, timestamp_format, beside, notes) for role in seen.moments}
    if seen.inexact:
        notes.append((INEXACT, ", ".join(repr(seen.columns[role]) for role in seen.inexact)))
    merged: dict[str, str] = {}
    for kind, detail in notes:
        merged[kind] = f"{merged[kind]}; {detail}" if kind in merged else detail
    return Notation(marks, patterns, seen.whole, tuple(merged.items()))


def _mark(role: str, seen: Look, given: Mark | None, beside: Usual, notes: list[tuple[str, str]]) -> Mark:
    shown, own = seen.numbers[role], seen.columns[role]
    if shown.values and not shown.numbers:
        values = shapes(pl.Series(shown.unread))
        raise ValueError(
            f"column {own!r} is read as {role}, but none of its values is a number that can be read: {values}. "
            f"Deliver plain numbers, or correct source.columns.{role}"
        )
    if 2 * shown.credits > shown.numbers:
        raise ValueError(
            f"most values of column {own!r} are marked as credit, which is money for the customer on one account and "
            f"from the customer on another: deliver {role} with a sign, negative for returns"
        )
    if given:
        return given
    if shown.comma and shown.point:
        few, many = sorted((shown.comma, shown.point))
        notes.append((MIXED_MARKS, f"{own!r} ({many:,} and {few:,} values)"))
    if shown.mark:
        return shown.mark
    if mark := seen.decimal or beside.decimal:
        return mark
    if not shown.is_open:
        return "."
    example = shapes(pl.Series([shown.example]))
    if mark := shown.grouping:
        notes.append((GROUPED, f"{own!r} such as {example}"))
        return mark
    raise ValueError(
        f"column {own!r} holds numbers such as {example}, which can be thousands or decimals, and nothing else "
        f"in the file tells. Set source.decimal in churn.toml to the decimal mark"
    )


def _pattern(role: str, seen: Look, given: str | None, beside: Usual, notes: list[tuple[str, str]]) -> str | None:
    sample, own = seen.moments[role], seen.columns[role]
    if given:
        _check_pattern(given, role, sample, own, notes)
        return given
    order = how_written(sample, usual=beside.patterns)
    if order.pattern is None:
        if sample.dtype == pl.String and (values := _written(sample)):
            if beside.patterns:
                # One file without days among files that have them: its lines are kept out by name, not the file.
                notes.append((PARTLY_READ, f"none of the values of {own!r}, such as {values}"))
                return sorted(beside.patterns)[0]
            raise ValueError(f"column {own!r} is read as {role}, but holds no moments that can be read: {values}")
        return None
    if order.rivals:
        rivals = " or ".join(map(repr, order.rivals))
        known = {day_of(pattern) for pattern in beside.patterns} & {day_of(order.pattern)}
        if not known and any(rival.startswith("%y") for rival in order.rivals):
            raise ValueError(f"column {own!r} can be read as {order.pattern!r} and as {rivals}: {_written(sample)}")
        how = "as in other files" if known else f"and could be {rivals} as well"
        notes.append((DAY_UNCLEAR, f"{own!r} is read as {order.pattern!r}, {how}"))
    return order.pattern


def _check_pattern(pattern: str, role: str, sample: pl.Series, own: str, notes: list[tuple[str, str]]) -> None:
    """Refuse a pattern of the settings that reads nothing; say it of one that reads a part."""
    if sample.dtype.is_temporal():
        return
    values = sample.drop_nulls()
    if sample.dtype == pl.String:
        values = values.filter(~values.str.strip_chars().is_in(NO_VALUE))
    read = values.to_frame().select(read_moments(pl.col(own), sample.dtype, pattern, "UTC")).to_series()
    good = read.dt.year().is_between(*_YEARS).sum()
    if not len(values) or good == len(values):
        return
    if good:
        notes.append((PARTLY_READ, f"{good:,} of the first {len(values):,} values of {own!r}"))
        return
    better = moment_order(values).pattern if sample.dtype == pl.String else None
    hint = f"; {better!r} would" if better else ""
    raise ValueError(f"the pattern {pattern!r} reads none of column {own!r}{hint}: {_written(values)}")


def _written(sample: pl.Series) -> str:
    """How the values of a column are written that is no column of moments."""
    values = sample.drop_nulls().cast(pl.String).str.strip_chars()
    return shapes(values.filter(~values.is_in(NO_VALUE)))
