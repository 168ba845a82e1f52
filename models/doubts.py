"""What looks wrong once your columns are read: keys that name single orders, placeholders, totals counted twice."""

from collections.abc import Iterator

import polars as pl

from models.ids import folded
from models.spellings import crowds

_SELDOM = 0.01
_ALMOST_ALL = 0.95
# Names that are doubted beside those of `models.spellings`, which nights leave out of what is acted on.
_PLACEHOLDER = (
    r"(?i)^(redacted.*|max mustermann|john doe|jane doe|nieznany|ok[aä]nd|go[sś][cć]|g[aä]st|cash.*|default.*"
    r"|kontant\w*|clientes? (de )?(contado|gen[eé]ricos?)|no[- _]?(e?mail)|keine?"
    r"|(test|admin|office|kasse|kontakt|contact|support|sales|shop|service)@.*)$"
)
_PLACEHOLDER_NUMBER = r"^(0+|-1|9{5,})$"
_OUTSIZED = 5
_ONE_PERSON = 0.05
_MOSTLY_NUMBERED = 0.6
_SHOWN = 9
_FEW_ALIKE = 3
_ALIKE = 0.02
_LEAST_LINES = 10
_ONE_DAY = 0.3


def doubts(rows: pl.DataFrame) -> list[str]:
    """What a person should look at before the guesses are believed.

    Args:
        rows: Lines of the source as :func:`models.mapping.canonical` reads them.

    Returns:
        Sentences: what was seen, why it harms, what to do.
    """
    return [
        *_single_orders(rows),
        *_placeholders(rows),
        *_spellings(rows),
        *_order_totals(rows),
        *_pieces(rows),
        *_currencies(rows),
    ]


def return_pattern(rows: pl.DataFrame) -> str | None:
    """The letters that cancellations begin with, such as ``^C``.

    Returns:
        A regular expression on transaction_id, for the most frequent leading letters whose lines are nearly all
        negative while most lines carry other letters or none; None if there are none.
    """
    begins = rows.select(
        letters=pl.col("transaction_id").str.extract(r"^([A-Za-z]+)").fill_null(""),
        negative=pl.any_horizontal(pl.col("amount") < 0, pl.col("quantity") < 0),
    )
    by_letters = begins.group_by("letters").agg(pl.len().alias("lines"), pl.col("negative").mean())
    cancelling = by_letters.filter(
        pl.col("letters") != "",
        pl.col("lines").is_between(_LEAST_LINES, rows.height / 2),
        pl.col("negative") >= _ALMOST_ALL,
    ).sort("lines", "letters")
    return f"^{cancelling['letters'][-1]}" if cancelling.height else None


def idle_pattern(rows: pl.DataFrame, pattern: str) -> str | None:
    """A return pattern that cannot do anything on these lines, in a sentence.

    Args:
        rows: Lines with transaction_id.
        pattern: `validation.return_pattern`.
    """
    orders = rows["transaction_id"].drop_nulls().unique()
    matching = int(orders.str.contains(pattern).sum())
    if not len(orders):
        what = "but no line has an order id that it could match: name the column in source.columns.transaction_id"
    elif not matching:
        what = f"which matches none of {len(orders):,} order ids: no line is a cancellation by it"
    elif matching == len(orders) and len(orders) >= _LEAST_LINES:
        what = f"which matches all of {len(orders):,} order ids: every purchase would count as a return"
    else:
        return None
    return f"validation.return_pattern is {pattern!r}, {what}. Correct it, or take it out"


def busiest_day(rows: pl.DataFrame) -> str | None:
    """A day that holds most of all lines, in a sentence: the day of an import, and not of purchases."""
    days = rows["day"].drop_nulls().value_counts(sort=True)
    share = days.select(pl.first("count") / pl.col("count").sum()).item() if days.height >= _LEAST_LINES else 0.0
    if share < _ONE_DAY:
        return None
    return (
        f"{share:.0%} of the rows fall on {days['day'][0]}: it seems to be the day of an import. "
        "Name the column with the day of the purchase as timestamp"
    )


