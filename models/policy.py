"""What to do for a customer who may leave: the action that pays best, for whom it may and can be done."""

from datetime import date, timedelta

import polars as pl

from models.actions import Policy
from models.allocation import allocate, upper_bound
from models.save_rates import counted_on

NOT_ONE_PERSON = "not_one_person"
"""Why nobody is contacted under a name that many seem to share, such as a till's."""


def offers(
    customers: pl.DataFrame, policy: Policy, rates: pl.DataFrame | None = None, *, salt: str = ""
) -> pl.DataFrame:
    """What every action that suits a customer would cost and bring in.

    With churn probability p, save rate g and value V the expected profit is (Verbraken, Verbeke and
    Baesens 2013; Óskarsdóttir et al. 2018 for individual values)

        E[net] = p g (V - offer) - (1 - p) offer windfall - contact = p g V - cost,
        cost = contact + offer (p g + (1 - p) windfall).

    Args:
        customers: customer_id, churn_probability, value, segment and reason_1_code to reason_3_code.
        policy: the catalogue.
        rates: what is believed of save rates: action, segment, rate, and for Thompson's draws alpha and beta. What is
            not named has the belief of the catalogue.
        salt: of these draws (Thompson 1933), one for each action and segment, and of who is chosen for by them: an
            action of which little is known is tried on some on every night. The same salt draws the same.

    Returns:
        customer_id, churn_probability, action, channel, cost (4 digits) and profit (2 digits; null without
        a value), the most profitable first; without values the riskiest customer first and for each the
        cheapest action.
    """
    p = pl.col("churn_probability")
    codes = [pl.col(f"reason_{n}_code") for n in (1, 2, 3)]
    suiting = []
    for action in policy.actions:
        saved = p * pl.col("save_rate")
        taken = saved + (1 - p) * action.windfall
        cost = (action.contact_cost + action.offer_cost * taken).round(4)
        suits = pl.lit(True)
        if action.suits_segments:
            suits &= pl.col("segment").is_in(action.suits_segments)
        if action.suits_reasons:
            suits &= pl.any_horizontal(code.is_in(action.suits_reasons).fill_null(False) for code in codes)
        suiting.append(
            customers.with_columns(save_rate=counted_on(customers, action, policy, rates, salt))
            .filter(suits)
            .select(
                "customer_id",
                "churn_probability",
                action=pl.lit(action.name),
                channel=pl.lit(action.channel),
                cost=cost,
                profit=(saved * pl.col("value") - cost).round(2),
            )
        )
    if not suiting:
        return (
            customers.clear()
            .select("customer_id", "churn_probability")
            .with_columns(action=pl.lit(""), channel=pl.lit(""), cost=pl.lit(0.0), profit=pl.lit(0.0))
        )
    return pl.concat(suiting).sort(
        "profit",
        "churn_probability",
        "customer_id",
        "cost",
        "action",
        descending=[True, True, False, False, False],
        nulls_last=True,
    )


