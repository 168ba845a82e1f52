"""`churn init`: look at somebody's data, say what it seems to mean, and write settings to start from."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from glob import has_magic
from pathlib import Path

from rich.table import Table
from rich.text import Text

from assets.database import URL_VARIABLE
from assets.files import ENDINGS
from models.mapping import ColumnMapping, DeliveryError
from pipelines.answers import Answers, answers_of
from pipelines.console import CONSOLE, complain
from pipelines.questions import Question, doubts, questions, reasons
from pipelines.settings_errors import SettingsError
from pipelines.settings_file import contract_sentence, horizon_sentence, settings_text, where, window_days
from pipelines.survey import Survey, survey

DONE, ASKS, USAGE = 0, 1, 2
_STORES = ("s3://", "gs://", "az://")
_SELECT = re.compile(r"\s*(select|with)\s", re.IGNORECASE)


def init(
    source: str | None, *, target: Path, force: bool, columns: Sequence[str] = (), others: Sequence[str] = ()
) -> int:
    """Look at a source, print what was guessed and why, and write settings.

    Args:
        source: A file, a folder, a pattern or the URL of an object store; or, with a database in the environment, a
            table or a SELECT. None takes the one of the settings.
        target: The settings to write. What they say already is kept.
        force: Whether settings that exist may be written anew.
        columns: ``ROLE=HEADER`` each: which column means what.
        others: ``SECTION.KEY=VALUE`` each: any other setting.

    Returns:
        The exit code: 0 if the settings can run, 1 if they ask for something first, 2 if nothing was written.
    """
    if target.exists() and not force:
        return _refuse(
            f"{target} exists and stays as it is. Name another file with --config, or write it anew with --force: what "
            "it says is kept."
        )
    try:
        answers = answers_of(target, columns, others, None if source is None else _place(source, target))
        if not {"path", "table", "query"} & answers.table["source"].keys():
            raise SettingsError("Name a source: a file, a folder, or a table of the database in " + URL_VARIABLE)
        given = answers.settings
        seen = survey(
            given.transactions(),
            answers.columns,
            timezone=given.churn.timezone,
            return_pattern=given.validation.return_pattern,
            today=datetime.now(UTC).date(),
        )
        asked = list(questions(seen, answers))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(settings_text(seen, answers, asked), encoding="utf-8")
    except (DeliveryError, SettingsError) as error:
        return _refuse(str(error).replace("Set source.path in churn.toml.", "Check the path."))
    except OSError as error:
        return _refuse(f"{target} cannot be written ({error.strerror}). Name another file with --config.")
    _print_guesses(seen)
    _print_rows(seen, answers)
    for sentence in doubts(seen, answers):
        _say(f"! {sentence}.", "yellow")
    for question in asked:
        _say(f"? {question.sentence.removesuffix('.')}.", "red")
    _say(f"{target} is written. {_next(seen, source, target, asked)}", "bold")
    return ASKS if asked else DONE


def _place(source: str, target: Path) -> dict[str, str]:
    """Where the rows are, in the words of the settings.

    Raises:
        SettingsError: If it is the URL of a database, or a query without one.
    """
    if "://" in source and not source.startswith(_STORES):
        raise SettingsError(
            f"A database is not named on the command line, because its URL may hold a password: set {URL_VARIABLE} in "
            "the environment, and name the table or a SELECT in its place: churn init public.orders"
        )
    known = source.startswith(_STORES) or Path(source).exists()
    if not known and _SELECT.match(source):
        return {"kind": "database", "query": source.strip()}
    if not known and os.environ.get(URL_VARIABLE) and not has_magic(source) and not source.lower().endswith(ENDINGS):
        return {"kind": "database", "table": source}
    return {"kind": "files", "path": source if source.startswith(_STORES) else _beside(source, target)}


def _beside(source: str, target: Path) -> str:
    """A path as the settings should say it: relative to them where it lies beneath their folder."""
    path, folder = Path(source).absolute(), target.absolute().parent
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _next(seen: Survey, source: str | None, target: Path, asked: Sequence[Question]) -> str:
    night = f" --night {seen.last_day}" if seen.last_day else ""
    run = f"churn run --config {shlex.quote(str(target))}{night}"
    if not asked:
        return f"Read it, then: {run}"
    place = [] if source is None else [source]
    told = [word for question in asked for word in question.answer]
    again = shlex.join(["churn", "init", *place, "--config", str(target), "--force", *told])
    if told:
        return f"Answer what it asks, in it or so, with the answers that are right:\n    {again}\nThen: {run}"
    return f"Mend or answer what it asks, then look again:\n    {again}\nThen: {run}"


def _print_guesses(seen: Survey) -> None:
    table = Table(box=None, pad_edge=False)
    for header in ("column", "yours", "why"):
        table.add_column(header, overflow="fold")
    found = {guess.column: guess for guess in seen.guesses.found}
    asked = {*seen.guesses.candidates, *seen.guesses.unread}
    for column in (field.name for field in fields(ColumnMapping)):
        if guess := found.get(column):
            table.add_row(column, Text(", ".join(guess.names)), Text(guess.reason))
        else:
            missing = "not found, and asked for" if column in asked else "not found"
            table.add_row(column, "", Text(missing, style="red" if column in asked else "dim"))
    CONSOLE.print(table)
    if seen.skip_lines:
        _say(f"line {seen.skip_lines + 1} is taken for the header: source.skip_lines = {seen.skip_lines}")
    if seen.guesses.unused:
        _say(f"not used: {', '.join(seen.guesses.unused)}", "dim")


def _print_rows(seen: Survey, answers: Answers) -> None:
    if seen.guesses.candidates:
        _say("rows, horizon and doubts are judged once customer_id and timestamp are named")
        return
    lost = f": {reasons(seen)}" if seen.rejected else ""
    _say(f"{seen.rows:,} rows{where(seen)}, {seen.rejected_share:.1%} cannot be used{lost}")
    if seen.return_pattern:
        _say(f"orders that match {seen.return_pattern} are taken for cancellations")
    if seen.term_days is not None:
        _say(f"churn by contract, looked at {window_days(seen.term_days)} days before its end", "bold")
        _say(f"{contract_sentence(seen)}.")
    elif suggestion := seen.suggestion:
        _say(f"horizon {suggestion.horizon_days} days, active within {suggestion.active_days} days", "bold")
        _say(f"{horizon_sentence(suggestion)}.")
        kept = [
            f"churn.{key} = {getattr(answers.settings.churn, key)}"
            for key in ("horizon_days", "active_days")
            if answers.says("churn", key) and getattr(answers.settings.churn, key) != getattr(suggestion, key)
        ]
        if kept:
            _say(f"the settings say {' and '.join(kept)}, which is kept")
    zone = answers.settings.churn.timezone
    if answers.says("churn", "timezone"):
        _say(f"time zone: {zone}")
    else:
        _say(f"time zone: {zone} is assumed; --set churn.timezone=Europe/Berlin where days end at another midnight")


def _say(text: str, style: str | None = None) -> None:
    CONSOLE.print(text, style=style, markup=False, soft_wrap=True)


def _refuse(sentence: str) -> int:
    complain(sentence)
    return USAGE
