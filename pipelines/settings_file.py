"""The text of a first `churn.toml`: what was found, why, and what is left to decide."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import tomlkit

from models.definition import ChurnDefinition
from models.guessing import REQUIRED, Guesses
from models.mapping import ColumnMapping
from models.purchase_gaps import Suggestion
from pipelines.answers import Answers
from pipelines.questions import Question, accepted_share
from pipelines.survey import Survey

FILL_IN = ">>> FILL IN:"
_OF_THE_SOURCE = ("kind", "path", "table", "query")


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


def settings_text(seen: Survey, answers: Answers, asked: Sequence[Question]) -> str:
    """Settings that a person can read, edit and run.

    Args:
        seen: What was seen.
        answers: What stands fast: it is kept, whatever was seen.
        asked: What is left to answer.
    """
    guesses, own = seen.guesses, answers.table["source"]
    lines = [
        *_comment(f"Guessed by `churn init` from {seen.rows:,} rows{where(seen)}. Every key is explained in"),
        "# docs/settings.md. Paths are relative to this file.",
        *(line for question in asked if not question.about for line in _comment(f"{FILL_IN} {question.sentence}")),
        "",
        "[source]",
        *(f"{key} = {_quoted(own[key])}" for key in _OF_THE_SOURCE if key in own),
        *([*_comment("The header stands below them."), f"skip_lines = {seen.skip_lines}"] if seen.skip_lines else []),
        *_timestamp_format(guesses, answers),
        "",
        *(
            line
            for question in asked
            if question.about == "source.identity"
            for line in _comment(f"{FILL_IN} {question.sentence}: {question.answer[1]}")
        ),
        "[source.columns]",
        *_columns(guesses, answers, asked),
        "",
        "[churn]",
        *_definition(seen, answers),
        *_comment("The zone whose midnights divide the days; moments without a zone belong to it."),
        f"timezone = {_quoted(answers.settings.churn.timezone)}",
        "",
        "[validation]",
        *_validation(seen, asked),
    ]
    if not guesses.candidates and "amount" in guesses.mapping().delivered:
        lines += [
            "",
            "[value]",
            *_comment("Share of net spend that is left after the goods are paid for. Not guessed."),
            "margin = 0.3",
            f"currency = {_quoted(seen.currency)}" if seen.currency else '# currency = "EUR"',
        ]
    document = tomlkit.parse("\n".join(lines) + "\n")
    for section, keys in answers.table.items():
        _keep(document, section, keys)
    return tomlkit.dumps(document)


def where(seen: Survey) -> str:
    """Where the rows were read."""
    return f" in {counted(seen.files)}" if seen.files else " of the database"


def _keep(document: tomlkit.TOMLDocument, section: str, keys: Any) -> None:
    """Let what was said before win over what was guessed; the columns are answered already."""
    if not isinstance(keys, Mapping):
        document[section] = keys
        return
    place = document.setdefault(section, tomlkit.table())
    for key, value in keys.items():
        if (section, key) != ("source", "columns"):
            place[key] = value


def _columns(guesses: Guesses, answers: Answers, asked: Sequence[Question]) -> list[str]:
    lines: list[str] = []
    for guess in guesses.found:
        names = [_quoted(name) for name in guess.names]
        lines += _comment(guess.reason)
        lines.append(f"{guess.column} = {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}")
    for role, candidates in guesses.candidates.items():
        lines += [
            f"# {FILL_IN} name the column below and remove the # before it.",
            *(line for name, held in candidates.items() for line in _comment(f"    perhaps {name!r}: {held}")),
            f'# {role} = ""',
        ]
    for question in asked:
        role = question.about.removeprefix("source.columns.")
        if role in guesses.unread:
            lines += [*_comment(f"{FILL_IN} {question.sentence}."), f'# {role} = ""']
    left_out = [role for role, names in answers.columns.items() if not names]
    lines += [line for role in left_out for line in (*_comment("Left out, as you said."), f"{role} = []")]
    found = {guess.column for guess in guesses.found} | {*left_out, *guesses.unread}
    absent = [field.name for field in fields(ColumnMapping) if field.name not in found and field.name not in REQUIRED]
    if absent:
        lines += _comment(f"Not found, and not needed: {', '.join(absent)}.")
    if guesses.unused:
        lines += _comment(f"Yours that are not used: {', '.join(guesses.unused)}.")
    return lines


def _timestamp_format(guesses: Guesses, answers: Answers) -> list[str]:
    moments = guesses.moments
    if answers.says("source", "timestamp_format") or not moments.pattern:
        return []
    if moments.to_set:
        return [
            *_comment("How moments are written; a file of a few days cannot always tell."),
            f"timestamp_format = {_quoted(moments.pattern)}",
        ]
    if moments.ambiguous:
        return [
            *_comment(
                f"{FILL_IN} no moment tells day from month. If this is how they are written, remove the #; else "
                "exchange them."
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


def _definition(seen: Survey, answers: Answers) -> list[str]:
    if answers.settings.churn.definition == "contract" or (
        seen.term_days is not None and not answers.says("churn", "definition")
    ):
        why = _comment(f"{contract_sentence(seen)}.") if seen.term_days is not None else []
        return [
            *why,
            'definition = "contract"',
            f"horizon_days = {window_days(seen.term_days)}" if seen.term_days is not None else "",
            *_comment("A renewal up to so many days after the last paid day is in time. Not guessed."),
            f"grace_days = {ChurnDefinition().grace_days}",
        ]
    return ['definition = "inactivity"', *_silence(seen.suggestion, answers)]


def _silence(suggestion: Suggestion | None, answers: Answers) -> list[str]:
    if suggestion is None:
        return _comment("horizon_days and active_days follow from the purchases, once they can be read.")
    said = "You said so; the purchases suggest " if answers.says("churn", "horizon_days") else ""
    return [
        *_comment(f"{said}{suggestion.horizon_days} days: {horizon_sentence(suggestion)}."),
        f"horizon_days = {suggestion.horizon_days}",
        *_comment("Customers who bought nothing for longer count as lost already and are not scored."),
        f"active_days = {suggestion.active_days}",
    ]


def _validation(seen: Survey, asked: Sequence[Question]) -> list[str]:
    lines = []
    for question in asked:
        if question.about == "validation.max_rejected_share":
            lines += _comment(f"{FILL_IN} {question.sentence}.")
            lines += [f"# max_rejected_share = {share:g}"] if (share := accepted_share(seen)) else []
    if seen.return_pattern is not None:
        lines += [
            *_comment("Orders that begin so are cancellations: nearly all of their lines are negative."),
            f"return_pattern = {_quoted(seen.return_pattern)}",
        ]
    return lines


def _comment(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width=110, initial_indent="# ", subsequent_indent="# ")


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, but for the delete character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
