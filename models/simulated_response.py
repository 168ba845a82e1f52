"""How the customers of the simulated shop answer to a contact: some are kept, some are driven away, most do not care.

Whoever is contacted is one of four kinds, which nobody can see but the simulator (Ascarza 2018): a *persuadable* would
have left and stays, a *sure thing* stays anyway, a *lost cause* leaves anyway, and who is *driven away* would have
stayed and leaves because of the contact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

KINDS = ("persuadable", "sure_thing", "lost_cause", "driven_away")


@dataclass(frozen=True)
class Response:
    """What a contact does.

    Attributes:
        saves: Share of those who would leave whom it keeps.
        repels: Share of those who would stay whom it drives away.
    """

    saves: float = 0.0
    repels: float = 0.0


Responses = Mapping[tuple[str, str], Response]
"""The response by action and segment; what is not named does nothing."""


def contacted(
    orders: pl.DataFrame, contacts: pl.DataFrame, responses: Responses, *, horizon_days: int, seed: int
) -> pl.DataFrame:
    """What each contact meets.

    Args:
        orders: What everybody would buy if nobody were contacted, as from `models.simulator.transactions`.
        contacts: customer_id, night, action and segment; a contact takes effect after its night.
        responses: What actions do.
        horizon_days: Days without a purchase after which a customer has left.
        seed: Of the answers.

    Returns:
        The contacts, sorted by night and customer, with ``kind``, one of `KINDS`.
    """
    who = contacts.sort("night", "customer_id")
    bought = orders.select("customer_id", day=pl.col("timestamp").dt.date())
    after = pl.col("day") - pl.col("night")
    stays = (
        who.select("customer_id", "night")
        .join(bought, on="customer_id")
        .filter(after > timedelta(0), after <= timedelta(days=horizon_days))
        .select("customer_id", "night", stays=True)
        .unique()
    )
    who = who.join(stays, on=["customer_id", "night"], how="left", maintain_order="left")
    answers = [responses.get(cell, Response()) for cell in who.select("action", "segment").rows()]
    chance = pl.Series(np.random.default_rng([seed, 2]).random(who.height))
    saved = chance < pl.Series([each.saves for each in answers], dtype=pl.Float64)
    repelled = chance < pl.Series([each.repels for each in answers], dtype=pl.Float64)
    leaves = pl.col("stays").is_null()
    kind = (
        pl.when(leaves & saved)
        .then(pl.lit("persuadable"))
        .when(leaves)
        .then(pl.lit("lost_cause"))
        .when(repelled)
        .then(pl.lit("driven_away"))
        .otherwise(pl.lit("sure_thing"))
    )
    return who.with_columns(kind=kind).drop("stays")


def react(
    orders: pl.DataFrame, shop: pl.DataFrame, met: pl.DataFrame, *, horizon_days: int, last_day: date, seed: int
) -> pl.DataFrame:
    """The orders of a shop some of whose customers were contacted.

    A persuadable buys once within the horizon and goes on at the old rate for a new lifetime; who is driven away never
    buys again after the night.

    Args:
        orders: What would have been bought without these contacts.
        shop: As from `models.simulator.customers`.
        met: As from `contacted`.
        horizon_days: As there.
        last_day: Nothing is bought after it.
        seed: Of the new purchases.

    Returns:
        Orders as from `models.simulator.transactions`; new ones have an id that begins with R and their night.
    """
    gone = met.filter(kind="driven_away").group_by("customer_id").agg(lost=pl.col("night").min())
    stayed = (
        orders.join(gone, on="customer_id", how="left", maintain_order="left")
        .filter(pl.col("lost").is_null() | (pl.col("timestamp").dt.date() <= pl.col("lost")))
        .drop("lost")
    )
    kept = met.filter(kind="persuadable").join(shop, on="customer_id", how="left", maintain_order="left")
    random = np.random.default_rng([seed, 3])
    first = random.random(kept.height) * horizon_days
    life = random.exponential(1 / kept["loss"].to_numpy())
    room = np.maximum(kept.select((pl.lit(last_day) - pl.col("night")).dt.total_days()).to_series().to_numpy(), 0)
    span = np.clip(np.minimum(life, room - first), 0, None)
    later = random.poisson(kept["rate"].to_numpy() * span)
    owner = np.concatenate([np.arange(kept.height), np.repeat(np.arange(kept.height), later)])
    when = np.concatenate([first, first.repeat(later) + random.random(later.sum()) * span.repeat(later)])
    new = kept[owner].select(
        "customer_id",
        timestamp=pl.col("night").cast(pl.Datetime("us"))
        + pl.duration(days=1)
        + pl.duration(minutes=pl.lit(pl.Series((when * 24 * 60).astype(np.int64)))),
        transaction_id=pl.format("R{}-{}", "night", pl.int_range(pl.len())),
        quantity=pl.Series(random.integers(1, 6, len(owner))),
        amount=(pl.col("spend") * pl.Series(random.lognormal(0, 0.4, len(owner)))).round(2),
    )
    end = datetime.combine(last_day, time.max)
    return pl.concat([stayed, new.filter(pl.col("timestamp") <= end)]).sort("timestamp", "customer_id", "amount")
