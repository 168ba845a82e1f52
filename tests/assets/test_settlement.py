"""Which nights are still to be settled is told from the lake, without reading all that ever was."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.lake import SCHEMAS, Lake
from assets.settlement import settled_nights

TONIGHT = date(2026, 6, 1)


def ago(days: int) -> date:
    return TONIGHT - timedelta(days=days)


@pytest.mark.parametrize(
    ("scored", "settled", "expected"),
    [
        ([30, 31], {}, []),
        ([30, 31], {1: [31]}, [31]),
        ([29, 31, 32], {1: [32], 0: [31]}, [32]),
        ([40, 41, 42], {11: [42], 10: [], 9: [40]}, [42, 40]),
        ([500, 600, 601], {500: [601], 400: []}, [601]),
        ([500, 600, 601], {400: [600]}, [601, 600]),
    ],
    ids=["none yet", "one", "tonight settles anew", "one was mended late", "after a long pause", "a year ago"],
)
def test_a_night_is_settled_if_an_earlier_night_settled_it(tmp_path, scored, settled, expected):
    lake = Lake(root=f"{tmp_path}")
    empty = SCHEMAS["settled_outcomes"].create_empty()
    for by, nights in settled.items():
        rows = pl.DataFrame({"night": [ago(each) for each in nights]}, schema={"night": pl.Date})
        lake.write("settled_outcomes", ago(by), pl.concat([empty, rows], how="diagonal"))
    assert settled_nights(lake, sorted(map(ago, scored)), TONIGHT) == [ago(each) for each in expected]


def test_no_night_of_more_than_a_year_ago_is_opened_where_a_newer_one_settled(tmp_path: Path):
    lake = Lake(root=f"{tmp_path}")
    rows = pl.DataFrame({"night": [ago(31)]})
    lake.write(
        "settled_outcomes", ago(1), pl.concat([SCHEMAS["settled_outcomes"].create_empty(), rows], how="diagonal")
    )
    old = lake.file("settled_outcomes", ago(800))
    old.parent.mkdir()
    old.write_bytes(b"spoilt")
    assert settled_nights(lake, [ago(830), ago(31), ago(30)], TONIGHT) == [ago(830), ago(31)]
