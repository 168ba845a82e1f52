"""The name of a customer's segment: how likely he is to leave, by how much he is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

SEGMENTS = {
    ("high", "high"): "save_now",
    ("high", "medium"): "win_back_cheaply",
    ("high", "low"): "let_go",
    ("high", "unknown"): "save_now",
    ("medium", "high"): "save_now",
    ("medium", "medium"): "win_back_cheaply",
    ("medium", "low"): "let_go",
    ("medium", "unknown"): "win_back_cheaply",
    ("low", "high"): "nurture",
    ("low", "medium"): "nurture",
    ("low", "low"): "let_go",
    ("low", "unknown"): "nurture",
}
"""Segment by risk tier and value tier; without amounts the risk tier alone decides."""


TOLD = {
    "en": {
        "save_now": ("save now", "likely to leave and worth a personal effort now"),
        "win_back_cheaply": ("win back cheaply", "likely to leave, worth an automatic message or a small offer"),
        "nurture": ("nurture", "drifting, worth attention without a discount"),
        "let_go": ("let go", "not worth more than a message that costs next to nothing"),
    },
    "de": {
        "save_now": ("jetzt halten", "wird wohl abwandern und ist jetzt persönlichen Einsatz wert"),
        "win_back_cheaply": (
            "günstig zurückholen",
            "wird wohl abwandern, eine Mail oder ein kleines Angebot lohnt sich",
        ),
        "nurture": ("pflegen", "entfernt sich, Aufmerksamkeit ohne Rabatt lohnt sich"),
        "let_go": ("ziehen lassen", "nicht mehr wert als eine Nachricht, die fast nichts kostet"),
    },
}
"""By language and segment, what people call it and what it is for."""

CODES = tuple(TOLD["en"])
"""The segments as the table has them, whatever people call them."""


@dataclass(frozen=True)
class Segments:
    """Where the value tiers begin, and what people call the segments.

    Attributes:
        high_value: quantile of value among the active customers from which on it is high.
        medium_value: quantile from which on it is medium.
        names: other names for reports, by segment: ``save_now``, ``win_back_cheaply``, ``nurture`` or ``let_go``. The
            table keeps these, for rules and translations.
        purposes: what each is for, in other words, by segment.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    high_value: float = 0.8
    medium_value: float = 0.5
    names: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse tiers without room, and names for what is no segment."""
        if not 0 < self.medium_value < self.high_value < 1:
            raise ValueError(
                f"medium_value and high_value are {self.medium_value} and {self.high_value}; "
                "they must rise between 0 and 1, for example 0.5 and 0.8"
            )
        if unknown := sorted({*self.names, *self.purposes} - set(CODES)):
            raise ValueError(f"names or purposes tell of {', '.join(unknown)}; the segments are {', '.join(CODES)}")

    def told(self, language: str) -> dict[str, tuple[str, str]]:
        """By segment its name and what it is for."""
        return {
            code: (self.names.get(code, name), self.purposes.get(code, purpose))
            for code, (name, purpose) in TOLD[language].items()
        }


def named(placed: pl.DataFrame, values: pl.DataFrame, segments: Segments) -> pl.DataFrame:
    """Name the segment of every active customer.

    Args:
        placed: what `models.tiers.risk` returns.
        values: customer_id and value of at least these customers, and what else is known of them.
        segments: where the value tiers begin.

    Returns:
        The first with the columns of the second, value_at_risk (2 digits) and segment ("none" for those
        not at risk).

    Raises:
        ValueError: when a customer has no value row.
    """
    tier = (
        pl.when(pl.col("value").is_null())
        .then(pl.lit("unknown"))
        .when(pl.col("value") >= pl.col("value").quantile(segments.high_value))
        .then(pl.lit("high"))
        .when(pl.col("value") >= pl.col("value").quantile(segments.medium_value))
        .then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )
    cells = {"/".join(cell): name for cell, name in SEGMENTS.items()}
    active = placed.join(values, on="customer_id", maintain_order="left")
    if active.height < placed.height:
        raise ValueError(
            f"{placed.height - active.height} of {placed.height} scored customers have no features; "
            "score the night again from its features"
        )
    return active.with_columns(
        value_at_risk=(pl.col("churn_probability") * pl.col("value")).round(2),
        segment=pl.concat_str("risk_tier", tier, separator="/").replace_strict(cells, default="none"),
    )
