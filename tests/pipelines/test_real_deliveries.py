"""Deliveries that nobody prepared, taken in with the settings of the documentation; skipped where they are not."""

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.settings import load_settings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LEDGER, LEDGER_NIGHTS = DATA / "oxford_spend_raw", (date(2016, 12, 31), date(2018, 1, 31))
ORDERS, ORDERS_NIGHT = DATA / "online_retail.parquet", date(2011, 12, 9)
NOBODY = "(?i)^(redact|general expenses)"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "dirty-data.md"
SETTINGS = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
LEDGER_SETTINGS = SETTINGS[0].replace('"ledger"', f'"{LEDGER}"')
ORDERS_SETTINGS = SETTINGS[1].replace('"orders.parquet"', f'"{ORDERS}"')


@pytest.fixture(scope="module")
def ledger(tmp_path_factory, ingestion):
    """A purchase ledger: 17 files, 14 headers, an undated quarter; most of it waits for the second night."""
    if not LEDGER.exists():
        pytest.skip(f"{LEDGER} is not there")
    shop = ingestion(tmp_path_factory.mktemp("ledger") / "shop", LEDGER_SETTINGS)
    for night in LEDGER_NIGHTS:
        assert shop.run(night, "ingestion" if night == LEDGER_NIGHTS[-1] else "ungated").success
    return shop


@pytest.fixture(scope="module")
def orders(tmp_path_factory, ingestion):
    """Order lines of a wholesaler: a quarter without a customer, cancellations as invoices of their own."""
    if not ORDERS.exists():
        pytest.skip(f"{ORDERS} is not there")
    shop = ingestion(tmp_path_factory.mktemp("orders") / "shop", ORDERS_SETTINGS)
    assert shop.run(ORDERS_NIGHT).success
    return shop


def test_the_settings_of_the_documentation_are_valid(tmp_path):
    for place, text in enumerate(SETTINGS):
        (tmp_path / f"{place}.toml").write_text(text, encoding="utf-8")
        load_settings(tmp_path / f"{place}.toml")
    assert len(SETTINGS) == 2


def test_every_row_of_the_ledger_is_accounted_for_and_undated_ones_wait_in_quarantine(ledger):
    rows = ledger.table("ledger").select(pl.exclude("night").sum()).row(0, named=True)
    assert rows == {"delivered": 61_529, "valid": 57_492, "quarantined": 4_037, "known": 0}
    reasons = ledger.table("quarantine")["reasons"].list.join(" ").value_counts()
    # 200 lines of differences between accounts name no supplier; one more line is empty.
    assert dict(reasons.rows()) == {
        "timestamp_missing": 3_836,
        "customer_id_missing": 200,
        "customer_id_missing timestamp_missing amount_missing": 1,
    }
    assert ledger.table("deliveries").group_by("source_file").agg(pl.col("due").sum()).height == 17


def test_the_ledger_has_the_lines_of_those_who_prepared_it_by_hand(ledger):
    """They emptied eight names that stand for nobody ("Redacted personal data"), which our settings cannot know."""
    prepared = pl.read_parquet(DATA / "oxford_spend.parquet").drop_nulls(["customer_id", "timestamp"])
    theirs = prepared.select("customer_id", pl.col("order_id").str.strip_chars(), day="timestamp", amount="amount")
    taken = ledger.table("transactions").select("customer_id", "transaction_id", "day", "amount", "is_return")
    ours = taken.filter(~pl.col("customer_id").str.contains(NOBODY))
    assert taken.height - ours.height == 829
    assert ours.drop("is_return").sort(pl.all()).rows() == theirs.sort(pl.all()).rows()
    assert ours["is_return"].sum() == (theirs["amount"] < 0).sum()


def test_the_days_of_the_ledger_add_up_to_its_lines(ledger):
    days, lines = ledger.table("customer_days"), ledger.table("transactions")
    assert days["spend"].sum() - days["refunds"].sum() == (lines["amount"] * 10_000).round().cast(pl.Int64).sum()
    assert days["lines"].sum() + days["returns"].sum() == lines.height


def test_order_lines_without_a_customer_are_put_aside_under_a_limit_that_was_raised_on_purpose(orders):
    rows = orders.table("ledger").drop("night").row(0, named=True)
    assert rows == {"delivered": 541_909, "valid": 406_829, "quarantined": 135_080, "known": 0}
    assert orders.table("quarantine")["reasons"].list.join(" ").unique().to_list() == ["customer_id_missing"]


def test_cancellations_are_netted_and_are_no_purchase(orders):
    source = pl.read_parquet(ORDERS).drop_nulls("customer_id")
    assert orders.table("transactions")["is_return"].sum() == source["is_cancellation"].sum()
    days = orders.table("customer_days").group_by("customer_id").agg(pl.col("orders", "spend", "refunds").sum())
    ours = days.select("customer_id", "orders", net=pl.col("spend") - pl.col("refunds"))
    bought = ~pl.col("is_cancellation")
    theirs = source.group_by("customer_id").agg(
        # An order that goes on after midnight would count on both days; none does.
        orders=pl.col("order_id").filter(bought).n_unique(),
        net=(pl.col("quantity") * pl.col("unit_price") * 10_000).round().cast(pl.Int64).sum(),
    )
    assert ours.sort("customer_id").rows() == theirs.sort("customer_id").rows()
    assert (ours["orders"] == 0).any()
