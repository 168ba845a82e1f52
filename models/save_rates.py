"""How many of those who would leave an action keeps: what the settings assume, moved by what experiments showed."""

from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import blake2b

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, logit

from models.actions import Action, Policy

Floats = NDArray[np.float64]
Cell = tuple[str, str]
Level = tuple[float, float]

_BANDS, _GRID = 20, 400
_REACH = np.linspace(-4, 4, 81)
"""Where the level of a cell is looked at, in standard deviations."""
_APART = np.linspace(0.01, 0.8, 40)
_USUAL = 0.2


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
    arms, nobody = _arms(enrolled), np.empty((0, 3))
    cells = [(action, segment) for action in sorted(policy.actions, key=_name) for segment in sorted(segments)]
    controls = {(action, segment): bands for (action, segment, arm), bands in arms.items() if arm == "control"}
    level = levels(controls, [(action.name, segment) for action, segment in cells])
    rows = []
    for action, segment in cells:
        cell = (action.name, segment)
        treated = arms.get((*cell, "treated"), nobody)
        sizes = (int(treated[:, 1].sum()), int(controls.get(cell, nobody)[:, 1].sum()))
        prior = (float(action.save_alpha), float(action.save_beta))
        belief = posterior(*prior, treated, level.get(cell)) if policy.learn else prior
        rows.append((night, *cell, *sizes, *prior, *belief, 0.0))
    table = pl.DataFrame(rows, schema=SaveRate.create_empty().schema, orient="row")
    return SaveRate.validate(table.with_columns(rate=(pl.col("alpha") / (pl.col("alpha") + pl.col("beta"))).round(6)))


def _name(action: Action) -> str:
    return action.name


