"""Your columns, read as ours: names, types, numbers and moments of a delivery."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

import polars as pl

from models.column_types import plain, unreadable
from models.headers import can_be_told, looks_like_data, tell_header
from models.ids import is_rounded, read_text
from models.moments import read_moments
from models.notation import Look, Notation, Usual, decide, look
from models.numbers import read_numbers

Names = tuple[str, ...]

_NUMBERS = ("quantity", "unit_price", "amount", "discount")
_MAY_SHARE = {"transaction_id", "product", "category", "channel"}
_MOMENTS = ("timestamp", "contract_until")
IDS = ("customer_id", "transaction_id", "product")
"""Columns in which a number that a spreadsheet has rounded is no value."""
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
        timestamp_format: A strftime pattern, or one of `models.moments.UNITS`; None finds it out, file by file, from
            the values.
        decimal: The decimal mark of numbers in text; ``auto`` finds it out from all number columns of a file.
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


def look_at(frame: pl.LazyFrame, mapping: ColumnMapping, *, file: str) -> Look:
    """Look at how a delivery is written.

    Args:
        frame: The file as it is, any dtypes.
        mapping: Which of its columns mean what.
        file: Its name, for messages.

    Raises:
        DeliveryError: If a required column is missing, or one is of a type that cannot be read.
    """
    return _looked_at(frame, resolve(frame.collect_schema().names(), mapping, file=file), file=file)


def _looked_at(frame: pl.LazyFrame, found: Mapping[str, str], *, file: str) -> Look:
    frame = plain(frame, found.values())
    schema = frame.collect_schema()
    kinds = dict.fromkeys(_TEXTS, "text") | dict.fromkeys(_NUMBERS, "number") | dict.fromkeys(_MOMENTS, "moment")
    for role, own in found.items():
        if why := unreadable(schema[own], kinds[role]):
            raise DeliveryError(f"{file}: column {own!r}, which is read as {role}, {why}.")
    seen = look(frame, found, numbers=_NUMBERS, texts=_TEXTS, moments=_MOMENTS)
    if seen.records:
        own = found[seen.records[0]]
        why = "holds records as text (JSON): deliver the field that is meant as a column of its own"
        raise DeliveryError(f"{file}: column {own!r}, which is read as {seen.records[0]}, {why}.")
    return seen


def notation_of(seen: Look, reading: Reading, *, file: str, beside: Usual | None = None) -> Notation:
    """Decide how a delivery is read.

    Args:
        seen: From :func:`look_at`.
        reading: What the settings say.
        file: Name of the delivery, for messages.
        beside: How the deliveries beside it are written.

    Raises:
        DeliveryError: If values can mean two things, or none of a column can be read.
    """
    decimal = None if reading.decimal == "auto" else reading.decimal
    try:
        return decide(seen, timestamp_format=reading.timestamp_format, decimal=decimal, beside=beside or Usual())
    except ValueError as error:
        sentence = f"{error}"
        if "source." not in sentence:
            sentence += (
                ". Set source.timestamp_format in churn.toml to the pattern that they follow, such as "
                "'%d.%m.%Y %H:%M', or correct the column in source.columns"
            )
        raise DeliveryError(f"{file}: {sentence}.") from None


def customers_of(frame: pl.LazyFrame, mapping: ColumnMapping, *, file: str) -> pl.LazyFrame:
    """The ids of a delivery's customers as :func:`canonical` reads them, whatever else of it can be read.

    Args:
        frame: The file as it is, any dtypes.
        mapping: Which of its columns mean what.
        file: Its name, for messages.

    Returns:
        ``customer_id``, one row per row.

    Raises:
        DeliveryError: If the column is missing or of a type that cannot be read.
    """
    found = resolve(frame.collect_schema().names(), mapping, file=file)
    seen = _looked_at(frame, {"customer_id": found["customer_id"]}, file=file)
    ids = plain(frame, seen.columns.values())
    own, whole = seen.columns["customer_id"], "customer_id" in seen.whole
    return ids.select(customer_id=read_text(pl.col(own), ids.collect_schema()[own], whole=whole))


def canonical(
    frame: pl.LazyFrame,
    mapping: ColumnMapping,
    reading: Reading,
    *,
    timezone: str,
    file: str,
    notation: Notation | None = None,
) -> pl.LazyFrame:
    """Read a delivery as canonical columns, one output row per input row, in the same order.

    Args:
        frame: The file as it is, any dtypes; CSV columns as text.
        mapping: Which of its columns mean what.
        reading: How text is read.
        timezone: Zone of moments that carry none.
        file: Name of the delivery, for ``source_file`` and messages.
        notation: How it is written, from :func:`notation_of`; found out from the file alone if None.

    Returns:
        The columns of ``raw_transactions`` but ``occurrence``: unknown columns are left out, absent ones are null, and
        ``unreadable`` holds as JSON what a row said where it could not be read.

    Raises:
        DeliveryError: If a required column is missing or of a type that cannot be read, or its values cannot be read
            for sure.
    """
    if notation is None:
        notation = notation_of(look_at(frame, mapping, file=file), reading, file=file)
    found = resolve(frame.collect_schema().names(), mapping, file=file)
    frame = plain(frame, found.values())
    schema = frame.collect_schema()
    raw: dict[str, pl.Expr] = {}
    for name, own in found.items():
        dtype = schema[own]
        raw[_said(name)] = read_text(pl.col(own), dtype, whole=name in notation.whole)
        if name in _NUMBERS:
            raw[name] = read_numbers(pl.col(own), dtype, notation.marks.get(name, "."))
        elif name in _MOMENTS:
            raw[name] = read_moments(pl.col(own), dtype, notation.patterns[name], timezone)
    columns = {name: pl.col(name if name in raw else _said(name)) for name in found}
    lost = {name: columns[name].is_null() & pl.col(_said(name)).is_not_null() for name in found if name in raw}
    for name in IDS:
        if name in found and schema[found[name]] == pl.String:
            lost[name] = is_rounded(columns[name])
            columns[name] = pl.when(~lost[name]).then(columns[name])
    if "amount" not in columns and {"quantity", "unit_price"} <= columns.keys():
        columns["amount"] = columns["quantity"] * columns["unit_price"]
    if "contract_until" in columns:
        columns["contract_until"] = columns["contract_until"].dt.convert_time_zone(timezone).dt.date()
    unread = pl.struct(pl.when(gone).then(pl.col(_said(name))).alias(name) for name, gone in lost.items())
    types: dict[str, Any] = dict.fromkeys(_TEXTS, pl.String) | dict.fromkeys(_NUMBERS, pl.Float64)
    types |= {"timestamp": pl.Datetime("us", "UTC"), "contract_until": pl.Date}
    # Each value is read once, and what follows from it is a step of its own: readers are not told to be alike.
    return (
        frame.select(expression.alias(name) for name, expression in raw.items())
        .select(
            *(columns.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in types.items()),
            columns["timestamp"].dt.convert_time_zone(timezone).dt.date().alias("day"),
            unread.map_batches(_as_json, return_dtype=pl.String, is_elementwise=True).alias("unreadable"),
            pl.lit(file).alias("source_file"),
        )
        .with_row_index("source_row", offset=1)
        .cast({"source_row": pl.Int64})
    )


def _said(name: str) -> str:
    return f"{name} as text"


def _as_json(rows: pl.Series) -> pl.Series:
    """What each row said that could not be read, as JSON; null where there was nothing such."""
    places = rows.to_frame().select(pl.any_horizontal(pl.first().struct.unnest().is_not_null())).to_series().arg_true()
    text = pl.repeat(None, len(rows), dtype=pl.String, eager=True)
    if not len(places):
        return text
    said = rows.gather(places).struct.json_encode()
    empty = rf'"(?:{"|".join(rows.struct.fields)})":null,?'
    return text.scatter(places, said.str.replace_all(empty, "").str.replace(r",\}$", "}"))
