"""The backtest: what the pipeline would have said on past nights, stored night by night and told once."""

import time
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.backtest_store import BacktestStore, evidence
from assets.features import tables_of
from assets.lake import Lake
from assets.nights import as_night
from assets.retention_report import Reports
from assets.tracking import Tracking
from assets.training import revision, treated
from models.backtest import backtest_night, figures, overall, planned
from models.challenge import Question
from models.consent import ConsentRule
from models.enrolment import ARM
from models.experiment import Experiment
from models.settlement import SERVED


class BacktestConfig(dg.Config):
    """Which nights are replayed.

    Attributes:
        first: The first night, YYYY-MM-DD.
        last: No night is later.
        step_days: Days from one night to the next.
        fresh: Whether nights that are stored are computed again.
    """

    first: str
    last: str
    step_days: int = 30
    fresh: bool = False


@dg.op
def backtest_nights(
    context: dg.OpExecutionContext,
    config: BacktestConfig,
    lake: dg.ResourceParam[Lake],
    reports: dg.ResourceParam[Reports],
    tracking: dg.ResourceParam[Tracking],
    question: dg.ResourceParam[Question],
    experiment: dg.ResourceParam[Experiment],
    consent_rule: dg.ResourceParam[ConsentRule],
) -> None:
    """Train as of each night with what was known then, gate on, score, settle, and compare with every rule.

    One run over all nights and no partitions: what serves on a night hangs on all the nights before it.
    """
    # They draw.
    from assets.backtest_report import BacktestReport, write_report
    from assets.backtest_run import record_backtest

    ran = lake.nights("customer_days")
    if not ran:
        raise ValueError("No night ran yet: `churn run` takes in what the backtest looks back on.")
    # A past night is replayed today: whoever has objected since is not profiled by it.
    tables = tables_of(lake, question.churn, consent_rule, ran[-1])
    days, items, facts, terms = tables.days, tables.items, tables.facts, tables.terms
    delivered = treated(lake, ran[-1] + timedelta(days=1), question, experiment)
    bought = days.filter(pl.col("orders") > 0)
    first_day, last_day = bought.select(first=pl.col("day").min(), last=pl.col("day").max()).collect().row(0)
    first, horizon = as_night(config.first), question.churn.ripe_days
    if first_day is None or first < first_day:
        raise ValueError(f"Nobody had bought by night {first}: the first purchase is on {first_day}. Begin later.")
    nights = planned(first, as_night(config.last), config.step_days, known_until=last_day, horizon_days=horizon)
    stored = BacktestStore.of(lake, question, first, config.step_days)
    if config.fresh:
        stored.forget()
    told: dict[date, dict[str, Any]] = {}
    champion: date | None = None
    spent: list[float] = []
    contacts = None if delivered is None else delivered.select("customer_id", "segment", ARM, day="night")
    known = [table for table in (days, items, facts, terms, contacts) if table is not None]
    digests = evidence(known, [night + timedelta(days=horizon) for night in nights])
    for place, (night, digest) in enumerate(zip(nights, digests, strict=True), 1):
        noted, begun = stored.facts(night, digest), time.perf_counter()
        if noted is None:
            serving = None if champion is None else stored.champion(champion)
            until = pl.col("day") <= night + timedelta(days=horizon)
            done = backtest_night(
                days.filter(until), night, question, serving, items=items, facts=facts, terms=terms, delivered=delivered
            )
            since = night if done.appointed or champion is None else champion
            noted = {"evidence": digest, "champion_since": f"{since}", "verdict": done.verdict.sentence}
            noted |= {"passed": done.verdict.passed, "serves": _who(done.verdict.serves, stored, champion)}
            noted |= {"figures": figures(done.outcomes, question.evaluation)}
            stored.keep(night, done, noted)
            spent.append(time.perf_counter() - begun)
        told[night], champion = noted, as_night(noted["champion_since"])
        context.log.info(_progress(place, len(nights), night, noted, spent, done_before=not spent))
    outcomes = {night: stored.outcomes(night) for night in nights}
    report = BacktestReport(
        nights=told,
        gains=overall(outcomes, question.evaluation),
        customers={night: rows.height for night, rows in outcomes.items()},
        churned={night: float(rows["churned"].to_numpy().mean()) for night, rows in outcomes.items()},
        horizon_days=horizon,
        step_days=config.step_days,
    )
    write_report(report, reports)
    origin = {"dagster.run_id": context.run_id, "git_sha": revision()}
    record_backtest(tracking.store, report, question, digest=f"{stored.key}-{digests[-1]}", tags=origin)


def _who(serves: str, stored: BacktestStore, champion: date | None) -> str:
    """Which model or rule scores: a champion that stays is named by what it serves with."""
    return stored.champion(champion)[1].serves if serves == SERVED and champion is not None else serves


def _progress(
    place: int, count: int, night: date, noted: dict[str, object], spent: list[float], *, done_before: bool
) -> str:
    found = {(row["scorer"], row["figure"]): row["value"] for row in noted["figures"]}  # type: ignore[attr-defined]
    told = ", ".join(
        f"{name} {found[SERVED, key]:.3f}"
        for key, name in (("auroc", "AUROC"), ("log_loss", "log loss"))
        if (SERVED, key) in found
    )
    if done_before:
        return f"{place} of {count}: night {night} was done before: {told}"
    left = (count - place) * sum(spent) / len(spent)
    return f"{place} of {count}: night {night}: {told}; {spent[-1]:.0f} s, about {left / 60:.0f} min left"
