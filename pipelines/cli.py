"""The `churn` command: what a person types; Dagster does the work and keeps the record."""

import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.progress import CONSOLE, complain
from pipelines.settings import CONFIG_VARIABLE, Settings, SettingsError, load_settings

ROOT = Path(__file__).resolve().parents[1]
FAILED, USAGE = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From raw transactions to the list of customers worth calling tomorrow.",
)
Config = Annotated[Path | None, typer.Option(help="Settings; by default churn.toml in the working directory.")]
Night = Annotated[str | None, typer.Option(help="As-of date YYYY-MM-DD; by default the last day that is over.")]


def main() -> None:
    """Run the command; settings that cannot be used end it with exit code 2."""
    try:
        app()
    except SettingsError as error:
        complain(str(error))
        sys.exit(USAGE)


def prepare(config: Path | None) -> Settings:
    """Read the settings and point Dagster at them and at the project's instance.

    Raises:
        SettingsError: If the settings cannot be used.
    """
    settings = load_settings(config)
    os.environ[CONFIG_VARIABLE] = str(settings.file)
    os.environ.setdefault("DAGSTER_HOME", str(ROOT))
    # dagster.yaml keeps its history in a folder relative to where Dagster starts.
    os.chdir(ROOT)
    return settings


def parse_night(text: str | None, settings: Settings) -> date:
    """The night that a person named; the last day that is over in the settings' zone if none was.

    Raises:
        SettingsError: If the text is no date.
    """
    if text is None:
        return datetime.now(UTC).astimezone(settings.churn.zone).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--night {text} is no date: write YYYY-MM-DD, such as 2026-03-31") from None


@app.command()
def example(config: Config = None) -> None:
    """Bring the example's transactions: CDNOW, 69,659 purchases of 23,570 customers."""
    from pipelines.example import ExampleError, bring_cdnow

    settings = load_settings(config)
    try:
        file = bring_cdnow(settings.beside(Path(settings.source.path or "landing")))
    except ExampleError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    CONSOLE.print(f"{file}: real transactions, 1997-01 to 1998-06")


@app.command()
def run(
    night: Night = None,
    accept: Annotated[list[str] | None, typer.Option(help="A failed check that you accept; may be repeated.")] = None,
    config: Config = None,
) -> None:
    """Run everything up to a night: ingest, validate, train where due, score, deliver, settle, report."""
    settings = prepare(config)
    from pipelines.runs import run_nights

    raise typer.Exit(run_nights([parse_night(night, settings)], settings, accepted=accept or ()))


@app.command()
def nights(
    span: Annotated[str, typer.Argument(help="A..B: the first and the last night, both included.")],
    step: Annotated[int, typer.Option(min=1, help="Days from one night to the next.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out the nights that ran to their end.")] = False,
    config: Config = None,
) -> None:
    """Run many nights in order, in one process: a backfill or a replay."""
    settings = prepare(config)
    first, dots, last = span.partition("..")
    if not dots:
        raise SettingsError(f"{span} is no span of nights: write A..B, such as 2026-01-01..2026-03-31")
    start, end = parse_night(first, settings), parse_night(last, settings)
    if end < start:
        raise SettingsError(f"{span} ends before it begins")
    wanted = [start + timedelta(days=days) for days in range(0, (end - start).days + 1, step)]
    from pipelines.runs import run_nights

    raise typer.Exit(run_nights(wanted, settings, resume=resume))


@app.command()
def train(night: Night = None, config: Config = None) -> None:
    """Train a challenger as of a night that ran; it becomes champion if it passes the gate."""
    settings = prepare(config)
    from pipelines.runs import run_job

    raise typer.Exit(run_job("training", parse_night(night, settings), settings))


@app.command()
def settle(night: Night = None, config: Config = None) -> None:
    """Compare what was predicted with what happened, for every night that is ripe."""
    settings = prepare(config)
    from pipelines.runs import run_job

    raise typer.Exit(run_job("settlement", parse_night(night, settings), settings))


@app.command("init")
def write_settings(
    source: Annotated[str, typer.Argument(help="A file, a folder, or a pattern in quotes such as 'exports/*.csv'.")],
    config: Annotated[Path, typer.Option(help="The settings to write.")] = Path("churn.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace settings that exist.")] = False,
) -> None:
    """Look at your transactions and write settings for them."""
    from pipelines.init import init

    raise typer.Exit(init(source, target=config, force=force))


@app.command("settings")
def show_settings() -> None:
    """Print every setting with its default and meaning, as Markdown."""
    from pipelines.reference import settings_reference

    typer.echo(settings_reference(), nl=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of Dagster; MLflow takes the next one.")] = 3000,
    config: Config = None,
) -> None:
    """Open Dagster and MLflow on loopback, until Ctrl-C."""
    from pipelines.servers import serve

    raise typer.Exit(serve(prepare(config), port))


if __name__ == "__main__":
    main()
