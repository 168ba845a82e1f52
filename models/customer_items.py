"""What each customer bought on each day: lines by product, by category and by channel, as sums that add up."""

import dataframely as dy
import polars as pl

TRAITS = ("product", "category", "channel")


class CustomerItem(dy.Schema):
    """One product, category or channel of one customer on one event day; rows of several nights add up."""

    customer_id = dy.String(nullable=False)
    day = dy.Date(nullable=False)
    trait = dy.String(nullable=False, regex=f"^({'|'.join(TRAITS)})$")
    item = dy.String(nullable=False)
    lines = dy.Int64(nullable=False, min=1)


def customer_items(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Count the purchase lines of valid transactions by customer, day and item, sorted by all but the count.

    A trait that the source lacks has no rows; neither have returns and lines without the item.
    """
    bought = transactions.filter(~pl.col("is_return"))
    return (
        pl.concat(
            [
                bought.filter(pl.col(trait).is_not_null())
                .group_by("customer_id", "day", item=trait)
                .agg(lines=pl.len().cast(pl.Int64))
                .with_columns(trait=pl.lit(trait))
                for trait in TRAITS
            ]
        )
        .select(CustomerItem.column_names())
        .sort("customer_id", "day", "trait", "item")
    )


def carried(items: pl.LazyFrame) -> dict[str, pl.DataType]:
    """The traits of which `customer_items` has any row."""
    found = items.select(pl.col("trait").unique()).collect(engine="streaming")["trait"]
    return {trait: pl.String() for trait in TRAITS if trait in found}
