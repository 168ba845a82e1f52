"""How likely the action that a customer got was, so that what was logged can be weighed afterwards."""

from datetime import date

import dataframely as dy
import polars as pl

from models.actions import Policy
from models.enrolment import ARM
from models.experiment import Experiment
from models.policy import decide

REPLAYS = 49


class ActionPropensity(dy.Schema):
    """The chances behind one customer's row of ``at_risk_segments``: of the action, and of being in control."""

    night = dy.Date(primary_key=True)
    customer_id = dy.String(primary_key=True)
    action = dy.String(nullable=False)
    propensity = dy.Float64(min=0, max=1)
    control_share = dy.Float64(min=0, max=1)


def propensities(
    table: pl.DataFrame,
    previous: pl.DataFrame,
    belief: pl.DataFrame,
    policy: Policy,
    experiment: Experiment,
    *,
    night: date,
    consent: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The chance of each customer's action, for those who were delivered and their control.

    The greedy policy has no chance in it. Thompson's is replayed with other draws of the save rates, budget and
    capacities included; the night itself counts as one of them.

    Args:
        table: ``at_risk_segments`` of the night.
        previous: As for `models.policy.decide`.
        belief: `models.save_rates.SaveRate` of the night.
        policy: The catalogue.
        experiment: The experiment, for its shares of control.
        night: The night.
        consent: As for `models.policy.decide`.

    Returns:
        :class:`ActionPropensity`, sorted by customer.
    """
    entered = table.with_columns(ARM).filter(pl.col("arm").is_not_null()).sort("customer_id")
    again = entered.select("customer_id", "action", times=pl.lit(1))
    if policy.policy == "thompson" and entered.height:
        asked = table.filter(pl.col("status") != "left").select(
            *("customer_id", "churn_probability", "value", "segment", "reason_1_code", "reason_2_code"),
            *("reason_3_code", "is_control", "next_purchase_from"),
        )
        for replay in range(REPLAYS):
            salt = f"{night}|{experiment.experiment_id}|{replay}"
            chosen = decide(asked, previous, night, policy, consent, belief, salt=salt).with_columns(ARM)
            done = chosen.filter(pl.col("arm").is_not_null()).select("customer_id", "action", same=pl.lit(1))
            again = again.join(done, on=["customer_id", "action"], how="left", maintain_order="left").select(
                "customer_id", "action", pl.col("times") + pl.col("same").fill_null(0)
            )
    replays = 1 + (REPLAYS if policy.policy == "thompson" else 0)
    shares = pl.col("segment").replace_strict(
        dict(experiment.control_shares), default=experiment.control_share, return_dtype=pl.Float64
    )
    return ActionPropensity.validate(
        entered.select("night", "customer_id", "action", control_share=shares)
        .join(again, on=["customer_id", "action"], maintain_order="left")
        .select("night", "customer_id", "action", pl.col("times").truediv(replays).alias("propensity"), "control_share")
    )
