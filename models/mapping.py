"""Your columns, read as ours: names, types, numbers and moments of a delivery."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

import polars as pl

from models.headers import can_be_told, looks_like_data, tell_header
from models.moments import how_written, read_moments

Names = tuple[str, ...]

_NUMBERS = ("quantity", "unit_price", "amount", "discount")
_MAY_SHARE = {"transaction_id", "product", "category", "channel"}
_TEXTS = ("customer_id", "transaction_id", "product", "category", "channel", "currency")


class DeliveryError(ValueError):
    """A delivery that cannot be read, or made; the message says where, what is wrong and what to do."""


@dataclass(frozen=True)
class ColumnMapping:
    """The name of each canonical column in the source; a tuple of names where headers drift between deliveries.

    Attributes:
        customer_id: Who bought. Required.
        timestamp: When, a date or a moment: a type of the file, text, digits such as 20260331, or seconds to
            nanoseconds since 1970 in UTC, told apart by their magnitude. Required.
        transaction_id: The order; several lines may share it.
        amount: Money of the line; negative is a return. Without it, quantity x unit_price.
        quantity: Pieces of the line.
        unit_price: Money per piece.
        product: What was bought.
        category: Its group.
        channel: Where it was bought.
        discount: Money taken off the line.
        currency: ISO code of the amount.
        contract_until: Last paid day of the term that the line sells; empty on other lines.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    customer_id: Names
    timestamp: Names
    transaction_id: Names = ()
    amount: Names = ()
    quantity: Names = ()
    unit_price: Names = ()
    product: Names = ()
    category: Names = ()
    channel: Names = ()
    discount: Names = ()
    currency: Names = ()
    contract_until: Names = ()

    def __post_init__(self) -> None:
        """Refuse a column that cannot mean two things at once.

        Raises:
            ValueError: Names the column and both meanings.
        """
        meant: dict[str, str] = {}
        for role in (field.name for field in fields(self)):
            for name in getattr(self, role):
                other = meant.setdefault(name.strip().lower(), role)
                if other != role and not {other, role} <= _MAY_SHARE:
                    raise ValueError(
                        f"{name!r} stands for {other} and for {role}: a column means one of them; correct the other"
                    )

    @property
    def delivered(self) -> tuple[str, ...]:
        """The canonical columns that the source fills, the amount among them if it follows from price and quantity."""
        mapped = [field.name for field in fields(self) if getattr(self, field.name)]
        derived = not self.amount and self.quantity and self.unit_price
        return (*mapped, "amount") if derived else tuple(mapped)


@dataclass(frozen=True)
class Reading:
    """How text becomes moments and numbers.

    Attributes:
        timestamp_format: A strftime pattern; None finds it out, file by file, from the values.
        decimal: The decimal mark of numbers in text; ``auto`` finds it out, file by file.
    """

    timestamp_format: str | None = None
    decimal: Literal["auto", ".", ","] = "auto"


def resolve(header: Sequence[str], mapping: ColumnMapping, *, file: str) -> dict[str, str]:
    """Find each mapped column in a file's header, ignoring case and surrounding blanks.

    Of columns that differ in these alone, the one that is spelled as in the mapping is meant.

    Returns:
        canonical name -> the file's own name, for the columns that the file has.

    Raises:
        DeliveryError: If the file lacks the customer or the timestamp, or several columns answer to a name; the
            sentence names the nearest header.
    """
    known = {name.strip().lower(): name for name in header}
    found = {
        field.name: _own_name(header, alias, role=field.name, file=file)
        for field in fields(mapping)
        for alias in reversed(getattr(mapping, field.name))
        if alias.strip().lower() in known or f"{alias.strip().lower()} (1)" in known
    }
    for required in ("customer_id", "timestamp"):
        if required not in found:
            wanted = " or ".join(map(repr, getattr(mapping, required)))
            names = [] if looks_like_data(header) else list(filter(can_be_told, known))
            near = get_close_matches(wanted.lower(), names, n=1, cutoff=0.4)
            hint = f"; did you mean {known[near[0]]!r}?" if near else "."
            raise DeliveryError(
                f"{file}: no column {wanted} for {required}{hint} {tell_header(header)} "
                f"Set source.columns.{required} in churn.toml."
            )
    return found


def _own_name(header: Sequence[str], alias: str, *, role: str, file: str) -> str:
    if alias in header:
        return alias
    folded = alias.strip().lower()
    alike = [name for name in header if name.strip().lower() == folded]
    if len(alike) == 1:
        return alike[0]
    where = f"Write in source.columns.{role} of churn.toml which of them is meant, spelled as here."
    if alike:
        raise DeliveryError(
            f"{file}: {' and '.join(map(repr, alike))} are {len(alike)} columns that differ in capitals or blanks "
            f"alone. {where}"
        )
    several = [name for name in header if re.fullmatch(rf"{re.escape(folded)} \(\d+\)", name.strip().lower())]
    raise DeliveryError(
        f"{file}: {len(several)} columns are called {alias!r} and differ in their values. They are read as "
        f"{', '.join(map(repr, several))}, counted from the left. {where}"
    )


