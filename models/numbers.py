"""Numbers in text: every notation that exports have, and the decimal mark that the columns of a file share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import polars as pl

from models.ids import INVISIBLE, NO_VALUE

Mark = Literal[".", ","]
_MARKS: tuple[Mark, ...] = (".", ",")

MINUS = "\\-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"
_APOSTROPHES = "'\u2018\u2019\u02bc\u00b4`"
_FULL_WIDTH = {chr(0xFEE0 + code): chr(code) for code in b"0123456789.,-+()%$"} | {
    "\uffe5": "\u00a5",
    "\uffe1": "\u00a3",
}
_CODES = """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK
    HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RMB RON RSD
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
    UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"""
_WORDS = r"""[A-Z]{1,3}\$ \p{Sc} kr\.? kn din\.? z[łl] Kč Kčs Ft lei leu лв\.? грн\.? руб\.? р\.? тг S?Fr\.? Fs\.? Rs\.?
    Rp\.? RM TL Bs\.? S/\.? B/\.? ₲ Dhs?\.? SR QR KD BD K?Shs?\.? TSh\.? USh\.? GH[₵¢] đ 円 元 원 圓 R Q euros?
    dollars? pounds? ¢ د\.إ ر\.س"""  # noqa: RUF001
_UNIT = "|".join([*_WORDS.split(), *_CODES.split()])
_SIDE = rf"(?:[{MINUS}+]|{_UNIT}|\s)*"
_CREDIT, _DEBIT = r"(?:CR|(?:\s)H)", r"(?:DR|(?:\s)S)"
_PIECES = (
    rf"^(?i:(?P<lead>\s*\(?{_SIDE}(?:CR|DR)?{_SIDE}\(?\s*)"
    rf"(?P<body>(?:[0-9]|[.,][0-9])(?:[0-9.,{_APOSTROPHES}\s]*[0-9])?[.,]?)"
    rf"(?P<exponent>E[+\-]?[0-9]{{1,3}})?"
    rf"(?P<tail>{_SIDE}\)?{_SIDE}(?:{_CREDIT}|{_DEBIT})?{_SIDE}\)?))$"
)
# A price such as 19,- or 1.250,-- has no decimals and no minus.
_DASHED = rf"([0-9])([.,])\s*[{MINUS}]{{1,2}}"
_FORMULA = r'^="(.*)"$'
_GUARD = rf"^[{_APOSTROPHES}]"
_SIGN = rf"[{MINUS}]"


@dataclass(frozen=True)
class Evidence:
    """Which decimal mark the values of one column show.

    Attributes:
        comma: Values in which only a comma can be the decimal mark.
        point: Values in which only a point can.
        either: Values such as ``1.250`` or ``1,250``, by the mark that they show.
        short: Whole numbers of up to three digits, without a mark.
        long: Whole numbers of more digits, without a mark.
        credits: Values marked as credit (CR, H), which are read as negative.
        numbers: Values that are numbers.
        values: Values that are not empty.
        example: A value of `either`.
        unread: A few values that are no numbers.
    """

    comma: int = 0
    point: int = 0
    either: Mapping[str, int] = field(default_factory=dict)
    short: int = 0
    long: int = 0
    credits: int = 0
    numbers: int = 0
    values: int = 0
    example: str | None = None
    unread: tuple[str, ...] = ()

    @property
    def mark(self) -> Mark | None:
        """The mark that the column shows by itself; of two, that of most values."""
        if self.comma == self.point:
            return None
        return "," if self.comma > self.point else "."

    @property
    def is_open(self) -> bool:
        """Whether values read differently under the two marks, and nothing in the column tells which it is."""
        return self.mark is None and bool(self.either)

    @property
    def grouping(self) -> Mark | None:
        """The decimal mark under which an open column looks grouped: what has no mark is below a thousand."""
        marks = list(self.either)
        if len(marks) != 1 or self.long or not self.short:
            return None
        return "," if marks[0] == "." else "."

    @property
    def share(self) -> float:
        """Share of the values that are numbers."""
        return self.numbers / self.values if self.values else 0.0


def evidence(values: pl.Series) -> Evidence:
    """Look at the numbers of a column for the decimal mark.

    Args:
        values: Text.
    """
    known = values.drop_nulls().str.strip_chars()
    known = known.filter(~known.is_in(NO_VALUE))
    pieces = _pieces(known)
    body = pl.col("body").str.replace_all(rf"[{_APOSTROPHES}\s]", "_")
    plain = ~pl.col("body").str.contains(r"[.,]")
    numeric = pl.any_horizontal(pl.col("body").str.contains(_grouped(mark)) for mark in _MARKS).fill_null(value=False)

    def only(mark: str, other: str) -> pl.Expr:
        """Values that can be read with one mark alone."""
        m, o = f"\\{mark}", f"\\{other}"
        tells = (
            rf"^[^{m}{o}]*{m}(?:[0-9]{{1,2}}|[0-9]{{4,}})$|^0[0-9]*{m}|^{m}[0-9]|^[0-9]{{4,}}{m}[0-9]"
            rf"|_[0-9]{{3}}{m}|{o}[0-9]{{3}}{m}|^[0-9]{{1,3}}(?:{o}[0-9]{{3}}){{2,}}$"
        )
        lakh = rf"|^[0-9]{{1,2}}(?:{o}[0-9]{{2}})+{o}[0-9]{{3}}(?:{m}|$)"
        scientific = pl.col("exponent").is_not_null() & body.str.contains(m) & ~body.str.contains(o)
        return body.str.contains(tells + lakh) | scientific

    comma, point = only(",", "."), only(".", ",")
    ambiguous = body.str.contains(r"^[1-9][0-9]{0,2}[.,][0-9]{3}$") & pl.col("exponent").is_null()
    row = pieces.select(
        comma=comma.sum(),
        point=point.sum(),
        commas=(ambiguous & body.str.contains(",", literal=True)).sum(),
        points=(ambiguous & body.str.contains(".", literal=True)).sum(),
        short=(plain & (body.str.len_chars() <= 3)).sum(),
        long=(plain & body.str.contains(r"^[0-9]{4,}$")).sum(),
        credits=pl.col("tail").str.contains(rf"(?i){_CREDIT}").sum() + pl.col("lead").str.contains("(?i)CR").sum(),
        numbers=numeric.sum(),
        example=pl.col("text").filter(ambiguous).first(),
    ).row(0, named=True)
    either = {mark: count for mark, count in ((",", row.pop("commas")), (".", row.pop("points"))) if count}
    unread = pieces.filter(~numeric)["text"].unique(maintain_order=True).head(3)
    return Evidence(**row, either=either, values=len(known), unread=tuple(unread))


def shared_mark(columns: Iterable[Evidence]) -> Mark | None:
    """The decimal mark that all columns of a file agree in, as far as they show one; None if they do not."""
    marks = {column.mark for column in columns} - {None}
    return marks.pop() if len(marks) == 1 else None


def read_numbers(column: pl.Expr, dtype: pl.DataType, mark: Mark = ".") -> pl.Expr:
    """A column as numbers (Float64); null where a value is no number, or could be two.

    Read are: a minus before or behind, of any dash, or parentheses; CR and H as minus, DR and S as plus; a currency by
    its sign, code or word on either side; an apostrophe or a formula around the text as spreadsheets write it; groups
    by blanks, apostrophes or the other mark, of three digits or as in India; a price such as ``19,-``; an exponent. A
    percentage is no number here: of money it would be another thing.

    Args:
        column: The column.
        dtype: Its type.
        mark: Decimal mark of text.
    """
    if dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    return column.map_batches(lambda values: _read(values, mark), return_dtype=pl.Float64, is_elementwise=True)


def _read(values: pl.Series, mark: Mark) -> pl.Series:
    # Nearly all files are plain: the grammar below costs ten times as much, and is asked for the rest alone.
    plain = values
    if mark == ",":
        grouped = values.str.contains(".", literal=True)
        plain = values.set(grouped.fill_null(value=False), None).str.replace(",", ".", literal=True)
    read = plain.cast(pl.Float64, strict=False)
    rest = (read.is_null() & values.is_not_null()) | (read.is_infinite() | read.is_nan()).fill_null(value=False)
    if not rest.any():
        return read
    places = rest.arg_true()
    return read.scatter(places, _parsed(values.gather(places), mark))


def _parsed(values: pl.Series, mark: Mark) -> pl.Series:
    other = "." if mark == "," else ","
    body, sides = pl.col("body"), pl.col("lead") + pl.col("tail")
    digits = body.str.replace_all(rf"[{_APOSTROPHES}\s\{other}]", "").str.replace(mark, ".", literal=True)
    size = (digits + pl.col("exponent").fill_null("")).cast(pl.Float64, strict=False)
    opened, closed = sides.str.count_matches(r"\("), sides.str.count_matches(r"\)")
    credit = pl.col("lead").str.contains("(?i)CR") | pl.col("tail").str.contains(rf"(?i){_CREDIT}")
    debit = pl.col("lead").str.contains("(?i)DR") | pl.col("tail").str.contains(rf"(?i){_DEBIT}")
    minus, plus = sides.str.count_matches(_SIGN), sides.str.count_matches(r"\+")
    signs = minus + plus + opened + credit.cast(pl.UInt32) + debit.cast(pl.UInt32)
    good = body.str.contains(_grouped(mark)) & (signs <= 1) & (opened == closed) & size.is_finite()
    negative = (minus + opened + credit.cast(pl.UInt32)) > 0
    return _pieces(values).select(pl.when(good).then(pl.when(negative).then(-size).otherwise(size))).to_series()


@cache
def _grouped(mark: Mark) -> str:
    """Digits with or without groups, all by the same separator, and decimals."""
    other = r"\." if mark == "," else ","
    groups = [rf"[0-9]{{1,3}}(?:{by}[0-9]{{3}})+" for by in (other, r"\s", f"[{_APOSTROPHES}]")]
    lakh = [rf"[0-9]{{1,2}}(?:{by}[0-9]{{2}})+{by}[0-9]{{3}}" for by in (other, r"\s")]
    return rf"^(?:[0-9]+|{'|'.join(groups + lakh)})?(?:\{mark}[0-9]*)?$"


def _pieces(values: pl.Series) -> pl.DataFrame:
    """Columns lead, body, exponent and tail of each value, null where it is no number, and its text."""
    text = (
        pl.col("text")
        .str.replace_many(_FULL_WIDTH)
        .str.replace_all(INVISIBLE, "")
        .str.strip_chars()
        .str.replace(_FORMULA, "$1")
        .str.replace(_GUARD, "")
        .str.replace(_DASHED, "${1}${2}00")
    )
    frame = values.alias("text").to_frame()
    return frame.select("text", text.str.extract_groups(_PIECES).alias("pieces")).unnest("pieces")
