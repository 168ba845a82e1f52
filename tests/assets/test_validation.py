"""The gate stops a bad night, lets a good one pass, and says why without naming customers."""

import json
import socket
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.engine import Engine
from assets.lake import Lake
from assets.nights import NIGHTS
from assets.past_nights import past_of
from assets.transactions import rows_accounted_for
from assets.validation import (
    ACCEPT_TAG,
    FEATURE_CHECKS,
    SEGMENT_CHECKS,
    DataDocs,
    check_at_risk_segments,
    check_customer_features,
    check_raw_transactions,
)
from assets.verdict import suite_of, validate
from models.arrivals import Past, raw_gate
from models.definition import ChurnDefinition
from models.deliveries import Delivery
from models.expectations import (
    feature_expectations,
    filled,
    has_columns,
    mean_within,
    one_of,
    row_count,
    segment_expectations,
    unique,
    within,
)
from models.mapping import ColumnMapping
from models.segments import AtRiskSegment
from models.transactions import RawTransaction, ValidationRules

NIGHT = date(2024, 5, 1)
FRAME = pl.LazyFrame(
    {
        "customer_id": ["Anna-17", "Anna-17", None, "Zoë-4"],
        "order": [1, 2, 3, 4],
        "amount": [1.0, 2.0, None, 9.0],
        "day": [NIGHT, NIGHT, NIGHT, NIGHT + timedelta(days=9)],
    }
)


@pytest.fixture
def judge(tmp_path):
    return partial(validate, FRAME, table="orders", night=NIGHT, docs_root=tmp_path)


@pytest.mark.parametrize(
    ("expectation", "passed", "observed"),
    [
        (row_count("x", "WARN", "s", 4), True, "4"),
        (row_count("x", "WARN", "s", 1, 3), False, "4"),
        (filled("x", "WARN", "s", "customer_id"), False, "75.00% of rows; 1 of 4 otherwise"),
        (filled("x", "WARN", "s", "customer_id", mostly=0.75), True, "75.00% of rows; 1 of 4 otherwise"),
        (unique("x", "s", "order"), True, "100.00% of rows; 0 of 4 otherwise"),
        (unique("x", "s", "customer_id", "day"), False, "50.00% of rows; 2 of 4 otherwise"),
        (within("x", "WARN", "s", "amount", (0, 2)), False, "66.67% of rows; 1 of 4 otherwise"),
        (within("x", "WARN", "s", "day", (None, NIGHT)), False, "75.00% of rows; 1 of 4 otherwise"),
        (one_of("x", "WARN", "s", "order", (1, 2, 3, 4)), True, "100.00% of rows; 0 of 4 otherwise"),
        (mean_within("x", "WARN", "s", "amount", (3, 5)), True, "4"),
        (mean_within("x", "WARN", "s", "amount", (5, 6)), False, "4"),
        (has_columns(["order", "day"]), True, "all"),
        (has_columns(["order", "price"]), False, "without price"),
        (filled("x", "WARN", "s", "price"), False, "no column price"),
    ],
)
def test_a_finding_says_what_was_expected_and_what_was_found(judge, expectation, passed, observed):
    (finding,) = judge([expectation])

    assert (finding.passed, finding.observed) == (passed, observed)


def test_findings_come_in_the_order_of_the_expectations(judge):
    expectations = [filled("b", "WARN", "s", "order"), row_count("a", "WARN", "s", 1), filled("c", "WARN", "s", "day")]

    assert [finding.name for finding in judge(expectations)] == ["b", "a", "c"]


def test_another_frame_under_the_same_name_gets_its_own_verdict(tmp_path):
    judge = partial(validate, table="orders", night=NIGHT, docs_root=tmp_path)
    expectation = filled("x", "WARN", "s", "customer_id")

    assert not judge(FRAME, [expectation])[0].passed
    assert judge(FRAME.drop_nulls(), [expectation])[0].passed


def test_a_fault_of_the_query_is_not_taken_for_bad_data(judge):
    with pytest.raises(RuntimeError, match=r"orders could not be validated: .*mean"):
        judge([mean_within("x", "WARN", "s", "customer_id", (1, 2)), row_count("y", "WARN", "s", 1)])


def test_nobody_is_told_that_a_table_was_judged(judge, monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: asked.append(where))
    judge([row_count("x", "WARN", "s", 1)])

    assert asked == []


def test_the_page_shows_counts_and_shapes_and_asks_nobody_for_anything(judge, tmp_path):
    judge([unique("x", "Nobody stands twice.", "customer_id"), one_of("y", "WARN", "s", "customer_id", ["Eve"])])
    page = (tmp_path / "orders" / "2024-05-01.html").read_text(encoding="utf-8")

    assert "Nobody stands twice." in page
    assert "Aaaa-99" in page
    assert "Anna" not in page
    assert "http" not in page


