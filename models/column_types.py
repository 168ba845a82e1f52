"""Columns of any type as columns that can be read: one step before everything else."""

from collections.abc import Collection

import polars as pl

_SAMPLE_ROWS = 20_000
_UUID = r"^(.{8})(.{4})(.{4})(.{4})(.{12})$"
_UUID_BYTES = 16


def plain(frame: pl.LazyFrame, columns: Collection[str] | None = None) -> pl.LazyFrame:
    """Replace types that only a program knows by those that they stand for.

    Categories and enumerations become text. Bytes become text where they are UTF-8, and 8-4-4-4-12 where all have the
    16 bytes of a UUID; other bytes stay as they are, for :func:`unreadable` to name.

    Args:
        frame: A file, any dtypes.
        columns: Those that are wanted; all if None.
    """
    schema = frame.collect_schema()
    wanted = [name for name in schema if columns is None or name in columns]
    texts = [name for name in wanted if isinstance(schema[name], pl.Categorical | pl.Enum)]
    frame = frame.with_columns(pl.col(texts).cast(pl.String)) if texts else frame
    raw = [name for name in wanted if schema[name] == pl.Binary]
    if not raw:
        return frame
    sample = frame.select(raw).head(_SAMPLE_ROWS).collect()
    return frame.with_columns(_decoded(name, sample[name].drop_nulls()) for name in raw)


def _decoded(name: str, sample: pl.Series) -> pl.Expr:
    column = pl.col(name)
    if not len(sample) or _is_utf8(sample):
        return column.map_batches(_as_text, return_dtype=pl.String, is_elementwise=True)
    if (sample.bin.size() == _UUID_BYTES).all():
        return column.bin.encode("hex").str.replace(_UUID, "$1-$2-$3-$4-$5")
    return column


def _is_utf8(values: pl.Series) -> bool:
    try:
        values.cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _as_text(values: pl.Series) -> pl.Series:
    if _is_utf8(values):
        return values.cast(pl.String)
    return pl.Series(
        values.name, [None if raw is None else raw.decode("utf-8", "replace") for raw in values], dtype=pl.String
    )


def unreadable(dtype: pl.DataType, kind: str) -> str | None:
    """Why a column cannot be read, and what to deliver in its place; None where it can.

    Args:
        dtype: Its type after :func:`plain`.
        kind: What is read from it: ``text``, ``number`` or ``moment``.
    """
    instead = {"text": "text", "number": "a number", "moment": "a date, a timestamp or text"}[kind]
    reason = None
    if isinstance(dtype, pl.Struct):
        names = ", ".join(repr(field.name) for field in dtype.fields[:5])
        reason = f"holds records with {names}: deliver the field that is meant as a column of its own"
    elif dtype.is_nested():
        reason = f"holds lists: deliver one row for each element, or {instead}"
    elif dtype in (pl.Binary, pl.Object):
        reason = f"holds bytes that are no text: cast it to {instead}"
    elif dtype == pl.Time and kind == "moment":
        reason = f"holds times of day without a day: deliver {instead}, or name the column with the day"
    elif (dtype.is_temporal() or dtype == pl.Boolean) and (kind == "number" or dtype in (pl.Boolean, pl.Duration)):
        reason = None if kind == "text" else f"is of type {dtype}, which is no {kind}: deliver {instead}"
    return reason
