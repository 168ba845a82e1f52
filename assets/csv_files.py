"""A CSV as columns of text: its delimiter and quotes are found out, and a line that does not fit stops the file."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.dialects import Dialect
from models.mapping import DeliveryError

_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_SINGLE_QUOTED = re.compile(r"(^|[,;\t|])'[^'\n]*'([,;\t|]|$)", re.MULTILINE)
_LINE = pl.col("line")


@dataclass(frozen=True)
class _Grammar:
    delimiter: str
    quote: str

    def records(self, text: str) -> list[list[str]]:
        rows = csv.reader(
            io.StringIO(text),
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
        )
        return [row for row in rows if row]

    @property
    def delimiters(self) -> pl.Expr:
        return _LINE.str.count_matches(self.delimiter, literal=True)

    @property
    def unpaired(self) -> pl.Expr:
        return (_LINE.str.count_matches(self.quote, literal=True) % 2 == 1) if self.quote else pl.lit(value=False)

    @property
    def opens_field(self) -> pl.Expr:
        return _LINE.str.starts_with(self.quote) | _LINE.str.contains(self.delimiter + self.quote, literal=True)

    @property
    def fields(self) -> pl.Expr:
        quote = re.escape(self.quote)
        bare = _LINE.str.replace_all(f"{quote}[^{quote}]*{quote}", "") if quote else _LINE
        return bare.str.count_matches(self.delimiter, literal=True) + 1


def read_csv(file: Path, dialect: Dialect, *, name: str) -> pl.LazyFrame:
    """A CSV, every column as text, once it is known that each line has as many fields as the header.

    Lines without a single value are no rows: what leaves a spreadsheet often ends in thousands of them.

    Args:
        file: UTF-8 text with at least one line.
        dialect: May set delimiter and quote. Otherwise the delimiter is the one that splits the first lines most
            evenly, and quotes are plain characters unless one opens a field somewhere in the file.
        name: What messages call the file.

    Raises:
        DeliveryError: If a line has more or fewer fields than the header, or a quote is never closed.
    """
    with file.open(encoding="utf-8") as text:
        head = text.read(_HEAD)
    grammar = _guessed(head, dialect)
    lines = pl.scan_lines(file, glob=False).with_row_index("number", offset=1)
    facts = lines.select(
        last=pl.len(),
        padded=(_LINE.str.len_bytes() == grammar.delimiters).any(),
        quoted=grammar.opens_field.any(),
        unpaired=grammar.unpaired.any(),
    )
    last, padded, quoted, unpaired = facts.collect().row(0)
    if dialect.quote is None and not quoted:
        grammar, unpaired = _Grammar(grammar.delimiter, ""), False
    records = _joined(lines, grammar) if unpaired else lines
    width = len(grammar.records(head)[0])
    misfits = records.filter(_LINE != "").select("number", found=grammar.fields, unclosed=grammar.unpaired)
    first = misfits.filter(pl.col("unclosed") | (pl.col("found") != width)).bottom_k(1, by="number").collect()
    for number, found, unclosed in first.iter_rows():
        cut = number == last and found < width and not _ends_a_line(file)
        raise DeliveryError(f"{name}: {_sentence(number, found, width, unclosed=unclosed, cut=cut)}")
    frame = pl.scan_csv(
        file, separator=grammar.delimiter, quote_char=grammar.quote or None, infer_schema=False, glob=False
    )
    return frame.filter(pl.any_horizontal(pl.all().is_not_null())) if padded else frame


def _guessed(head: str, dialect: Dialect) -> _Grammar:
    quote = dialect.quote
    if quote is None:
        quote = "'" if '"' not in head and _SINGLE_QUOTED.search(head) else '"'
    if dialect.delimiter is not None:
        return _Grammar(dialect.delimiter, quote)
    evenness = {}
    for delimiter in _DELIMITERS:
        grammar = _Grammar(delimiter, quote)
        widths = [len(record) for record in grammar.records(head)]
        evenness[grammar] = widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]
    return max(evenness, key=lambda grammar: evenness[grammar])


def _joined(lines: pl.LazyFrame, grammar: _Grammar) -> pl.LazyFrame:
    """The lines, those that one field in quotes runs through put together under the number of the first."""
    marked = lines.with_columns(odd=grammar.unpaired)
    marked = marked.with_columns(inside=(pl.col("odd").cum_sum() - pl.col("odd")) % 2 == 1)
    spread = marked.filter(pl.col("inside") | pl.col("odd"))
    together = spread.group_by((~pl.col("inside")).cum_sum()).agg(pl.col("number").min(), _LINE.str.join("\n"))
    alone = marked.filter(~pl.col("inside"), ~pl.col("odd"))
    return pl.concat([alone.select("number", "line"), together.select("number", "line")])


def _ends_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, io.SEEK_END)
        return stream.read() == b"\n"


def _sentence(number: int, found: int, width: int, *, unclosed: bool, cut: bool) -> str:
    if unclosed:
        return (
            f"a quote in line {number} is never closed. Deliver the whole file if it was cut off; if quotes are plain "
            'characters in it, set source.quote = "" in churn.toml.'
        )
    if cut:
        return f"the file ends in the middle of line {number}. Deliver the whole file again."
    return (
        f"line {number} has {found} fields, the header has {width}. Mend the line and deliver the file again, or "
        "correct source.delimiter or source.quote in churn.toml."
    )