def test_every_night_keeps_its_page_and_the_index_lists_them(tmp_path):
    for day in (1, 2):
        validate(FRAME, [], table="orders", night=date(2024, 5, day), docs_root=tmp_path)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")

    assert index.index("orders/2024-05-02.html") < index.index("orders/2024-05-01.html")
    assert (tmp_path / "orders" / "2024-05-01.html").exists()


def lines(night, count=400, *, missing=0, share_known=1.0):
    known = round(count * share_known)
    frame = pl.select(source_row=pl.int_range(1, count + 1, dtype=pl.Int64)).with_columns(
        customer_id=pl.when(pl.col("source_row") > missing).then(
            pl.when(pl.col("source_row") <= known)
            .then(pl.format("C{}", pl.col("source_row") % 50))
            .otherwise(pl.format("new{}", "source_row"))
        ),
        timestamp=pl.lit(datetime.combine(night, datetime.min.time(), UTC)),
        day=pl.lit(night),
        amount=pl.lit(10.0),
        source_file=pl.lit("a.csv"),
        occurrence=pl.lit(1, pl.Int64),
    )
    schema = RawTransaction.create_empty().schema
    absent = [name for name in schema if name not in frame.columns]
    return frame.with_columns(pl.lit(None, schema[name]).alias(name) for name in absent).select(*schema)


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


@pytest.fixture
def run(tmp_path, lake):
    """Judge a stored table; returns whether the run went well, whether the next asset ran, and the checks."""

    def run(check, table, *, accept=""):
        ran = []

        @dg.asset(name=table, partitions_def=NIGHTS)
        def stored(): ...

        @dg.asset(deps=[stored], partitions_def=NIGHTS)
        def reader():
            ran.append(True)

        resources = {
            "lake": lake,
            "docs": DataDocs(root=str(tmp_path / "docs"), url="http://docs.example/"),
            "engine": Engine(),
            "scratch": tmp_path,
            "rules": ValidationRules(),
            "columns": ColumnMapping(customer_id=("id",), timestamp=("time",), amount=("amount",)),
            "churn": ChurnDefinition(),
        }
        job = dg.Definitions([stored, reader], asset_checks=[check], resources=resources)
        result = job.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=str(NIGHT), raise_on_error=False, tags={ACCEPT_TAG: accept}
        )
        evaluations = {each.check_name: each for each in result.get_asset_check_evaluations()}
        return result.success, bool(ran), evaluations

    return run


def test_a_good_delivery_passes_every_check(lake, run):
    lake.write("raw_transactions", NIGHT, lines(NIGHT))
    success, ran, checks = run(check_raw_transactions, "raw_transactions")

    assert success
    assert ran
    assert all(check.passed for check in checks.values())


def test_too_many_rejected_lines_stop_the_night_with_figure_and_limit(lake, run):
    lake.write("raw_transactions", NIGHT, lines(NIGHT, missing=40))
    success, ran, checks = run(check_raw_transactions, "raw_transactions")

    assert not success
    assert not ran
    assert checks["rejected_share"].description.endswith(
        "Limit: in at least 95.00% of rows. Found: 90.00% of rows; 40 of 400 otherwise."
    )


def test_every_check_leads_to_its_page_in_the_folder_and_in_the_browser(lake, run, tmp_path):
    lake.write("raw_transactions", NIGHT, lines(NIGHT))
    _, _, checks = run(check_raw_transactions, "raw_transactions")

    for check in checks.values():
        page = Path(check.metadata["page"].value)
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert check.metadata["link"].value == f"http://docs.example/{page.relative_to(tmp_path / 'docs')}"


def test_an_operator_can_accept_a_check_and_no_other(lake, run):
    lake.write("raw_transactions", NIGHT, lines(NIGHT, missing=40))

    assert run(check_raw_transactions, "raw_transactions", accept="rejected_share")[:2] == (True, True)
    assert run(check_raw_transactions, "raw_transactions", accept="fresh")[:2] == (False, False)


def test_an_empty_delivery_is_a_warning_while_the_past_is_fresh(lake, run):
    lake.write("raw_transactions", NIGHT, lines(NIGHT, 0))
    store_past(lake, nights=1)
    success, ran, checks = run(check_raw_transactions, "raw_transactions")

    assert ran
    assert success
    assert not checks["rows_present"].passed


def test_a_source_that_never_delivered_stops_the_night(lake, run):
    lake.write("raw_transactions", NIGHT, lines(NIGHT, 0))
    success, _, checks = run(check_raw_transactions, "raw_transactions")

    assert not success
    assert not checks["fresh"].passed


