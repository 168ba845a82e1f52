"""Where corrections replace, the newest delivery of an order is all of it, from its night on and not before."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.files import FileSource
from assets.ingestion import read_source
from assets.lake import Lake
from models.customer_days import customer_days
from models.customer_items import customer_items
from models.definition import ChurnDefinition
from models.deliveries import Delivery
from models.mapping import ColumnMapping, DeliveryError
from pipelines.settings import Settings
from tests.assets.test_ingestion import NIGHT, Desk, noted

DAY = NIGHT - timedelta(days=1)
LATER = [NIGHT + timedelta(days=number) for number in range(4)]
Order = tuple[str, date, str]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def row(order: str, sku: str, paid: float, *, customer: str = "a", day: date = DAY) -> str:
    return f"{customer},{day},{order},{sku},{paid},0"


def spent(lake: Lake, night: date) -> dict[str, float]:
    days = lake.arrived("customer_days", night).group_by("customer_id").agg(pl.col("spend").sum() / 10_000)
    return dict(days.sort("customer_id").collect().iter_rows())


def test_an_order_that_comes_again_is_what_its_newest_delivery_says(desk: Desk) -> None:
    desk.deliver("1.csv", row("o1", "tea", 8.9), row("o1", "mug", 5), row("o2", "tea", 3), row("o3", "jam", 4))
    desk.take(NIGHT, corrections="replace")
    desk.deliver("2.csv", row("o1", "tea", 7.9), row("o2", "tea", 3), row("o4", "tea", 1, customer="b"))
    said = noted(desk.take(LATER[1], corrections="replace"))["notes"]

    assert "came again with other lines, which count from now on in their place: 1 orders, such as o1." in said
    assert spent(desk.lake, NIGHT) == {"a": 20.9}
    assert spent(desk.lake, LATER[1]) == {"a": 14.9, "b": 1.0}
    assert desk.ledger(LATER[1]) == {"delivered": 3, "valid": 2, "quarantined": 0, "known": 1}
    items = desk.lake.arrived("customer_items", LATER[1]).filter(pl.col("customer_id") == "a").collect()
    assert sorted(items.select("item", "lines").iter_rows()) == [("jam", 1), ("tea", 2)]


def test_lines_that_an_order_lost_and_lines_that_cannot_be_read_are_told(desk: Desk) -> None:
    desk.deliver("1.csv", row("o1", "tea", 8.9), row("o1", "mug", 5), row("o2", "tea", 3))
    desk.take(NIGHT, corrections="replace")
    desk.deliver("2.csv", row("o1", "tea", 8.9), f"a,{DAY},o2,tea,,0")
    desk.take(LATER[1], corrections="replace")
    # An order of which nothing can be read stays as it was.
    assert spent(desk.lake, LATER[1]) == {"a": 11.9}
    assert desk.ledger(LATER[1])["quarantined"] == 1


def test_a_night_that_runs_again_is_the_same_byte_for_byte(desk: Desk) -> None:
    desk.deliver("1.csv", row("o1", "tea", 8.9))
    desk.take(NIGHT, corrections="replace")
    desk.deliver("2.csv", row("o1", "tea", 7.9))
    desk.take(LATER[1], corrections="replace")
    stored = desk.digests()
    for night in (NIGHT, LATER[1]):
        desk.take(night, corrections="replace")
    assert desk.digests() == stored


def test_orders_that_an_export_in_parts_cut_apart_are_refused_with_the_remedy(desk: Desk) -> None:
    orders = [f"o{number}" for number in range(10)]
    desk.deliver("part-1.csv", *(row(order, "tea", 1) for order in orders))
    desk.deliver("part-2.csv", *(row(order, "mug", 2) for order in orders))
    with pytest.raises(DeliveryError, match=r"10 orders stand in several files .* such as o0.*corrections = \"add\""):
        desk.take(NIGHT, corrections="replace")
    desk.take(NIGHT, corrections="add")
    assert spent(desk.lake, NIGHT) == {"a": 30.0}


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"identity": ["customer_id", "timestamp", "source_folder"]}, "identity holds source_folder"),
        ({"kind": "database", "table": "orders", "url": "postgresql://u:p@h/d"}, "deliver files"),
    ],
)
def test_a_source_whose_orders_cannot_be_told_whole_is_refused(source: Mapping[str, object], remedy: str) -> None:
    columns = {"customer_id": "a", "timestamp": "b", "transaction_id": "c"}
    given = {"path": "landing", "columns": columns, "corrections": "replace", **source}
    with pytest.raises(ValueError, match=remedy):
        Settings.model_validate({"source": given})


def test_a_source_without_order_ids_is_refused(tmp_path: Path) -> None:
    source = FileSource(f"{tmp_path}", ColumnMapping(("customer",), ("day",)), corrections="replace")
    with pytest.raises(DeliveryError, match=r"identifies orders by their ids: set source\.columns\.transaction_id"):
        list(read_source(source, ChurnDefinition(), night=NIGHT, manifest=Delivery.create_empty(), scratch=tmp_path))


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict[Order, list[tuple[str, int]]]]:
    orders = [(customer, DAY - timedelta(days=back), f"o{n}") for customer in "ab" for back in (0, 3) for n in (1, 2)]
    lines = st.lists(st.tuples(st.sampled_from(["tea", "mug"]), st.integers(-3, 3)), min_size=1, max_size=3)
    return draw(st.lists(st.dictionaries(st.sampled_from(orders), lines, max_size=4), min_size=1, max_size=3))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=deliveries(), at_once=st.booleans())
def test_sums_are_those_of_the_newest_lines_whenever_files_arrive(
    tmp_path_factory: pytest.TempPathFactory, files: list[dict[Order, list[tuple[str, int]]]], *, at_once: bool
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    counting: dict[Order, list[tuple[str, int]]] = {}
    nights = [NIGHT] * len(files) if at_once else LATER[: len(files)]
    for number, (file, night) in enumerate(zip(files, nights, strict=True)):
        rows = [
            row(order, sku, paid, customer=customer, day=day)
            for (customer, day, order), lines in file.items()
            for sku, paid in lines
        ]
        desk.deliver(f"{number}.csv", *rows)
        counting |= file
        if night != NIGHT or not at_once:
            desk.take(night, corrections="replace")
    if at_once:
        desk.take(NIGHT, corrections="replace")

    last = nights[-1]
    told = desk.lake.arrived("transactions", last)
    lines = sorted(told.select("customer_id", "day", "transaction_id", "product", "amount").collect().iter_rows())
    assert lines == sorted((*order, sku, float(paid)) for order, kept in counting.items() for sku, paid in kept)
    for table, add_up in (("customer_days", customer_days), ("customer_items", customer_items)):
        assert summed(desk.lake.arrived(table, last)).equals(summed(add_up(told))), table


def summed(rows: pl.LazyFrame) -> pl.DataFrame:
    key = [name for name, dtype in rows.collect_schema().items() if dtype != pl.Int64]
    return rows.group_by(key).agg(pl.all().sum()).sort(key).collect()
