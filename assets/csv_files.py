"""A CSV as columns of text: its delimiter and quotes are found out, and a line that does not fit stops the file."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from assets.dialects import Dialect
from models.headers import looks_like_data
from models.mapping import DeliveryError

_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_MOST_COLUMNS = 10_000
_MOST_LINES_ABOVE = 100
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>.)"?', re.IGNORECASE)
_SINGLE_QUOTED = re.compile(r"(^|[,;\t|])'[^'\n]*'([,;\t|]|$)", re.MULTILINE)
_LINE = pl.col("line")


class _MalformedError(ValueError):
    """What is wrong with a file, and what to do, without its name."""


@dataclass(frozen=True)
class _Grammar:
    """How lines part into fields; a quote opens a field only where the field begins, as RFC 4180 has it."""

    delimiter: str
    quote: str
    escape: str | None = None
    skips_blanks: bool = False

    def records(self, lines: Iterable[str], *, strict: bool = False) -> Any:
        if self.escape:
            missing = re.compile(rf"(?<![^{re.escape(self.delimiter)}])\\N(?=[{re.escape(self.delimiter)}\n]|$)")
            lines = (missing.sub("", line) for line in lines)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=self.escape,
            skipinitialspace=self.skips_blanks,
            strict=strict,
        )

    @property
    def delimiters(self) -> pl.Expr:
        return _LINE.str.count_matches(self.delimiter, literal=True)

    @property
    def opens_field(self) -> pl.Expr:
        return _LINE.str.starts_with(self.quote) | _LINE.str.contains(self.delimiter + self.quote, literal=True)

    @property
    def is_regular(self) -> pl.Expr:
        """Whether a line is a record by itself, each of its quotes around a field or doubled within one."""
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        field = f"(?:{quote}(?:[^{quote}]|{quote}{quote})*{quote}|[^{quote}{delimiter}]*)"
        return _LINE.str.contains(f"^{field}(?:{delimiter}{field})*$")

    @property
    def fields(self) -> pl.Expr:
        """Number of fields of a regular line."""
        quote = re.escape(self.quote)
        bare = _LINE.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if quote else _LINE
        return bare.str.count_matches(self.delimiter, literal=True) + 1


def read_csv(file: Path, dialect: Dialect, *, name: str, copy: Path, wanted: Set[str] = frozenset()) -> pl.LazyFrame:
    """A CSV, every column as text, once it is known that each record has as many fields as the header.

    Lines without a single value are no rows: what leaves a spreadsheet often ends in thousands of them. The records
    that are counted here are compared with the rows that Polars reads, so that none can be lost between the two.

    Args:
        file: UTF-8 text with at least one line.
        dialect: May set delimiter, quote and lines to skip. Otherwise the delimiter is the one that splits the first
            lines most evenly, and quotes are plain characters unless one opens a field somewhere in the file.
        name: What messages call the file.
        copy: Where the records go if they have to be written anew: fields over several lines, quotes within fields,
            quotes behind a backslash, lines above the header.
        wanted: Names of columns, in lower case without blanks around, by which the header is recognised.

    Returns:
        A name that several columns have is taken once where they agree in every row. Otherwise the columns are called
        ``name (1)``, ``name (2)`` and so on. A column without a name is called by its place, ``column 3``.

    Raises:
        DeliveryError: If a record has more or fewer fields than the header, a quote is never closed, the header stands
            further down, or Polars reads another number of rows.
    """
    with file.open(encoding="utf-8") as text:
        lines = list(islice(text, dialect.skip_lines, dialect.skip_lines + _MOST_LINES_ABOVE))
        head = ("".join(lines) + text.read(_HEAD))[:_HEAD]
    if separator := _SEPARATOR_LINE.fullmatch(lines[0].strip()) if lines else None:
        dialect = replace(dialect, skip_lines=dialect.skip_lines + 1, delimiter=separator["delimiter"])
        lines, head = lines[1:], head.removeprefix(lines[0])
    if not head.strip():
        raise DeliveryError(f"{name}: no line is left below source.skip_lines = {dialect.skip_lines} in churn.toml.")
    grammar = _guessed(head, dialect)
    _refuse_lines_above(lines, grammar, dialect, name=name, wanted=wanted)
    scanned = pl.scan_lines(file, glob=False).with_row_index("number", offset=1)
    padded = _LINE.str.len_bytes() == grammar.delimiters
    quotes = {"quoted": grammar.opens_field.any(), "irregular": ~grammar.is_regular.all()} if grammar.quote else {}
    facts = scanned.select(padded=padded.any(), **quotes).collect().row(0, named=True)
    if not facts.get("quoted"):
        grammar = replace(grammar, quote="")
    irregular = grammar.quote and facts["irregular"]
    try:
        if irregular or dialect.skip_lines or not lines[0].strip() or grammar.skips_blanks:
            header, records = _rewrite(file, grammar, dialect, copy=copy)
            file, grammar, facts["padded"] = copy, _Grammar(",", '"'), True
        else:
            _, header, _ = next(_numbered(lines[:1], grammar, 0))
            records = _counted(file, scanned, grammar, len(header), dialect)
    except _MalformedError as error:
        raise DeliveryError(f"{name}: {error}") from None
    places = [str(place) for place in range(len(header))]
    frame = pl.scan_csv(
        file,
        separator=grammar.delimiter,
        quote_char=grammar.quote or None,
        with_column_names=lambda _: places,
        infer_schema=False,
        glob=False,
    )
    # The length alone is counted without parsing; a column makes it the number of rows that are read.
    _, rows = frame.select(pl.last().null_count(), rows=pl.len()).collect().row(0)
    if rows != records:
        raise DeliveryError(
            f"{name}: {records:,} records below the header, of which {rows:,} could be read as rows. Deliver it again "
            "with every field in quotes and quotes within fields doubled."
        )
    if facts["padded"]:
        frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
    return _named(frame, header)


def header_place(records: Iterable[list[str]], wanted: Set[str]) -> int | None:
    """The place of the first record that names at least two of the wanted columns, from 0; None without one."""
    for place, record in enumerate(records):
        if len(wanted & {field.strip().lower() for field in record}) >= min(2, len(wanted)) > 0:
            return place
    return None


def looks_like_table(head: str) -> bool:
    """Whether the beginning of a text file splits into columns: nearly all lines, alike, by one delimiter."""
    lines = head.split("\n")[:-1] or [head]
    for delimiter in _DELIMITERS:
        widths = [len(record) for record in _Grammar(delimiter, '"').records(lines) if record]
        if len(widths) > 1 and widths[0] > 1 and widths.count(widths[0]) >= 0.9 * len(widths):
            return True
    return False


def _guessed(head: str, dialect: Dialect) -> _Grammar:
    quote = dialect.quote
    if quote is None:
        quote = "'" if '"' not in head and _SINGLE_QUOTED.search(head) else '"'
    evenness = {}
    for delimiter in dialect.delimiter or _DELIMITERS:
        mark = re.escape(delimiter)
        spaced = bool(quote) and re.search(f"{mark} +{quote}[^{quote}\n]*{quote} *({mark}|$)", head, re.MULTILINE)
        grammar = _Grammar(delimiter, quote, skips_blanks=bool(spaced))
        widths = [len(record) for record in grammar.records(head.splitlines(keepends=True)) if record]
        evenness[grammar] = widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]
    return max(evenness, key=lambda grammar: evenness[grammar])


def _refuse_lines_above(lines: list[str], grammar: _Grammar, dialect: Dialect, *, name: str, wanted: Set[str]) -> None:
    """Refuse a file whose header does not stand where it is looked for, if it is found further down.

    It is the first line of the wanted names, or else, below a line of another width than most lines have, the first
    line of that width, if it does not look like data.
    """
    place = None
    for delimiter in dict.fromkeys([grammar.delimiter, *(dialect.delimiter or _DELIMITERS)]):
        records: list[list[str]] = [
            next(replace(grammar, delimiter=delimiter).records([line[:_HEAD]]), []) for line in lines
        ]
        if place is None:
            place = header_place(records, wanted)
    if place is None:
        records = [next(grammar.records([line[:_HEAD]]), []) for line in lines]
        widths = [len(record) for record in records if any(record)]
        usual = Counter(widths).most_common(1)[0][0]
        first = [len(record) for record in records].index(usual)
        if widths[0] < usual > 1 and not looks_like_data(records[first]):
            place = first
    if place and "".join(lines[:place]).strip():
        skipped = dialect.skip_lines + place
        raise DeliveryError(
            f"{name}: line {skipped + 1} looks like the header, and there are lines above it. Set "
            f"source.skip_lines = {skipped} in churn.toml, or deliver the file without them."
        )


def _counted(file: Path, scanned: pl.LazyFrame, grammar: _Grammar, width: int, dialect: Dialect) -> int:
    """The records below the header of a file in which each line is one; to Polars a blank line is a row of nulls."""
    if width > _MOST_COLUMNS:
        raise _MalformedError(_too_wide(width))
    fields = scanned.select("number", found=grammar.fields, blank=_LINE == "")
    misfits = fields.filter(pl.col("found") != width, ~pl.col("blank")).bottom_k(1, by="number")
    lines, first = pl.collect_all([scanned.select(pl.len()), misfits])
    for number, found, _ in first.iter_rows():
        cut = number == lines.item() and found < width and not _ends_a_line(file)
        raise _MalformedError(_misfit(number, found, width, dialect, cut=cut))
    return int(lines.item()) - 1


def _rewrite(file: Path, grammar: _Grammar, dialect: Dialect, *, copy: Path) -> tuple[list[str], int]:
    """Write the records as lines that nobody can read in two ways; the header and the number of the records below it.

    Quotes are doubled within fields, or stand behind a backslash, as databases write them. The first way that fits the
    whole file counts.
    """
    refusal: _MalformedError | None = None
    for tried in (grammar, replace(grammar, escape="\\")) if grammar.quote else (grammar,):
        try:
            with file.open(encoding="utf-8", newline="") as text, copy.open("w", encoding="utf-8", newline="") as out:
                return _copied(text, out, tried, dialect, cut=not _ends_a_line(file))
        except _MalformedError as error:
            refusal = refusal or error
    raise refusal or _MalformedError("the file is empty. Deliver it again or remove it from the source.")


def _copied(
    text: Iterable[str], out: TextIO, grammar: _Grammar, dialect: Dialect, *, cut: bool
) -> tuple[list[str], int]:
    writer = csv.writer(out, lineterminator="\n")
    header: list[str] = []
    records = 0
    for number, record, last in _numbered(islice(text, dialect.skip_lines, None), grammar, dialect.skip_lines):
        if not header:
            header = record
            if len(header) > _MOST_COLUMNS:
                raise _MalformedError(_too_wide(len(header)))
            writer.writerow(range(len(header)))
            continue
        if len(record) != len(header):
            ends = cut and last and len(record) < len(header)
            raise _MalformedError(_misfit(number, len(record), len(header), dialect, cut=ends))
        writer.writerow(record)
        records += 1
    return header, records


def _numbered(lines: Iterable[str], grammar: _Grammar, above: int) -> Iterator[tuple[int, list[str], bool]]:
    """Each record that is no blank line, the number of the line that it begins in, and whether it is the last one."""
    reader = grammar.records(lines, strict=True)
    held: tuple[int, list[str]] | None = None
    while True:
        number = reader.line_num + above + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise _MalformedError(_malformed(number, reader.line_num + above, str(error))) from None
        if record is None:
            break
        if record:
            if held is not None:
                yield *held, False
            held = number, record
    if held is not None:
        yield *held, True


def _named(frame: pl.LazyFrame, header: list[str]) -> pl.LazyFrame:
    """The columns by their names in the header; a name that stands several times is told apart or taken once."""
    names = [name if name.strip() else f"column {place}" for place, name in enumerate(header, 1)]
    often = {name: count for name, count in Counter(names).items() if count > 1}
    if not often:
        return frame.rename(dict(zip(map(str, range(len(names))), names, strict=True)))
    places = {name: [str(place) for place, other in enumerate(names) if other == name] for name in names}
    agree = frame.select(
        pl.all_horizontal(pl.col(places[name][0]).eq_missing(pl.col(other)) for other in places[name][1:])
        .all()
        .alias(name)
        for name in often
    ).collect()
    columns = []
    for name, same in places.items():
        if len(same) == 1 or agree[name].item():
            columns.append(pl.col(same[0]).alias(name))
        else:
            columns += [pl.col(place).alias(f"{name} ({number})") for number, place in enumerate(same, 1)]
    return frame.select(columns)


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, 2)
        return stream.read() in {b"\n", b"\r"}


def _too_wide(width: int) -> str:
    return (
        f"the header has {width:,} fields, and a table of transactions has at most {_MOST_COLUMNS:,}. Correct "
        "source.delimiter in churn.toml, or deliver the columns that are needed."
    )


def _malformed(number: int, line: int, reason: str) -> str:
    if "field larger" in reason:
        return (
            f"a field that begins in line {number} is longer than {csv.field_size_limit():,} characters. Close its "
            "quote, or deliver the file without it."
        )
    if "expected after" in reason:
        return (
            f"line {line} has text behind the quote that closes a field. Double the quotes within fields, or deliver "
            "the file again without them."
        )
    return (
        f"a quote in line {number} is never closed. Deliver the whole file if it was cut off; if quotes are plain "
        'characters in it, set source.quote = "" in churn.toml.'
    )


def _misfit(number: int, found: int, width: int, dialect: Dialect, *, cut: bool) -> str:
    if cut:
        return f"the file ends in the middle of line {number}. Deliver the whole file again."
    settings = (
        ", or correct source.delimiter or source.quote in churn.toml" if dialect.delimiter or dialect.quote else ""
    )
    return (
        f"line {number} has {found:,} fields, the header has {width:,}. Mend the line and deliver the file "
        f"again{settings}. A field that holds the delimiter needs quotes around it."
    )