def decide(
    customers: pl.DataFrame,
    previous: pl.DataFrame,
    night: date,
    policy: Policy,
    consent: pl.DataFrame | None = None,
    rates: pl.DataFrame | None = None,
    *,
    crowds: pl.Series | None = None,
    salt: str = "",
) -> pl.DataFrame:
    """Choose what is done for whom tonight.

    Args:
        customers: what `offers` needs, and is_control and next_purchase_from.
        previous: night, customer_id, action, deliver and suppressed_reason of earlier nights, as far back
            as the longest cooldown. The control rests like the treated, so that both stay comparable.
        night: the as-of date.
        policy: the catalogue and its limits.
        consent: customer_id and one Boolean column per channel. Who is missing, and what is null or has no
            column, is not permitted. Without the table the channels are open and the CRM answers for consent.
        rates: as for `offers`.
        crowds: customers under whose name many seem to stand; nobody could be called.
        salt: as for `offers`.

    Returns:
        The customers with action and channel (`none` when nothing is worthwhile or permitted),
        action_cost, expected_profit (null without a value), contact_from and contact_until (days, both
        included; null unless delivered or in cooldown), deliver and suppressed_reason: the first that
        applies of not_one_person, no_suitable_action, unprofitable, no_consent, cooldown, capacity, budget, control.
    """
    many = pl.lit(value=False) if crowds is None else pl.col("customer_id").is_in(crowds.implode())
    suitable = offers(customers, policy, rates, salt=salt).filter(~many)
    worthwhile = suitable.filter(pl.col("profit").is_null() | (pl.col("profit") > 0))
    permitted = _permitted(worthwhile, consent)
    resting = _resting(previous, night, policy)
    control = customers.select("customer_id", takes_room=~pl.col("is_control"))
    open_offers = permitted.join(resting, on="customer_id", how="anti", maintain_order="left")
    outcome = allocate(open_offers.join(control, on="customer_id", maintain_order="left"), policy.limits)
    best = permitted.unique("customer_id", keep="first", maintain_order=True)

    def absent(frame: pl.DataFrame) -> pl.Expr:
        return ~pl.col("customer_id").is_in(frame["customer_id"].unique().implode())

    suppressed = (
        pl.when(many)
        .then(pl.lit(NOT_ONE_PERSON))
        .when(absent(suitable))
        .then(pl.lit("no_suitable_action"))
        .when(absent(worthwhile))
        .then(pl.lit("unprofitable"))
        .when(absent(permitted))
        .then(pl.lit("no_consent"))
        .when(pl.col("rests_until").is_not_null())
        .then(pl.lit("cooldown"))
        .when(pl.col("refused").is_not_null())
        .then("refused")
        .when("is_control")
        .then(pl.lit("control"))
    )
    soonest = pl.lit(night + timedelta(days=1))
    aimed = (pl.col("next_purchase_from") - pl.duration(days=policy.contact_days)).fill_null(soonest)
    latest = pl.lit(night + timedelta(days=policy.patience_days))
    start = pl.max_horizontal(soonest, pl.min_horizontal(aimed, latest), pl.col("rests_until") + pl.duration(days=1))
    dated = pl.col("suppressed_reason").is_null() | (pl.col("suppressed_reason") == "cooldown")
    return (
        customers.join(outcome, on="customer_id", how="left", maintain_order="left")
        .join(best.select("customer_id", best="action"), on="customer_id", how="left", maintain_order="left")
        .join(resting, on="customer_id", how="left", maintain_order="left")
        .with_columns(suppressed_reason=suppressed, action=pl.coalesce("action", "best", pl.lit("none")))
        .join(permitted.drop("churn_probability"), on=["customer_id", "action"], how="left", maintain_order="left")
        .with_columns(
            channel=pl.col("channel").fill_null("none"),
            action_cost=pl.col("cost").fill_null(0.0),
            expected_profit=pl.when(pl.col("action") == "none").then(0.0).otherwise("profit"),
            deliver=pl.col("suppressed_reason").is_null(),
            contact_from=pl.when(dated).then(start),
        )
        .with_columns(contact_until=pl.col("contact_from") + pl.duration(days=policy.contact_days - 1))
        .drop("refused", "best", "rests_until", "cost", "profit")
    )


def potential(
    table: pl.DataFrame,
    policy: Policy,
    consent: pl.DataFrame | None = None,
    rates: pl.DataFrame | None = None,
    *,
    salt: str = "",
) -> float | None:
    """The most that a night's actions could be expected to bring in, whoever had chosen them.

    Args:
        table: the night's at_risk_segments.
        policy: the catalogue and its limits.
        consent: as for `decide`.
        rates: as for `offers`.
        salt: as for `offers`.

    Returns:
        An upper bound on the expected profit of all that is delivered; null without values.
    """
    at_risk = table.filter(pl.col("status") != "left")
    free = at_risk.filter(~pl.col("suppressed_reason").is_in(["cooldown", NOT_ONE_PERSON]).fill_null(value=False))
    # Offers to all, as on the night: whom Thompson's draws are for depends on who else is asked.
    worthwhile = _permitted(offers(at_risk, policy, rates, salt=salt).filter(pl.col("profit") > 0), consent)
    if free["value"].null_count():
        return None
    control = free.select("customer_id", takes_room=~pl.col("is_control"))
    reached = float(table.filter("deliver")["expected_profit"].sum())
    return upper_bound(worthwhile.join(control, on="customer_id"), policy.limits, reached)


def _permitted(offers: pl.DataFrame, consent: pl.DataFrame | None) -> pl.DataFrame:
    if consent is None:
        return offers
    flags = consent.unpivot(index="customer_id", variable_name="channel", value_name="permitted")
    given = flags.filter(pl.col("permitted").cast(pl.Boolean)).unique(["customer_id", "channel"])
    return offers.join(given, on=["customer_id", "channel"], how="semi", maintain_order="left")


def _resting(previous: pl.DataFrame, night: date, policy: Policy) -> pl.DataFrame:
    cooldowns = {action.name: action.cooldown_days for action in policy.actions}
    # An action that has left the catalogue rests for as long as the longest of those that are in it.
    days = pl.col("action").replace_strict(cooldowns, default=max(cooldowns.values(), default=0), return_dtype=pl.Int64)
    return (
        previous.filter(pl.col("deliver") | (pl.col("suppressed_reason") == "control"))
        .select("customer_id", rests_until=pl.col("night") + pl.duration(days=days))
        .filter(pl.col("rests_until") > night)
        .group_by("customer_id")
        .agg(pl.col("rests_until").max())
    )
