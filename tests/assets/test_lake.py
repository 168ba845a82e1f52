"""The lake hands back the nights that an asset needs, and opens no others."""

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.erasure import LakeTables
from assets.lake import SCHEMAS, Lake

FIRST, TONIGHT = date(2025, 1, 1), date(2025, 1, 10)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten nights of a table; the first, out of reach of the last, cannot be read."""
    lake = Lake(root=f"{tmp_path}", reach_days=5)
    for number in range(10):
        lake.write("numbers", FIRST + timedelta(days=number), pl.DataFrame({"number": [number]}))
    lake.file("numbers", FIRST).write_bytes(b"spoilt")
    return lake


def test_whoever_looks_back_so_far_opens_no_older_night(lake):
    within = lake.scan("numbers", lake.within_reach("numbers", TONIGHT, TONIGHT))
    assert within.select(pl.col("number").min()).collect().item() == 4
    with pytest.raises(pl.exceptions.ComputeError):
        lake.arrived("numbers", TONIGHT).collect()


def test_what_had_arrived_by_a_night_is_that_of_every_night_up_to_it(tmp_path):
    lake = Lake(root=f"{tmp_path}")
    for number in range(3):
        lake.write("numbers", FIRST + timedelta(days=2 * number), pl.DataFrame({"number": [number]}))
    for back, known in ((2, [0, 1]), (1, [0, 1]), (0, [0, 1, 2])):
        found = lake.arrived("numbers", FIRST + timedelta(days=4 - back)).collect()
        assert found["number"].to_list() == known


def test_a_night_that_was_begun_and_not_stored_is_no_night(lake):
    lake.file("numbers", TONIGHT).unlink()
    assert lake.nights("numbers", TONIGHT - timedelta(days=2)) == [TONIGHT - timedelta(days=2), TONIGHT - timedelta(1)]
    assert lake.before("numbers", TONIGHT)[-1] == TONIGHT - timedelta(days=1)
    assert lake.nights("nothing") == []


def test_a_listing_learns_of_nights_that_come_and_go(lake):
    tomorrow = TONIGHT + timedelta(days=1)
    assert len(lake.nights("numbers")) == 10
    lake.file("numbers", tomorrow).parent.mkdir()
    assert lake.nights("numbers")[-1] == TONIGHT
    lake.write("numbers", tomorrow, pl.DataFrame({"number": [10]}))
    assert lake.nights("numbers")[-2:] == [TONIGHT, tomorrow]
    shutil.rmtree(lake.file("numbers", FIRST).parent)
    assert lake.nights("numbers")[0] == FIRST + timedelta(days=1)


def told(rows: Mapping[date, str]) -> dict[date, pl.DataFrame]:
    """Facts of which each night holds one."""
    empty = SCHEMAS["customer_facts"].create_empty()
    return {
        night: pl.concat([empty, pl.DataFrame({"customer_id": [who]})], how="diagonal") for night, who in rows.items()
    }


def test_months_that_are_put_together_read_as_their_nights_do_whatever_is_written_after(tmp_path):
    lake = Lake(root=f"{tmp_path}")
    for night, rows in told({FIRST + timedelta(days=n): f"{n}" for n in range(100)}).items():
        lake.write("customer_facts", night, rows)

    def known() -> list[str]:
        return lake.scan("customer_facts", lake.nights("customer_facts")).collect()["customer_id"].to_list()

    lake.pack(FIRST + timedelta(days=99))
    packs = sorted(tmp_path.glob(".packs/customer_facts/*"))
    assert [pack.name[:7] for pack in packs] == ["2025-01", "2025-02", "2025-03"]
    assert known() == [f"{n}" for n in range(100)]
    lake.write("customer_facts", TONIGHT, told({TONIGHT: "new"})[TONIGHT])
    assert known() == [f"{n}" if n != 9 else "new" for n in range(100)]
    lake.pack(FIRST + timedelta(days=99))
    again = sorted(tmp_path.glob(".packs/customer_facts/*"))
    assert again[1:] == packs[1:]
    assert len(again) == 3
    for night in lake.nights("customer_facts")[32:90]:
        lake.file("customer_facts", night).write_bytes(b"not read while its month is put together")
    assert known()[32:90] == [f"{n}" for n in range(32, 90)]


def test_nothing_of_an_erased_customer_is_left_in_months_that_were_put_together(tmp_path):
    lake = Lake(root=f"{tmp_path}")
    later = TONIGHT + timedelta(days=31)
    for night, rows in told({FIRST: "goes", TONIGHT: "stays", later: "stays too"}).items():
        lake.write("customer_facts", night, rows)
    lake.pack(later + timedelta(days=1))
    assert list(tmp_path.glob(".packs/*/*"))
    LakeTables(lake).erase("goes")
    assert not list(tmp_path.glob(".packs/*/*"))
    assert lake.scan("customer_facts", [FIRST, TONIGHT]).collect()["customer_id"].to_list() == ["stays"]
