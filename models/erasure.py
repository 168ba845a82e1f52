"""Customers who were erased: their old rows stay out when a source delivers them again."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from hashlib import scrypt, sha256

import polars as pl

_COST, _BLOCK, _BYTES = 1 << 10, 8, 16
_LEFT_OUT = {"customer_id": pl.String, "until": pl.Date}


@dataclass(frozen=True)
class Erased:
    """Who was erased, without their ids.

    Attributes:
        salt: Of the digests, so that they say nothing without this file.
        until: By digest of the id the last day whose rows stay out; whoever buys after it is a new customer.
    """

    salt: str
    until: Mapping[str, date]

    def digest(self, customer: str) -> str:
        """By what a customer is known here.

        The ids of a shop are few, so that whoever has the file could try them all: a digest takes milliseconds, ten
        thousand times as long as a plain one.
        """
        return scrypt(customer.encode(), salt=self.salt.encode(), n=_COST, r=_BLOCK, p=1, dklen=_BYTES).hex()

    @property
    def state(self) -> str:
        """What changes with every erasure."""
        return sha256("".join(f"{who} {day}\n" for who, day in sorted(self.until.items())).encode()).hexdigest()[:16]

    def among(self, customers: Iterable[str]) -> pl.DataFrame:
        """Those of some customers who were erased: customer_id and until."""
        tried = list(customers)
        # A digest leaves Python's lock alone.
        with ThreadPoolExecutor() as pool:
            found = list(zip(tried, map(self.until.get, pool.map(self.digest, tried)), strict=True))
        return pl.DataFrame(found, schema=_LEFT_OUT, orient="row").drop_nulls()

    def left_out(self, rows: pl.LazyFrame, known: pl.LazyFrame | None = None) -> pl.DataFrame:
        """Those of the customers of some rows whose rows have to stay out.

        Only who can have been erased is tried, for a digest is slow: rows after the last erasure come in, and rows from
        the first known day of a customer on, for what is known of the erased lies after their erasure.

        Args:
            rows: Anything with customer_id and `day`.
            known: customer_id and `day` of what the lake has, where there is anything.

        Returns:
            customer_id and until.
        """
        if not self.until:
            return pl.DataFrame(schema=_LEFT_OUT)
        first, last = min(self.until.values()), max(self.until.values())
        oldest = (
            rows.filter(pl.col("customer_id").is_not_null(), pl.col("day").is_null() | (pl.col("day") <= last))
            .group_by("customer_id")
            .agg(day=pl.col("day").min(), undated=pl.col("day").is_null().any())
            .collect()
        )
        if known is not None and oldest.height:
            theirs = known.join(oldest.lazy(), on="customer_id", how="semi")
            since = theirs.group_by("customer_id").agg(since=pl.col("day").min()).collect()
            new = pl.col("since").is_null() | (pl.col("day") < pl.col("since"))
            returned = pl.col("undated") & (pl.col("since") > first)
            oldest = oldest.join(since, on="customer_id", how="left").filter(new | returned)
        return self.among(oldest["customer_id"])

    def without(self, rows: pl.LazyFrame, known: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """The rows without those that stay out; the frame itself where all may come in.

        Args:
            rows: Anything with customer_id and `day`; a row without a day stays out too.
            known: As for :meth:`left_out`.
        """
        found = self.left_out(rows, known)
        if found.is_empty():
            return rows
        # Inputs have a column `until` of their own.
        gone = found.lazy().rename({"until": "_erased"})
        late = pl.col("_erased").is_null() | (pl.col("day") > pl.col("_erased")).fill_null(value=False)
        return rows.join(gone, on="customer_id", how="left", maintain_order="left").filter(late).drop("_erased")
