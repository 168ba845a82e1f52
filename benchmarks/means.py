"""Means over nights that share customers: intervals that know it, and comparisons of rows on the same customers."""

from typing import Any

import numpy as np
import polars as pl

from models.ranking import Vector

FIGURES = ("auroc", "log_loss", "ece", "bias", "lift")
REPLICATES, BINS, LUCK = 200, 10, 20


def figures(churned: Vector, probability: Vector, weight: Vector) -> dict[str, Vector]:
    """Every figure for every set of weights; shape (sets, customers) in, (sets) out."""
    order = np.argsort(-probability, kind="stable")
    churned, probability, weight = churned[order], probability[order], weight[:, order]
    total = weight.sum(1)
    edges = np.flatnonzero(np.append(True, probability[1:] != probability[:-1]))
    left, stayed = (np.add.reduceat(weight * kind, edges, axis=1) for kind in (churned, 1 - churned))
    below = stayed.sum(1, keepdims=True) - np.cumsum(stayed, 1) + stayed / 2
    loss = -np.log(np.where(churned == 1, probability, 1 - probability))
    excess = weight * (probability - churned)
    bins = np.arange(len(churned)) * BINS // len(churned)
    within = np.add.reduceat(excess, np.searchsorted(bins, np.arange(BINS)), axis=1)
    reached = np.cumsum(weight, 1) <= total[:, None] / 10
    rate = (weight * churned).sum(1) / total
    return {
        "auroc": (left * below).sum(1) / (left.sum(1) * stayed.sum(1)),
        "log_loss": weight @ loss / total,
        "ece": np.abs(within).sum(1) / total,
        "bias": excess.sum(1) / total,
        "lift": (weight * churned * reached).sum(1) / np.maximum((weight * reached).sum(1), 1) / rate,
    }


def summarised(nights: list[pl.DataFrame]) -> dict[str, dict[str, Any]]:
    """Means over nights with intervals, the champion's gain on each row, and the ECE of a perfect model."""
    people = pl.concat([frame.select("customer_id") for frame in nights]).unique().sort("customer_id")
    random = np.random.default_rng(0)
    drawn = random.poisson(1.0, (REPLICATES, people.height)).astype(float)
    place = people.with_row_index("place")
    result: dict[str, dict[str, Any]] = {}
    samples: dict[str, dict[str, Vector]] = {}
    for row in nights[0].columns[2:]:
        found, noise = [], []
        for frame in nights:
            churned, told = frame["churned"].to_numpy().astype(float), frame[row].to_numpy()
            at = frame.select("customer_id").join(place, on="customer_id", maintain_order="left")["place"].to_numpy()
            found.append(figures(churned, told, np.vstack([np.ones((1, len(at))), drawn[:, at]])))
            lucky = [
                figures((random.random(len(at)) < told).astype(float), told, np.ones((1, len(at)))) for _ in range(LUCK)
            ]
            noise.append(np.mean([each["ece"][0] for each in lucky]))
        means = {key: np.mean([each[key] for each in found], 0) for key in FIGURES}
        means["absolute_bias"] = np.mean([np.abs(each["bias"]) for each in found], 0)
        samples[row] = means
        result[row] = {key: _interval(each) for key, each in means.items()}
        result[row]["ece_if_perfect"] = float(np.mean(noise))
        result[row]["nights"] = [{key: float(each[key][0]) for key in FIGURES} for each in found]
    for row, means in samples.items():
        own = samples["champion"]
        result[row]["log_loss_gain"] = _interval(means["log_loss"] - own["log_loss"])
        result[row]["auroc_gain"] = _interval(own["auroc"] - means["auroc"])
    return result


def _interval(values: Vector) -> list[float]:
    """The figure, and the bounds within which 95 % of its bootstrap lie."""
    return [float(values[0]), *(float(each) for each in np.quantile(values[1:], [0.025, 0.975]))]
