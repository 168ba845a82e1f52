"""`churn champion`: which models there are, which serves from which night, and how to change it by hand."""

from datetime import date, timedelta

from rich.box import SIMPLE
from rich.table import Table

from assets.lake import Lake
from assets.tracking import Tracking
from pipelines.console import CONSOLE, complain

DONE, FAILED, USAGE = 0, 1, 2


def appoint(tracking: Tracking, lake: Lake, version: str | None, *, previous: bool) -> int:
    """Let another version serve from the next night on.

    The nights that ran keep the model that scored them: it is pinned.

    Args:
        tracking: Where the models are.
        lake: Says which nights ran.
        version: The version that is to serve.
        previous: Take the one that served before the champion instead.

    Returns:
        The exit code: 0 if it serves from now on, 1 if there is no such version, 2 if it is not clear which is meant.
    """
    if (version is None) != previous:
        complain("Name one: --set VERSION, or --previous for the one that served before.")
        return USAGE
    if previous:
        before = tracking.previous()
        if before is None:
            complain("No version served before the champion. `churn champion` lists the versions for --set.")
            return FAILED
        version = before.version
    assert version is not None  # one of both was given
    first = next_night(tracking, lake)
    try:
        tracking.set_champion(version, first)
    except ValueError as error:
        complain(f"{error}.")
        return FAILED
    CONSOLE.print(f"Version {version} serves from {first} on; nights that ran keep the model that scored them.")
    return DONE


def next_night(tracking: Tracking, lake: Lake) -> date:
    """The first night that a version appointed now can score: after all that ran, not before the last appointment."""
    ran = [night + timedelta(days=1) for night in lake.nights("churn_model")[-1:]]
    return max([*ran, *tracking.appointments()], default=date.min)


def print_versions(tracking: Tracking) -> int:
    """Print every version with its verdict, its figures and the night from which it serves, newest first.

    Returns:
        The exit code: 0, or 1 if nothing was trained yet.
    """
    versions = tracking.versions()
    if not versions:
        complain("No model was trained yet: `churn run` trains one with its first night.")
        return FAILED
    champion, since = tracking.champion(), tracking.appointments()
    table = Table("version", "trained as of", "passed", "scores with", "AUROC", "log loss", "serves from", box=SIMPLE)
    for version in reversed(versions):
        figures = tracking.figures(version)
        table.add_row(
            version.version,
            f"{version.trained_as_of}",
            "yes" if version.passed else "no",
            version.serves,
            *(f"{figures[name]:.3f}" if name in figures else "" for name in ("test/auroc", "test/log_loss")),
            "\n".join(f"{night}" for night, holder in since.items() if holder == version.version),
        )
    CONSOLE.print(table)
    CONSOLE.print("Passed: the gate. AUROC, log loss: of the challenger, on the night on which it was judged.")
    if champion is not None:
        CONSOLE.print(f"Champion: version {champion.version}.")
    return DONE