def _arms(enrolled: pl.DataFrame) -> dict[tuple[str, ...], Floats]:
    """By action, segment and arm: mean churn probability, customers, and those of them who left, in bands of it."""
    # In whole ten-thousandths, for a sum of floats depends on its order.
    told = (pl.col("churn_probability") * 10_000).round().cast(pl.Int64)
    bands = (
        enrolled.group_by("action", "segment", "arm", band=told * _BANDS // 10_000)
        .agg(
            told=(told.sum() / pl.len() / 10_000).clip(1e-4, 1 - 1e-4),
            customers=pl.len().cast(pl.Float64),
            left=pl.col("churned").sum().cast(pl.Float64),
        )
        .sort("action", "segment", "arm", "band")
    )
    parts = bands.partition_by("action", "segment", "arm", as_dict=True)
    return {cell: part.select("told", "customers", "left").to_numpy() for cell, part in parts.items()}


def levels(controls: Mapping[Cell, Floats], cells: Sequence[Cell]) -> dict[Cell, Level]:
    """By how much more, in log-odds, customers leave than they were told to if they are left alone.

    The churn probability says who is likelier to leave; the control says what it is off by. The control of one cell is
    small, that of all together is not, and what a model is off by differs little between cells: each level is drawn
    from a normal distribution whose mean and spread all cells tell together, a cell's own control the more, the
    larger it is (partial pooling; Gelman et al., Bayesian Data Analysis, 3rd ed., 5.4, the spread with a half-normal
    prior of scale 0.2).

    Args:
        controls: By cell the bands of its control: mean churn probability, customers, and those who left.
        cells: Which cells are asked for; one without control has the level of the others.

    Returns:
        By cell the mean and the standard deviation of what is believed of its level; nothing without any control.
    """
    if not controls:
        return {}
    seen = {cell: _level(bands) for cell, bands in controls.items()}
    own, variance = np.array(list(seen.values())).T[:, :, None]
    shares = 1 / (variance + _APART**2)
    weight = shares.sum(axis=0)
    common = (shares * own).sum(axis=0) / weight
    evidence = 0.5 * (np.log(shares) - shares * (own - common) ** 2).sum(axis=0) - 0.5 * np.log(weight)
    evidence -= 0.5 * (_APART / _USUAL) ** 2
    likely = np.exp(evidence - evidence.max())
    likely /= likely.sum()
    found = {}
    for cell in cells:
        level, spread = seen.get(cell, (0.0, np.inf))
        pulled = 1 / (1 + _APART**2 / spread)
        means = (1 - pulled) * level + pulled * common
        inner = (1 - pulled) * spread if np.isfinite(spread) else _APART**2
        mean = float(likely @ means)
        deviation = float(likely @ (inner + pulled**2 / weight + (means - mean) ** 2)) ** 0.5
        found[cell] = (mean, deviation)
    return found


def _level(bands: Floats) -> Level:
    """What a control was off by, and the variance of that; one more customer who was right keeps it finite."""
    told, customers, left = bands.T
    told = np.append(told, customers @ told / customers.sum())
    customers, left = np.append(customers, 1), np.append(left, told[-1])
    level = 0.0
    for _ in range(25):
        leaving = expit(logit(told) + level)
        level += float(np.clip((left - customers * leaving).sum() / (customers * leaving * (1 - leaving)).sum(), -1, 1))
    leaving = expit(logit(told) + level)
    return level, 1 / float((customers * leaving * (1 - leaving)).sum())


def posterior(alpha: float, beta: float, treated: Floats, level: Level | None) -> tuple[float, float]:
    """The Beta distribution of a save rate after an experiment.

    With save rate g and level c, a treated customer whose churn probability is p leaves with the chance
    expit(logit(p) + c) (1 - g). g has its prior and c what the controls made believe of it; c is integrated out, so
    that a small control teaches little, and the result is the Beta distribution with the mean and variance of what is
    left.

    Args:
        alpha: Of the prior.
        beta: Of the prior.
        treated: Bands of the treated: mean churn probability, customers, and those who left.
        level: Mean and standard deviation of the level of their control; None where there is none.

    Returns:
        alpha and beta, 4 digits; those of the prior where nobody was treated or nobody left alone.
    """
    if level is None or not len(treated):
        return alpha, beta
    told, customers, left = treated.T
    g = (np.arange(_GRID) + 0.5) / _GRID
    kept = np.log1p(-g)
    alone = expit(logit(told)[:, None] + level[0] + level[1] * _REACH)
    staying = (customers - left) @ np.log1p(-alone[:, :, None] * (1 - g)).reshape(len(told), -1)
    evidence = (left @ np.log(alone))[:, None] + left.sum() * kept + staying.reshape(len(_REACH), _GRID)
    evidence += (alpha - 1) * np.log(g) + (beta - 1) * kept - 0.5 * (_REACH**2)[:, None]
    weight = np.exp(evidence - evidence.max()).sum(axis=0)
    weight /= weight.sum()
    mean = float(weight @ g)
    # Half a cell of the grid is the least that it can tell apart.
    spread = float(weight @ (g - mean) ** 2) + 1 / (12 * _GRID**2)
    size = mean * (1 - mean) / spread - 1
    return round(mean * size, 4), round((1 - mean) * size, 4)


def counted_on(
    customers: pl.DataFrame, action: Action, policy: Policy, rates: pl.DataFrame | None, salt: str
) -> pl.Expr:
    """The save rate of an action that the choice counts on, customer by customer; see `models.policy.offers`."""
    known = pl.DataFrame(schema={"segment": pl.String}) if rates is None else rates.filter(action=action.name)

    def belief(column: str, assumed: float) -> pl.Expr:
        own = dict(known.select("segment", column).rows()) if known.height else {}
        return pl.col("segment").replace_strict(own, default=assumed, return_dtype=pl.Float64)

    mean = belief("rate", action.save_rate)
    if policy.policy == "greedy":
        return mean
    # One draw for a night and not one for each customer: where the budget is short, those would be served for whom
    # the draws were lucky, and far more would be tried than is worth knowing.
    order = customers["customer_id"].arg_sort().to_numpy()
    trying = np.empty(customers.height, np.bool_)
    trying[order] = _random(salt).random(customers.height) < policy.explore
    cells = customers.select("segment", a=belief("alpha", action.save_alpha), b=belief("beta", action.save_beta))
    drawn = {segment: _random(salt, action.name, segment).beta(a, b) for segment, a, b in cells.unique().rows()}
    chance = pl.col("segment").replace_strict(drawn, return_dtype=pl.Float64)
    return pl.when(pl.lit(pl.Series(trying))).then(chance).otherwise(mean) if drawn else mean


def _random(*salt: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(blake2b("|".join(salt).encode(), digest_size=8).digest(), "big"))
