"""The text of a first `churn.toml`: what was found, why, and what is left to decide."""

import json
import math
import textwrap
from dataclasses import fields
from pathlib import Path

from models.definition import ChurnDefinition
from models.guessing import REQUIRED, Guesses
from models.mapping import ColumnMapping
from models.purchase_gaps import Suggestion
from models.transactions import ValidationRules
from pipelines.survey import Survey

FILL_IN = ">>> FILL IN:"
MOST_REJECTED = 0.5


def accepted_share(survey: Survey) -> float | None:
    """The threshold that lets the usual rejects of a source pass; None where the default does, or nothing should."""
    wanted = survey.worst_share + 0.01
    if wanted <= ValidationRules().max_rejected_share or survey.rejected_share > MOST_REJECTED:
        return None
    return min(1.0, math.ceil(wanted * 20) / 20)


def counted(files: int) -> str:
    """A number of files in words."""
    return "1 file" if files == 1 else f"{files:,} files"


def horizon_sentence(suggestion: Suggestion) -> str:
    """Why this horizon."""
    if not suggestion.gaps:
        return (
            f"nobody bought on two days: {suggestion.horizon_days} days are assumed. The data span "
            f"{suggestion.span_days:,} days; four horizons have to fit"
        )
    sentence = (
        f"{suggestion.returned:.0%} of the {suggestion.gaps:,} gaps between two purchase days of a customer are at "
        f"most {suggestion.horizon_days} days (long ones weighed by how seldom data of {suggestion.span_days:,} days "
        "show them)"
    )
    if suggestion.fitting_days > suggestion.horizon_days:
        sentence += f"; the rhythm asks for {suggestion.fitting_days}, but four horizons have to fit into the data"
    if suggestion.active:
        sentence += (
            f". Of {suggestion.active:,} active customers {suggestion.churned:.0%} would have churned at its end"
        )
    return sentence


def settings_text(survey: Survey, source: Path) -> str:
    """Settings that a person can read, edit and run.

    Args:
        survey: What was seen.
        source: The path as it should stand in the settings.
    """
    guesses, accepted = survey.guesses, accepted_share(survey)
    lines = [
        *_comment(
            f"Guessed by `churn init` from {survey.rows:,} rows in {counted(survey.files)}. Every key is explained in"
        ),
        "# docs/settings.md. Paths are relative to this file.",
        "",
        "[source]",
        'kind = "files"',
        f"path = {_quoted(source.as_posix())}",
        *_timestamp_format(guesses),
        "",
        "[source.columns]",
        *_columns(guesses),
        "",
        "[churn]",
        *_definition(survey),
        *_comment("The zone whose midnights divide the days; moments without a zone belong to it. Not guessed."),
        'timezone = "UTC"',
    ]
    if accepted is not None or survey.return_pattern is not None:
        lines += ["", "[validation]", *_validation(survey, accepted)]
    if not guesses.candidates and "amount" in guesses.mapping().delivered:
        lines += [
            "",
            "[value]",
            *_comment("Share of net spend that is left after the goods are paid for. Not guessed."),
            "margin = 0.3",
            f"currency = {_quoted(survey.currency)}" if survey.currency else '# currency = "EUR"',
        ]
    return "\n".join(lines) + "\n"


def _columns(guesses: Guesses) -> list[str]:
    lines = []
    for guess in guesses.found:
        names = [_quoted(name) for name in guess.names]
        lines += _comment(guess.reason)
        lines.append(f"{guess.column} = {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}")
    for role, candidates in guesses.candidates.items():
        lines += [
            f"# {FILL_IN} name the column below and remove the # before it.",
            *(line for candidate in candidates for line in _comment(f"    perhaps {candidate}")),
            f'# {role} = ""',
        ]
    found = {guess.column for guess in guesses.found}
    absent = [field.name for field in fields(ColumnMapping) if field.name not in found and field.name not in REQUIRED]
    if absent:
        lines += _comment(f"Not found, and not needed: {', '.join(absent)}.")
    if guesses.unused:
        lines += _comment(f"Yours that are not used: {', '.join(guesses.unused)}.")
    return lines


def _timestamp_format(guesses: Guesses) -> list[str]:
    moments = guesses.moments
    if moments.pattern and moments.to_set:
        return [
            *_comment("How moments are written; a file of a few days cannot always tell."),
            f"timestamp_format = {_quoted(moments.pattern)}",
        ]
    if moments.pattern and moments.ambiguous:
        return [
            *_comment(
                "No moment tells day from month. If this is how they are written, remove the #; else exchange them."
            ),
            f"# timestamp_format = {_quoted(moments.pattern)}",
        ]
    return []


def window_days(term_days: int) -> int:
    """How far ahead contracts are best looked at: a quarter of the usual term, from a week to 90 days."""
    return min(90, max(7, term_days // 4))


def contract_sentence(survey: Survey) -> str:
    """Why churn is suggested to be by contract."""
    return (
        f"most customers have a last paid day, usually {survey.term_days} days ahead: whoever does not renew has left. "
        "Contracts are looked at for a quarter of that time before they end"
    )


def _definition(survey: Survey) -> list[str]:
    if survey.term_days is not None:
        return [
            *_comment(f"{contract_sentence(survey)}."),
            'definition = "contract"',
            f"horizon_days = {window_days(survey.term_days)}",
            *_comment("A renewal up to so many days after the last paid day is in time. Not guessed."),
            f"grace_days = {ChurnDefinition().grace_days}",
        ]
    return ['definition = "inactivity"', *_silence(survey.suggestion)]


def _silence(suggestion: Suggestion | None) -> list[str]:
    if suggestion is None:
        usual = ChurnDefinition()
        return [
            *_comment("Not guessed: run `churn init` again when the columns are named, or judge for yourself."),
            f"horizon_days = {usual.horizon_days}",
            f"active_days = {usual.active_days}",
        ]
    return [
        *_comment(f"{horizon_sentence(suggestion)}."),
        f"horizon_days = {suggestion.horizon_days}",
        *_comment("Customers who bought nothing for longer count as lost already and are not scored."),
        f"active_days = {suggestion.active_days}",
    ]


def _validation(survey: Survey, accepted: float | None) -> list[str]:
    lines = []
    if accepted is not None:
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in survey.rejected.items())
        worse = survey.worst_share > survey.rejected_share
        worst = f", {survey.worst_share:.1%} in the worst month" if worse else ""
        lines += [
            *_comment(
                f"{survey.rejected_share:.1%} of the rows go to quarantine ({reasons}){worst}: the threshold is raised "
                "to let the source through. Lower it as the source gets better."
            ),
            f"max_rejected_share = {accepted:g}",
        ]
    if survey.return_pattern is not None:
        lines += [
            *_comment("Orders that begin so are cancellations: nearly all of their lines are negative."),
            f"return_pattern = {_quoted(survey.return_pattern)}",
        ]
    return lines


def _comment(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width=110, initial_indent="# ", subsequent_indent="# ")


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, but for the delete character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
