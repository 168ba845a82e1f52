"""The `churn` command: what a person types; Dagster does the work and keeps the record."""

import os
import re
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import CONSOLE, choose_log, complain
from pipelines.settings_errors import SettingsError

if TYPE_CHECKING:
    from pipelines.settings import Settings

FAILED, USAGE = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From raw transactions to the list of customers worth calling tomorrow.",
)
Config = Annotated[Path | None, typer.Option(help="Settings; by default churn.toml in the working directory.")]
Night = Annotated[str | None, typer.Option(help="As-of date YYYY-MM-DD; by default the last day that is over.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import packages_distributions, version

        typer.echo(version(packages_distributions()["pipelines"][0]))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command; settings that cannot be used end it with exit code 2."""
    # A closed terminal ends a run as SIGTERM does, with a word in Dagster's history; under nohup it ends nothing.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        app()
    except SettingsError as error:
        complain(str(error))
        sys.exit(USAGE)


def prepare(config: Path | None, *, runs: bool = False) -> "Settings":
    """Read the settings, and note where they are for whatever names a command or starts a server.

    Args:
        config: Their file.
        runs: Whether the command runs something, so that what it tells may be wanted as a log.

    Raises:
        SettingsError: If the settings cannot be used.
    """
    from assets.commands import CONFIG_VARIABLE
    from pipelines.settings import UMASK, load_settings

    settings = load_settings(config)
    # What is written holds customers: for this user and group, and nobody else on the machine.
    os.umask(UMASK)
    os.environ[CONFIG_VARIABLE] = str(settings.file)
    if runs:
        choose_log(settings.log)
    return settings


def parse_night(text: str | None, settings: "Settings") -> date:
    """The night that a person named; the last day that is over in the settings' zone if none was.

    Raises:
        SettingsError: If the text is no date, or no night that can run.
    """
    from assets.nights import FIRST_NIGHT, night_just_ended

    last = night_just_ended(datetime.now(UTC), settings.churn.zone)
    if text is None:
        return last
    try:
        night = date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--night {text} is no date: write YYYY-MM-DD, such as 2026-03-31") from None
    if not FIRST_NIGHT <= night <= last:
        span = f"{FIRST_NIGHT} to {last}, the last day that is over in {settings.churn.timezone}"
        raise SettingsError(f"--night {text} cannot run: choose one from {span}")
    return night


def night_that_ran(text: str | None, settings: "Settings") -> date:
    """The night that a person named, or the last day that is over, of which the lake has rows.

    Raises:
        SettingsError: If it never ran.
    """
    from pipelines.stores import lake_of

    night, ran = parse_night(text, settings), lake_of(settings).nights("transactions")
    if night not in ran:
        newest = ", ".join(map(str, ran[-5:])) or "none"
        raise SettingsError(f"night {night} did not run: run it with `churn run`, or choose one that did: {newest}")
    return night


def parse_span(text: str, settings: "Settings") -> tuple[date, date]:
    """The first and the last night of ``A..B``.

    Raises:
        SettingsError: If the text is no span, or ends before it begins.
    """
    first, dots, last = text.partition("..")
    if not dots:
        raise SettingsError(f"{text} is no span of nights: write A..B, such as 2026-01-01..2026-03-31")
    start, end = parse_night(first, settings), parse_night(last, settings)
    if end < start:
        raise SettingsError(f"{text} ends before it begins: write the earlier night first, {end}..{start}")
    return start, end


@app.command()
def example(config: Config = None) -> None:
    """Bring the example's transactions: CDNOW, 69,659 purchases of 23,570 customers."""
    from pipelines.example import ExampleError, bring_cdnow
    from pipelines.settings import load_settings

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
    from assets.validation import CHECKS

    settings = prepare(config, runs=True)
    for check in accept or ():
        if check not in CHECKS:
            near = get_close_matches(check, CHECKS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the checks are {', '.join(CHECKS)}"
            raise SettingsError(f"--accept {check} names no check; {hint}")
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
    settings = prepare(config, runs=True)
    start, end = parse_span(span, settings)
    wanted = [start + timedelta(days=days) for days in range(0, (end - start).days + 1, step)]
    from pipelines.runs import run_nights

    raise typer.Exit(run_nights(wanted, settings, resume=resume))


@app.command()
def train(night: Night = None, config: Config = None) -> None:
    """Train a challenger as of a night that ran; it becomes champion if it passes the gate."""
    settings = prepare(config, runs=True)
    from pipelines.runs import run_job

    raise typer.Exit(run_job("training", night_that_ran(night, settings), settings))


@app.command()
def settle(night: Night = None, config: Config = None) -> None:
    """Compare what was predicted with what happened, for every night that is ripe."""
    settings = prepare(config, runs=True)
    from pipelines.runs import run_job

    raise typer.Exit(run_job("settlement", night_that_ran(night, settings), settings))


@app.command()
def quarantine(
    night: Night = None,
    samples: Annotated[int, typer.Option(min=0, help="Lines shown for each reason.")] = 3,
    config: Config = None,
) -> None:
    """Show which lines of a night were kept out, why, and how to bring them in again."""
    from pipelines.quarantine import show_quarantine

    settings = prepare(config)
    show_quarantine(parse_night(night, settings), settings, samples)


@app.command()
def champion(
    version: Annotated[
        str | None, typer.Option("--set", help="The version that is to serve from the next night.")
    ] = None,
    previous: Annotated[bool, typer.Option("--previous", help="Go back to the version that served before.")] = False,
    config: Config = None,
) -> None:
    """List the models and which serves from which night; or let another one serve."""
    from pipelines.champion import appoint, print_versions
    from pipelines.definitions import resources

    parts = resources(prepare(config))
    if version is None and not previous:
        raise typer.Exit(print_versions(parts["tracking"]))
    raise typer.Exit(appoint(parts["tracking"], parts["lake"], version, previous=previous))


@app.command()
def explain(
    customer: Annotated[str, typer.Option(help="Id of the customer, as in the source.")],
    night: Annotated[str | None, typer.Option(help="A night that ran; by default the latest.")] = None,
    config: Config = None,
) -> None:
    """Say why a customer had their score on a night: reasons, features, model, and the data behind them."""
    from pipelines.definitions import resources
    from pipelines.explanation import explain as explain_score

    settings = prepare(config)
    parts = resources(settings)
    as_of = None if night is None else parse_night(night, settings)
    raise typer.Exit(explain_score(customer, as_of, settings, parts["lake"], parts["tracking"]))


@app.command()
def erase(
    customer: Annotated[
        str, typer.Option(help="Id of the customer, as in the source; - reads it from the standard input.")
    ],
    config: Config = None,
) -> None:
    """Take a customer out of lake, CRM tables, exports and reports, and count again what is left."""
    from pipelines.erasure import erase as erase_customer

    # An id on the command line stands in the list of processes and in the history of the shell.
    typed = sys.stdin.read() if customer == "-" else customer
    raise typer.Exit(erase_customer(typed, prepare(config), datetime.now(UTC)))


@app.command()
def publish(
    night: Annotated[str, typer.Option(help="A night in the history of the CRM, YYYY-MM-DD.")], config: Config = None
) -> None:
    """Let the CRM read a delivered night again, for example the one before a bad one."""
    from functools import partial

    from assets.retention import permitted_today
    from pipelines.definitions import resources

    settings = prepare(config)
    parts = resources(settings)
    permitted = partial(permitted_today, lake=parts["lake"], rule=settings.consent.rule)
    try:
        done = parts["crm"].point_to(parse_night(night, settings), "churn publish", permitted)
        CONSOLE.print(f"The CRM reads night {done.night} now: {done.rows:,} rows, {done.changed:,} of them changed.")
        if sent := parts["push"].send(parts["crm"], parts["network"]):
            CONSOLE.print(f"{sent:,} rows were sent to the receiver.")
    except ValueError as error:
        complain(f"{str(error).removesuffix('.')}.")
        raise typer.Exit(FAILED) from None


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
    from pipelines.runs import run_backtest

    settings = prepare(config, runs=True)
    start, end = parse_span(span, settings)
    raise typer.Exit(run_backtest(start, end, settings, step_days=step, fresh=fresh))


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
    source: Annotated[
        str | None,
        typer.Argument(
            help="A file, a folder, or a pattern in quotes such as 'exports/*.csv'; or, with CHURN__SOURCE__URL in the "
            "environment, a table or a SELECT. By default that of the settings."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="ROLE=HEADER, such as timestamp='Created at'; without a header it is left out. Repeatable."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="SECTION.KEY=VALUE, such as churn.timezone=Europe/Berlin. Repeatable."),
    ] = None,
    config: Annotated[Path, typer.Option(help="The settings to write.")] = Path("churn.toml"),
    force: Annotated[
        bool, typer.Option("--force", help="Write settings that exist anew; what they say is kept.")
    ] = False,
) -> None:
    """Look at your transactions and write settings for them."""
    from pipelines.init import init

    raise typer.Exit(init(source, target=config, force=force, columns=column or (), others=setting or ()))


@app.command("settings")
def show_settings(config: Config = None) -> None:
    """Print every setting with its default and meaning, as Markdown; with --config, what is in effect, as TOML."""
    if config is None:
        from pipelines.reference import settings_reference

        typer.echo(settings_reference(), nl=False)
    else:
        from pipelines.reference import settings_in_effect

        typer.echo(settings_in_effect(prepare(config)), nl=False)


@app.command("schema")
def show_schema() -> None:
    """Print the contract of the delivered table, as JSON Schema."""
    import json

    from models.table_schema import table_schema

    typer.echo(json.dumps(table_schema(), indent=2))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of Dagster; MLflow and Data Docs take the next two.")] = 3000,
    only: Annotated[str | None, typer.Option(help="One alone, as a service: web, mlflow, pages, daemon.")] = None,
    behind: Annotated[
        str | None,
        typer.Option(help="With --only: origin of a proxy before it, https://churn.example.com."),
    ] = None,
    config: Config = None,
) -> None:
    """Open Dagster, MLflow and Data Docs on loopback, until Ctrl-C."""
    from pipelines.servers import SERVERS, serve, serve_one

    if only is not None and only not in SERVERS:
        raise SettingsError(f"--only {only} names no server; they are {', '.join(SERVERS)}")
    if behind is not None and (only is None or not re.fullmatch(r"https?://[\w.:\[\]-]+", behind)):
        raise SettingsError("--behind is an origin such as https://churn.example.com, of one server: name it by --only")
    settings = prepare(config)
    raise typer.Exit(serve(settings, port) if only is None else serve_one(only, settings, port, behind))


if __name__ == "__main__":
    main()