def decimal_mark(sample: pl.Series) -> str:
    """The decimal mark of a sample of numbers in text: a comma only where a point cannot be meant."""
    comma = sample.str.contains(r",\d{1,2}$|,\d{4,}$|\.\d{3},").fill_null(value=False).any()
    point = sample.str.contains(r"\.\d{1,2}$|\.\d{4,}$|,\d{3}\.").fill_null(value=False).any()
    return "," if comma and not point else "."


def _number(column: pl.Expr, dtype: pl.DataType, decimal: str) -> pl.Expr:
    if dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    grouping = "." if decimal == "," else ","
    plain = column.str.replace_all(r"[\s\u00a0'€$£]", "").str.replace_all(grouping, "", literal=True)
    bracketed = plain.str.replace(r"^\((.*)\)$", "-$1")
    return bracketed.str.replace(decimal, ".", literal=True).cast(pl.Float64, strict=False)


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        # An id column with gaps arrives as 17850.0 from tools that know no nullable integer.
        whole = column.cast(pl.Int64, strict=False)
        column = pl.when(whole == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def _how_written(sample: pl.Series, *, file: str, role: str) -> str | None:
    try:
        return how_written(sample)
    except ValueError as error:
        raise DeliveryError(
            f"{file}: {error}. Set source.timestamp_format in churn.toml if they are days written otherwise, deliver "
            f"days as text such as 2026-03-31, or correct source.columns.{role}."
        ) from None


def canonical(
    frame: pl.LazyFrame, mapping: ColumnMapping, reading: Reading, *, timezone: str, file: str
) -> pl.LazyFrame:
    """Read a delivery as canonical columns, one output row per input row, in the same order.

    Args:
        frame: The file as it is, any dtypes; CSV columns as text.
        mapping: Which of its columns mean what.
        reading: How text is read.
        timezone: Zone of moments that carry none.
        file: Name of the delivery, for ``source_file`` and messages.

    Returns:
        The columns of ``raw_transactions`` but ``occurrence``: unknown columns are left out, absent ones are null, and
        ``unreadable`` holds as JSON what a row said where it could not be read.

    Raises:
        DeliveryError: If a required column is missing, or its numbers are no moments.
    """
    schema = frame.collect_schema()
    found = resolve(schema.names(), mapping, file=file)
    sample = frame.select(found.values()).head(20_000).collect()
    columns: dict[str, pl.Expr] = {}
    for name, own in found.items():
        dtype = schema[own]
        if name in _NUMBERS:
            found_out = decimal_mark(sample[own]) if dtype == pl.String else "."
            columns[name] = _number(pl.col(own), dtype, found_out if reading.decimal == "auto" else reading.decimal)
        elif name in _TEXTS:
            columns[name] = _text(pl.col(own), dtype)
        else:
            written = reading.timestamp_format or _how_written(sample[own], file=file, role=name)
            columns[name] = read_moments(pl.col(own), dtype, written, timezone)
    if "amount" not in columns and {"quantity", "unit_price"} <= columns.keys():
        columns["amount"] = columns["quantity"] * columns["unit_price"]
    if "contract_until" in columns:
        columns["contract_until"] = columns["contract_until"].dt.convert_time_zone(timezone).dt.date()
    parsed = [name for name in (*_NUMBERS, "timestamp", "contract_until") if name in found]
    lost = pl.struct(
        pl.when(columns[name].is_null()).then(_text(pl.col(found[name]), schema[found[name]])).alias(name)
        for name in parsed
    )
    any_lost = pl.any_horizontal(
        columns[name].is_null() & _text(pl.col(found[name]), schema[found[name]]).is_not_null() for name in parsed
    )
    types: dict[str, Any] = dict.fromkeys(_TEXTS, pl.String) | dict.fromkeys(_NUMBERS, pl.Float64)
    types |= {"timestamp": pl.Datetime("us", "UTC"), "contract_until": pl.Date}
    return (
        frame.select(
            *(columns.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in types.items()),
            columns["timestamp"].dt.convert_time_zone(timezone).dt.date().alias("day"),
            pl.when(any_lost).then(lost.struct.json_encode()).alias("unreadable"),
            pl.lit(file).alias("source_file"),
        )
        .with_row_index("source_row", offset=1)
        .cast({"source_row": pl.Int64})
    )
