"""Files that no night has taken start the last night that is over, once, when they have come to rest."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest
from obstore.store import from_url

from assets.files import FileSource
from assets.lake import SCHEMAS, Lake
from assets.nights import night_just_ended
from pipelines.definitions import definitions
from pipelines.settings import Settings, load_settings

SETTINGS = """
[source]
path = "landing"
[source.columns]
customer_id = "who"
timestamp = "when"
[schedule]
on_arrival = true
settle_seconds = {settle}
"""


class Shop:
    """A shop whose arrivals are watched; each look is a tick of the sensor."""

    def __init__(self, folder, settle: int = 0) -> None:
        self.folder, self.cursor = folder, ""
        (folder / "landing").mkdir()
        (folder / "churn.toml").write_text(SETTINGS.format(settle=settle), encoding="utf-8")
        self.settings: Settings = load_settings(folder / "churn.toml")
        self.known = definitions(self.settings).get_repository_def()
        self.last = night_just_ended(datetime.now(UTC), self.settings.churn.zone)
        self.lake = Lake(root=str(folder / "lake"))

    def deliver(self, name: str, text: str = "who,when\n") -> None:
        (self.folder / "landing" / name).write_text(text, encoding="utf-8")

    def look(self):
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self.cursor or None, repository_def=self.known)
            ticked = self.known.get_sensor_def("deliveries_arrived").evaluate_tick(context)
            self.cursor = ticked.cursor or ""
        return ticked

    def take(self, night, *, next_day=None) -> None:
        """What a night leaves in the lake when it has passed the gate."""
        source = self.settings.transactions()
        assert isinstance(source, FileSource)
        files = source.files()
        lines = [
            {"night": night, "source_file": file.name, "digest": file.digest, "size": file.size}
            | {"rows": 1, "due": 1, "later": int(next_day is not None), "next_day": next_day}
            for file in files
        ]
        self.lake.write("deliveries", night, pl.DataFrame(lines, schema=SCHEMAS["deliveries"].create_empty().schema))
        self.lake.write("transactions", night, SCHEMAS["transactions"].create_empty())


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def test_new_files_start_the_last_night_that_is_over_once(shop):
    shop.deliver("a.csv")
    (request,) = shop.look().run_requests
    assert request.partition_key == f"{shop.last}"
    again = shop.look()
    assert again.run_requests == []
    assert "was started for these files" in again.skip_message


def test_a_blocked_night_is_started_again_when_its_file_is_mended(shop):
    shop.deliver("a.csv")
    (first,) = shop.look().run_requests
    shop.deliver("a.csv", "who,when\nC1,2026-01-01\n")
    (second,) = shop.look().run_requests
    assert second.partition_key == first.partition_key
    assert second.run_key != first.run_key


def test_files_that_an_earlier_night_took_start_nothing(shop):
    shop.deliver("a.csv")
    shop.take(shop.last - timedelta(days=1))
    quiet = shop.look()
    assert quiet.run_requests == []
    assert "every file was taken by an earlier night" in quiet.skip_message
    shop.deliver("b.csv", "who,when\nC1,2026-01-01\n")
    assert len(shop.look().run_requests) == 1


def test_rows_that_waited_in_a_known_file_start_the_night_of_their_day(shop):
    shop.deliver("a.csv")
    shop.take(shop.last - timedelta(days=1), next_day=shop.last)
    assert len(shop.look().run_requests) == 1


def test_what_arrives_after_the_night_has_run_waits_for_the_next(shop):
    shop.deliver("a.csv")
    shop.take(shop.last)
    shop.deliver("b.csv", "who,when\nC1,2026-01-01\n")
    late = shop.look()
    assert late.run_requests == []
    assert f"night {shop.last} has run" in late.skip_message


def test_a_file_that_is_still_written_is_left_alone_until_it_rests(tmp_path):
    shop = Shop(tmp_path, settle=600)
    for content in ("who", "who,when\n"):
        shop.deliver("a.csv", content)
        growing = shop.look()
        assert growing.run_requests == []
        assert "after 600 seconds of rest" in growing.skip_message
    rested = json.loads(shop.cursor) | {"since": (datetime.now(UTC) - timedelta(seconds=601)).timestamp()}
    shop.cursor = json.dumps(rested)
    assert len(shop.look().run_requests) == 1


def test_an_empty_folder_is_no_error(shop):
    assert "no file that ends in" in shop.look().skip_message


def test_files_of_an_object_store_are_watched_too(tmp_path, object_store):
    from_url(object_store).put("a.csv", b"who,when\n")
    (tmp_path / "landing").mkdir()
    text = SETTINGS.format(settle=0).replace('"landing"', f'"{object_store}"')
    (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
    known = definitions(load_settings(tmp_path / "churn.toml")).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=known)
        ticked = known.get_sensor_def("deliveries_arrived").evaluate_tick(context)
    assert len(ticked.run_requests or ()) == 1


def test_nothing_is_watched_that_was_not_asked_for(tmp_path):
    (tmp_path / "churn.toml").write_text(SETTINGS.partition("[schedule]")[0], encoding="utf-8")
    assert list(definitions(load_settings(tmp_path / "churn.toml")).sensors or ()) == []
