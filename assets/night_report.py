"""What is told of a night: how many may leave, whom to call and why, and how right we were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.settled_night import SettledNight, against_rules, how_right
from assets.uplift_report import what_actions_did
from assets.wording import UNKNOWN, Section, asked_about, leaving, long_date, words
from models.definition import ChurnDefinition
from models.matrix import CODES, Segments
from models.power import Power
from models.summary import summary
from models.tiers import TIERS
from models.uplift import RetentionUplift

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class NightReport:
    """A night, as far as somebody who keeps customers wants to know.

    Attributes:
        night: As-of date.
        churn: What leaving means, and who is asked about.
        active_customers: How many were scored.
        at_risk: The rows of ``at_risk_segments``.
        model: What scored, as a sentence.
        gate: The verdict on the newest challenger, as a sentence.
        settled: The newest settled night, if any.
        uplift: The rows of ``retention_uplift`` of the experiment that runs.
        power: What that experiment can find, if anybody takes part.
        warnings: What needs attention, as sentences.
        places: Where to look next: what it is, and its path or address.
        potential: The most that any choice of actions could be expected to earn; None without amounts.
        segments: What the segments are called.
        language: In which language.
        figures: Pictures by title.
    """

    night: date
    churn: ChurnDefinition
    active_customers: int
    at_risk: pl.DataFrame
    model: str
    gate: str
    settled: SettledNight | None = None
    uplift: pl.DataFrame = field(default_factory=RetentionUplift.create_empty)
    power: Power | None = None
    warnings: Sequence[str] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    potential: float | None = None
    segments: Segments = field(default_factory=Segments)
    language: str = "en"
    figures: "Mapping[str, Figure]" = field(default_factory=dict)

    @cached_property
    def totals(self) -> dict[str, Any]:
        """What the table comes to; see `models.summary.summary`."""
        return summary(self.at_risk, active=self.active_customers)

    def money(self, amount: float | None) -> str:
        """An amount in the currency of the night."""
        if amount is None:
            return UNKNOWN
        currency = self.totals["currency"]
        return f"{f'{currency} ' if currency else ''}{amount:,.{0 if abs(amount) >= 100 else 2}f}"


@dataclass(frozen=True)
class Call:
    """A customer worth a call: who, how likely to leave, why, and what to do."""

    customer: str
    facts: Sequence[str]
    reasons: Sequence[str]
    advice: str


def title(report: NightReport) -> str:
    """The headline."""
    return f"Retention report of {long_date(report.night)}"


def lead(report: NightReport) -> str:
    """The night in a sentence or two."""
    night = report.totals
    stake = night["value_at_risk"]
    money = "" if stake is None else f" {report.money(stake)} of expected margin is at stake."
    return (
        f"{night['at_risk']:,} of {night['active']:,} {asked_about(report.churn)} are at risk of "
        f"{leaving(report.churn)}.{money}"
    )


def cards(report: NightReport) -> list[tuple[str, str]]:
    """The figures of the night: the number and what it counts."""
    night = report.totals
    stake, those = night["value_at_risk"], "the active" if report.churn.grace is None else "these"
    return [
        (f"{night['active']:,}", asked_about(report.churn)),
        (f"{night['at_risk']:,}", f"at risk, {night['at_risk'] / max(night['active'], 1):.0%} of {those}"),
        *([] if stake is None else [(report.money(stake), "value at risk")]),
        (f"{night['delivered']:,}", "to contact"),
        (f"{night['entered']:,} new", f"{night['left']:,} no longer at risk"),
    ]


def shares(report: NightReport) -> list[tuple[str, int]]:
    """How many customers each tier holds, the riskiest tier first."""
    return [(tier, count) for tier, count in report.totals["by_tier"].items() if count]


def calls(report: NightReport) -> list[Call]:
    """The customers most worth a contact, the most worthwhile first."""
    return [_call(report, row) for row in report.totals["top"]]


def _call(report: NightReport, row: Mapping[str, Any]) -> Call:
    # Nobody is lost for certain.
    chance = "over 99%" if row["churn_probability"] >= 0.995 else f"{row['churn_probability']:.0%}"
    facts = [f"{chance} likely to leave"]
    if row["value_at_risk"] is not None:
        facts.append(f"{report.money(row['value_at_risk'])} at risk")
    if row["deliver"]:
        advice = f"{words(row['action'])} by {words(row['channel'])} until {long_date(row['contact_until'])}"
        if row["expected_profit"] is not None:
            facts.append(f"a contact is expected to earn {report.money(row['expected_profit'])}")
    else:
        advice = f"no contact tonight: {words(row['suppressed_reason'])}"
    reasons = [row[f"reason_{n}"] for n in (1, 2, 3) if row[f"reason_{n}"]]
    return Call(row["customer_id"], facts, reasons, advice[0].upper() + advice[1:])


def sections(report: NightReport) -> list[Section]:
    """The rest of the report, in the order of reading."""
    settled = [] if report.settled is None else [how_right(report.settled), against_rules(report.settled)]
    did = [] if report.power is None else [what_actions_did(report.uplift, report.power, report.money)]
    return [
        _tiers(report),
        _segments(report),
        *_earnings(report),
        *did,
        *settled,
        Section("Model", [report.model, report.gate]),
    ]


def _tiers(report: NightReport) -> Section:
    return Section("By risk", header=("risk", *_HEADER), rows=_sums(report, "risk_tier", list(reversed(TIERS))))


def _segments(report: NightReport) -> Section:
    present = report.totals["by_segment"]
    told = report.segments.told(report.language)
    meaning = [f"{name[:1].upper()}{name[1:]}: {purpose}." for code, (name, purpose) in told.items() if code in present]
    rows = _sums(report, "segment", list(CODES), {code: name for code, (name, _) in told.items()})
    return Section("By segment", meaning, ("segment", *_HEADER), rows)


def _earnings(report: NightReport) -> list[Section]:
    night, most = report.totals, report.potential
    if most is None or night["expected_profit"] is None:
        return []
    contacts = "1 contact is" if night["delivered"] == 1 else f"{night['delivered']:,} contacts are"
    said = [
        f"The {contacts} expected to cost {report.money(night['action_cost'])} and to earn "
        f"{report.money(night['expected_profit'])} net of it.",
        f"Within the same budget, capacities and consent no choice could be expected to earn more than "
        f"{report.money(most)}; what is missing to it is at most {gap(night['expected_profit'], most):.1%}.",
    ]
    why = ", ".join(f"{words(reason)} {count:,}" for reason, count in night["suppressed"].items())
    return [Section("What the actions should earn", [*said, *([f"Not contacted: {why}."] if why else [])])]


def gap(earned: float, most: float) -> float:
    """What is missing to a bound, as a share of it."""
    return 1 - earned / most if most > 0 else 0.0


_HEADER = ("customers", "mean risk", "value at risk", "to contact", "control", "expected profit")


def _sums(report: NightReport, by: str, order: list[str], names: Mapping[str, str] | None = None) -> list[list[str]]:
    table = (
        report.at_risk.filter(pl.col("status") != "left")
        .group_by(pl.col(by).cast(pl.Enum(order)))
        .agg(
            pl.len(),
            pl.col("churn_probability").mean(),
            pl.col("value_at_risk").sum(),
            pl.col("deliver").sum(),
            pl.col("is_control").sum(),
            pl.col("expected_profit").filter("deliver").sum(),
        )
        .sort(by)
    )
    valued = report.totals["value_at_risk"] is not None
    return [
        [
            (names or {}).get(name, words(name)),
            f"{count:,}",
            f"{chance:.0%}",
            report.money(stake if valued else None),
            f"{delivered:,}",
            f"{control:,}",
            report.money(profit if valued else None),
        ]
        for name, count, chance, stake, delivered, control, profit in table.iter_rows()
    ]
