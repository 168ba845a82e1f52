"""The `churn` command: what a person types; Dagster does the work and keeps the record."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipelines.progress import CONSOLE, complain
from pipelines.settings import CONFIG_VARIABLE, Settings, SettingsError, load_settings

ROOT = Path(__file__).resolve().parents[1]
DONE, FAILED, USAGE = 0, 1, 2

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


def parse_span(text: str, settings: Settings) -> tuple[date, date]:
    """The first and the last night of ``A..B``.

    Raises:
        SettingsError: If the text is no span, or ends before it begins.
    """
    first, dots, last = text.partition("..")
    if not dots:
        raise SettingsError(f"{text} is no span of nights: write A..B, such as 2026-01-01..2026-03-31")
    start, end = parse_night(first, settings), parse_night(last, settings)
    if end < start:
        raise SettingsError(f"{text} ends before it begins")
    return start, end


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
    raise typer.Exit(run_nights([parse_night(night, settings)], settings, accepted=accept or ()))


@app.command()
def nights(
    span: Annotated[str, typer.Argument(help="A..B: the first and the last night, both included.")],
    step: Annotated[int, typer.Option(min=1, help="Days from one night to the next.")] = 1,
    config: Config = None,
) -> None:
    """Run many nights in order, in one process: a backfill or a replay."""
    settings = prepare(config)
    start, end = parse_span(span, settings)
    wanted = [start + timedelta(days=days) for days in range(0, (end - start).days + 1, step)]
    raise typer.Exit(run_nights(wanted, settings))


@app.command()
def train(night: Night = None, config: Config = None) -> None:
    """Train a challenger as of a night that ran; it becomes champion if it passes the gate."""
    settings = prepare(config)
    raise typer.Exit(launch("training", parse_night(night, settings), settings))


@app.command()
def settle(night: Night = None, config: Config = None) -> None:
    """Compare what was predicted with what happened, for every night that is ripe."""
    settings = prepare(config)
    raise typer.Exit(launch("settlement", parse_night(night, settings), settings))


@app.command()
def backtest(
    span: Annotated[str, typer.Option("--nights", help="A..B: the first and the last night, both ripe.")],
    step: Annotated[int, typer.Option(min=1, help="Days from one night to the next.")] = 30,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute nights again that an earlier one has stored.")
    ] = False,
    config: Config = None,
) -> None:
    """Train, judge, score and settle as of past nights, against every rule; goes on where it was interrupted."""
    from pipelines.summary import print_report

    settings = prepare(config)
    start, end = parse_span(span, settings)
    asked = {"first": f"{start}", "last": f"{end}", "step_days": step, "fresh": fresh}
    done = launch("backtest", None, settings, ops={"rehearse_nights": {"config": asked}})
    if done == DONE:
        print_report("backtest", settings)
    raise typer.Exit(done)


@app.command()
def doctor(config: Config = None) -> None:
    """Judge whether the data are enough, and for what, and whether everything is reachable; 1 if not."""
    from pipelines.doctor import examine

    raise typer.Exit(examine(prepare(config)))


@app.command()
def horizon(config: Config = None) -> None:
    """Advise on the churn window: what 14 to 180 silent days would mean on your data, and which of them fits."""
    from pipelines.horizon import advise

    raise typer.Exit(advise(prepare(config)))


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


def run_nights(wanted: Sequence[date], settings: Settings, accepted: Sequence[str] = ()) -> int:
    """Run the nightly job for each night in order and print the last night's summary; stop at the first red one."""
    for place, night in enumerate(wanted, 1):
        progress = f" ({place} of {len(wanted)})" if len(wanted) > 1 else ""
        CONSOLE.rule(f"[bold]night {night}[/]{progress}", align="left")
        if launch("nightly", night, settings, accepted) != DONE:
            return FAILED
    from pipelines.summary import print_summary

    print_summary(wanted[-1], settings)
    return DONE


def launch(
    job: str,
    night: date | None,
    settings: Settings,
    accepted: Sequence[str] = (),
    ops: Mapping[str, object] | None = None,
) -> int:
    """Run a job for a night in this process, as a run that the Dagster UI shows.

    Args:
        job: Its name.
        night: As-of date; None for a job without partitions.
        settings: What the pipeline is configured with.
        accepted: Checks whose failure does not stop this run; recorded in its tags.
        ops: Configuration of its steps; that of a training where absent.

    Returns:
        The exit code: 0 if the run succeeded, 1 if a step or a blocking check failed.
    """
    import dagster as dg

    from assets.validation import ACCEPT_TAG
    from pipelines.definitions import definitions
    from pipelines.jobs import TRAIN_NOW

    with dg.DagsterInstance.get() as instance:
        result = (
            definitions(settings)
            .resolve_job_def(job)
            .execute_in_process(
                partition_key=None if night is None else night.isoformat(),
                instance=instance,
                raise_on_error=False,
                tags={ACCEPT_TAG: ",".join(accepted)} if accepted else None,
                run_config={"loggers": {"progress": {}}}
                | ({"ops": ops} if ops else TRAIN_NOW if job == "training" else {}),
            )
        )
    if result.success:
        return DONE
    for event in result.all_events:
        if event.is_step_failure and (error := event.step_failure_data.error) is not None:
            complain(f"{event.step_key}: {(error.cause or error).message.strip()}")
    if night is None:
        complain(f"{job} failed; what it had finished is kept. `churn ui` shows the details of run {result.run_id}.")
        return FAILED
    complain(f"night {night} is red: the CRM keeps what it has. `churn ui` shows the details of run {result.run_id}.")
    return FAILED


if __name__ == "__main__":
    main()
