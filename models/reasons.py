"""Why this customer: the model's own arguments, in words that can be said on the telephone."""

import re
from collections.abc import Collection
from string import Formatter

import polars as pl

from models.phrases import GROUPS, SINGULAR, TEXTS, Group

TOP = 3


def reasons(features: pl.DataFrame, contributions: pl.DataFrame, *, language: str = "en") -> pl.DataFrame:
    """The strongest reasons for each customer's risk.

    Contributions of features that say the same are added up (log-odds are additive), and the groups that
    push hardest towards leaving are put into words with the customer's own numbers. They explain the
    score, not the cause.

    Args:
        features: the features, one row per customer.
        contributions: log-odds towards churn, the same rows, one column per feature.
        language: language of the texts, a key of `models.phrases.TEXTS`.

    Returns:
        reason_1 to reason_3 and reason_1_code to reason_3_code in the order of the rows; null where fewer
        groups speak for leaving.

    Raises:
        ValueError: when the frames differ in length or the language has no texts.
    """
    if features.height != contributions.height:
        raise ValueError(
            f"{features.height} rows of features and {contributions.height} of contributions; "
            "compute the contributions from these features"
        )
    if language not in TEXTS:
        raise ValueError(f"language is {language!r}; there are texts in {', '.join(TEXTS)}")
    members: dict[int, list[str]] = {}
    for name in contributions.columns:
        members.setdefault(GROUPS.index(group_of(name)), []).append(name)
    if not members:
        raise ValueError("contributions has no column; pass those of the model that serves")
    figures = features.with_columns(_changes(features.columns))
    push = [pl.sum_horizontal(names).alias(f"push_{n}") for n, names in members.items()]
    said = [_code(GROUPS[n], figures.columns).alias(f"code_{n}") for n in members]
    said += [_text(GROUPS[n], figures.columns, language).alias(f"text_{n}") for n in members]
    table = figures.with_columns(said).hstack(contributions.select(push))
    for rank in range(1, TOP + 1):
        strengths = [pl.col(f"push_{n}") for n in sorted(members)]
        strongest = pl.max_horizontal(strengths)
        # Of equals the first group is taken.
        place = pl.coalesce(
            pl.when(strength == strongest, strongest > 0).then(n)
            for n, strength in zip(sorted(members), strengths, strict=True)
        )
        table = table.with_columns(place.alias(f"place_{rank}"), place.alias("place")).with_columns(
            pl.when(pl.col("place") == n).then(0.0).otherwise(f"push_{n}").alias(f"push_{n}") for n in members
        )
    return table.select(
        pl.coalesce(pl.when(pl.col(f"place_{rank}") == n).then(f"{kind}_{n}") for n in members).alias(name)
        for kind, suffix in (("text", ""), ("code", "_code"))
        for rank in range(1, TOP + 1)
        for name in [f"reason_{rank}{suffix}"]
    )


def group_of(feature: str) -> Group:
    """The group that a feature belongs to."""
    return next(group for group in GROUPS if re.fullmatch(group.features, feature))


def codes() -> list[str]:
    """Every reason code there is."""
    return [code for group in GROUPS for code, _ in group.variants]


def _changes(columns: Collection[str]) -> list[pl.Expr]:
    """The last day of the contract; orders and spend of the longest window that one of twice its length compares."""
    changes = []
    if {"night", "days_to_expiry"} <= set(columns):
        ends = pl.col("night") + pl.duration(days=pl.col("days_to_expiry").cast(pl.Int64))
        changes.append(ends.alias("contract_end"))
    found = {int(m[1]) for name in columns if (m := re.fullmatch(r"orders_(\d+)d", name))}
    span = max((days for days in found if 2 * days in found), default=None)
    if span is None:
        return changes
    changes.append(pl.lit(span).alias("span"))
    for measure in ("orders", "spend"):
        now, both = f"{measure}_{span}d", f"{measure}_{2 * span}d"
        if now in columns and both in columns:
            changes += [pl.col(now).alias(f"{measure}_now"), (pl.col(both) - pl.col(now)).alias(f"{measure}_before")]
    return changes


def _variants(group: Group, columns: Collection[str]) -> list[tuple[str, pl.Expr]]:
    return [
        (code, pl.lit(True) if condition is None else condition)
        for code, condition in group.variants
        if condition is None or set(condition.meta.root_names()) <= set(columns)
    ]


def _code(group: Group, columns: Collection[str]) -> pl.Expr:
    return pl.coalesce(pl.when(condition).then(pl.lit(code)) for code, condition in _variants(group, columns))


def _text(group: Group, columns: Collection[str], language: str) -> pl.Expr:
    pattern, replacement = SINGULAR[language]
    texts = []
    for code, condition in _variants(group, columns):
        filled = [
            _filled(template, language)
            for template in TEXTS[language][code]
            if {name for _, name, _, _ in Formatter().parse(template) if name} <= set(columns)
        ]
        texts.append(pl.when(condition).then(pl.coalesce(*filled, pl.lit(code))))
    return pl.coalesce(texts).str.replace_all(pattern, replacement)


def _filled(template: str, language: str) -> pl.Expr:
    parts = []
    for literal, name, spec, _ in Formatter().parse(template):
        parts.append(pl.lit(literal))
        if name and spec == "1":
            number = pl.col(name).cast(pl.Float64).round(1).cast(pl.String)
            parts.append(number.str.replace(".", ",", literal=True) if language == "de" else number)
        elif name and spec == "date":
            parts.append(pl.col(name).dt.strftime("%d.%m.%Y" if language == "de" else "%-d %B %Y"))
        elif name:
            value = pl.col(name) * 100 if spec == "%" else pl.col(name)
            parts.append(value.round().cast(pl.Int64).cast(pl.String))
    return pl.concat_str(parts)
