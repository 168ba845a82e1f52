"""The page and the text that a retention manager reads in the morning."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from assets.commands import with_settings
from assets.crm import Crm
from assets.drafts import write_whole
from assets.lake import Lake
from assets.night_report import NightReport, gap
from assets.nights import NIGHTS, UP_TO_TONIGHT, as_night
from assets.reporting import as_html, as_text
from assets.settled_night import SettledNight
from models.actions import Policy
from models.consent import ConsentRule, contactable
from models.definition import ChurnDefinition
from models.delivery_notes import WARNINGS, sentences
from models.drift import stale
from models.enrolment import ARM
from models.experiment import Experiment
from models.mapping import ColumnMapping
from models.matrix import Segments
from models.policy import potential
from models.power import power

ENTERED = ("night", "customer_id", "experiment_id", "arm", "action", "churn_probability")
"""What tells who entered an experiment."""


@dataclass(frozen=True)
class Reports:
    """Where the nightly reports are kept.

    Attributes:
        root: Folder of the reports: ``<night>.html`` and ``<night>.md``.
    """

    root: str

    def page(self, night: object) -> Path:
        """The page of a night."""
        return Path(self.root) / f"{night}.html"

    def text(self, night: object) -> Path:
        """The text of a night."""
        return Path(self.root) / f"{night}.md"


@dg.asset(
    partitions_def=NIGHTS,
    deps=[
        "crm_delivery",
        "churn_scores",
        *(
            dg.AssetDep(table, partition_mapping=UP_TO_TONIGHT)
            for table in ("settled_outcomes", "live_performance", "customer_consents", "enrolments")
        ),
    ],
    group_name="settlement",
)
def retention_report(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    reports: dg.ResourceParam[Reports],
    crm: dg.ResourceParam[Crm],
    churn: dg.ResourceParam[ChurnDefinition],
    columns: dg.ResourceParam[ColumnMapping],
    policy: dg.ResourceParam[Policy],
    experiment: dg.ResourceParam[Experiment],
    segments: dg.ResourceParam[Segments],
    language: dg.ResourceParam[str],
    consent_rule: dg.ResourceParam[ConsentRule],
    delivery_notes: pl.DataFrame,
    at_risk_segments: pl.DataFrame,
    churn_model: pl.DataFrame,
    model_drift: pl.DataFrame,
    retention_uplift: pl.DataFrame,
    save_rates: pl.DataFrame,
) -> dg.MaterializeResult[None]:
    """Tell the night: who is at risk, whom to call and why, how right the newest settled night was."""
    night = as_night(context.partition_key)
    model = churn_model.row(0, named=True)
    # Of nights that are not settled yet the table itself tells who entered: all in all, no night is read as a whole.
    since = night - timedelta(days=churn.ripe_days)
    unripe = lake.scan("at_risk_segments", [past for past in lake.nights("at_risk_segments") if since < past <= night])
    enrolments = lake.arrived("enrolments", night)
    entered = pl.concat([enrolments.select(ENTERED), unripe.with_columns(ARM).select(ENTERED)])
    channels = {action.channel for action in policy.actions}
    consents = lake.arrived("customer_consents", night)
    consent = contactable(at_risk_segments["customer_id"], consents, consent_rule, channels, night)
    salt = f"{night}|{experiment.experiment_id}"
    most = potential(at_risk_segments, policy, consent, save_rates, salt=salt)
    report = NightReport(
        night=night,
        churn=churn,
        active_customers=lake.scan("churn_scores", [night]).select(pl.len()).collect().item(),
        at_risk=at_risk_segments,
        model=f"Version {model['model_version']}, trained as of {model['trained_as_of']}; {model['serves']} serves.",
        gate=model["verdict"],
        settled=newest_settled(lake, night, churn),
        uplift=retention_uplift.filter(pl.col("experiment_id") == experiment.experiment_id),
        power=power(
            experiment.acted_on(entered),
            {action.name: action.save_rate for action in policy.actions},
            experiment_id=experiment.experiment_id,
            night=night,
            horizon_days=churn.ripe_days,
        ),
        potential=most,
        segments=segments,
        language=language,
        warnings=warnings_of(delivery_notes, columns, model_drift),
        places={
            "table": crm.address,
            "files": f"{crm.exports}/{night}",
            "this report": str(reports.page(night)),
            "models and runs": with_settings("`churn ui`", elsewhere=True).strip("`"),
        },
    )
    write_whole(reports.page(night), as_html(report))
    # Last: it says that the night ran to its end.
    write_whole(reports.text(night), as_text(report))
    earned = report.totals["expected_profit"]
    money = {} if earned is None or most is None else {"earned": earned, "most": most, "gap": gap(earned, most)}
    return dg.MaterializeResult(
        metadata={"path": dg.MetadataValue.path(str(reports.page(night)))}
        | {f"expected_profit_{name}": round(value, 4) for name, value in money.items()}
    )


def warnings_of(notes: pl.DataFrame, columns: ColumnMapping, drifted: pl.DataFrame) -> list[str]:
    """What a reader of the night should know of its deliveries and its model."""
    said = [sentence for kind in WARNINGS for sentence in sentences(notes, kind)]
    if "amount" not in columns.delivered:
        said.append(
            "The deliveries carry no amounts: there is no value, no value at risk and no expected profit, and the "
            "customers are ranked by risk alone. If amounts can be had, name source.columns.amount, or quantity and "
            "unit_price, in churn.toml."
        )
    if why := stale(drifted):
        said.append(f"The model is stale: {why}. A challenger follows.")
    return said


def newest_settled(lake: Lake, night: date, churn: ChurnDefinition) -> SettledNight | None:
    """The newest settled night with its tiers and figures; None before one is ripe."""
    newest, by = None, night
    for past in reversed(lake.nights("live_performance", until=night)):
        # What a night settled was ripe by then: no older one has a newer night to tell of.
        if newest is not None and past < newest + timedelta(days=churn.ripe_days):
            break
        said = lake.scan("live_performance", [past]).select(pl.col("night").max()).collect().item()
        if said is not None and (newest is None or said > newest):
            newest, by = said, past
    if newest is None:
        return None
    outcomes, figures = lake.scan("settled_outcomes", [by]), lake.scan("live_performance", [by]).collect()
    tiers = (
        outcomes.filter(pl.col("night") == newest)
        .group_by("risk_tier")
        .agg(
            customers=pl.len(),
            churn_probability=pl.col("churn_probability").mean(),
            churn_rate=pl.col("churned").mean(),
        )
    )
    metrics: dict[str, dict[str, float]] = {}
    for scorer, figure, value in figures.filter(pl.col("night") == newest).select("scorer", "figure", "value").rows():
        metrics.setdefault(scorer, {})[figure] = value
    return SettledNight(newest, newest + timedelta(days=churn.ripe_days), tiers.collect(), metrics, churn)