def store_past(lake, nights):
    for back in range(1, nights + 1):
        night = NIGHT - timedelta(days=back)
        raw = lines(night)
        lake.write("raw_transactions", night, raw)
        lake.write("transactions", night, raw.with_columns(is_return=pl.lit(value=False)))
        days = raw.select("customer_id", "day").unique().sort("customer_id")
        sums = dict.fromkeys(("orders", "lines", "quantity", "spend", "refunds", "returns", "discount"), 1)
        lake.write(
            "customer_days", night, days.with_columns(pl.lit(one, pl.Int64).alias(name) for name, one in sums.items())
        )


def test_a_delivery_from_nobody_ever_seen_stops_the_night(lake, run):
    store_past(lake, nights=8)
    lake.write("raw_transactions", NIGHT, lines(NIGHT, share_known=0))
    success, _, checks = run(check_raw_transactions, "raw_transactions")

    assert not success
    assert [name for name, check in checks.items() if not check.passed] == ["customers_known"]


def test_an_unusual_volume_and_an_unusual_amount_are_warnings(lake, run):
    store_past(lake, nights=8)
    lake.write("raw_transactions", NIGHT, lines(NIGHT, 4_000).with_columns(amount=pl.lit(1_000.0)))
    success, ran, checks = run(check_raw_transactions, "raw_transactions")

    assert success
    assert ran
    assert {name for name, check in checks.items() if not check.passed} == {"volume_usual", "amount_usual"}


def test_the_past_ends_before_the_night(lake):
    store_past(lake, nights=3)
    before = past_of(lake, NIGHT)
    lake.write("raw_transactions", NIGHT, lines(NIGHT, 9))
    lake.write("transactions", NIGHT, lines(NIGHT, 9).with_columns(is_return=pl.lit(value=False)))
    after = past_of(lake, NIGHT)

    assert before.newest_day == NIGHT - timedelta(days=1)
    assert_frame_equal(before.nights, after.nights)


FEATURES = pl.DataFrame(
    {
        "night": [NIGHT] * 3,
        "customer_id": ["A", "B", "C"],
        "recency_days": [0.0, 10.0, 364.0],
        "tenure_days": [0.0, 100.0, 364.0],
        "purchase_days": [1.0, 2.0, 1.0],
    }
)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, []),
        ({"recency_days": [0.0, None, 1.0]}, ["features_complete"]),
        ({"recency_days": [0.0, 365.0, 1.0]}, ["features_complete"]),
        ({"purchase_days": [0.0, 1.0, 1.0]}, ["features_complete"]),
        ({"customer_id": ["A", "A", "B"]}, ["features_complete"]),
        ({"tenure_days": [0.0, -1.0, 1.0]}, ["features_complete"]),
    ],
)
def test_features_that_no_active_customer_has_stop_the_night(lake, run, change, failed):
    lake.write("customer_features", NIGHT, FEATURES.with_columns(pl.Series(name, new) for name, new in change.items()))
    success, _, checks = run(check_customer_features, "customer_features")

    assert success is not bool(failed)
    assert [name for name, check in checks.items() if not check.passed] == failed


@pytest.mark.parametrize(("before", "after", "failed"), [(100, 200, []), (100, 201, ["population_new"]), (99, 900, [])])
def test_customers_who_double_overnight_are_a_warning_where_there_are_enough(lake, run, before, after, failed):
    for night, count in ((NIGHT - timedelta(days=1), before), (NIGHT, after)):
        everybody = FEATURES.select(pl.all().first().repeat_by(count).explode())
        lake.write("customer_features", night, everybody.with_columns(customer_id=pl.int_range(count).cast(pl.String)))
    success, ran, checks = run(check_customer_features, "customer_features")

    assert success
    assert ran
    assert [name for name, check in checks.items() if not check.passed] == failed


def test_half_of_the_customers_gone_overnight_stop_the_night(lake, run):
    lake.write("customer_features", NIGHT - timedelta(days=1), pl.concat([FEATURES] * 3))
    lake.write("customer_features", NIGHT, FEATURES)

    assert not run(check_customer_features, "customer_features")[0]


SEGMENTS = pl.LazyFrame(
    {
        "customer_id": [f"C{number}" for number in range(200)],
        "churn_probability": [0.5] * 200,
        "risk_tier": ["high"] * 200,
        "status": ["stayed"] * 200,
        "is_control": [number % 10 == 0 for number in range(200)],
        "deliver": [True] * 200,
    }
)


