"""What arrives is taken in once, whatever a delivery looks like, and what was left out is said."""

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.erased import Erasures
from assets.features import customer_days, customer_items
from assets.files import FileSource
from assets.ingestion import arrivals
from assets.lake import Lake
from assets.network import Network
from assets.past_nights import past_of
from assets.transactions import parted_rows
from models.definition import ChurnDefinition
from models.deliveries import IDENTITY
from models.delivery_notes import NO_SALES, sentences
from models.mapping import ColumnMapping, DeliveryError
from models.transactions import ValidationRules

COLUMNS = ColumnMapping(
    ("customer",), ("day",), transaction_id=("order",), product=("sku",), amount=("paid",), discount=("off",)
)
HEADER = "customer,day,order,sku,paid,off\n"
NIGHT = date(2024, 3, 31)
NEXT = NIGHT + timedelta(days=1)


class Desk:
    """A folder in which deliveries land and nights are taken in, up to the sums of their rows."""

    def __init__(self, folder: Path) -> None:
        self.landing, self.scratch = folder / "landing", folder / "scratch"
        self.landing.mkdir()
        self.scratch.mkdir()
        self.lake = Lake(root=str(folder / "lake"))

    def deliver(self, name: str, *lines: str, header: str = HEADER) -> None:
        (self.landing / name).parent.mkdir(exist_ok=True)
        (self.landing / name).write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")

    def take(self, night: date, timezone: str = "Europe/Berlin", **source: Any) -> dg.ExecuteInProcessResult:
        result = dg.materialize(
            [arrivals, parted_rows, customer_days, customer_items],
            partition_key=str(night),
            resources={
                "io_manager": self.lake,
                "lake": self.lake,
                "source": FileSource(str(self.landing), COLUMNS, **source),
                "scratch": self.scratch,
                "network": Network(),
                "columns": COLUMNS,
                "erasures": Erasures(self.scratch.parent / "lake.erased.json"),
                "churn": ChurnDefinition(timezone=timezone),
                "rules": ValidationRules(return_pattern="^C"),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert result.success
        return result

    def table(self, name: str, night: date) -> pl.DataFrame:
        return self.lake.scan(name, [night]).collect()

    def ledger(self, night: date) -> Mapping[str, int]:
        return self.table("ledger", night).drop("night").row(0, named=True)

    def digests(self) -> dict[str, str]:
        files = sorted(Path(self.lake.root).rglob("*.parquet"))
        return {f"{file}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def noted(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = [
        each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey("deliveries")
    ]
    return {name: each.value for name, each in event.materialization.metadata.items()}


def test_a_bad_file_is_left_out_said_and_read_once_it_is_mended(desk):
    desk.deliver("good.csv", "a,2024-03-30,o1,tea,1,0")
    desk.deliver("bad.csv", "x,y", header="who,when\n")
    said = noted(desk.take(NIGHT, on_bad_file="skip"))
    assert said["skipped_files"] == 1
    assert "bad.csv: no column 'customer'" in said["notes"]
    assert "It was skipped and will be tried again the next night." in said["notes"]
    assert desk.table("deliveries", NIGHT)["source_file"].to_list() == ["good.csv"]

    desk.deliver("bad.csv", "b,2024-03-30,o2,tea,1,0")
    stored = desk.digests()
    again = noted(desk.take(NIGHT, on_bad_file="skip"))
    assert (again["skipped_files"], desk.digests()) == (1, stored)
    assert noted(desk.take(NEXT, on_bad_file="skip"))["skipped_files"] == 0
    assert desk.table("transactions", NEXT)["customer_id"].to_list() == ["b"]


def test_a_file_that_leaves_open_how_it_is_written_is_read_as_those_beside_it(desk):
    desk.deliver("1.csv", "a;03/04/2024;o1;tea;1.250;0", header=HEADER.replace(",", ";"))
    desk.deliver("2.csv", "a;04/13/2023;o2;tea;1,50;0", header=HEADER.replace(",", ";"))
    said = noted(desk.take(NIGHT))
    amounts = dict(desk.table("transactions", NIGHT).select("day", "amount").iter_rows())
    assert amounts == {date(2024, 3, 4): 1250.0, date(2023, 4, 13): 1.5}
    assert "1.csv: nothing tells day from month: 'day' is read as '%m/%d/%Y', as in other files." in said["notes"]

    desk.deliver("3.csv", "a;04/01/2024;o3;tea;2.500;0", header=HEADER.replace(",", ";"))
    desk.take(NEXT)
    assert desk.table("transactions", NEXT).select("day", "amount").row(0) == (NEXT, 2500.0)
    written = desk.table("deliveries", NEXT).select("decimal_mark", "timestamp_pattern").row(0)
    assert written == (None, None)


def test_a_file_that_nothing_tells_how_it_is_written_is_asked_about(desk):
    desk.deliver("1.csv", "a,2024-03-30,o1,tea,1.250,0", "a,2024-03-30,o2,tea,2.500,0")
    with pytest.raises(DeliveryError, match=r"1\.csv: column 'paid' holds numbers such as '9\.999'.*source\.decimal"):
        desk.take(NIGHT)


def test_ids_that_a_spreadsheet_rounded_and_rows_to_come_are_noted(desk):
    desk.deliver(
        "1.csv", "4.00638E+12,2024-03-30,o1,tea,1.5,0", "a,2024-03-31,o2,4.00638E+12,2,0", "a,2024-04-05,o3,,2,0"
    )
    said = noted(desk.take(NIGHT))
    assert "are no ids: 1 of customer_id, 1 of product. Deliver text." in said["notes"]
    assert "1.csv: rows of later days wait for their nights: 1 from 2024-04-05 to 2024-04-05." in said["notes"]
    assert "rows of later days wait for their nights: 1 from" in noted(desk.take(NEXT))["notes"]
    assert desk.table("quarantine", NIGHT)["reasons"].to_list() == [["customer_id_missing"]]


def test_damage_behind_the_first_rows_of_a_file_leaves_it_out_whole(desk):
    desk.deliver("bad.csv", *["a,2024-03-30,o1,tea,1,0"] * 3, 'a,2024-03-30,o1,"tea" x,1,0')
    desk.deliver("good.csv", "b,2024-03-30,o2,tea,1,0")
    desk.take(NIGHT, on_bad_file="skip")
    assert desk.table("raw_transactions", NIGHT)["customer_id"].to_list() == ["b"]


def test_columns_that_come_or_go_are_noted_once_for_all_files_alike(desk):
    for name in ("1.csv", "2.csv", "3.csv"):
        desk.deliver(name, f"a,2024-03-30,o{name},tea,1,0,x", header=HEADER.replace("\n", ",colour\n"))
    desk.deliver("4.csv", "a,2024-03-30,o4,tea", header="customer,day,order,sku\n")
    assert noted(desk.take(NIGHT))["notes"].splitlines() == [
        "- 4.csv: no column for amount, discount, which source.columns names.",
        "- 1.csv and 2 more: columns that no setting names are left out: 'colour'.",
    ]


def test_a_file_is_read_again_when_it_changed_and_only_then(desk):
    desk.deliver("same.csv", "a,2024-03-30,o1,tea,1,0")
    desk.deliver("longer.csv", "b,2024-03-30,o2,tea,1,0")
    desk.take(NIGHT)
    desk.deliver("longer.csv", "b,2024-03-30,o2,tea,1,0", "b,2024-04-01,o3,tea,1,0")
    desk.take(NEXT)
    assert desk.table("deliveries", NEXT)["source_file"].to_list() == ["longer.csv"]
    assert desk.ledger(NEXT) == {"delivered": 2, "valid": 1, "quarantined": 0, "known": 1}


def test_a_mended_line_is_new_even_where_its_identity_is_the_same(desk):
    desk.deliver("1.csv", "a,2024-03-30,o1,tea,1,9e99", "b,2024-03-30,o2,tea,1,0")
    desk.take(NIGHT)
    desk.deliver("mended.csv", "a,2024-03-30,o1,tea,1,0.5")
    desk.take(NEXT)
    assert desk.ledger(NEXT) == {"delivered": 1, "valid": 1, "quarantined": 0, "known": 0}
    desk.deliver("again.csv", "a,2024-03-30,o1,tea,1,9e99", "a,2024-03-30,o1,tea,1,0.5")
    desk.take(NEXT + timedelta(days=1))
    assert desk.ledger(NEXT + timedelta(days=1)) == {"delivered": 2, "valid": 0, "quarantined": 0, "known": 2}


@pytest.mark.parametrize(
    ("identity", "known"),
    [(("customer_id", "timestamp", "transaction_id", "product", "amount"), 0), (("customer_id", "timestamp"), 1)],
)
def test_the_settings_say_when_two_lines_are_the_same(desk, identity, known):
    desk.deliver("1.csv", "a,2024-03-30 10:00,o1,tea,1,0")
    desk.take(NIGHT, identity=identity)
    desk.deliver("2.csv", "a,2024-03-30 10:00,o1,jam,2,0")
    desk.take(NEXT, identity=identity)
    assert desk.ledger(NEXT)["known"] == known


@pytest.mark.parametrize(
    ("night", "hours"),
    [
        (date(2024, 3, 31), [hour for hour in range(24) if hour != 2]),
        (date(2024, 10, 27), [*range(3), 2, *range(3, 24)]),
        (date(2024, 6, 1), [*range(24)]),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_show(desk, night, hours):
    """One line at every hour that the clock on the wall strikes, and the strokes of midnight on both sides."""
    around = [f"{night - timedelta(days=1)} 23:59", f"{night + timedelta(days=1)} 00:00"]
    moments = [around[0], *(f"{night} {hour:02}:00" for hour in hours), around[1]]
    desk.deliver("1.csv", *(f"a,{moment},o{place},tea,1,0" for place, moment in enumerate(moments)))
    desk.take(night - timedelta(days=1))
    desk.take(night)
    taken = desk.table("transactions", night)
    assert taken["day"].to_list() == [night] * len(hours)
    assert desk.ledger(night) == {"delivered": len(hours), "valid": len(hours), "quarantined": 0, "known": 0}
    assert desk.ledger(night - timedelta(days=1))["valid"] == 1
    desk.take(night + timedelta(days=1))
    assert desk.ledger(night + timedelta(days=1))["valid"] == 1


def test_moments_counted_since_1970_fill_the_long_day_evenly(desk):
    """25 hours counted in seconds, from midnight to midnight of the night on which clocks go back."""
    first = 1_729_980_000  # 2024-10-27 00:00 in Berlin
    desk.deliver("1.csv", *(f"a,{first + 3600 * hour},o{hour},tea,1,0" for hour in range(-1, 26)))
    desk.take(date(2024, 10, 26))
    desk.take(date(2024, 10, 27))
    assert desk.ledger(date(2024, 10, 26))["valid"] == 1
    assert desk.ledger(date(2024, 10, 27))["valid"] == 25


def test_cancellations_and_negative_amounts_are_returns(desk):
    desk.deliver("1.csv", "a,2024-03-30,o1,tea,5,0", "a,2024-03-30,C2,tea,5,0", "a,2024-03-30,o3,tea,-5,0")
    desk.take(NIGHT)
    lines = desk.table("transactions", NIGHT).sort("source_row")
    assert lines["is_return"].to_list() == [False, True, True]


def kinds(desk: Desk, night: date) -> dict[str, list[str]]:
    """Kind of note -> the files that it is about."""
    notes = desk.table("delivery_notes", night).sort("source_file")
    return dict(notes.group_by("kind").agg("source_file").iter_rows())


def test_what_may_mean_lost_rows_is_noted(desk):
    desk.deliver("1.csv", "Müller,2024-03-30,o1,tea,1,0")
    desk.deliver("2.csv", "Bäcker,2024-03-30,o2,tea,1,0")
    (desk.landing / "3.csv").write_bytes((HEADER + "Groß,2024-03-30,o3,tea,1,0\n").encode("cp1252"))
    (desk.landing / "4.csv").write_text(HEADER + "C4\0,2024-03-30,o4,tea,1,0\n")
    desk.deliver("5.csv")
    (desk.landing / "6.xlsx").write_bytes(b"PK")
    desk.take(NIGHT)
    assert kinds(desk, NIGHT) == {
        "encoding_differs": ["3.csv"],
        "nul_characters": ["4.csv"],
        "no_rows": ["5.csv"],
        "passed_over": ["6.xlsx"],
    }
    assert sorted(desk.table("transactions", NIGHT)["customer_id"]) == ["Bäcker", "C4", "Groß", "Müller"]


def test_a_file_of_another_encoding_than_those_of_earlier_nights_is_noted(desk):
    desk.deliver("1.csv", "Müller,2024-03-30,o1,tea,1,0")
    desk.take(NIGHT)
    (desk.landing / "2.csv").write_bytes((HEADER + "Groß,2024-04-01,o3,tea,1,0\n").encode("cp1252"))
    desk.take(NEXT)
    assert kinds(desk, NEXT) == {"encoding_differs": ["2.csv"]}


HISTORY = [f"a{place},2024-03-30 10:{place:02}:07,o{place},tea,1,0" for place in range(30)]
CHANGES = {
    "price": (["a0,2024-03-30 10:00:07,o0,tea,2,0"], "1 orders"),
    "product": (["a0,2024-03-30 10:00:07,o0,jam,1,0"], "1 orders"),
    "one line more": (["a0,2024-03-30 10:00:07,o0,jam,1,0", HISTORY[0]], "1 orders"),
    "one line twice": ([HISTORY[0], HISTORY[0]], "1 orders"),
    "no seconds": ([line.replace(":07,", ":00,") for line in HISTORY], "30 orders"),
    "no order, no seconds": ([line.replace(":07,", ":00,") for line in HISTORY], "30 orders"),
    "the same": (HISTORY, None),
    "another customer": (["b,2024-03-30 10:00:07,o0,tea,2,0"], None),
    "new orders of the same day": (["a0,2024-03-30 11:00:00,o77,tea,1,0"], None),
}


@pytest.mark.parametrize(("lines", "said"), CHANGES.values(), ids=CHANGES)
def test_orders_that_come_again_with_other_lines_are_counted_and_said(desk, request, lines, said):
    def without(line: str) -> str:
        parts = line.split(",")
        return ",".join([*parts[:2], "", *parts[3:]]) if "no order" in request.node.name else line

    desk.deliver("1.csv", *map(without, HISTORY))
    desk.take(NIGHT)
    desk.deliver("2.csv", *map(without, lines), "new,2024-04-01,o99,tea,1,0")
    notes = noted(desk.take(NEXT))["notes"]
    assert ("came again with other lines" in notes) == (said is not None)
    assert said is None or f"{said} of earlier nights" in notes
    past = past_of(desk.lake, NEXT)
    assert past.changed_orders == (int(said.split()[0]) if said else 0)


@pytest.mark.parametrize("corrections", ["add", "replace"])
def test_lines_of_two_branches_are_doubted_and_a_repeated_export_is_not(desk, corrections):
    shared = [f"a{place},2024-03-30,,tea,1,0" for place in range(3)]
    desk.deliver("berlin.csv", *shared, *(f"b{place},2024-03-30,,tea,1,0" for place in range(10)))
    desk.deliver("bonn.csv", *shared, *(f"c{place},2024-03-30,,tea,1,0" for place in range(10)))
    notes = noted(desk.take(NIGHT, corrections=corrections))["notes"]
    assert "bonn.csv: lines that stand in another file too and count once: 3 in berlin.csv" in notes
    assert desk.ledger(NIGHT)["known"] == 3


def test_an_export_that_repeats_whole_days_is_not_doubted(desk):
    desk.deliver("1.csv", *(f"a{place},2024-03-{10 + place},,tea,1,0" for place in range(10)))
    desk.deliver("2.csv", *(f"a{place},2024-03-{10 + place},,tea,1,0" for place in range(5, 20)))
    desk.take(NIGHT)
    assert "lines_shared" not in kinds(desk, NIGHT)


@pytest.mark.parametrize(("place", "known"), [("source_file", 0), ("source_folder", 1), (None, 2)])
def test_a_file_or_its_folder_may_tell_lines_apart(desk, place, known):
    """Two branches, of which one delivers twice within its folder, and again on the next night."""
    for name in ("berlin/1.csv", "berlin/2.csv", "bonn/1.csv"):
        desk.deliver(name, "a,2024-03-30,o1,tea,1,0")
    identity = (*IDENTITY, *([place] if place else []))
    desk.take(NIGHT, identity=identity)
    assert desk.ledger(NIGHT)["known"] == known
    for name in ("berlin/1.csv", "bonn/1.csv"):
        desk.deliver(name, "a,2024-03-30,o1,tea,1,0", f"{name[:-6]},2024-04-01,o2,tea,1,0")
    desk.take(NEXT, identity=identity)
    assert desk.ledger(NEXT) == {"delivered": 4, "valid": 2, "quarantined": 0, "known": 2}


def test_rows_that_seem_to_be_no_sales_are_said_with_counts_over_all_files(desk: Desk) -> None:
    header = "customer,day,order,sku,paid,off,Status,is_test\n"
    desk.deliver("a.csv", "K1,2024-03-01,1,a,5,0,paid,false", "K2,2024-03-01,2,a,5,0,cancelled,true", header=header)
    desk.deliver("b.csv", "K3,2024-03-02,3,a,5,0,cancelled,false", "K4,2024-03-02,4,a,5,0,paid,", header=header)
    desk.deliver("c.csv", "K5,2024-03-02,5,a,5,0")

    assert desk.take(NIGHT).success

    notes = desk.lake.scan("delivery_notes", [NIGHT]).collect()
    assert sentences(notes, NO_SALES) == [
        "Rows that seem to be no plain sales count as purchases: 'Status' says cancelled 2, paid 2; 'is_test' says "
        "true 1. Deliver the sales alone."
    ]


def test_a_return_pattern_that_marks_every_order_stops_the_night(desk: Desk) -> None:
    desk.deliver("a.csv", *(f"K{row},2024-03-01,C{row},a,5,0" for row in range(12)))

    with pytest.raises(DeliveryError, match=r"return_pattern is '\^C' and matches all of 12 order ids"):
        desk.take(NIGHT)
