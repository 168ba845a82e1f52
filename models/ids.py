"""Ids and other texts as they are read everywhere: what nobody sees taken off, what means nothing left empty."""

import numpy as np
import polars as pl

# Zero-width blanks and joins, marks of direction, soft hyphen, byte-order mark, control characters. Kept are tabs and
# line ends within a text, and the joiners (U+200C, U+200D) that Persian and emoji are written with.
INVISIBLE = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_WORDS = """null none nan nat nil n/a na #n/a #na #nv #value! #wert! #ref! #bezug! #name? #div/0! #num! #zahl! #null!
    #valeur! #valor! #n/d #nd undefined <na> <null> <none> <nan> <empty> (null) (none) (nan) (n/a) (na) (empty) (blank)
    (leer) (vide) (vuoto) (vacío) (vazio) (leeg) [null] -nan k.a. -1.#ind 1.#qnan -1.#qnan 1.#ind"""
_EXACT = """NaN NaT -NaN <NaN> #Nv k.A. \\N - -- --- – — ? ?? ???"""  # noqa: RUF001
NO_VALUE = (
    "",
    "#N/A N/A",
    "k. A.",
    *_EXACT.split(),
    *sorted({form(word) for word in _WORDS.split() for form in (str.lower, str.upper, str.title)}),
)
"""What programs write where there is no value, spelled as they do."""

_ODD = r"[^ -~]"
_WHOLE = r"^-?[0-9]+(?:\.0+)?$"
_ROUNDED = r"^-?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,}$"
_FORMULA = r'^="([0-9]+)"$'
EXACT = 2**53
"""From here on not every whole number has a place of its own among floats."""


def read_text(column: pl.Expr, dtype: pl.DataType, *, whole: bool = False) -> pl.Expr:
    r"""A column as text (String), spelled in one way; null where there is no value.

    Blanks around it and invisible characters are taken off, composed letters are written as one (NFC), and what
    programs write for nothing (``NULL``, ``\N``, ``nan``, ``#N/A``) is null. Numbers lose decimals that say nothing.

    Args:
        column: The column; of a plain type, see `models.column_types.plain`.
        dtype: Its type.
        whole: Whether the text is whole numbers throughout, so that ``.0`` behind them says nothing; see `are_whole`.
    """
    if dtype.is_float():
        # An id column with gaps arrives as 17850.0 from tools that know no nullable integer.
        number = column.cast(pl.Int64, strict=False)
        column = pl.when(number == column).then(number.cast(pl.String)).otherwise(column.cast(pl.String))
    elif dtype.is_decimal():
        column = column.cast(pl.String).str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".")
    elif dtype != pl.String:
        return column.cast(pl.String)
    text = column.map_batches(_cleaned, return_dtype=pl.String, is_elementwise=True)
    return text.str.replace(r"\.0+$", "") if whole else text


def read_id(text: str) -> str | None:
    """One id, as somebody types it, spelled as those that are read."""
    cleaned: str | None = _cleaned(pl.Series([text])).item()
    return cleaned


def _cleaned(values: pl.Series) -> pl.Series:
    text = values.str.strip_chars()
    # A pattern costs as much as the rest together, and most files have nothing for it: their bytes tell.
    if not _is_printable(text):
        places = text.str.contains(_ODD).fill_null(value=False).arg_true()
        mended = text.gather(places).str.replace_all(INVISIBLE, "").str.normalize("NFC").str.strip_chars()
        text = text.scatter(places, mended)
    formula = text.str.starts_with('="').fill_null(value=False)
    if formula.any():
        text = text.str.replace(_FORMULA, "$1")
    return text.set(text.is_in(NO_VALUE).fill_null(value=False), None)


def _is_printable(values: pl.Series) -> bool:
    buffer = values.to_arrow().buffers()[-1]
    content = np.frombuffer(buffer or b"", dtype=np.uint8)
    return not bool(((content < ord(" ")) | (content > ord("~"))).any())


def are_whole(column: pl.Expr) -> pl.Expr:
    """Whether all texts of a column are whole numbers, some with ``.0`` behind: 17850 and 17850.0 are one there.

    Programs that know no empty whole number write them so where one value is missing.
    """
    text = column.drop_nulls()
    return text.str.contains(_WHOLE).all() & text.str.contains(r"\.0+$").any()


def is_rounded(column: pl.Expr) -> pl.Expr:
    """Whether a text is what a spreadsheet leaves of a long number: ``4.00638E+12`` stands for a million of them."""
    return column.str.contains(_ROUNDED)


def folded(column: pl.Expr) -> pl.Expr:
    """Texts without what gets lost or added on the way: capitals, blanks, leading zeros, ``.0``, a leading apostrophe.

    Two ids that are one after folding need not be one person, but there is reason to look.
    """
    text = column.str.to_lowercase().str.replace_all(r"[\s\u200c\u200d]", "").str.strip_chars_start("'")
    return text.str.replace(r"\.0+$", "").str.strip_chars_start("0")


def shapes(values: pl.Series) -> str:
    """How up to three values of a column are written, without what they say: ``99.99.9999 99:99``, ``aaaa``."""
    text = values.drop_nulls().cast(pl.String).str.strip_chars().str.slice(0, 40)
    hidden = text.str.replace_all(r"\p{Nd}", "9").str.replace_all(r"\pL", "a")
    return ", ".join(map(repr, hidden.unique(maintain_order=True).head(3)))