@pytest.mark.parametrize(
    ("tonight", "failed"),
    [
        (SEGMENTS, set()),
        (SEGMENTS.with_columns(status=pl.lit("gone")), {"status_known"}),
        (SEGMENTS.with_columns(churn_probability=1.5), {"probability_valid", "probability_usual"}),
        (SEGMENTS.with_columns(churn_probability=0.9), {"probability_usual"}),
        (SEGMENTS.with_columns(is_control=pl.lit(value=True)), {"control_usual"}),
        (SEGMENTS.head(20), {"size_usual"}),
        (pl.concat([SEGMENTS] * 2), {"customers_unique"}),
        (SEGMENTS.drop("deliver"), {"columns_present", "delivery_decided"}),
    ],
)
def test_an_at_risk_table_is_compared_with_its_contract_and_with_last_night(tmp_path, tonight, failed):
    expectations = segment_expectations(SEGMENTS.collect_schema().names(), SEGMENTS.collect())
    findings = validate(tonight, expectations, table="at_risk_segments", night=NIGHT, docs_root=tmp_path)

    assert {finding.name for finding in findings if not finding.passed} == failed


def test_the_declared_checks_are_those_that_are_asked():
    features = feature_expectations(active_days=365, previous_rows=100)
    segments = segment_expectations([], SEGMENTS.collect())

    assert [*dict.fromkeys(each.check for each in features)] == FEATURE_CHECKS
    assert [*dict.fromkeys(each.check for each in segments)] == SEGMENT_CHECKS
    assert len(list(check_at_risk_segments.check_keys)) == len(SEGMENT_CHECKS)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, []),
        ("raw_transactions", ["2 rows due", "1 rows stored"]),
        ("transactions", ["0 rows in transactions, but 1 valid rows of the ledger."]),
        ("quarantine", ["0 rows in quarantine, but 1 quarantined rows of the ledger."]),
    ],
)
def test_a_night_that_lost_a_line_on_the_way_stops_before_anybody_learns_from_it(lake, run, table, said):
    raw = lines(NIGHT, 2, missing=1)
    line = {"night": NIGHT, "source_file": "a.csv", "digest": "0", "size": 1, "rows": 2, "due": 2, "later": 0}
    stored = {
        "deliveries": pl.DataFrame([line], schema=Delivery.create_empty().schema),
        "raw_transactions": raw,
        "transactions": raw.tail(1).with_columns(is_return=pl.lit(value=False)),
        "quarantine": raw.head(1).with_columns(reasons=pl.lit(["customer_id_missing"])),
        "ledger": pl.DataFrame([{"night": NIGHT, "delivered": 2, "valid": 1, "quarantined": 1, "known": 0}]),
    }
    for name, frame in stored.items():
        lake.write(name, NIGHT, frame.head(frame.height - (name == table)))
    success, ran, checks = run(rows_accounted_for, "transactions")

    assert success is ran is (table is None)
    assert all(words in checks["rows_accounted_for"].description for words in said)


def said(expectations, table):
    """A suite in lines to read: each expectation by its name, as Great Expectations has it."""
    suite = suite_of(expectations, table).to_json_dict()
    for each in suite["expectations"]:
        arguments = " ".join(f"{key}={value!r}" for key, value in sorted(each["kwargs"].items()))
        yield each["meta"]["name"], f"{each['severity']}: {each['type']} {arguments}"


def test_the_suites_that_the_contracts_yield_are_those_that_were_reviewed():
    """Whoever changes a gate changes `suites.json` with it: the failing assertion holds the new text."""
    dates = [NIGHT - timedelta(days=back) for back in range(8, 0, -1)]
    past = Past(
        nights=pl.DataFrame({"night": dates, "rows": [1_000] * 8, "magnitude": [1.0] * 8}),
        customers=pl.Series("customer_id", ["C1"]),
        respelled=pl.Series([], dtype=pl.String),
        crowds=pl.Series([], dtype=pl.String),
    )
    mapped = RawTransaction.column_names()
    _, raw = raw_gate(
        RawTransaction.create_empty(lazy=True), ValidationRules(), night=NIGHT, mapped=mapped, past=past, rows=1_000
    )
    tables = {
        "raw_transactions": raw,
        "customer_features": feature_expectations(active_days=365, previous_rows=1_000),
        "at_risk_segments": segment_expectations(AtRiskSegment.column_names(), SEGMENTS.collect()),
    }
    suites = {table: dict(said(expectations, table)) for table, expectations in tables.items()}
    reviewed = Path(__file__).with_name("suites.json").read_text(encoding="utf-8")

    assert json.dumps(suites, indent=2) + "\n" == reviewed


def test_a_source_that_fell_silent_is_told_what_is_known_of_it(tmp_path):
    known, nothing = NIGHT - timedelta(days=90), RawTransaction.create_empty(lazy=True)
    past = Past(newest_day=known)
    frame, expected = raw_gate(nothing, ValidationRules(), night=NIGHT, mapped=(), past=past, rows=0)
    findings = validate(frame, expected, table="raw_transactions", night=NIGHT, docs_root=tmp_path)
    (fresh,) = (finding for finding in findings if finding.name == "fresh")
    assert not fresh.passed
    assert f"Found: {known}." in fresh.words
