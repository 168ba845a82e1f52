"""`churn explain`: why a customer had the score that they had on a past night, from what was known then."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
from rich.table import Table

from assets.lake import Lake
from assets.tracking import Tracking
from models.catalogue import meanings
from models.consent import profiled
from models.customer_days import UNIT
from models.definition import ChurnDefinition
from models.facts import told
from models.ids import folded
from models.reasons import TOP
from pipelines.console import CONSOLE, complain
from pipelines.settings import Settings

DONE, FAILED = 0, 1
SHOWN = 12
"""Features that are printed, of those that move the score the most."""


def explain(customer: str, night: date | None, settings: Settings, lake: Lake, tracking: Tracking) -> int:
    """Print the score of a customer on a night, its reasons, the features behind them, and what it was made from.

    Args:
        customer: Id as in the source.
        night: A night that ran; the latest if None.
        settings: What the pipeline is configured with.
        lake: Holds the night.
        tracking: Holds the model that scored it.

    Returns:
        The exit code: 0, or 1 if the night did not run or the customer was not scored on it.
    """
    scored = lake.nights("churn_scores")
    night = night or max(scored, default=None)
    if night is None or night not in scored:
        ran = ", ".join(f"{past}" for past in scored[-5:])
        complain(f"Night {night} was not scored; these were: {ran}." if scored else "No night ran yet: `churn run`.")
        return FAILED

    def of(table: str) -> pl.DataFrame:
        return lake.scan(table, [night]).filter(pl.col("customer_id") == customer).collect()

    scores, features = of("churn_scores"), of("customer_features")
    days = _known(lake, night).filter(pl.col("customer_id") == customer).collect()
    if scores.is_empty():
        complain(_why_not_scored(customer, night, days, settings, lake))
        if days.is_empty() and (near := _alike(customer, lake, night)):
            complain(f"Did you mean {' or '.join(map(repr, near))}?")
        return FAILED
    score = scores.row(0, named=True)
    version = tracking.version(score["model_version"])
    model = tracking.load(version.version)
    CONSOLE.print(
        f"{customer} on {night}: {score['churn_probability']:.1%} likely {_to_leave(settings.churn)}, says "
        f"{version.serves} of version {version.version}, trained as of "
        f"{version.trained_as_of} on {len(model.nights)} nights from {model.nights[0]} to {model.nights[-1]}."
    )
    _print_segment(lake.scan("at_risk_segments", [night]).filter(pl.col("customer_id") == customer).collect())
    _print_rivals(score)
    _print_features(
        features.row(0, named=True),
        model.contributions(features).row(0, named=True),
        meanings(settings.features, settings.churn.horizon_days, told(_facts(lake, night)), settings.churn.grace),
        model.explained,
    )
    _print_data(lake, days, customer, night)
    return DONE


def _known(lake: Lake, night: date) -> pl.LazyFrame:
    return lake.arrived("customer_days", night)


def _alike(customer: str, lake: Lake, night: date) -> list[str]:
    """Known ids that differ from one in leading zeros, capitals or blanks alone, as spreadsheets change them."""
    alike = _known(lake, night).filter(folded(pl.col("customer_id")) == folded(pl.lit(customer)))
    return alike.select(pl.col("customer_id").unique().sort().head(SHOWN)).collect()["customer_id"].to_list()


def _facts(lake: Lake, night: date) -> pl.LazyFrame:
    return lake.arrived("customer_facts", night)


def _to_leave(churn: ChurnDefinition) -> str:
    if churn.grace is None:
        return f"to make no purchase in the next {churn.horizon_days} days"
    return f"not to renew the contract up to {churn.grace_days} days after its last day"


def _why_not_scored(customer: str, night: date, days: pl.DataFrame, settings: Settings, lake: Lake) -> str:
    last = days.filter(pl.col("orders") > 0).select(pl.col("day").max()).row(0)[0]
    if last is None:
        return f"{customer} had made no purchase by {night}. Check the id: it is the one of your source, as text."
    consents = lake.arrived("customer_consents", night)
    if profiled(days.lazy(), consents, settings.consent.rule, night).collect().is_empty():
        return f"{customer} may not be profiled on {night}: they objected, or did not agree where consent is needed."
    if settings.churn.grace is not None:
        until = night + timedelta(days=settings.churn.horizon_days)
        return f"{customer} was not asked about on {night}: no contract known by then ends by {until}."
    since = night - timedelta(days=settings.churn.active_days)
    return f"{customer} was not active on {night}: the last purchase was on {last}, not after {since}."


def _print_segment(row: pl.DataFrame) -> None:
    if row.is_empty():
        CONSOLE.print("Not at risk that night.")
        return
    told = row.row(0, named=True)
    if told["status"] == "left":
        CONSOLE.print("No longer at risk that night.")
        return
    done = f"{told['action']} by {told['channel']}" if told["deliver"] else f"nothing ({told['suppressed_reason']})"
    CONSOLE.print(f"Risk {told['risk_tier']}, percentile {told['risk_percentile']}, segment {told['segment']}; {done}.")
    if (day := told["expected_next_purchase"]) is not None and told["next_purchase_from"] < told["next_purchase_until"]:
        between = f"{told['next_purchase_from']} to {told['next_purchase_until']}"
        CONSOLE.print(f"If the customer buys again: about {day}, four in five such customers {between}.")
    for rank in range(1, TOP + 1):
        if told[f"reason_{rank}"]:
            CONSOLE.print(f"  • {told[f'reason_{rank}']} ({told[f'reason_{rank}_code']})", markup=False)


def _print_rivals(score: Mapping[str, object]) -> None:
    said = {name: value for name, value in score.items() if isinstance(value, float) and name != "churn_probability"}
    CONSOLE.print("Each scorer: " + ", ".join(f"{name} {value:.1%}" for name, value in said.items()))


def _print_features(
    known: Mapping[str, float | None], pushes: Mapping[str, float], meaning: Mapping[str, str], explained: str
) -> None:
    strongest = sorted((name for name in pushes if pushes[name]), key=lambda name: -abs(pushes[name]))
    table = Table(
        "feature", "value", "towards churn", "meaning", title="What moved the score most", title_justify="left"
    )
    for name in strongest[:SHOWN]:
        value = known[name]
        shown = "unknown" if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        table.add_row(name, shown, f"{pushes[name]:+.3f}", meaning.get(name, ""))
    rest = sum(pushes[name] for name in strongest[SHOWN:])
    if len(strongest) > SHOWN:
        table.add_row(f"{len(strongest) - SHOWN} others", "", f"{rest:+.3f}", "")
    CONSOLE.print(table)
    CONSOLE.print(
        f"Towards churn: what the feature adds to the log-odds of {explained}, before calibration. This explains a "
        "score, no cause."
    )


def _print_data(lake: Lake, days: pl.DataFrame, customer: str, night: date) -> None:
    rows = lake.arrived("transactions", night).filter(pl.col("customer_id") == customer)
    files = rows.group_by("source_file").len().sort("source_file").collect()
    sums = days.select(
        pl.col("orders", "returns").sum(),
        spend=pl.col("spend").sum() / UNIT,
        first=pl.col("day").min(),
        last=pl.col("day").max(),
    ).row(0, named=True)
    CONSOLE.print(
        f"From {files['len'].sum():,} lines of {customer} that had arrived by {night}, "
        f"{sums['first']} to {sums['last']}: {sums['orders']:,} orders, {sums['returns']:,} returned lines, "
        f"{sums['spend']:,.2f} spent."
    )
    for name, count in files.iter_rows():
        CONSOLE.print(f"  {name}: {count:,} lines", markup=False)
