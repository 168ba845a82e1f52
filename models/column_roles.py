"""How each canonical column is usually called, and what its values have to look like."""

from dataclasses import dataclass

from models.column_facts import Facts
from models.header_words import UNKNOWN, meanings, parts

LEAST_SCORE = 40
_PER_TIER, _PER_KNOWN_WORD, _PER_UNKNOWN_WORD = 10, 15, 5
_TRADE = frozenset({"order", "invoice", "transaction", "purchase", "payment"})
_PERCENT = frozenset(
    ("percent", "percentage", "pct", "prozent", "rate", "taux", "pourcentage", "porcentaje", "percentuale", "procent")
)
_LABEL = frozenset({"id", "name", "description", "unit"})
_PERSON = frozenset({"customer", "account", "supplier", "email"})


@dataclass(frozen=True)
class Role:
    """How one canonical column is called and what its values look like.

    Attributes:
        tiers: Meanings that a header has to hold, most telling first.
        beside: Further meanings that say nothing against it.
        never: Meanings that rule it out.
        kind: What its values are: id, order (few rows each), label (few different values), moment, number, currency.
    """

    tiers: tuple[str, ...]
    kind: str
    beside: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    def score(self, header: str) -> int:
        """How well a header names it: 100 at best, 0 where it does not."""
        words = meanings(header)
        said = frozenset(words) - {UNKNOWN}
        if "other" in said or said & self.never or (self.kind == "number" and _is_percentage(header)):
            return 0
        # Where mail goes is an address that names a person; where parcels go is none.
        if "address" in said and "email" not in said:
            return 0
        said -= {"address"}
        lost = [
            _PER_TIER * place + _PER_KNOWN_WORD * len(said - wanted - self.beside)
            for place, wanted in enumerate(frozenset(tier.split()) for tier in self.tiers)
            if wanted <= said
        ]
        return max(0, 100 - min(lost) - _PER_UNKNOWN_WORD * words.count(UNKNOWN)) if lost else 0

    def fits(self, column: Facts) -> bool:
        """Whether the values can be meant."""
        match self.kind:
            case "moment":
                return column.is_moment
            case "number":
                return column.is_number
            case "currency":
                return column.currencies
            case "order":
                return column.is_id and column.distinct >= column.filled / 100
            case "label":
                return column.is_id and column.distinct <= max(50, column.filled / 20)
            case _:
                return column.is_id and column.distinct >= column.filled / 10_000


def _is_percentage(header: str) -> bool:
    return "%" in header or not _PERCENT.isdisjoint(parts(header))


ROLES = {
    "customer_id": Role(
        ("customer id", "customer", "account id", "account email", "email", "supplier id", "supplier name", "supplier"),
        "id",
    ),
    "timestamp": Role(
        ("purchase date", "order date", "invoice date", "transaction date", "date", "created", "payment date"),
        "moment",
        beside=_TRADE - {"payment"} | {"date"},
        never=frozenset({"end", "contract", "account", "customer", "product"}),
    ),
    "transaction_id": Role(
        ("order id", "invoice id", "transaction id", "order", "invoice", "transaction", "purchase id"),
        "order",
        beside=_TRADE,
        never=_PERSON | {"channel", "product", "category", "amount", "date", "quantity"},
    ),
    "discount": Role(("discount",), "number", beside=frozenset({"amount"}) | _TRADE),
    "quantity": Role(("quantity", "unit"), "number", beside=_TRADE | {"product"}, never=frozenset({"price", "amount"})),
    "unit_price": Role(
        ("unit price", "unit amount", "product price", "price", "product cost"),
        "number",
        beside=_TRADE,
        never=frozenset({"id", "date", "discount"}),
    ),
    "amount": Role(
        ("amount", "purchase", "gross"),
        "number",
        beside=_TRADE | {"price", "product", "currency"},
        never=frozenset({"unit", "id", "quantity", "discount", "date"}),
    ),
    "product": Role(
        ("product id", "sku", "product", "description"),
        "id",
        beside=_LABEL | {"product", "sku"},
        never=_PERSON | {"category", "channel", "price"},
    ),
    "category": Role(
        ("category", "category id"), "label", beside=_LABEL - {"id"} | {"product"}, never=_PERSON | {"channel"}
    ),
    "channel": Role(("channel", "division"), "label", beside=_LABEL | {"purchase"}, never=_PERSON | {"amount"}),
    "currency": Role(("currency",), "currency", beside=frozenset({"id"}) | _TRADE),
    "contract_until": Role(("contract end", "end date", "end"), "moment", beside=frozenset({"date"})),
}
