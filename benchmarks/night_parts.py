"""The pure parts of a nightly run: what `benchmarks.nightly` holds the whole job to."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from assets.features import tables_of
from assets.ingestion import read_source
from assets.lake import SCHEMAS
from assets.raw_judgement import RAW, judge_raw
from assets.repeats import earlier_lines
from assets.retention import resting
from assets.spark_scores import score
from assets.verdict import validate
from benchmarks.record import Cost
from models.census import described
from models.consent import contactable, profiled
from models.contamination import untreated
from models.customer_days import customer_days
from models.customer_items import customer_items
from models.deliveries import numbered, unknown
from models.drift import drift
from models.enrolment import enrolments, enrolments_apart, first_enrolments
from models.expectations import feature_expectations, segment_expectations
from models.matrix import CODES
from models.propensities import propensities
from models.save_rates import save_rates
from models.segments import AtRiskSegment, at_risk_segments
from models.settlement import performance, ripe, settle
from models.transactions import rejected, split
from models.uplift import retention_uplift
from pipelines.settings import Settings
from pipelines.stores import crm_of, lake_of, tracking_of

SETTLED_BEFORE = 364
"""Days of nights before the ripe one that count as settled."""


class Parts:
    """The functions of a night, given what stands in settings, lake and MLflow."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lake, self.crm, tracking = lake_of(settings), crm_of(settings), tracking_of(settings)
        champion = tracking.champion()
        assert champion is not None
        self.champion, self.scorer = champion, tracking.load(champion.version)
        self.worth, self.profile = tracking.load_worth(champion.version), tracking.profile(champion.version)
        self.docs = settings.beside(settings.lake.data_docs)
        self.gates = Cost()

    def run(self, night: date) -> None:
        """A night, part by part, in the order of the job."""
        self._ingestion(night)
        features, scores = self._scores(night)
        self._retention(night, features, scores)
        figures, settings = self._settlement(night), self.settings
        found = drift(
            self.profile,
            features,
            scores["churn_probability"],
            figures,
            night=night,
            model_version=self.champion.version,
            trained_as_of=self.champion.trained_as_of,
            horizon_days=settings.churn.ripe_days,
            limits=settings.drift,
        )
        self.lake.write("model_drift", night, found)

    def _ingestion(self, night: date) -> None:
        lake, settings, rules, churn = self.lake, self.settings, self.settings.validation, self.settings.churn
        mapped = tuple(settings.source.columns.delivered)
        with tempfile.TemporaryDirectory(dir=Path(lake.root).parent) as scratch:
            manifest = lake.scan("deliveries", lake.before("deliveries", night)).collect()
            source = settings.transactions()
            taken = list(read_source(source, churn, night=night, manifest=manifest, scratch=Path(scratch)))
            (rows,), (line,) = [each.rows for each in taken], [each.line for each in taken]
            assert rows is not None
            assert line is not None
            lake.write("deliveries", night, pl.LazyFrame([line], schema=SCHEMAS["deliveries"].create_empty().schema))
            empty = SCHEMAS[RAW].create_empty(lazy=True)
            lake.write(RAW, night, pl.concat([empty, rows], how="diagonal").select(empty.collect_schema().names()))
        with self._gate():
            judge_raw(lake, night, rules, mapped, docs_root=self.docs)
        key = [*source.identity, "rejected"]
        marked = lake.scan(RAW, [night]).with_columns(rejected=rejected(rules, night=night, mapped=mapped))
        raw = numbered(marked, key).collect()
        stored = pl.concat(
            frame.select(*source.identity, "unreadable", "occurrence", rejected=pl.lit(bad))
            for frame, bad in zip(earlier_lines(lake, raw["day"].unique(), night), (False, True), strict=True)
        )
        new = unknown(raw.lazy(), stored, key).collect()
        good, bad = pl.collect_all(split(new.lazy(), rules, night=night, mapped=mapped))
        lake.write("transactions", night, good)
        lake.write("quarantine", night, bad)
        lake.write("customer_days", night, customer_days(good.lazy()))
        lake.write("customer_items", night, customer_items(good.lazy()))

    def _scores(self, night: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        lake, settings, churn = self.lake, self.settings, self.settings.churn
        tables = tables_of(lake, churn, settings.consent.rule, night, night)
        lake.write("customer_features", night, described(tables, [night], churn, settings.features))
        features = lake.scan("customer_features", [night]).collect()
        earlier = lake.before("customer_features", night)[-1:]
        before = lake.scan("customer_features", earlier).select(pl.len()).collect().item() if earlier else 0
        with self._gate():
            asked = feature_expectations(active_days=churn.active_days, previous_rows=before)
            validate(features.lazy(), asked, table="customer_features", night=night, docs_root=self.docs)
        scores = score(features, self.scorer).with_columns(model_version=pl.lit(self.champion.version))
        lake.write("churn_scores", night, scores)
        return features, scores

    def _retention(self, night: date, features: pl.DataFrame, scores: pl.DataFrame) -> None:
        lake, settings, policy = self.lake, self.settings, self.settings.retention
        rule, channels = settings.consent.rule, {action.channel for action in policy.actions}
        consents = lake.arrived("customer_consents", night)
        settled = settings.experiment.acted_on(lake.scan("enrolments", lake.before("enrolments", night)))
        rates = save_rates(enrolments_apart(settled, settings.churn.ripe_days), policy, CODES, night=night)
        previous = resting(lake, policy, night)
        table = at_risk_segments(
            scores,
            features,
            self.scorer.contributions,
            previous,
            night=night,
            tiers=settings.tiers,
            worth=settings.value,
            policy=policy,
            experiment=settings.experiment,
            segments=settings.segments,
            language=settings.language,
            consent=contactable(scores["customer_id"], consents, rule, channels, night),
            spend=None if self.worth is None else self.worth.spend,
            profiled=profiled(previous.lazy(), consents, rule, night).collect()["customer_id"],
            rates=rates,
        )
        lake.write("save_rates", night, rates)
        lake.write("at_risk_segments", night, table)
        with self._gate():
            newest = lake.scan("at_risk_segments", lake.before("at_risk_segments", night)[-1:]).collect()
            asked = segment_expectations(AtRiskSegment.column_names(), newest)
            validate(table.lazy(), asked, table="at_risk_segments", night=night, docs_root=self.docs)
        reached = contactable(table["customer_id"], consents, rule, channels, night)
        chances = propensities(table, previous, rates, policy, settings.experiment, night=night, consent=reached)
        lake.write("action_propensities", night, chances)
        self.crm.publish(table, night, "benchmark")

    def _settlement(self, night: date) -> pl.DataFrame:
        lake, churn, experiment = self.lake, self.settings.churn, self.settings.experiment
        horizon = timedelta(days=churn.ripe_days)
        done = [night - horizon - timedelta(days=back) for back in range(1, SETTLED_BEFORE)]
        nights = ripe(lake.nights("churn_scores"), done, night=night, horizon_days=churn.ripe_days)
        first = min(nights, default=night)
        days = lake.scan("customer_days", lake.within_reach("customer_days", first, night))
        scores, delivered = lake.scan("churn_scores", nights), lake.scan("at_risk_segments", nights)
        outcomes = settle(scores, delivered, days, churn).collect()
        lake.write("settled_outcomes", night, outcomes)
        around = [each for each in lake.nights("at_risk_segments") if first - horizon < each <= night]
        acted = experiment.acted_on(lake.scan("at_risk_segments", around))
        alone = untreated(outcomes.lazy(), acted, horizon_days=churn.ripe_days).collect()
        figures = performance(outcomes, self.settings.evaluation, alone)
        lake.write("live_performance", night, figures)
        lake.write("enrolments", night, enrolments(outcomes.lazy()))
        enrolled = experiment.acted_on(lake.arrived("enrolments", night))
        uplift = retention_uplift(first_enrolments(enrolled).collect(), night=night, margin=self.settings.value.margin)
        lake.write("retention_uplift", night, uplift)
        return figures

    @contextmanager
    def _gate(self) -> Iterator[None]:
        start, busy = time.perf_counter(), time.process_time()
        yield
        self.gates.wall.append(time.perf_counter() - start)
        self.gates.cpu.append(time.process_time() - busy)
