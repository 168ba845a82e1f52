"""What the lake knows of the nights before a night, for its delivery to be compared with."""

from datetime import date, timedelta

import polars as pl

from assets.lake import Lake
from assets.repeats import orders_again
from models.arrivals import Past, profile

_RECENT_NIGHTS = 60
"""Nights whose volume and amounts a delivery is compared with."""

_KNOWN_DAYS = 365
"""Days of deliveries whose customers count as seen before; more would make every night read all of history."""


def past_of(lake: Lake, night: date, *, customers: bool = True) -> Past:
    """What is known of the nights before a night that passed the gate.

    Args:
        lake: Where they are.
        night: As-of date.
        customers: Whether everybody seen before is read into memory; nobody is otherwise.
    """
    passed = lake.before("transactions", night)
    if not passed:
        return Past()
    recent = set(passed[-_RECENT_NIGHTS:]) & set(lake.nights("raw_transactions"))
    days = lake.scan("customer_days", seen_nights(lake, night))
    who = days.select("customer_id").unique()
    newest, seen, *profiles = pl.collect_all(
        [
            days.select(pl.col("day").max()),
            who if customers else who.clear(),
            *(profile(lake.scan("raw_transactions", [each]), each) for each in sorted(recent)),
        ]
    )
    delivered = lake.scan("deliveries", [night]).select(pl.col("identity").first()).collect().item()
    changed, orders = 0, 0
    if delivered is not None:
        again, orders = orders_again(lake, lake.scan("raw_transactions", [night]), night, delivered.split(", "))
        changed = again.height
    return Past(
        nights=pl.concat([Past().nights, *profiles]),
        customers=seen.to_series(),
        newest_day=newest.item(),
        changed_orders=changed,
        orders=orders,
    )


def seen_nights(lake: Lake, night: date) -> list[date]:
    """The nights of ``customer_days`` whose customers count as seen before."""
    return [each for each in lake.before("customer_days", night) if each >= night - timedelta(days=_KNOWN_DAYS)]
