"""Who gets which action when neither the money nor the hands suffice for everybody."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNIT = 10_000
"""Money is added up in whole ten-thousandths: exact, and free of order."""

UNLIMITED = 2**62

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """What a night can carry.

    Attributes:
        capacity: how many customers per column of the offers and its value, as ("channel", "phone"): 50.
        budget: what the actions of the night may cost together; None is no limit.
    """

    capacity: Mapping[tuple[str, str], int] = field(default_factory=dict)
    budget: float | None = None


def allocate(offers: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """Give each customer at most one of the actions that are worthwhile for him.

    Greedy: everybody starts with nothing, and the best step to a more profitable action is taken as long as
    there is room; a step that finds no hands is left out from then on, one that finds no money ends the
    night. Two orders of the steps are tried, by profit and by profit per cost (the greedy of Sinha and
    Zoltners, Operations Research 27, 1979), and the one that earns more is kept. A larger budget only adds
    steps to either order, so that it never earns less.

    Args:
        offers: customer_id, action, channel (one per action), cost, profit (positive, or null throughout:
            then what stands first comes first) and takes_room (false for the control, who use up neither
            hands nor money, and are refused like others where none are left).
        limits: what there is room for.

    Returns:
        customer_id, action (null when there was no room) and refused ("capacity", "budget" or null), one
        row per customer, by customer_id.
    """
    grid = _Grid.of(offers, limits)
    outcomes = [_climb(grid, per_cost=False)]
    if not offers["profit"].null_count():
        outcomes.append(_climb(grid, per_cost=True))
    level, broke = max(outcomes, key=lambda outcome: grid.earned(outcome[0]))
    waiting = pl.Series(level == grid.nothing)
    return pl.DataFrame(
        {
            "customer_id": grid.customers,
            "action": pl.Series([*grid.actions, None], dtype=pl.String).gather(level),
            "broke": broke,
        }
    ).select(
        "customer_id",
        "action",
        refused=pl.when(waiting).then(pl.when("broke").then(pl.lit("budget")).otherwise(pl.lit("capacity"))),
    )


def earned(offers: pl.DataFrame, granted: pl.DataFrame) -> float:
    """The profit expected of the granted offers to those who are really contacted."""
    contacted = offers.filter("takes_room").join(granted, on=["customer_id", "action"], how="semi")
    return float(contacted.select((pl.col("profit") * UNIT).round().cast(pl.Int64).sum()).item()) / UNIT


def upper_bound(offers: pl.DataFrame, limits: Limits, reached: float, *, steps: int = 100) -> float:
    """A profit that no allocation within the limits can exceed, not even one that splits customers.

    Lagrangian duality (Fisher, Management Science 27, 1981): whatever the limits are priced at, their
    total price plus the worth of each customer's best offer at these prices bounds the linear programme
    from above. Good prices are found by Polyak's subgradient steps.

    Args:
        offers: as for `allocate`.
        limits: what there is room for.
        reached: the profit of an allocation within the limits.
        steps: how often the prices are improved.
    """
    grid = _Grid.of(offers.filter("takes_room"), limits)
    # Each limit in shares of itself, for the prices to be of one size.
    use, room = grid.use / np.maximum(grid.room, 1), (grid.room > 0).astype(np.float64)
    everybody = np.arange(len(grid.customers))
    prices, bound = np.zeros(len(room)), np.inf
    for _ in range(steps):
        worth = grid.profit - use @ prices
        best = worth.argmax(axis=1)
        value = float(prices @ room + worth[everybody, best].sum())
        bound = min(bound, value)
        slope = room - use[everybody, best].sum(axis=0)
        slope[(prices == 0) & (slope > 0)] = 0
        steepness = float(slope @ slope)
        if steepness == 0 or bound <= 1.001 * reached:
            break
        prices = np.maximum(0, prices - (value - reached) / steepness * slope)
    return max(bound, reached)


@dataclass(frozen=True)
class _Grid:
    """Offers as tables of customers (rows) by actions (columns), the last column for doing nothing.

    Attributes:
        customers: who the rows are.
        actions: what the columns are, but for the last.
        profit: what an action earns with a customer; minus infinity where it is not offered.
        cost: what it costs.
        use: what it uses up of each limit, of which the budget comes last.
        room: how much there is of each limit.
        takes: the customers who use up anything.
    """

    customers: pl.Series
    actions: list[str]
    profit: Floats
    cost: Floats
    use: Ints
    room: Ints
    takes: NDArray[np.bool_]

    @classmethod
    def of(cls, offers: pl.DataFrame, limits: Limits) -> "_Grid":
        people = offers.group_by("customer_id").agg(pl.col("takes_room").first()).sort("customer_id")
        actions = offers["action"].unique().sort().to_list()
        place = tuple(offers.select(pl.col("customer_id", "action").rank("dense").cast(pl.Int64) - 1).to_numpy().T)
        # Without profits a place further ahead takes their part.
        ahead = pl.Series(range(offers.height, 0, -1), dtype=pl.Float64)
        profit = np.full((people.height, len(actions) + 1), -np.inf)
        profit[:, -1] = 0
        profit[place] = ahead if offers["profit"].null_count() else offers["profit"]
        cost = np.zeros_like(profit)
        cost[place] = offers["cost"]
        uses = [pl.col(column) == name for column, name in limits.capacity]
        uses += [(pl.col("cost") * UNIT).round()]
        room = [*limits.capacity.values(), UNLIMITED if limits.budget is None else round(limits.budget * UNIT)]
        use = np.zeros((*profit.shape, len(uses)), dtype=np.int64)
        for limit, measure in enumerate(uses):
            use[(*place, limit)] = offers.select(measure.cast(pl.Int64)).to_series()
        return cls(people["customer_id"], actions, profit, cost, use, np.array(room), people["takes_room"].to_numpy())

    @property
    def nothing(self) -> int:
        """The column for doing nothing."""
        return len(self.actions)

    def earned(self, level: Ints) -> int:
        """The profit of everybody's column."""
        profit = self.profit[np.arange(len(level)), level][self.takes]
        return int(np.round(profit * UNIT).astype(np.int64).sum())


