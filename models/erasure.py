"""Customers who were erased: their old rows stay out when a source delivers them again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

import polars as pl


@dataclass(frozen=True)
class Erased:
    """Who was erased, without their ids.

    Attributes:
        salt: Of the digests, so that they say nothing outside of this lake.
        until: By digest of the id the last day whose rows stay out; whoever buys after it is a new customer.
    """

    salt: str
    until: Mapping[str, date]

    def digest(self, customer: str) -> str:
        """By what a customer is known here."""
        return blake2b(customer.encode(), key=self.salt.encode(), digest_size=16).hexdigest()

    def left_out(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Those of the customers of some rows who were erased: customer_id and until."""
        if not self.until:
            return pl.DataFrame(schema={"customer_id": pl.String, "until": pl.Date})
        customers = rows.select("customer_id").drop_nulls().unique().collect()["customer_id"]
        found = [(who, self.until.get(self.digest(who))) for who in customers]
        schema = {"customer_id": pl.String, "until": pl.Date}
        return pl.DataFrame(found, schema=schema, orient="row").drop_nulls()

    def without(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows without those that stay out; the frame itself where all may come in.

        Args:
            rows: Anything with customer_id and `day`; a row without a day stays out too.
        """
        found = self.left_out(rows)
        if found.is_empty():
            return rows
        late = pl.col("until").is_null() | (pl.col("day") > pl.col("until")).fill_null(value=False)
        known = rows.join(found.lazy(), on="customer_id", how="left", maintain_order="left")
        return known.filter(late).drop("until")
