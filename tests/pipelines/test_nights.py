"""Nights through the whole line, on real Dagster, Great Expectations, MLflow and SQLite, over a simulated shop."""

import hashlib
import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from models.simulator import customers, transactions
from pipelines.champion import appoint, print_versions
from pipelines.definitions import definitions, resources
from pipelines.erasure import erase
from pipelines.explanation import explain
from pipelines.jobs import TRAIN_NOW
from pipelines.settings import load_settings
from tests.shops import SOURCE

ENTERED = pl.col("deliver") | (pl.col("suppressed_reason") == "control")
FIRST_DAY, DAYS = date(2024, 1, 1), 420
AFTER = datetime(2025, 2, 12, 12, tzinfo=UTC)
EARLY, MISSED, LATE = date(2025, 1, 8), date(2025, 1, 20), date(2025, 2, 11)
SETTINGS = f"""{SOURCE}category = "category"
[churn]
horizon_days = 30
active_days = 120
[training]
nights = 6
[training.classifier]
rounds = 30
[evaluation]
replicates = 50
[value]
currency = "EUR"
"""


@pytest.fixture(scope="module")
def sales() -> pl.DataFrame:
    """What a shop of 1,500 customers sold in fourteen months."""
    rows = transactions(customers(1500, seed=1), first_day=FIRST_DAY, days=DAYS, seed=1)
    return rows.with_columns(category=pl.format("range {}", pl.col("quantity") % 3))


