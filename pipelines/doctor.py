"""`churn doctor`: is the data enough, and for what; is everything reachable."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from datetime import date

import polars as pl
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from assets.database import arrived_by
from assets.files import FileSource
from assets.lake import Lake
from assets.wording import NAMES
from models.challenge import Question, challenge
from models.consent import tell_unknown, unknown
from models.definition import ChurnDefinition
from models.delivery_notes import NO_SALES, sentences
from models.diagnosis import Diagnosis, diagnose
from models.doubts import doubts, idle_pattern
from models.features import FeatureRecipe
from models.judgement import Judgement
from models.mapping import ColumnMapping
from models.plausibility import fill, usable
from pipelines.console import CONSOLE, complain
from pipelines.known import NothingKnownError, contracts, known_lake, purchases
from pipelines.places import Place, places
from pipelines.settings import Settings

ENOUGH, NOT_ENOUGH = 0, 1
_SAMPLE_ROWS = 1_000_000
_COLOURS = {"good": "green", "doubtful": "yellow", "not enough": "red"}
_NEEDED = {"customer_id", "timestamp"}


def examine(settings: Settings) -> int:
    """Print a verdict on every place and every question about the data, and what follows.

    Returns:
        The exit code: 0 if the data are enough for a model and everything is reachable, else 1.
    """
    found = list(places(settings))
    _print_places(found)
    lost = [place for place in found if place.problem]
    if any(place.name in {"source", "lake"} for place in lost):
        complain("The data cannot be judged before source and lake are reachable.")
        return NOT_ENOUGH
    try:
        with known_lake(settings) as (lake, origin):
            days, last = purchases(lake, settings.consent.rule)
            CONSOLE.print(f"The data: purchases up to {last}, from {origin}")
            terms = contracts(lake, settings.consent.rule)
            diagnosis = diagnose(days, last, settings.churn, settings.training, terms)
            judgements = [*_lines(lake, settings), *diagnosis.judgements]
            _print_judgements(judgements)
            for sentence in _sentences(lake, settings):
                CONSOLE.print(f"! {sentence}.", style="yellow", markup=False)
            serves = None if diagnosis.refused is None else _rule(days, last, settings, terms)
    except NothingKnownError as error:
        complain(str(error))
        return NOT_ENOUGH
    missing = [each.item for each in judgements if each.verdict == "not enough"]
    _conclude(diagnosis, judgements, serves, settings.churn)
    return NOT_ENOUGH if missing or diagnosis.refused or lost else ENOUGH


def _lines(lake: Lake, settings: Settings) -> list[Judgement]:
    nights = lake.nights("transactions")
    rows = lake.scan("transactions", nights)
    rejected = lake.scan("quarantine", lake.nights("quarantine")).select(pl.len()).collect().item()
    delivered = settings.source.columns.delivered
    # Lines without a contract are purchases and use, and no gaps.
    needed = _NEEDED if settings.churn.grace is None else _NEEDED | {"contract_until"}
    optional = [field.name for field in fields(ColumnMapping) if field.name in delivered and field.name not in needed]
    counts = rows.select(pl.len().alias("lines"), pl.col(optional).is_not_null().mean()).collect().row(0, named=True)
    judged = [usable(rejected, counts["lines"] + rejected, settings.validation.max_rejected_share)]
    return [*judged, fill({name: counts[name] for name in optional})] if optional else judged


def _sentences(lake: Lake, settings: Settings) -> list[str]:
    transactions = lake.scan("transactions", lake.nights("transactions"))
    consents = lake.scan("customer_consents", lake.nights("customer_consents"))
    notes = lake.scan("delivery_notes", lake.nights("delivery_notes")).collect()
    lines = transactions.head(_SAMPLE_ROWS).collect()
    pattern = settings.validation.return_pattern
    warnings = [
        tell_unknown(*unknown(consents, transactions)),
        *sentences(notes, NO_SALES),
        idle_pattern(lines, pattern) if pattern is not None else None,
        *_left_out(lake, settings),
    ]
    return [*doubts(lines), *(warning.removesuffix(".") for warning in warnings if warning)]


def _left_out(lake: Lake, settings: Settings) -> Iterator[str]:
    """What the source holds and no night took."""
    source, nights = settings.transactions(), lake.nights("ledger")
    if isinstance(source, FileSource):
        if passed_over := source.tell_passed_over():
            yield passed_over
    elif nights:
        counts = lake.scan("ledger", nights).select(taken=pl.col("valid").sum() + pl.col("quarantined").sum())
        taken, there = counts.collect().item(), arrived_by(source, settings.churn, nights[-1])
        if there > taken:
            yield (
                f"the database has {there:,} rows that had arrived by night {nights[-1]}, the nights took {taken:,}: "
                "others came later than they are stamped, or equal known ones. Set source.overlap_days higher"
            )


def _rule(days: pl.LazyFrame, last: date, settings: Settings, terms: pl.LazyFrame) -> str:
    """The strongest rule that the data justify: what a training would let serve."""
    question = Question(settings.churn, settings.features, settings.training, settings.evaluation, settings.gate)
    # What rules read is enough; no model is trained.
    few = replace(FeatureRecipe(), families=("recency", "frequency", "money", "tenure", "terms"))
    return challenge(days, last, replace(question, features=few), None, terms=terms).serving.serves


def _print_places(found: Iterable[Place]) -> None:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for header in ("place", "verdict", "where"):
        table.add_column(header, overflow="fold")
    for place in found:
        good, bad = ("found", "not found") if place.name == "columns" else ("reachable", "unreachable")
        verdict = Text(good, style="green") if place.problem is None else Text(bad, style="red")
        table.add_row(place.name, verdict, Text(place.address + (f": {place.problem}" if place.problem else "")))
    CONSOLE.print(table)


def _print_judgements(judgements: Iterable[Judgement]) -> None:
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for header in ("question", "verdict", "found", "good is"):
        table.add_column(header, overflow="fold")
    for each in judgements:
        table.add_row(each.item, Text(each.verdict, style=_COLOURS[each.verdict]), Text(each.figure), Text(each.limit))
    CONSOLE.print(table)
    for each in judgements:
        if each.advice:
            CONSOLE.print(f"  {each.item}: {each.advice}", style=_COLOURS[each.verdict], markup=False)


def _conclude(
    diagnosis: Diagnosis, judgements: Iterable[Judgement], serves: str | None, churn: ChurnDefinition
) -> None:
    if serves is not None:
        why = "the best of the rules on the newest ripe night" if diagnosis.outcomes else "it needs no known outcome"
        CONSOLE.print(
            f"Not enough to train a model: {diagnosis.refused}. Until then {NAMES[serves]} serves, the strongest rule "
            f"that the data justify: {why}.",
            style="bold red",
        )
        return
    doubtful = [each.item for each in judgements if each.verdict != "good"]
    but = f" Look at: {', '.join(doubtful)}." if doubtful else ""
    what = f"churn within {churn.horizon_days} days"
    if churn.grace is not None:
        what = f"contracts that end within {churn.horizon_days} days and are not renewed"
    CONSOLE.print(f"Enough for a model of {what}, judged on a night that it has not seen.{but}", style="bold")
