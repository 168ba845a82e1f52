"""How good the probabilities are: whether they put the right customers first, say the right number, and pay.

Every figure comes with an interval from a bootstrap of customers: rows that repeat a customer, as one of control stands
for those who were treated, are drawn together or not at all (Field and Welsh 2007). Sources: expected maximum profit,
Verbraken, Verbeke and Baesens (2013), with a value per customer as in Oskarsdottir et al. (2018); calibration slope and
intercept, Van Calster et al. (2016); difference of AUROCs by placements, DeLong et al. (1988).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.ranking import ROUNDING, EvaluationRecipe, Ranking, Vector, log_loss, tied

_CELLS = 2048  # neighbours in rank or value count as equal beyond it: the bootstrap costs the same for any population


def evaluate(
    churned: NDArray[np.bool_],
    probability: Vector,
    recipe: EvaluationRecipe | None = None,
    value: Vector | None = None,
    copies: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Every figure of merit of one vector of probabilities, with its interval.

    Args:
        churned: outcome per customer.
        probability: predicted probability of churn per customer.
        recipe: how to judge; the defaults of `EvaluationRecipe` if absent.
        value: worth of keeping each customer; `recipe.value` for everybody if absent.
        copies: how many rows, all alike, the customer of each row has; one if absent.

    Returns:
        `customers`, `churn_rate`, `mean_prediction` and, each also as `…_low` and `…_high`, `log_loss`, `brier`,
        `prediction_minus_rate`, `calibration_slope`, `calibration_intercept` (with the slope held at 1), `ece`,
        `auroc`, `pr_auc`, `lift`, `recall`, `profit` (expected maximum profit per customer, in the unit of `value`)
        and `profit_share` (the share of customers whom it contacts). A figure that is undefined is absent, such as
        the AUROC where nobody churned and the slope where all probabilities are equal; an interval is absent where no
        bootstrap sample defines the figure.

    Raises:
        ValueError: no customers, lengths differ or a probability is not strictly between 0 and 1.
    """
    recipe = recipe or EvaluationRecipe()
    churned, probability = _checked(churned, probability)
    worth = np.broadcast_to(recipe.value if value is None else np.asarray(value, np.float64), probability.shape)
    exact = Ranking(churned, probability, worth, recipe, len(churned), copies)
    cells = Ranking(churned, probability, worth, recipe, _CELLS, copies) if len(exact.count) > _CELLS else exact
    estimate, centre = exact.figures(exact.count[None]), cells.figures(cells.count[None])
    sample = cells.figures(np.sum(_resample(cells.customers, recipe), axis=0))
    # Resampling adds to a calibration error what sampling had already added: reflected, the interval undoes both.
    sample["ece"] = np.maximum(2 * centre["ece"] - sample["ece"], centre["ece"] - estimate["ece"])
    result = {"customers": float(len(churned)), "churn_rate": float(churned.mean())}
    result["mean_prediction"] = result["churn_rate"] + float(estimate["prediction_minus_rate"][0])
    for name, (figure,) in estimate.items():
        if np.isfinite(figure):
            result |= _interval(name, float(figure), sample[name] - centre[name], recipe)
    return result


