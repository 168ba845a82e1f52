"""Customers who may be one under several spellings, and names under which many may stand."""

import polars as pl

from models.ids import folded

_LEAST_CUSTOMERS = 10
_OUTSIZED = 5
_MOSTLY_NUMBERED = 0.8
NOBODY = (
    r"(?i)^(n\.?n\.?|test\w*|dummy|unknown|unbekannt|inconnue?|desconocid[oa]|desconhecid[oa]|sconosciut[oa]|onbekend"
    r"|nieznany|ok[aä]nd|guest\w*|gast|invit[eé]|invitado|convidado|ospite|go[sś][cć]|g[aä]st|anonym\w*|an[oóô]nim\w*"
    r"|divers\w*|einmalkund\w*|laufkund\w*|bar(verkauf|kunde)|cpd|mr\.? ?x|max mustermann|j(ohn|ane) doe"
    r"|walk[- _]?in.*|(cash|default|retail|one[- _]?time|counter) (customer|sales?)|consumidor final|passant\w*"
    r"|clien(t|te) (de )?(passage|comptoir|contado|gen[eé]rico)|no[-_. ]?reply|do[-_. ]?not[-_. ]?reply)(@.*)?$"
)
"""Names that stand for nobody, in words of tills, shops and databases; of addresses the part before the @."""


def respelled(tonight: pl.DataFrame, known: pl.LazyFrame) -> pl.Series:
    """Ids that are another's but for capitals, blanks, leading zeros or ``.0``.

    Args:
        tonight: customer_id and lines of the customers of a night, one row each.
        known: customer_id of earlier nights, in any number of rows; joined by streams, so that they may be many.

    Returns:
        Ids of tonight that no earlier night had while one had another spelling of them; of several new ones those that
        have fewer lines than the most frequent.
    """
    ids = known.select(pl.col("customer_id").unique())
    new = tonight.lazy().drop_nulls("customer_id").join(ids, on="customer_id", how="anti")
    new = new.with_columns(fold=folded(pl.col("customer_id"))).filter(pl.col("fold") != "")
    spelled = ids.select(fold=folded(pl.col("customer_id"))).unique()
    of_old = new.join(spelled, on="fold", how="semi")
    among = new.join(spelled, on="fold", how="anti").sort("lines", "customer_id", descending=[True, False])
    found = pl.concat([of_old, among.filter(~pl.col("fold").is_first_distinct())])
    return found.select("customer_id").collect(engine="streaming").to_series().sort()


def crowds(customers: pl.DataFrame, max_share: float) -> pl.Series:
    """Names under which many people seem to stand: of tills and shops, and of whoever has far too large a share.

    Args:
        customers: customer_id and lines (or orders), one row each.
        max_share: Share of all lines (0 to 1) beyond which a name is doubted that has five times as many as usual; 1
            doubts nobody.
    """
    lines = pl.col("lines")
    outsized = (lines > max_share * lines.sum()) & (lines > _OUTSIZED * lines.mean()) & (pl.len() >= _LEAST_CUSTOMERS)
    # Among numbered customers a name without any digit is one of the till, not of a person.
    numbered = pl.col("customer_id").str.contains("[0-9]")
    unlike = ~numbered & (numbered.mean() >= _MOSTLY_NUMBERED) & (pl.len() >= _LEAST_CUSTOMERS)
    nobody = pl.col("customer_id").str.contains(NOBODY)
    return customers.filter((max_share < 1) & (outsized | nobody | unlike))["customer_id"].sort()


def crowds_of(features: pl.DataFrame, max_share: float) -> pl.Series:
    """The same of active customers, by their orders where features count them, by their names alone elsewhere."""
    lines = pl.col("orders") if "orders" in features.columns else pl.lit(1.0)
    return crowds(features.select("customer_id", lines=lines), max_share)
