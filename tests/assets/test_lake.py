"""The lake hands back the nights that an asset needs, and opens no others."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.lake import WITHIN_REACH, Lake
from assets.nights import NIGHTS, UP_TO_TONIGHT

FIRST, TONIGHT = date(2025, 1, 1), date(2025, 1, 10)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten nights of a table; the first, out of reach of the last, cannot be read."""
    lake = Lake(root=f"{tmp_path}", reach_days=5)
    for number in range(10):
        lake.write("numbers", FIRST + timedelta(days=number), pl.DataFrame({"number": [number]}))
    lake.file("numbers", FIRST).write_bytes(b"spoilt")
    return lake


@pytest.mark.parametrize(("metadata", "lowest"), [(WITHIN_REACH, 4), (None, None)])
def test_an_asset_that_looks_back_so_far_opens_no_older_night(lake, metadata, lowest):
    @dg.asset(partitions_def=NIGHTS, ins={"numbers": dg.AssetIn(partition_mapping=UP_TO_TONIGHT, metadata=metadata)})
    def least(numbers: pl.LazyFrame) -> pl.LazyFrame:
        return numbers.select(pl.col("number").min())

    upstream = dg.AssetSpec("numbers", partitions_def=NIGHTS)
    done = dg.materialize(
        [least, upstream], partition_key=f"{TONIGHT}", resources={"io_manager": lake}, raise_on_error=False
    )
    assert done.success == (lowest is not None)
    if done.success:
        assert pl.read_parquet(lake.file("least", TONIGHT)).item() == lowest


def test_a_night_that_was_begun_and_not_stored_is_no_night(lake):
    lake.file("numbers", TONIGHT).unlink()
    assert lake.nights("numbers", TONIGHT - timedelta(days=2)) == [TONIGHT - timedelta(days=2), TONIGHT - timedelta(1)]
    assert lake.before("numbers", TONIGHT)[-1] == TONIGHT - timedelta(days=1)
    assert lake.nights("nothing") == []