class Shop:
    """A folder with settings and deliveries, in which nights run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "landing").mkdir(parents=True, exist_ok=True)
        (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")

    def deliver(self, name: str, rows: pl.DataFrame) -> None:
        rows.write_csv(self.folder / "landing" / name)

    def run(self, night: date, job: str = "nightly") -> dg.ExecuteInProcessResult:
        chosen = definitions(load_settings(self.folder / "churn.toml")).resolve_job_def(job)
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        config = quiet | (TRAIN_NOW if job == "training" else {})
        with dg.DagsterInstance.ephemeral() as instance:
            return chosen.execute_in_process(
                partition_key=f"{night}", instance=instance, raise_on_error=False, run_config=config
            )

    def table(self, name: str, night: date) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "lake" / name / f"night={night}" / "data.parquet")

    def digests(self) -> dict[str, str]:
        lake = self.folder / "lake"
        return {
            str(file.relative_to(lake)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(lake.rglob("*.parquet"))
        }

    def crm(self, table: str = "at_risk_segments") -> pl.DataFrame:
        with closing(sqlite3.connect(self.folder / "crm.db")) as connection:
            return pl.read_database(f"SELECT * FROM {table}", connection)

    def copy(self, folder: Path) -> "Shop":
        shutil.copytree(self.folder, folder)
        return Shop(folder)


@pytest.fixture(scope="module")
def early(tmp_path_factory, sales) -> Shop:
    """A shop whose history arrived as one file and whose early night has run."""
    shop = Shop(tmp_path_factory.mktemp("shop") / "early")
    shop.deliver("history.csv", sales)
    green(shop.run(EARLY))
    return shop


@pytest.fixture(scope="module")
def late(tmp_path_factory, early: Shop) -> Shop:
    """The same shop after the late night, which is a horizon on; the night between never ran."""
    shop = early.copy(tmp_path_factory.mktemp("shop") / "late")
    green(shop.run(LATE))
    return shop


def failures(result: dg.ExecuteInProcessResult) -> str:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return "\n".join((error.cause or error).message for error in errors if error is not None)


def green(result: dg.ExecuteInProcessResult) -> None:
    assert result.success, failures(result)


def without_updates(table: pl.DataFrame) -> pl.DataFrame:
    return table.drop("updated_at").sort("customer_id")


def test_the_crm_reads_what_the_lake_holds(early):
    stored, read = early.table("at_risk_segments", EARLY), early.crm()
    assert 0 < stored.height < early.table("churn_scores", EARLY).height
    assert read["customer_id"].sort().to_list() == stored["customer_id"].to_list()
    assert set(stored.columns) < set(read.columns)


def test_a_night_knows_nothing_of_the_days_after_it(tmp_path, early, sales):
    blind = Shop(tmp_path / "blind")
    blind.deliver("history.csv", sales.filter(pl.col("timestamp").dt.date() <= EARLY))
    green(blind.run(EARLY))
    sums = "customer_days", "customer_items"
    for table in ("transactions", *sums, "customer_features", "churn_scores", "at_risk_segments"):
        assert blind.table(table, EARLY).equals(early.table(table, EARLY)), table


def test_a_night_run_again_after_a_later_one_gives_the_same_bytes(tmp_path, late):
    again = late.copy(tmp_path / "again")
    before, delivered = again.digests(), again.crm()
    green(again.run(EARLY))
    green(again.run(LATE))
    assert again.digests() == before
    assert again.crm().sort("customer_id").equals(delivered.sort("customer_id"))


def test_the_same_deliveries_give_the_same_lake_from_scratch_though_trees_grow_from_disk(tmp_path, late, sales):
    twin = Shop(tmp_path / "twin")
    on_disk = SETTINGS.replace("[training]", '[training]\nmemory = "disk"')
    (twin.folder / "churn.toml").write_text(on_disk, encoding="utf-8")
    twin.deliver("history.csv", sales)
    green(twin.run(EARLY))
    green(twin.run(LATE))
    assert twin.digests() == late.digests()
    assert without_updates(twin.crm()).equals(without_updates(late.crm()))


def test_a_missed_night_is_caught_up_by_the_next(tmp_path, early, late):
    punctual = early.copy(tmp_path / "punctual")
    green(punctual.run(MISSED))
    green(punctual.run(LATE))
    assert punctual.table("customer_features", LATE).equals(late.table("customer_features", LATE))


def test_a_night_cannot_be_run_for_the_first_time_after_a_later_one(tmp_path, late):
    result = late.copy(tmp_path / "backwards").run(MISSED)
    assert not result.success
    assert f"night {MISSED} was missed, and night {LATE} has taken its rows" in failures(result)


def test_a_night_that_is_not_over_is_refused(tmp_path, sales):
    shop = Shop(tmp_path / "eager")
    shop.deliver("history.csv", sales)
    today = date.today()  # noqa: DTZ011 (the newest partition)
    assert f"night {today} is not over in UTC" in failures(shop.run(today))


def test_late_rows_and_repeated_rows_are_counted_once(tmp_path, early, sales):
    shop = early.copy(tmp_path / "overlap")
    forgotten = sales.filter(pl.col("timestamp").dt.date() == EARLY).with_columns(
        customer_id=pl.lit("C-late"), transaction_id=pl.lit("late")
    )
    fresh = sales.filter(pl.col("timestamp").dt.date().is_between(EARLY, LATE))
    shop.deliver("overlap.csv", pl.concat([forgotten, fresh]))
    green(shop.run(LATE))
    new = sales.filter(pl.col("timestamp").dt.date().is_between(EARLY, LATE, closed="right")).height
    ledger = shop.table("ledger", LATE).row(0, named=True)
    assert ledger["valid"] == new + forgotten.height
    assert ledger["delivered"] == ledger["valid"] + ledger["quarantined"] + ledger["known"]
    assert ledger["known"] == fresh.height
    assert "C-late" in shop.table("customer_features", LATE)["customer_id"]


def test_bad_rows_go_to_quarantine_with_their_reason_and_place(tmp_path, early):
    shop = early.copy(tmp_path / "dirty")
    good = "C9,2025-01-15T10:00:00,o{},1,5.00\n"
    rows = "".join(good.format(n) for n in range(60))
    bad = ",2025-01-15T10:00:00,x1,1,5.00\nC9,soon,x2,1,5.00\n"
    header = "customer_id,timestamp,transaction_id,quantity,amount\n"
    (shop.folder / "landing" / "dirty.csv").write_text(header + rows + bad, encoding="utf-8")
    green(shop.run(LATE))
    kept_out = shop.table("quarantine", LATE)
    assert kept_out["source_row"].to_list() == [61, 62]
    assert kept_out["reasons"].to_list() == [["customer_id_missing"], ["timestamp_missing"]]
    assert kept_out["unreadable"][1] == '{"timestamp":"soon"}'


def test_a_blocked_night_leaves_the_crm_as_it_was_and_passes_once_mended(tmp_path, early):
    shop = early.copy(tmp_path / "blocked")
    before = shop.crm()
    broken = shop.folder / "landing" / "january.csv"
    header = "customer_id,timestamp,transaction_id,quantity,amount\n"
    broken.write_text(header + ",2025-01-15T10:00:00,x,1,5.00\n" * 9000, encoding="utf-8")
    blocked = shop.run(LATE)
    assert not blocked.success
    assert [check.check_name for check in blocked.get_asset_check_evaluations() if not check.passed] != []
    assert shop.crm().equals(before)
    assert not (shop.folder / "lake" / "transactions" / f"night={LATE}").exists()
    broken.write_text(header + "C1,2025-01-15T10:00:00,x,1,5.00\n", encoding="utf-8")
    green(shop.run(LATE))
    assert shop.table("ledger", LATE)["quarantined"].item() == 0


def test_a_ripe_night_is_settled_once_and_the_model_is_held_to_it(late):
    settled = late.table("settled_outcomes", LATE)
    assert settled["night"].unique().to_list() == [EARLY]
    assert settled.height == late.table("churn_scores", EARLY).height
    bought = late.table("customer_days", LATE).filter(pl.col("orders") > 0)
    came_back = bought.filter(pl.col("day") <= EARLY + timedelta(days=30))["customer_id"]
    assert settled.filter(~pl.col("churned"))["customer_id"].sort().to_list() == sorted(
        set(came_back) & set(settled["customer_id"])
    )
    figures = late.table("live_performance", LATE).filter(pl.col("figure") == "auroc")
    assert set(figures["scorer"]) >= {"champion", "recency", "frequency", "logistic_rfm", "mbg_nbd"}
    table = late.table("at_risk_segments", EARLY)
    assert late.table("enrolments", LATE).height == table.filter(ENTERED).height
    assert "champion_untreated" in set(figures["scorer"])
    counted = late.table("save_rates", LATE)
    assert (counted["alpha"] == counted["prior_alpha"]).all()  # the night is settled too late for tonight
    entered = late.table("action_propensities", LATE)
    assert entered.height == late.table("at_risk_segments", LATE).filter(pl.col("action") != "none", ENTERED).height
    uplift = late.table("retention_uplift", LATE)
    whole = uplift.filter(action="all").row(0, named=True)
    assert whole["treated"] == table.filter("deliver").height
    assert whole["control"] == table.filter(pl.col("suppressed_reason") == "control").height
    cell = uplift.filter(pl.col("segment") != "all").sort("control").row(-1, named=True)
    alone = settled.filter(pl.col("arm") == "control", action=cell["action"], segment=cell["segment"])
    assert alone.height == cell["control"]
    assert 1 - alone["churned"].to_numpy().mean() == pytest.approx(cell["retained_control"])


RECORDS = """
[[inputs]]
name = "tickets"
path = "tickets"
customer_id = "Client"
timestamp = "Opened"
category = "Kind"
role = "contacts"
[consent]
path = "consents"
customer_id = "Client"
timestamp = "Since"
channel = "What"
given = "Answer"
channels = { email = "E-Mail", profiling = "Profile" }
"""
MOMENTS = pl.col("timestamp").dt.date() <= LATE + timedelta(days=3)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, early: Shop, sales) -> Shop:
    """The shop with tickets, with a yes to e-mail of every second customer, and with one at risk who objects."""
    shop = early.copy(tmp_path_factory.mktemp("shop") / "recorded")
    (shop.folder / "churn.toml").write_text(SETTINGS + RECORDS, encoding="utf-8")
    for name in ("tickets", "consents"):
        (shop.folder / name).mkdir()
    tickets = sales.filter(MOMENTS).gather_every(5).select(Client="customer_id", Opened="timestamp", Kind="category")
    tickets.write_csv(shop.folder / "tickets" / "all.csv")
    asked = sales.select(Client=pl.col("customer_id").unique().sort()).gather_every(2)
    agreed = asked.with_columns(Since=pl.lit("2024-10-01"), What=pl.lit("E-Mail"), Answer=pl.lit("ja"))
    objecting = pl.DataFrame([(objector(shop), f"{LATE}", "Profile", "nein")], schema=agreed.schema, orient="row")
    pl.concat([agreed, objecting]).write_csv(shop.folder / "consents" / "asked.csv")
    green(shop.run(LATE))
    return shop


def objector(shop: Shop) -> str:
    """The first of those at risk on the early night."""
    return str(shop.table("at_risk_segments", EARLY)["customer_id"][0])


def test_an_optional_input_becomes_features_from_its_own_time_on(recorded, sales):
    tickets = pl.read_csv(recorded.folder / "tickets" / "all.csv", try_parse_dates=True)
    known = tickets.filter(pl.col("Opened").dt.date() <= LATE)
    assert recorded.table("customer_facts", LATE).height == known.height
    features = recorded.table("customer_features", LATE)
    recent = known.filter(
        pl.col("Opened").dt.date() > LATE - timedelta(days=90),
        pl.col("Client").is_in(features["customer_id"].implode()),
    )
    assert features["input_tickets_count_90d"].sum() == recent.height
    settled = recorded.table("settled_outcomes", LATE)
    reached = known.filter(pl.col("Opened").dt.date().is_between(EARLY, EARLY + timedelta(days=30), closed="right"))
    assert set(settled.filter("contacted")["customer_id"]) == set(reached["Client"]) & set(settled["customer_id"])


def test_a_channel_is_recommended_only_to_those_who_agreed_to_it(recorded):
    table = recorded.table("at_risk_segments", LATE).filter(pl.col("status") != "left")
    agreed = recorded.table("customer_consents", LATE).filter("permitted")["customer_id"].implode()
    contacted = table.filter("deliver")
    assert set(contacted["channel"]) == {"email"}
    assert contacted["customer_id"].is_in(agreed).all()
    assert "no_consent" in table.filter(~pl.col("customer_id").is_in(agreed))["suppressed_reason"]


def test_an_objector_is_not_learned_from(recorded, sales):
    tracking = resources(load_settings(recorded.folder / "churn.toml"))["tracking"]
    newest = tracking.versions()[-1]
    assert newest.trained_as_of == LATE
    judged, day = LATE - timedelta(days=30), pl.col("timestamp").dt.date()
    active = sales.filter(day <= judged, day > judged - timedelta(days=120))["customer_id"].unique()
    assert objector(recorded) in active
    assert tracking.figures(newest)["test/customers"] == len(active) - 1


def test_an_objector_is_not_scored_and_told_to_have_left(recorded, capsys):
    who = pl.col("customer_id") == objector(recorded)
    for name in ("customer_features", "churn_scores"):
        assert recorded.table(name, EARLY).filter(who).height == 1
        assert recorded.table(name, LATE).filter(who).is_empty()
    for table in (recorded.table("at_risk_segments", LATE), recorded.crm()):
        (told,) = table.filter(who).to_dicts()
        assert (told["status"], told["suppressed_reason"]) == ("left", "not_profiled")
        assert [told[name] for name in ("churn_probability", "value", "reason_1", "expected_next_purchase")] == [
            None
        ] * 4
    settings = load_settings(recorded.folder / "churn.toml")
    parts = resources(settings)
    assert explain(objector(recorded), LATE, settings, parts["lake"], parts["tracking"]) == 1
    assert f"{objector(recorded)} may not be profiled on {LATE}" in capsys.readouterr().err


def test_records_that_are_not_understood_stop_the_night_and_a_night_that_ran_keeps_what_it_has(tmp_path, recorded):
    shop = recorded.copy(tmp_path / "records")
    (shop.folder / "churn.toml").write_text(SETTINGS + RECORDS, encoding="utf-8")
    before = shop.digests()
    (shop.folder / "tickets" / "all.csv").write_text("Client,Kind\nC1,slow\n", encoding="utf-8")
    (shop.folder / "consents" / "asked.csv").write_text("Client,Since,What,Reply\nC1,2025-02-01,E-Mail,no\n", "utf-8")
    green(shop.run(LATE))
    assert shop.digests() == before
    refused = failures(shop.run(LATE + timedelta(days=1)))
    assert "input 'tickets': all.csv: no column 'Opened' for timestamp" in refused
    assert "Set timestamp of the input 'tickets'" in refused
    assert "consent: asked.csv: no column 'Answer'" in refused


def test_an_erased_customer_is_gone_from_everywhere_and_stays_gone(tmp_path, recorded, sales, capsys):
    shop = recorded.copy(tmp_path / "erased")
    (shop.folder / "churn.toml").write_text(SETTINGS + RECORDS, encoding="utf-8")
    settings = load_settings(shop.folder / "churn.toml")
    top = shop.table("at_risk_segments", LATE).filter("deliver").sort("expected_profit", descending=True)
    who = str(top["customer_id"][0])
    assert erase(who, settings, AFTER) == 0
    said = capsys.readouterr().out
    assert "lake, raw_transactions" in said
    assert f"exports, {LATE}/at_risk_segments.csv" in said
    assert f"reports, {LATE}.html" in said
    assert "history.csv: still holds" in said
    assert "Nothing of the customer is left" in said
    for folder in ("lake", "exports"):
        for file in (shop.folder / folder).rglob("*.parquet"):
            assert who not in pl.read_parquet(file).get_column("customer_id", default=pl.Series([""]))
    for file in [*shop.folder.glob("crm.db*"), *(shop.folder / "reports").iterdir()]:
        assert not re.search(rf"\b{who}\b".encode(), file.read_bytes())
    green(shop.run(LATE))
    bought = sales.filter(pl.col("customer_id") == who)
    # The night is not the day of the erasure: what was bought in between, and comes late, stays out too.
    late = [LATE + timedelta(days=days) for days in (1, 2)]
    later = bought.head(2).with_columns(timestamp=pl.Series(late).cast(bought["timestamp"].dtype))
    shop.deliver("again.csv", pl.concat([bought, later]))
    green(shop.run(LATE + timedelta(days=2)))
    back = shop.table("transactions", LATE + timedelta(days=2)).filter(pl.col("customer_id") == who)
    assert back["day"].to_list() == [LATE + timedelta(days=2)]
    assert erase("nobody", settings, AFTER) == 1
    assert "The customer stands nowhere" in capsys.readouterr().err


def test_nothing_is_erased_while_a_run_has_the_lake(recorded, capsys):
    settings = load_settings(recorded.folder / "churn.toml")
    with (recorded.folder / "lake" / ".turn").open("w") as other:
        flock(other, LOCK_EX)
        assert erase(objector(recorded), settings, AFTER) == 1
    assert "is in use by another run" in capsys.readouterr().err


def test_the_report_tells_a_manager_whom_to_call_and_how_right_the_last_night_was(late):
    text = (late.folder / "reports" / f"{LATE}.md").read_text(encoding="utf-8")
    top = late.table("at_risk_segments", LATE).filter("deliver").sort("expected_profit", descending=True)
    assert top["customer_id"][0] in text
    assert "How right we were" in text
    whole = late.table("retention_uplift", LATE).filter(action="all").row(0, named=True)
    assert (
        f"Of {whole['treated']:,} customers whom we set out to contact {whole['retained_treated']:.1%} stayed" in text
    )


def test_training_can_be_asked_for_and_settlement_run_alone(tmp_path, late):
    shop = late.copy(tmp_path / "jobs")
    green(shop.run(LATE, "training"))
    green(shop.run(LATE, "settlement"))
    assert shop.table("retention_uplift", LATE).height > 0
    settings = (shop.folder / "churn.toml").read_text(encoding="utf-8")
    (shop.folder / "churn.toml").write_text(f"{settings}[experiment]\nstarts = {LATE}\n", encoding="utf-8")
    green(shop.run(LATE, "settlement"))
    assert shop.table("retention_uplift", LATE).is_empty()
    tracking = resources(load_settings(shop.folder / "churn.toml"))["tracking"]
    newest = tracking.versions()[-1]
    figures = tracking.figures(newest)
    won = all(figures[f"value/gain/{rule}/deviance_low"] > 0 for rule in ("premium", "own_rate", "mean"))
    assert (tracking.load_worth(newest.version) is not None) == won


def test_a_score_of_the_past_can_be_explained(late, capsys):
    settings = load_settings(late.folder / "churn.toml")
    parts = resources(settings)
    row = late.table("at_risk_segments", EARLY).filter("deliver").row(0, named=True)
    assert explain(row["customer_id"], EARLY, settings, parts["lake"], parts["tracking"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    model = late.table("churn_model", EARLY).row(0, named=True)
    for said in (
        f"{row['churn_probability']:.1%} likely",
        f"version {model['model_version']}, trained as of {EARLY}",
        f"{row['reason_1']} ({row['reason_1_code']})",
        "recency_days",
        "history.csv",
        f"log-odds of {parts['tracking'].load(model['model_version']).explained}, before",
    ):
        assert said in told
    lines = late.table("transactions", EARLY).filter(pl.col("customer_id") == row["customer_id"]).height
    assert f"From {lines} lines" in told


def test_a_training_in_mlflow_says_what_it_was_set_to(early):
    tracking = resources(load_settings(early.folder / "churn.toml"))["tracking"]
    (version,) = tracking.versions()
    client, run = tracking.store.client, version.run_id
    kept = json.loads(Path(client.download_artifacts(run, "settings.json")).read_text(encoding="utf-8"))
    assert kept["churn"]["horizon_days"] == load_settings(early.folder / "churn.toml").churn.horizon_days
    parts = json.loads(Path(client.download_artifacts(run, "tables/segments.json")).read_text(encoding="utf-8"))
    assert {"segment", "log_loss", "auroc_low"} <= set(parts["columns"])
    assert run in [each.info.run_id for each in tracking.store.runs("params.`training.classifier.depth` = '3'")]
    assert not tracking.store.runs("params.`training.classifier.depth` = '4'")


def test_whoever_was_not_scored_is_told_why(late, capsys):
    settings = load_settings(late.folder / "churn.toml")
    parts = resources(settings)
    gone = late.table("customer_days", EARLY).join(late.table("churn_scores", EARLY), on="customer_id", how="anti")
    for customer, night, said in (
        ("nobody", EARLY, "nobody had made no purchase by"),
        (gone["customer_id"][0], EARLY, "was not active on"),
        ("nobody", MISSED, f"Night {MISSED} was not scored; these were: {EARLY}, {LATE}"),
    ):
        assert explain(customer, night, settings, parts["lake"], parts["tracking"]) == 1
        assert said in " ".join(capsys.readouterr().err.split())


def test_a_model_appointed_by_hand_serves_from_the_next_night_on(tmp_path, late, capsys):
    shop = late.copy(tmp_path / "appointed")
    green(shop.run(LATE, "training"))
    parts = resources(load_settings(shop.folder / "churn.toml"))
    tracking, lake = parts["tracking"], parts["lake"]
    assert appoint(tracking, lake, "1", previous=False) == 0
    assert tracking.champion(LATE + timedelta(days=1)).version == "1"
    assert appoint(tracking, lake, "99", previous=False) == 1
    assert "churn has no version 99: choose one of 1" in capsys.readouterr().err
    assert print_versions(tracking) == 0
    assert "Champion: version 1." in capsys.readouterr().out


def test_an_earlier_delivery_can_be_made_current_again(tmp_path, late):
    shop = late.copy(tmp_path / "published")
    crm = resources(load_settings(shop.folder / "churn.toml"))["crm"]
    assert crm.point_to(EARLY, "test", lambda rows: rows).outcome == "current"
    assert shop.crm()["night"].max() == f"{EARLY}"


def test_a_model_that_no_longer_knows_the_customers_is_marked_and_challenged(tmp_path, early):
    shop = early.copy(tmp_path / "drifted")
    strict = SETTINGS.replace("[value]", "[drift]\nmax_psi = 1e-9\n[value]")
    (shop.folder / "churn.toml").write_text(strict, encoding="utf-8")
    soon, week = EARLY + timedelta(days=1), EARLY + timedelta(days=7)
    assert early.table("model_drift", EARLY).filter(pl.col("kind") != "settled")["value"].max() == 0
    green(result := shop.run(soon))
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert {"features_as_trained", "scores_as_trained"} <= set(failed)
    assert shop.table("churn_model", soon)["verdict"].item() == "No challenger was due."
    tracking = resources(load_settings(shop.folder / "churn.toml"))["tracking"]
    assert tracking.version("1").stale_from == soon
    assert "The model is stale" in (shop.folder / "reports" / f"{soon}.md").read_text(encoding="utf-8")
    green(shop.run(week))
    assert shop.table("churn_model", week)["verdict"].item() != "No challenger was due."
