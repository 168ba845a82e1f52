"""`churn init`: look at somebody's data, say what it seems to mean, and write settings to start from."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table
from rich.text import Text

from models.mapping import ColumnMapping, DeliveryError
from pipelines.console import CONSOLE, complain
from pipelines.settings_file import (
    FILL_IN,
    MOST_REJECTED,
    contract_sentence,
    counted,
    horizon_sentence,
    settings_text,
    window_days,
)
from pipelines.survey import Survey, survey

DONE, ASKS, USAGE = 0, 1, 2
_EXTREME = 0.97


def init(source: str, *, target: Path, force: bool) -> int:
    """Look at a source, print what was guessed and why, and write settings.

    Args:
        source: A file, a folder or a glob.
        target: The settings to write.
        force: Whether settings that exist may be replaced.

    Returns:
        The exit code: 0 if the settings can run, 1 if they ask for something first, 2 if nothing was written.
    """
    if target.exists() and not force:
        return _refuse(
            f"{target} exists and stays as it is. Name another file with --config, or replace it with --force."
        )
    try:
        seen = survey(source, today=datetime.now(UTC).date())
        target.write_text(settings_text(seen, _beside(source, target)), encoding="utf-8")
    except DeliveryError as error:
        return _refuse(str(error).replace("Set source.path in churn.toml.", "Check the path."))
    except OSError as error:
        return _refuse(f"{target} cannot be written ({error.strerror}). Name another file with --config.")
    _print_guesses(seen)
    _print_rows(seen)
    for sentence in _doubts(seen):
        _say(f"! {sentence}.", "yellow")
    asks = _asks(seen, target)
    for sentence in asks:
        _say(f"? {sentence}", "red")
    night = f" --night {seen.last_day}" if seen.last_day else ""
    then = "Answer what it asks" if asks else "Read it"
    _say(f"{target} is written. {then}, then: churn run --config {target}{night}", "bold")
    return ASKS if asks else DONE


def _asks(seen: Survey, target: Path) -> list[str]:
    asks = [
        f"{role} could not be guessed. Name its column in {target}, at the line that says {FILL_IN!r}."
        + ("".join(f"\n    perhaps {candidate}" for candidate in candidates) or "\n    No column looks like one.")
        for role, candidates in seen.guesses.candidates.items()
    ]
    asks += seen.lacking
    if seen.rejected_share > MOST_REJECTED:
        asks.append(
            f"{seen.rejected_share:.0%} of the rows cannot be used ({_reasons(seen)}). Mend the columns or the data."
        )
    elif not seen.guesses.candidates and seen.suggestion is None:
        asks.append("There is no purchase in it. Bring deliveries with rows.")
    return asks


def _doubts(seen: Survey) -> list[str]:
    doubts, moments, suggestion = list(seen.doubts), seen.guesses.moments, seen.suggestion
    if moments.ambiguous:
        doubts.append(
            f"no moment tells day from month, {moments.pattern} is assumed: set source.timestamp_format if it is wrong"
        )
    if (
        seen.term_days is None
        and suggestion
        and suggestion.active
        and not 1 - _EXTREME <= suggestion.churned <= _EXTREME
    ):
        doubts.append(
            f"{suggestion.churned:.0%} of the active customers would have churned in {suggestion.horizon_days} days: "
            "there is little to tell apart. Check the customer column, or try another churn.horizon_days"
        )
    return doubts


def _print_guesses(seen: Survey) -> None:
    table = Table(box=None, pad_edge=False)
    for header in ("column", "yours", "why"):
        table.add_column(header, overflow="fold")
    found = {guess.column: guess for guess in seen.guesses.found}
    for column in (field.name for field in fields(ColumnMapping)):
        if guess := found.get(column):
            table.add_row(column, Text(", ".join(guess.names)), Text(guess.reason))
        else:
            missing = "not found, and needed" if column in seen.guesses.candidates else "not found"
            table.add_row(column, "", Text(missing, style="red" if column in seen.guesses.candidates else "dim"))
    CONSOLE.print(table)
    if seen.guesses.unused:
        _say(f"not used: {', '.join(seen.guesses.unused)}", "dim")


def _print_rows(seen: Survey) -> None:
    if seen.guesses.candidates:
        return
    reasons = f": {_reasons(seen)}" if seen.rejected else ""
    _say(f"{seen.rows:,} rows in {counted(seen.files)}, {seen.rejected_share:.1%} cannot be used{reasons}")
    if seen.return_pattern:
        _say(f"orders that match {seen.return_pattern} are taken for cancellations")
    if seen.term_days is not None:
        _say(f"churn by contract, looked at {window_days(seen.term_days)} days before its end", "bold")
        _say(f"{contract_sentence(seen)}.")
    elif suggestion := seen.suggestion:
        _say(f"horizon {suggestion.horizon_days} days, active within {suggestion.active_days} days", "bold")
        _say(f"{horizon_sentence(suggestion)}.")
    _say("time zone: UTC is assumed; set churn.timezone where days end at another midnight")


def _reasons(seen: Survey) -> str:
    return ", ".join(f"{reason} {rows:,}" for reason, rows in seen.rejected.items())


def _beside(source: str, target: Path) -> Path:
    """The source as the settings should say it: relative to them where it lies beneath their folder."""
    path, folder = Path(source).absolute(), target.absolute().parent
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _say(text: str, style: str | None = None) -> None:
    CONSOLE.print(text, style=style, markup=False, soft_wrap=True)


def _refuse(sentence: str) -> int:
    complain(sentence)
    return USAGE
