"""What `churn init` asks once it has looked, and how it is answered."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from models.deliveries import IDENTITY
from models.guessing import SPREADSHEET
from pipelines.answers import Answers
from pipelines.survey import Survey

_EXCHANGED = str.maketrans("dm", "md")
_EXTREME = 0.97
_MOST_ACCEPTED = 0.5
_MEANING = {"customer_id": "which column says who bought", "timestamp": "which column says when it was bought"}


@dataclass(frozen=True)
class Question:
    """Something that only a person knows.

    Attributes:
        about: Section and key of the settings that it is about; empty where nothing there would answer it.
        sentence: What is asked, and why.
        answer: What to type after `churn init`, the most likely answer; empty where the data have to be mended.
    """

    about: str
    sentence: str
    answer: tuple[str, ...] = ()


def questions(seen: Survey, answers: Answers) -> Iterator[Question]:
    """What has to be answered or mended before a night should run."""
    if seen.related is not None:
        yield Question("", seen.related.sentence)
    for sentence in seen.lacking:
        yield Question("", sentence)
    # What is no table yet has no columns that could be named.
    if seen.guesses.candidates and seen.rows and not seen.malformed:
        yield from _columns(seen)
    for role, sentences in seen.guesses.unread.items():
        for sentence in sentences:
            yield Question(
                f"source.columns.{role}",
                f"{sentence}. Deliver plain numbers, name another column by --column {role}=HEADER, or leave it out by "
                f"--column {role}=",
            )
    moments = seen.guesses.moments
    if moments.ambiguous and moments.pattern and not answers.says("source", "timestamp_format"):
        other = moments.pattern.translate(_EXCHANGED)
        yield Question(
            "source.timestamp_format",
            f"No moment tells day from month: {moments.pattern} and {other} read them all. Say which it is",
            ("--set", f"source.timestamp_format={moments.pattern}"),
        )
    if not seen.guesses.candidates:
        yield from _rows(seen, answers)


def _rows(seen: Survey, answers: Answers) -> Iterator[Question]:
    if seen.shared and not answers.says("source", "identity"):
        yield _shared(seen)
    most = answers.settings.validation.max_rejected_share
    if seen.rejected_share > most:
        worst = f", {seen.worst_share:.0%} in the worst month" * (seen.worst_share > seen.rejected_share + 0.005)
        yield Question(
            "validation.max_rejected_share",
            f"{seen.rejected_share:.1%} of the rows cannot be used ({reasons(seen)}){worst}, and a night accepts "
            f"{most:.0%}. Name another column, or mend the data{_accepting(seen)}",
        )
    elif seen.suggestion is None and seen.rows:
        yield Question("", "There is no purchase in it. Bring deliveries with rows.")


def _shared(seen: Survey) -> Question:
    one, other, _ = seen.shared[0]
    lines = sum(count for *_, count in seen.shared)
    identity = ", ".join(f'"{name}"' for name in (*IDENTITY, "source_file"))
    return Question(
        "source.identity",
        f"{lines:,} lines stand in two files each, such as {one} and {other}, which have little else in common, and "
        "would count once. If they are purchases of two branches, let the file tell lines apart; if not, leave "
        "source_file out of the answer",
        ("--set", f"source.identity=[{identity}]"),
    )


def _columns(seen: Survey) -> Iterator[Question]:
    for role, candidates in seen.guesses.candidates.items():
        perhaps = "".join(f"\n    perhaps {name!r}: {held}" for name, held in candidates.items())
        likely, held = next(iter(candidates.items()), ("HEADER", ""))
        pattern = ("--set", f"source.timestamp_format={SPREADSHEET}") if repr(SPREADSHEET) in held else ()
        yield Question(
            f"source.columns.{role}",
            f"{role} could not be guessed: {_MEANING[role]}." + (perhaps or "\n    No column looks like one."),
            ("--column", f"{role}={likely}", *pattern),
        )


def _accepting(seen: Survey) -> str:
    share = accepted_share(seen)
    if share is None:
        return ""
    return f"; or accept the loss, if these rows cannot be had, by --set validation.max_rejected_share={share:g}"


def accepted_share(seen: Survey) -> float | None:
    """The limit that lets the losses of a source pass; None where too little is left to be accepted."""
    share = math.ceil((seen.rejected_share + 0.01) * 20) / 20
    return share if share <= _MOST_ACCEPTED else None


def reasons(seen: Survey) -> str:
    """Why rows cannot be used, with counts."""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in seen.rejected.items())


def doubts(seen: Survey, answers: Answers) -> list[str]:
    """What a person should look at, though a night can run."""
    found = [*seen.doubts, *(kinds.sentence for kinds in seen.kinds)]
    suggestion = seen.suggestion
    if (
        seen.term_days is None
        and suggestion
        and suggestion.active
        and not 1 - _EXTREME <= suggestion.churned <= _EXTREME
    ):
        found.append(
            f"{suggestion.churned:.0%} of the active customers would have churned in {suggestion.horizon_days} days: "
            "there is little to tell apart. Check the customer column, or try another churn.horizon_days"
        )
    missing = {"transaction_id": "orders are not counted", "amount": "there is no money, and no returns by it"}
    if not seen.guesses.candidates and seen.rows:
        delivered = seen.guesses.mapping().delivered
        found += [
            f"no column was found for {role}: {harm}. Name it by --column {role}=HEADER if there is one"
            for role, harm in missing.items()
            if role not in (*delivered, *seen.guesses.unread) and answers.columns.get(role) != ()
        ]
    if seen.rejected_share > 0.005 and seen.rejected.get("timestamp_in_future", 0):
        found.append(
            f"{seen.rejected['timestamp_in_future']:,} rows are of days to come: they wait until their day is over"
        )
    return found