def compare(
    churned: NDArray[np.bool_],
    challenger: Vector,
    rival: Vector,
    recipe: EvaluationRecipe | None = None,
    copies: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """What the challenger gains over a rival on the same customers, by a paired bootstrap; `copies` as for `evaluate`.

    Returns:
        `log_loss_gain` (rival minus challenger) and, where both outcomes occur, `auroc_gain` (challenger minus
        rival), each also as `…_low` and `…_high`; above zero means that the challenger is better.

    Raises:
        ValueError: no customers, lengths differ or a probability is not strictly between 0 and 1.
    """
    recipe = recipe or EvaluationRecipe()
    _, rival = _checked(churned, rival)
    churned, challenger = _checked(churned, challenger)
    gain = log_loss(churned, rival) - log_loss(churned, challenger)
    alone = np.ones(len(churned), np.int64) if copies is None else copies
    result = _interval("log_loss_gain", float(gain.mean()), _mean_noise(gain, recipe, 0, alone), recipe)
    if 0 < churned.sum() < len(churned):
        stayed = ~churned
        above = _placement(challenger[churned], challenger[stayed]) - _placement(rival[churned], rival[stayed])
        below = _placement(rival[stayed], rival[churned]) - _placement(challenger[stayed], challenger[churned])
        noise = _mean_noise(above, recipe, 1, alone[churned]) + _mean_noise(below, recipe, 2, alone[stayed])
        result |= _interval("auroc_gain", float(above.mean()), noise, recipe)
    return result


def mean_gain(name: str, gains: Vector, recipe: EvaluationRecipe) -> dict[str, float]:
    """The mean of what each customer gains, with its bootstrap interval: `name`, `name_low` and `name_high`."""
    noise = _mean_noise(gains, recipe, 0, np.ones(len(gains), np.int64))
    return _interval(name, float(gains.mean()), noise, recipe)


def gain_table(churned: NDArray[np.bool_], probability: Vector, points: int = 100) -> pl.DataFrame:
    """Whom one reaches by contacting the riskiest share of the customers.

    Returns:
        `points` rows: `share` contacted (1/points … 1), `recall` (share of all churners among them) and `lift`, both
        null where nobody churned.
    """
    churned, probability = _checked(churned, probability)
    ranking = Ranking(churned, probability, np.zeros(len(churned)), EvaluationRecipe(), cells=len(churned))
    share = np.arange(1, points + 1) / points
    recall = ranking.recall(ranking.count[None], share)[0] if churned.any() else [None] * points
    return pl.DataFrame({"share": share, "recall": recall}, schema_overrides={"recall": pl.Float64}).with_columns(
        lift=pl.col("recall") / pl.col("share")
    )


def calibration_table(churned: NDArray[np.bool_], probability: Vector, bins: int = 10) -> pl.DataFrame:
    """Predicted against observed churn in bins of equal counts, from the safest customers to the riskiest: deciles.

    Returns:
        One row per bin that is not empty: `bin` (1 … bins), `customers`, `churners`, `lowest`, `mean` and `highest`
        probability, `churn_rate` with its 95 % Wilson interval `churn_rate_low`, `churn_rate_high`, and `lift`, which
        is null where nobody churned.
    """
    churned, probability = _checked(churned, probability)
    n, k, z = pl.col("customers"), pl.col("churners"), 1.959964
    middle = (pl.col("probability").rank("average") - 0.5) * bins / len(churned)
    half = z * (k * (n - k) / n + z**2 / 4).sqrt() / (n + z**2)
    return (
        pl.DataFrame({"probability": probability, "churned": churned})
        .sort("probability")
        .group_by(bin=middle.floor().cast(pl.Int64) + 1)
        .agg(
            customers=pl.len().cast(pl.Int64),
            churners=pl.col("churned").sum().cast(pl.Int64),
            lowest=pl.col("probability").min(),
            mean=pl.col("probability").mean(),
            highest=pl.col("probability").max(),
        )
        .sort("bin")
        .with_columns(churn_rate=k / n)
        .with_columns(
            churn_rate_low=(k + z**2 / 2) / (n + z**2) - half,
            churn_rate_high=(k + z**2 / 2) / (n + z**2) + half,
            lift=pl.when(k.sum() > 0).then(pl.col("churn_rate") * n.sum() / k.sum()),
        )
    )


def threshold_table(churned: NDArray[np.bool_], probability: Vector) -> pl.DataFrame:
    """What contacting everybody above a probability comes to, in steps of five points.

    Returns:
        One row per `threshold` (0.05 … 0.95): `contacted` (customers above it), `precision` (share of them who
        churned; null if there is nobody), `recall` (share of all churners among them; null if nobody churned).
    """
    churned, probability = _checked(churned, probability)
    steps = np.arange(1, 20) / 20
    # Whoever is above a threshold by rounding alone is on it.
    above = steps * (1 + ROUNDING)
    contacted, churners = (
        len(each) - np.searchsorted(np.sort(each), above, side="right") for each in (probability, probability[churned])
    )
    return pl.DataFrame({"threshold": steps, "contacted": contacted, "churners": churners}).select(
        "threshold",
        "contacted",
        precision=pl.when(pl.col("contacted") > 0).then(pl.col("churners") / pl.col("contacted")),
        recall=pl.when(pl.lit(bool(churned.any()))).then(pl.col("churners") / churned.sum()),
    )


def _checked(churned: NDArray[np.bool_], probability: Vector) -> tuple[NDArray[np.bool_], Vector]:
    churned, probability = np.asarray(churned, np.bool_), np.asarray(probability, np.float64)
    if len(churned) != len(probability) or len(churned) == 0:
        raise ValueError(
            f"{len(probability)} probabilities and {len(churned)} outcomes: there must be as many, and at least one; "
            "join the predictions with the outcomes of the same night first"
        )
    if not ((probability > 0) & (probability < 1)).all():
        wrong = probability[~((probability > 0) & (probability < 1))][0]
        raise ValueError(f"a churn probability is {wrong}, which is not strictly between 0 and 1: calibrate it first")
    return churned, tied(probability)


def _resample(customers: Mapping[int, Vector], recipe: EvaluationRecipe, stream: int = 0) -> list[Vector]:
    """How many rows of each group count in each bootstrap sample (Poisson bootstrap), by rows per customer.

    Returns:
        Per entry of `customers`, of which each has as many rows as its key says, shape (replicates, *its own shape).
    """
    generator = np.random.default_rng([recipe.seed, stream])
    return [
        rows * generator.poisson(counts, (recipe.replicates, *counts.shape)).astype(np.float64)
        for rows, counts in customers.items()
    ]


def _mean_noise(values: Vector, recipe: EvaluationRecipe, stream: int, copies: NDArray[np.int64]) -> Vector:
    """Bootstrap means of `values`, less their mean; one per replicate."""
    parts = {}
    for rows in np.unique(copies):
        # The rows of a customer are alike, so that every so many of the sorted ones are one customer.
        own = np.sort(values[copies == rows])[::rows]
        parts[int(rows)] = np.array_split(own, min(len(own), _CELLS))
    counts = {rows: np.array([len(cell) for cell in cells], np.float64) for rows, cells in parts.items()}
    weights = np.concatenate(_resample(counts, recipe, stream), axis=1)
    centre = np.array([cell.mean() for cells in parts.values() for cell in cells])
    return np.asarray(weights @ centre / np.maximum(weights.sum(1), 1) - values.mean())


def _placement(own: Vector, others: Vector) -> Vector:
    """Share of the others with a lower probability, ties counting half; one per own customer."""
    others = np.sort(others)
    return (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2 * len(others))


def _interval(name: str, figure: float, noise: Vector, recipe: EvaluationRecipe) -> dict[str, float]:
    tail, told = (1 - recipe.confidence) / 2, noise[np.isfinite(noise)]
    if not len(told):
        return {name: figure}
    low, high = np.quantile(told, [tail, 1 - tail])
    return {name: figure, f"{name}_low": figure + float(low), f"{name}_high": figure + float(high)}
