"""How many of those who would leave an action keeps: what the settings assume, moved by what experiments showed."""

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b

import dataframely as dy
import numpy as np
import polars as pl

from models.actions import Action, Policy

_GRID = 400
_REACH = 6
"""How far the grid of the control's churn rate reaches, in standard deviations."""


class SaveRate(dy.Schema):
    """The belief about the save rate of one action in one segment on a night, and its mean."""

    night = dy.Date(primary_key=True)
    action = dy.String(primary_key=True)
    segment = dy.String(primary_key=True)
    treated = dy.Int64(min=0)
    control = dy.Int64(min=0)
    prior_alpha = dy.Float64(min=0)
    prior_beta = dy.Float64(min=0)
    alpha = dy.Float64(min=0)
    beta = dy.Float64(min=0)
    rate = dy.Float64(min=0, max=1)


def save_rates(enrolled: pl.DataFrame, policy: Policy, segments: Sequence[str], *, night: date) -> pl.DataFrame:
    """The belief about every action in every segment.

    Args:
        enrolled: Settled outcomes of `models.enrolment.enrolments_apart`, of any experiments: arm, action, segment,
            churned and churn_probability.
        policy: The catalogue with its priors; whether it learns, and how it chooses.
        segments: Their names.
        night: The night that counts on it.

    Returns:
        :class:`SaveRate`, sorted by action and segment; ``rate`` is the mean of the belief.
    """
    left, told = pl.col("churned").sum().cast(pl.Int64), pl.col("churn_probability").mean()
    arms = enrolled.group_by("action", "segment", "arm").agg(customers=pl.len().cast(pl.Int64), left=left, told=told)
    seen = {(action, segment, arm): figures for action, segment, arm, *figures in arms.rows()}
    rows = []
    for action in sorted(policy.actions, key=lambda each: each.name):
        for segment in sorted(segments):
            treated, control = (seen.get((action.name, segment, arm), [0, 0, 0.0]) for arm in ("treated", "control"))
            prior = (float(action.save_alpha), float(action.save_beta))
            belief = posterior(*prior, treated, control) if policy.learn else prior
            rows.append((night, action.name, segment, treated[0], control[0], *prior, *belief, 0.0))
    table = pl.DataFrame(rows, schema=SaveRate.create_empty().schema, orient="row")
    return SaveRate.validate(table.with_columns(rate=(pl.col("alpha") / (pl.col("alpha") + pl.col("beta"))).round(6)))


def counted_on(
    customers: pl.DataFrame, action: Action, policy: Policy, rates: pl.DataFrame | None, salt: str
) -> pl.Expr:
    """The save rate of an action that the choice counts on, customer by customer; see `models.policy.offers`."""
    known = pl.DataFrame(schema={"segment": pl.String}) if rates is None else rates.filter(action=action.name)

    def belief(column: str, assumed: float) -> pl.Expr:
        own = dict(known.select("segment", column).rows()) if known.height else {}
        return pl.col("segment").replace_strict(own, default=assumed, return_dtype=pl.Float64)

    if policy.policy == "greedy":
        return belief("rate", action.save_rate)
    order = customers["customer_id"].arg_sort()
    sorted_beliefs = customers[order].select(a=belief("alpha", action.save_alpha), b=belief("beta", action.save_beta))
    alpha, beta = sorted_beliefs.to_numpy().T
    seed = int.from_bytes(blake2b(f"{salt}|{action.name}".encode(), digest_size=8).digest(), "big")
    drawn = np.empty(customers.height)
    drawn[order.to_numpy()] = np.random.default_rng(seed).beta(alpha, beta)
    return pl.lit(pl.Series(drawn, dtype=pl.Float64))


def posterior(alpha: float, beta: float, treated: Sequence[float], control: Sequence[float]) -> tuple[float, float]:
    """The Beta distribution of a save rate after an experiment.

    With save rate g and the churn rate q of control, the treated leave at the rate r q (1 - g), where r is how much
    likelier to leave they were by their scores: both counts are binomial, g has its prior, q a flat one. q is
    integrated out on a grid, so that a small control teaches little, and the result is the Beta distribution with the
    mean and variance of what is left.

    Args:
        alpha: Of the prior.
        beta: Of the prior.
        treated: Customers, how many of them left, and their mean churn probability.
        control: The same of those left alone.

    Returns:
        alpha and beta, 4 digits; those of the prior where an arm is empty.
    """
    (n, left, told), (others, others_left, others_told) = treated, control
    if not (n and others and told and others_told):
        return alpha, beta
    g = (np.arange(_GRID) + 0.5) / _GRID
    middle = (others_left + 1) / (others + 2)
    wide = _REACH * np.sqrt(middle * (1 - middle) / (others + 2))
    q = np.linspace(max(middle - wide, 1e-6), min(middle + wide, 1 - 1e-6), _GRID)[:, None]
    leaving = np.minimum(q * told / others_told, 1 - 1e-9) * (1 - g)
    evidence = (
        left * np.log(leaving)
        + (n - left) * np.log1p(-leaving)
        + others_left * np.log(q)
        + (others - others_left) * np.log1p(-q)
        + (alpha - 1) * np.log(g)
        + (beta - 1) * np.log1p(-g)
    )
    weight = np.exp(evidence - evidence.max()).sum(axis=0)
    weight /= weight.sum()
    mean = float(weight @ g)
    # Half a cell of the grid is the least that it can tell apart.
    spread = float(weight @ (g - mean) ** 2) + 1 / (12 * _GRID**2)
    size = mean * (1 - mean) / spread - 1
    return round(mean * size, 4), round((1 - mean) * size, 4)
