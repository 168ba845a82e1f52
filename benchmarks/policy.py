"""What the policy earns beside an oracle that knows the responses, and beside the best that risk alone can do.

Run ``python -m benchmarks.policy --repetitions 20``, which takes about ten minutes; by default five seeds are asked.
Each seed is a simulated shop, of 20,000 customers with ``--scale 1``, of which twelve months are lived through, a night
every 30 days; the first six are left to learning. The treated react, so that each rival makes a world of its own. The
rivals:

- *policy*: what the pipeline does. Save rates start from the catalogue and learn from its own settled nights.
- *Thompson*: the same with ``retention.policy = "thompson"``.
- *oracle*: knows the true responses, whom a contact drives away included, and has the same control, budget and hands.
- *risk alone*: the riskiest first, with whichever single action and cut-off earn most, chosen by the truth; the same
  control, budget and hands.

Every rival is told the true churn probability, so that choice and learning are judged, not the model. The true
responses are drawn for each seed, per action and segment: save rates from the priors of the catalogue, so that these
are right on average and wrong in particular, and shares who are driven away around 1 %. Earned is what the true
responses make of each night's contacts in expectation. Rivals get the money that the policy really spends: what it
believes of save rates moves what it expects to spend. *In the same place* compares, on each night of the policy's
world, what a rival would have done there; *each in its own world* is what each earned over the same months, where
customers whom a rival kept earlier are not there to be kept again. Intervals of the means are Student's over the seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
from scipy.stats import t as student

from benchmarks.record import Row, arguments, report
from models.actions import ACTIONS, Policy
from models.allocation import allocate
from models.enrolment import ARM, enrolments_apart
from models.experiment import Experiment, assign
from models.matrix import CODES, Segments, named
from models.policy import decide, offers
from models.save_rates import save_rates
from models.simulated_experiments import MARGIN, experiments
from models.simulated_response import Response, Responses, contacted, react
from models.simulator import customers, transactions, true_churn
from models.tiers import Tiers, risk
from models.uplift import ALL, retention_uplift

CUSTOMERS, EXPERIMENTS = 20_000, 1_000
HORIZON, ACTIVE, STEP, MONTHS, LEARNING = 60, 180, 30, 12, 6
ASKED = {
    "policy / oracle, in the same place, after learning": 0.95,
    "policy / risk alone, each in its own world, after learning": 1.15,
}
FIRST = date(2023, 1, 1)
BEGIN = FIRST + timedelta(days=730)
LAST = BEGIN + timedelta(days=STEP * MONTHS + HORIZON)
REASONS = [pl.lit(None, pl.String).alias(f"reason_{n}_code") for n in (1, 2, 3)]
EXPERIMENT = Experiment("benchmark")
DONE = ("night", "customer_id", "action", "segment", "churn_probability", "deliver", "suppressed_reason")


@dataclass(frozen=True)
class Shop:
    """A shop before anybody is contacted, what contacts do in it, and what it may spend."""

    people: pl.DataFrame
    orders: pl.DataFrame
    truth: Responses
    policy: Policy
    seed: int


def opened(size: int, seed: int) -> Shop:
    """A shop of a seed."""
    people = customers(size, seed=seed).with_columns(value=_value())
    random = np.random.default_rng([seed, 6])
    actions = tuple(
        replace(action, capacity=size // 200 if action.channel == "phone" else None)
        for action in ACTIONS
        if not action.suits_reasons
    )
    truth = {
        (action.name, segment): Response(random.beta(action.save_alpha, action.save_beta), random.beta(1, 99))
        for action in actions
        for segment in CODES
    }
    orders = transactions(people, first_day=FIRST, days=(LAST - FIRST).days, seed=seed)
    return Shop(people, orders, truth, Policy(actions, budget=0.02 * size), seed)


def _value() -> pl.Expr:
    """Margin that a customer who is alive is expected to bring within a year."""
    lived = (1 - (-365 * pl.col("loss")).exp()) / pl.col("loss")
    yearly: pl.Expr = MARGIN * float(np.exp(0.4**2 / 2)) * pl.col("spend") * pl.col("rate") * lived
    return yearly.round(2)


def at_risk(shop: Shop, orders: pl.DataFrame, night: date, last: pl.DataFrame) -> pl.DataFrame:
    """The customers at risk on a night, with their true churn probability."""
    day = pl.col("timestamp").dt.date()
    seen = orders.filter(day <= night, day > night - timedelta(days=ACTIVE))
    silent = seen.group_by("customer_id").agg(silent=(pl.lit(night) - day.max()).dt.total_days())
    both = pl.col("rate") + pl.col("loss")
    # P(alive) of the Pareto/NBD process with known parameters (Schmittlein, Morrison and Colombo 1987).
    alive = 1 / (1 + pl.col("loss") / both * ((both * pl.col("silent")).exp() - 1))
    active = shop.people.join(silent, on="customer_id").sort("customer_id")
    leaving = true_churn(active, HORIZON)["churn_probability"]
    scored = active.with_columns(churn_probability=1 - alive * (1 - leaving), model_version=pl.lit("true"))
    placed = risk(scored, last, Tiers())
    values = active.select("customer_id", "value", next_purchase_from=pl.lit(None, pl.Date))
    return named(placed, values, Segments()).filter(pl.col("risk_tier") != "none").with_columns(REASONS)


def truly(rows: pl.DataFrame, shop: Shop) -> tuple[pl.Expr, pl.Expr]:
    """What a contact with a customer of these rows earns, and what it costs, in expectation."""
    known = {action.name: action for action in shop.policy.actions}
    cells = rows.select("action", "segment").rows()
    saves, repels = (
        pl.Series([getattr(shop.truth[cell], name) for cell in cells], dtype=pl.Float64) for name in ("saves", "repels")
    )
    contact, offer, windfall = (
        pl.Series([getattr(known[action], name) for action, _ in cells], dtype=pl.Float64)
        for name in ("contact_cost", "offer_cost", "windfall")
    )
    p, value = pl.col("churn_probability"), pl.col("value")
    cost = contact + offer * (p * saves + (1 - p) * windfall)
    return p * saves * value - (1 - p) * repels * value - cost, cost


Chooser = Callable[[Shop, pl.DataFrame, pl.DataFrame, pl.DataFrame, date], pl.DataFrame]


def by_policy(
    shop: Shop, tonight: pl.DataFrame, past: pl.DataFrame, settled: pl.DataFrame, night: date
) -> pl.DataFrame:
    """What the pipeline does, with what it has learned so far."""
    enrolled = enrolments_apart(settled.lazy(), HORIZON)
    rates = save_rates(enrolled, shop.policy, CODES, night=night)
    return decide(tonight, past, night, shop.policy, None, rates, salt=f"{night}|{EXPERIMENT.experiment_id}")


def by_thompson(
    shop: Shop, tonight: pl.DataFrame, past: pl.DataFrame, settled: pl.DataFrame, night: date
) -> pl.DataFrame:
    """What the pipeline does if it draws its save rates."""
    return by_policy(replace(shop, policy=replace(shop.policy, policy="thompson")), tonight, past, settled, night)


def by_oracle(
    shop: Shop, tonight: pl.DataFrame, past: pl.DataFrame, settled: pl.DataFrame, night: date
) -> pl.DataFrame:
    """The same choice with the true responses."""
    free = _free(shop, tonight, past, night)
    rates = pl.DataFrame(
        [(*cell, each.saves) for cell, each in shop.truth.items()], schema=["action", "segment", "rate"], orient="row"
    )
    open_offers = offers(free, shop.policy, rates).join(
        free.select("customer_id", "segment", "value", takes_room=~pl.col("is_control")), on="customer_id"
    )
    open_offers = open_offers.with_columns(profit=truly(open_offers, shop)[0]).filter(pl.col("profit") > 0)
    granted = allocate(open_offers.sort("customer_id", "action"), shop.policy.limits)
    return _delivered(tonight, granted.filter(pl.col("action").is_not_null()).select("customer_id", "action"))


def by_risk(shop: Shop, tonight: pl.DataFrame, past: pl.DataFrame, settled: pl.DataFrame, night: date) -> pl.DataFrame:
    """The riskiest first, with the single action and the cut-off that earn most."""
    free = _free(shop, tonight, past, night).sort("churn_probability", "customer_id", descending=[True, False])
    best, chosen = 0.0, free.head(0).select("customer_id", action=pl.lit(""))
    for action in shop.policy.actions:
        rows = free.with_columns(action=pl.lit(action.name))
        earned, cost = truly(rows, shop)
        treated = (~pl.col("is_control")).cast(pl.Float64)
        rows = rows.with_columns(spent=(cost * treated).cum_sum(), hands=treated.cum_sum(), earned=earned * treated)
        rows = rows.filter(
            pl.col("spent") <= (shop.policy.budget or np.inf), pl.col("hands") <= (action.capacity or np.inf)
        ).with_columns(pl.col("earned").cum_sum())
        if rows.height and rows["earned"].to_numpy().max() > best:
            cut = int(rows["earned"].to_numpy().argmax())
            best, chosen = float(rows["earned"][cut]), rows.head(cut + 1).select("customer_id", "action")
    return _delivered(tonight, chosen)


def _free(shop: Shop, tonight: pl.DataFrame, past: pl.DataFrame, night: date) -> pl.DataFrame:
    days = {action.name: action.cooldown_days for action in shop.policy.actions}
    entered = past.filter(pl.col("deliver") | (pl.col("suppressed_reason") == "control"))
    until = pl.col("night") + pl.duration(days=pl.col("action").replace_strict(days, return_dtype=pl.Int64))
    return tonight.join(entered.filter(until > night), on="customer_id", how="anti")


def _delivered(tonight: pl.DataFrame, granted: pl.DataFrame) -> pl.DataFrame:
    chosen = pl.col("action") != "none"
    return tonight.join(granted, on="customer_id", how="left").with_columns(
        action=pl.col("action").fill_null("none"),
        deliver=chosen.fill_null(value=False) & ~pl.col("is_control"),
        suppressed_reason=pl.when(chosen & pl.col("is_control")).then(pl.lit("control")),
    )


RIVALS: Mapping[str, Chooser] = {
    "policy": by_policy,
    "policy, Thompson": by_thompson,
    "oracle": by_oracle,
    "risk alone": by_risk,
}


def lived(
    shop: Shop, chooser: str, rivals: Sequence[str], budgets: Sequence[float | None] = (None,) * MONTHS
) -> dict[str, list[float]]:
    """What a chooser earns on each night of a year, and what rivals would have earned in its place for its money.

    Args:
        shop: The shop.
        chooser: In whose world.
        rivals: Of `RIVALS`.
        budgets: Of the nights, where it is not the shop's.

    Returns:
        What each earned, night by night; and under ``spent`` what the chooser spent, as the true responses have it.
    """
    orders = shop.orders
    earned: dict[str, list[float]] = {name: [] for name in (chooser, *rivals, "spent")}
    past = pl.DataFrame(
        schema=dict(
            zip(DONE, [pl.Date, *[pl.String] * 3, pl.Float64, pl.Boolean, pl.String], strict=True),
            experiment_id=pl.String,
            is_control=pl.Boolean,
            risk_tier=pl.String,
        )
    )
    for month in range(MONTHS):
        night = BEGIN + timedelta(days=STEP * month)
        last = past.filter(pl.col("night") == night - timedelta(days=STEP))
        tonight = assign(at_risk(shop, orders, night, last), past, EXPERIMENT)
        settled = _settled(past.filter(pl.col("night") <= night - timedelta(days=HORIZON)), orders)
        funded = shop if budgets[month] is None else _funded(shop, budgets[month])
        done = RIVALS[chooser](funded, tonight, past, settled, night).with_columns(night=pl.lit(night))
        treated = done.filter("deliver")
        gain, spent = treated.select(*(each.sum().alias(f"{n}") for n, each in enumerate(truly(treated, shop)))).row(0)
        earned[chooser].append(gain)
        earned["spent"].append(spent)
        for name in rivals:
            other = RIVALS[name](_funded(shop, spent), tonight, past, settled, night).filter("deliver")
            earned[name].append(float(other.select(truly(other, shop)[0].sum()).item()))
        contacts = treated.select("customer_id", "night", "action", "segment")
        met = contacted(orders, contacts, shop.truth, horizon_days=HORIZON, seed=shop.seed * 100 + month)
        orders = react(orders, shop.people, met, horizon_days=HORIZON, last_day=LAST, seed=shop.seed * 100 + month)
        past = pl.concat([past, done.select(past.columns)])
    return earned


def _funded(shop: Shop, budget: float | None) -> Shop:
    return replace(shop, policy=replace(shop.policy, budget=budget))


def _settled(past: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    entered = past.with_columns(ARM).filter(pl.col("arm").is_not_null())
    after = (pl.col("timestamp").dt.date() - pl.col("night")).dt.total_days()
    came = entered.select("night", "customer_id").join(orders, on="customer_id").filter(after > 0, after <= HORIZON)
    back = came.select("night", "customer_id", churned=False).unique()
    joined = entered.join(back, on=["night", "customer_id"], how="left")
    return joined.with_columns(pl.col("churned").fill_null(value=True))


def coverage(count: int, size: int, seed: int) -> dict[str, float]:
    """How often the 95 % intervals of simulated experiments hold the truth."""
    rows, truth = experiments(count, size, seed=seed)
    found = retention_uplift(rows, night=BEGIN, margin=MARGIN).filter(action=ALL, segment=ALL)
    both = found.join(truth, on="experiment_id", suffix="_true")
    told = {"uplift": "uplift", "adjusted": "uplift", "on_contacted": "on_contacted", "money_kept": "money_kept"}
    return {
        name: float(both.select(pl.col(f"{true}_true").is_between(f"{name}_low", f"{name}_high").mean()).item())
        for name, true in told.items()
    }


def with_interval(figures: Sequence[float]) -> str:
    """A mean over the seeds with its 95 % interval."""
    mean, count = float(np.mean(figures)), len(figures)
    half = float(student.ppf(0.975, count - 1) * np.std(figures, ddof=1) / np.sqrt(count)) if count > 1 else np.nan
    return f"{mean:7.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--first-seed", type=int, default=0, help="others than 0 to 19 are for trying things out")
    given = parser.parse_args()
    customers = round(given.scale * CUSTOMERS)
    earned: dict[str, list[tuple[float, float]]] = {}
    for seed in range(given.first_seed, given.first_seed + given.repetitions):
        for what, pair in year(opened(customers, seed)).items():
            earned.setdefault(what, []).append(pair)
        told = ", ".join(f"{own / other:.3f}" for own, other in (pairs[-1] for pairs in earned.values()))
        print(f"seed {seed}: {told}", flush=True)
    shops = {"customers": customers, "seeds": given.repetitions}
    rows = []
    for what, pairs in earned.items():
        own, other = ([pair[side] for pair in pairs] for side in (0, 1))
        rows.append(Row(what, shops, own, other, ASKED.get(what), at_least=True, unit=""))
    rows += [
        Row(f"intervals of {name} that hold the truth / 0.95", {"experiments": EXPERIMENTS}, [share], [0.95], unit="")
        for name, share in coverage(EXPERIMENTS, 400, 1).items()
    ]
    report("policy", rows, given.json)
    print("Means over the seeds:")
    for row in rows[: len(earned)]:
        print(f"{row.what:62} {with_interval(row.ratios)}")


def year(shop: Shop) -> dict[str, tuple[float, float]]:
    """What was earned in one shop, in pairs, by what they compare."""
    here = lived(shop, "policy", ["oracle", "risk alone"])
    drawn = lived(shop, "policy, Thompson", ["oracle"])
    alone = lived(shop, "risk alone", [], here["spent"])["risk alone"]

    def pair(one: Sequence[float], other: Sequence[float], start: int = LEARNING) -> tuple[float, float]:
        return sum(one[start:]), sum(other[start:])

    return {
        "policy / oracle, in the same place, after learning": pair(here["policy"], here["oracle"]),
        "policy / oracle, in the same place, whole year": pair(here["policy"], here["oracle"], 0),
        "Thompson / oracle, in the same place, after learning": pair(drawn["policy, Thompson"], drawn["oracle"]),
        "policy / risk alone, in the same place, after learning": pair(here["policy"], here["risk alone"]),
        "policy / risk alone, each in its own world, after learning": pair(here["policy"], alone),
        "policy / risk alone, each in its own world, whole year": pair(here["policy"], alone, 0),
    }


if __name__ == "__main__":
    main()
