"""A tick asks for the night that has just ended where the shop is, once, in every zone and on every clock change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.lake import Lake
from assets.nights import night_just_ended
from pipelines.definitions import definitions
from pipelines.settings import load_settings
from pipelines.settings_errors import SettingsError

SOURCE = '[source]\npath = "landing"\n[source.columns]\ncustomer_id = "who"\ntimestamp = "when"\n'
BERLIN = ZoneInfo("Europe/Berlin")


def repository(tmp_path, text: str) -> dg.RepositoryDefinition:
    file = tmp_path / "churn.toml"
    file.write_text(SOURCE + text, encoding="utf-8")
    return definitions(load_settings(file)).get_repository_def()


def schedule_of(tmp_path, text: str) -> dg.ScheduleDefinition:
    return repository(tmp_path, text).get_schedule_def("every_night")


@pytest.mark.parametrize(
    ("moment", "night"),
    [
        ("2026-03-29T01:59:59+01:00", "2026-03-28"),  # a minute before the clock is put forward
        ("2026-03-29T03:00:00+02:00", "2026-03-28"),
        ("2026-03-30T00:00:00+02:00", "2026-03-29"),  # the day of 23 hours is over
        ("2026-10-25T02:30:00+02:00", "2026-10-24"),  # the hour that comes twice
        ("2026-10-25T02:30:00+01:00", "2026-10-24"),
        ("2026-10-25T23:59:59+01:00", "2026-10-24"),  # 25 hours, not yet over
        ("2026-03-31T22:30:00+00:00", "2026-03-31"),  # midnight has passed in Berlin, not in London
    ],
)
def test_the_night_that_has_just_ended_is_that_of_the_shop(moment, night):
    assert night_just_ended(datetime.fromisoformat(moment), BERLIN) == date.fromisoformat(night)


@given(
    moment=st.integers(1_577_836_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu", "UTC"]),
)
def test_a_night_that_is_asked_for_is_over_and_the_next_one_is_not(moment, zone):
    night, place = night_just_ended(moment, ZoneInfo(zone)), ZoneInfo(zone)
    midnights = [datetime.combine(night + timedelta(days=days), datetime.min.time(), place) for days in (1, 2)]
    assert midnights[0].astimezone(UTC) <= moment < midnights[1].astimezone(UTC)


def tick(known: dg.RepositoryDefinition, moment: datetime):
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment, repository_def=known)
        return known.get_schedule_def("every_night").evaluate_tick(context)


def test_a_tick_asks_for_the_night_that_has_just_ended(tmp_path):
    known = repository(tmp_path, '[churn]\ntimezone = "Europe/Berlin"\n')
    now = datetime.now(UTC)
    night = f"{night_just_ended(now, BERLIN)}"
    requests = tick(known, now).run_requests
    assert [(request.run_key, request.partition_key) for request in requests] == [(night, night)]


def test_a_night_that_has_run_is_not_asked_for(tmp_path):
    known, night = repository(tmp_path, ""), night_just_ended(datetime.now(UTC), ZoneInfo("UTC"))
    for file in (
        tmp_path / "reports" / f"{night}.md",
        Lake(root=str(tmp_path / "lake")).file("live_performance", night),
    ):
        file.parent.mkdir(parents=True)
        file.touch()
    # A report that a full disk or a kill left empty tells of no night.
    assert [request.partition_key for request in tick(known, datetime.now(UTC)).run_requests] == [f"{night}"]
    (tmp_path / "reports" / f"{night}.md").write_text("told\n", encoding="utf-8")
    assert tick(known, datetime.now(UTC)).skip_message == f"night {night} has run"


def test_a_tick_that_a_daemon_makes_up_for_leaves_its_rows_to_the_newest_night(tmp_path):
    late = tick(repository(tmp_path, ""), datetime.now(UTC) - timedelta(days=5))
    assert late.run_requests == []
    newest = night_just_ended(datetime.now(UTC), ZoneInfo("UTC"))
    assert late.skip_message == f"night {newest - timedelta(days=5)} was missed; night {newest} takes its rows"


def test_the_schedule_follows_the_settings(tmp_path):
    silent = schedule_of(tmp_path, '[churn]\ntimezone = "Europe/Berlin"\n')
    assert (silent.cron_schedule, silent.execution_timezone) == ("30 3 * * *", "Europe/Berlin")
    assert silent.default_status == dg.DefaultScheduleStatus.STOPPED
    loud = schedule_of(tmp_path, '[schedule]\nenabled = true\ncron = "0 5 * * 1-5"\ntimezone = "Asia/Tokyo"\n')
    assert (loud.cron_schedule, loud.execution_timezone) == ("0 5 * * 1-5", "Asia/Tokyo")
    assert loud.default_status == dg.DefaultScheduleStatus.RUNNING


def test_every_table_is_overdue_when_no_run_has_stored_it_for_so_long(tmp_path):
    (tmp_path / "churn.toml").write_text(SOURCE + "[schedule]\nfresh_hours = 50\n", encoding="utf-8")
    specs = definitions(load_settings(tmp_path / "churn.toml")).resolve_all_asset_specs()
    assert len(specs) > 10
    wanted = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50))
    assert [spec.key for spec in specs if spec.freshness_policy != wanted] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[schedule]\ncron = "half past three"\n', "schedule.cron: 'half past three' is no schedule: write minute"),
        ('[schedule]\ntimezone = "Berlin"\n', "schedule.timezone: 'Berlin' is no time zone: use an IANA name"),
        ("[schedule]\nsettle_seconds = -1\n", "schedule.settle_seconds = -1: input should be greater than or equal"),
        ('[alerts]\nsmtp_host = "mail"\n', "alerts: smtp_host is set: set sender and recipients too"),
        ('[alerts]\nrecipients = ["a@b.example"]\n', "alerts: recipients are set: set smtp_host too"),
        ('[push]\nurl = "https://x"\n', "push.url may hold a password: set CHURN__PUSH__URL"),
        ('[alerts]\nwebhook = "https://x"\n', "alerts.webhook may hold a password: set CHURN__ALERTS__WEBHOOK"),
        ('[alerts]\nsmtp_user = "x"\n', "smtp_user and CHURN__ALERTS__SMTP_PASSWORD belong together"),
        ("[network]\nretries = -1\n", "network: retries is -1: it must be 0 or more"),
        ('[lake]\npath = "s3://shop/lake"\n', "lake.path: s3://shop/lake is no folder: deliveries may come from an"),
    ],
)
def test_a_mistake_about_operation_is_named(tmp_path, text, sentence):
    with pytest.raises(SettingsError) as error:
        schedule_of(tmp_path, text)
    assert sentence in str(error.value)


def test_arrival_is_not_asked_of_a_database(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN__SOURCE__URL", "postgresql://localhost/shop")
    text = SOURCE.replace('path = "landing"', 'kind = "database"\ntable = "orders"') + "[schedule]\non_arrival = true\n"
    (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"schedule\.on_arrival watches files, not a database: set schedule\.enabled"
    ):
        load_settings(tmp_path / "churn.toml")


def test_a_webhook_that_is_no_address_is_refused_without_repeating_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN__ALERTS__WEBHOOK", "hooks.example/T0/secret")
    with pytest.raises(SettingsError, match="CHURN__ALERTS__WEBHOOK is no address of its kind") as error:
        schedule_of(tmp_path, "")
    assert "secret" not in str(error.value)
