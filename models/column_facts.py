"""What the values of an unknown column look like: ids, moments, numbers, currencies."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from models.header_words import parts
from models.ids import read_text
from models.moment_patterns import Moments, moments
from models.numbers import evidence, read_numbers

# Letters before digits may be a currency, or the beginning of an id.
_WHOLE = r"^\pL{0,4}-?\d+(\.0+)?$"
_CURRENCIES = """AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR JPY KES KRW MXN MYR NGN
    NOK NZD PEN PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH USD UYU VND ZAR"""
FILE = "\0file"


@dataclass(frozen=True)
class Facts:
    """What one column looks like over all files that have it.

    Attributes:
        names: How the files spell it, case and surrounding blanks aside.
        files: Files that have it.
        filled: Values that are not empty.
        distinct: Different values.
        examples: A few of them.
        moments: How they read as moments.
        numbers: Share of the different values that are numbers.
        whole: Whether these are whole numbers.
        rate: Whether all numbers lie from 0 to 1 and some between.
        unread: A few values that are no numbers.
        currencies: Whether all values are codes of currencies.
    """

    names: tuple[str, ...]
    files: frozenset[str]
    filled: int
    distinct: int
    examples: tuple[str, ...]
    moments: Moments
    numbers: float
    whole: bool
    rate: bool
    unread: tuple[str, ...]
    currencies: bool

    @property
    def is_moment(self) -> bool:
        """Whether the column can say when something happened."""
        return self.moments.share >= 0.5

    @property
    def is_number(self) -> bool:
        """Whether the column can be counted or added up."""
        return self.numbers >= 0.9

    @property
    def is_id(self) -> bool:
        """Whether the column can tell things apart: several values, neither fractions nor written-out moments."""
        written_out = self.is_moment and not (self.is_number and self.whole)
        return self.distinct > 1 and not written_out and (self.whole or not self.is_number)


def pooled(samples: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Lay the files under one another as text, one column for all spellings of a header.

    Returns:
        One column per header, named by its letters and digits alone (nested and boolean ones are left out), and
        the file's name in the column ``FILE``.
    """
    return pl.concat(
        [
            frame.select(
                *(read_text(pl.col(name), frame.schema[name]).alias(key) for key, name in keys(frame).items()),
                pl.lit(file).alias(FILE),
            )
            for file, frame in samples.items()
        ],
        how="diagonal",
    )


def keys(frame: pl.DataFrame) -> dict[str, str]:
    """The columns of a file that can be looked at: key shared by all spellings -> the file's own name."""
    found: dict[str, str] = {}
    for name, dtype in frame.schema.items():
        if dtype.is_nested() or dtype in (pl.Boolean, pl.Binary, pl.Null):
            continue
        key = "".join(parts(name))
        # Two headers of one file are two columns, though only their capitals may tell them apart.
        found[key if key and key not in found else f"{name}\0"] = name
    return found


def facts(samples: Mapping[str, pl.DataFrame], together: pl.DataFrame) -> dict[str, Facts]:
    """Look at every column.

    Args:
        samples: Some or all rows of each file.
        together: The same, :func:`pooled`.

    Returns:
        Key of the column -> what it looks like; columns without any value are left out.
    """
    own = {file: keys(frame) for file, frame in samples.items()}
    found = {}
    for key in together.drop(FILE).columns:
        values = together[key].drop_nulls()
        if values.is_empty():
            continue
        spellings = {file: names[key] for file, names in own.items() if key in names}
        dtypes = [samples[file].schema[name] for file, name in spellings.items()]
        different = values.unique(maintain_order=True)
        shown = evidence(different)
        mark = shown.mark or shown.grouping or "."
        size = different.to_frame().select(read_numbers(pl.first(), pl.String(), mark)).to_series()
        numeric, size = different.filter(size.is_not_null()), size.drop_nulls()
        found[key] = Facts(
            names=tuple({name.strip().lower(): name.strip() for name in reversed(spellings.values())}.values())[::-1],
            files=frozenset(spellings),
            filled=len(values),
            distinct=len(different),
            examples=tuple(different.head(3)),
            moments=moments(together.select(file=FILE, value=key).drop_nulls().unique(maintain_order=True), dtypes),
            numbers=1.0 if all(dtype.is_numeric() for dtype in dtypes) else shown.share,
            whole=bool(numeric.str.contains(_WHOLE).all()),
            rate=bool(len(size) and size.is_between(0, 1).all() and size.is_between(0, 1, closed="none").any()),
            unread=shown.unread,
            currencies=set(different.head(1000).str.to_uppercase()) <= set(_CURRENCIES.split()),
        )
    return found