def _climb(grid: _Grid, *, per_cost: bool) -> tuple[Ints, NDArray[np.bool_]]:
    """Everybody's column at the end, and who was still waiting when the money ran out.

    The steps up to the first that finds no room are taken at once. That closes a limit, and the rest are
    ordered anew: as many rounds as limits, with the same end as one step after another.
    """
    level = np.full(len(grid.customers), grid.nothing)
    waiting = np.zeros(len(level), dtype=bool)
    room, closed = grid.room.copy(), np.zeros(len(grid.room), dtype=bool)
    while True:
        customer, source, target = _steps(grid, level, closed, per_cost=per_cost)
        used = (grid.use[customer, target] - grid.use[customer, source]) * grid.takes[customer, None]
        over = np.vstack([used.cumsum(axis=0) > room, np.zeros_like(closed)])
        stops = np.where(over.any(axis=0), over.argmax(axis=0), len(customer))
        limit = int(stops.argmin())
        stop = int(stops[limit])
        # Of several steps of a customer the last one counts.
        level[customer[:stop]] = target[:stop]
        if stop == len(customer):
            return level, waiting
        if limit == len(room) - 1:
            waiting[customer[stop:]] = True
            return level, waiting
        room -= used[:stop].sum(axis=0)
        closed[limit] = True


def _steps(grid: _Grid, level: Ints, closed: NDArray[np.bool_], *, per_cost: bool) -> tuple[Ints, Ints, Ints]:
    """Who can step from which column to which, the best step first."""
    everybody = np.arange(len(level))
    nobody = np.array([], dtype=np.int64)
    found, highest = [(nobody, nobody, nobody, nobody.astype(np.float64))], np.full(len(level), np.inf)
    while True:
        gain = grid.profit - grid.profit[everybody, level][:, None]
        more = grid.use[:, :, closed] - grid.use[everybody, level][:, None, closed]
        # The control finds no room where the others find none, or it would be no picture of those who are served.
        possible = (gain > 0) & ~(more > 0).any(axis=2)
        merit = gain
        if per_cost:
            extra = grid.cost - grid.cost[everybody, level][:, None]
            merit = np.divide(gain, extra, out=np.full_like(gain, np.inf), where=extra > 0)
        merit = np.where(possible, merit, -np.inf)
        target = merit.argmax(axis=1)
        # A customer's later step never overtakes his earlier one, not even by rounding.
        highest = np.minimum(highest, merit[everybody, target])
        moving = highest > -np.inf
        if not moving.any():
            break
        found.append((everybody[moving], level[moving], target[moving], highest[moving]))
        level = np.where(moving, target, level)
    customer, source, target, merit = (np.concatenate(parts) for parts in zip(*found, strict=True))
    step = np.repeat(np.arange(len(found)), [len(part[0]) for part in found])
    order = np.lexsort((customer, step, -merit))
    return customer[order], source[order], target[order]