def _single_orders(rows: pl.DataFrame) -> Iterator[str]:
    customers = rows.group_by("customer_id").agg(
        pl.col("day").n_unique().alias("days"), pl.col("transaction_id").n_unique().alias("orders")
    )
    customers = customers.drop_nulls("customer_id")
    if customers.height >= _LEAST_LINES and customers.select((pl.col("days") > 1).mean()).item() < _SELDOM:
        yield (
            f"nearly all of the {customers.height:,} values of customer_id stand on a single day: it names "
            "orders, not people, and everybody will look lost. Name the column that stays with a person in "
            "source.columns.customer_id"
        )


def _placeholders(rows: pl.DataFrame) -> Iterator[str]:
    customers = rows["customer_id"].drop_nulls().value_counts(sort=True)
    if customers.is_empty():
        return
    # A number may well be somebody's; it is doubted where it has many more lines than others.
    outsized = pl.col("count") > _OUTSIZED * pl.col("count").mean()
    number = pl.col("customer_id").str.contains(_PLACEHOLDER_NUMBER) & outsized
    crowd = pl.col("customer_id").is_in(crowds(customers.rename({"count": "lines"}), _ONE_PERSON).implode())
    # Among numbered customers a name without any digit is one of the till, not of a person.
    numbered = pl.col("customer_id").str.contains(r"\d")
    unlike = ~numbered & (numbered.mean() >= _MOSTLY_NUMBERED) & (pl.len() >= _LEAST_LINES)
    names = customers.filter(pl.col("customer_id").str.contains(_PLACEHOLDER) | number | crowd | unlike)
    if names.height:
        shown = ", ".join(f"{name!r}" for name in names["customer_id"].head(_SHOWN)) + ", …" * (names.height > _SHOWN)
        yield (
            f"customer_id says {shown} in {names['count'].sum():,} lines: many people under one name look like one "
            "loyal customer. Deliver these lines with an empty customer"
        )


def _spellings(rows: pl.DataFrame) -> Iterator[str]:
    ids = rows.select(pl.col("customer_id").drop_nulls().unique()).with_columns(fold=folded(pl.col("customer_id")))
    alike = ids.filter(pl.col("fold") != "", pl.len().over("fold") > 1)
    if alike.height >= max(_FEW_ALIKE, _ALIKE * ids.height):
        yield (
            f"{alike.height:,} of {ids.height:,} values of customer_id are another one but for capitals, blanks, "
            "leading zeros or .0: one customer may count as two. Deliver them in one spelling"
        )


def repeats_totals(rows: pl.DataFrame, column: str) -> bool:
    """Whether money of a line is that of its whole order, so that every line would count it again.

    Args:
        rows: Lines of the source.
        column: ``amount`` or ``discount``.
    """
    lines = rows.drop_nulls(["transaction_id", column]).group_by("transaction_id")
    orders = lines.agg(
        pl.len().alias("lines"),
        pl.col(column).n_unique().alias("amounts"),
        pl.col(column).ne(0).any().alias("any"),
        pl.struct("product", "quantity", "unit_price").n_unique().alias("items"),
    ).filter(pl.col("lines") > 1, pl.col("items") > 1, pl.col("any"))
    repeated = orders.select((pl.col("amounts") == 1).mean()).item()
    return orders.height >= _LEAST_LINES and repeated > _ALMOST_ALL


def _order_totals(rows: pl.DataFrame) -> Iterator[str]:
    if repeats_totals(rows, "amount"):
        yield (
            "amount is the same on all lines of an order: it seems to be the order's total, and every line would count "
            "it again. Leave amount out where quantity and unit_price are known, or deliver one line per order"
        )


def _pieces(rows: pl.DataFrame) -> Iterator[str]:
    amount = rows["amount"].drop_nulls()
    if len(amount) >= _LEAST_LINES and rows["quantity"].is_null().all():
        whole, median = bool((amount == amount.floor()).all()), amount.median()
        if whole and isinstance(median, float) and 0 < median <= 2:
            yield (
                f"amount holds whole numbers, typically {median:.0f}: if they are pieces, name the column as quantity "
                "and the one with the money as amount"
            )


def _currencies(rows: pl.DataFrame) -> Iterator[str]:
    codes = rows["currency"].drop_nulls().unique().sort()
    if len(codes) > 1:
        yield (
            f"amounts are in {len(codes)} currencies ({', '.join(codes.head(5))}) and are added up as they are: "
            "convert them before delivery"
        )
