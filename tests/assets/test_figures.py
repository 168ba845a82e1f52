"""The pictures say what the figures say."""

import numpy as np
import polars as pl
import pytest

from assets.drawing import COLOURS, as_svg
from assets.figures import (
    calibration,
    contributions_summary,
    gain_and_lift,
    precision_recall,
    profit_curve,
    score_distribution,
    settled_comparison,
    training_figures,
)
from models.evaluation import evaluate
from models.ranking import EvaluationRecipe

RECIPE = EvaluationRecipe(replicates=20)
GENERATOR = np.random.default_rng(7)
TRUTH = GENERATOR.uniform(0.05, 0.95, 400)
CHURNED = GENERATOR.random(400) < TRUTH
PROBABILITIES = {
    "recency": np.full(400, 0.5),
    "mbg_nbd": TRUTH.round(1).clip(0.05, 0.95),
    "committee": TRUTH,
    "champion": TRUTH**2,
}
METRICS = {name: evaluate(CHURNED, each, RECIPE) for name, each in PROBABILITIES.items()}
CONTRIBUTIONS = pl.DataFrame({f"feature_{n:02}": GENERATOR.normal(0, 1 + n, 50) for n in range(30)})


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def lines(axes) -> dict[str, np.ndarray]:
    """The labelled curves of a picture, by the name that stands at the end of their label."""
    return {
        line.get_label().split("  ")[-1]: np.array(line.get_data()) for line in axes.lines if line.get_label()[0] != "_"
    }


@pytest.mark.parametrize("draw", [gain_and_lift, precision_recall, calibration])
def test_each_scorer_keeps_its_colour(draw):
    axes = draw(CHURNED, PROBABILITIES).axes
    drawn = {line.get_label().split("  ")[-1]: line.get_color() for part in axes for line in part.lines}
    assert drawn["Committee"] == COLOURS["committee"]
    assert drawn["MBG/NBD"] == COLOURS["mbg_nbd"]
    assert drawn["Champion"] == COLOURS["champion"]


def test_a_rule_that_knows_nothing_draws_the_line_of_the_lot():
    _, lift = gain_and_lift(CHURNED, PROBABILITIES).axes
    assert np.allclose(lines(lift)["Recency"][1], 1)


def test_the_legend_of_precision_and_recall_says_what_is_logged():
    (axes,) = precision_recall(CHURNED, PROBABILITIES).axes
    said = {name: float(figure) for figure, name in (text.split("  ") for text in legend(axes))}
    assert said["Committee"] == pytest.approx(METRICS["committee"]["pr_auc"], abs=5e-4)
    assert said["MBG/NBD"] == pytest.approx(METRICS["mbg_nbd"]["pr_auc"], abs=5e-4)


def test_profit_is_what_the_arithmetic_says():
    # Save rate 1/2: a leaver is worth 0.5 * (100 - 10) - 1 = 44, a customer who stays costs 10 + 1.
    recipe = EvaluationRecipe(value=100, offer_cost=10, contact_cost=1, save_alpha=1, save_beta=1)
    churned = np.array([True, False, True, False])
    (axes,) = profit_curve(churned, {"committee": np.array([0.9, 0.8, 0.7, 0.1])}, recipe).axes
    share, profit = next(iter(lines(axes).values()))
    assert np.interp([0, 0.25, 0.5, 0.75, 1], share, profit) == pytest.approx([0, 44, 33, 77, 66])
    assert legend(axes)[0] == "77  Committee, best at 75%"


def test_equal_probabilities_are_contacted_together():
    recipe = EvaluationRecipe(value=100, offer_cost=10, contact_cost=1, save_alpha=1, save_beta=1)
    for churned in ([True, False], [False, True]):
        (axes,) = profit_curve(np.array(churned), {"recency": np.array([0.5, 0.5])}, recipe).axes
        share, profit = next(iter(lines(axes).values()))
        assert np.allclose(profit, 33 * share)


def test_the_features_that_move_the_score_most_come_first():
    (axes,) = contributions_summary(CONTRIBUTIONS, top=20).axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    mean = CONTRIBUTIONS.select(pl.all().abs().mean()).row(0, named=True)
    assert shown == sorted(mean, key=mean.__getitem__)[-20:]
    assert axes.get_title(loc="left") == "What moves the score: 20 of 30 features"


def test_both_outcomes_are_counted():
    (axes,) = score_distribution(CHURNED, TRUTH).axes
    assert legend(axes) == [f"{(~CHURNED).sum()} stayed", f"{CHURNED.sum()} left"]


def test_a_figure_that_a_night_does_not_define_is_left_out_of_the_picture():
    everybody = np.ones(50, bool)
    metrics = {"recency": evaluate(everybody, np.full(50, 0.9), RECIPE)}
    auroc, log_loss, _ = settled_comparison(metrics).axes
    assert not auroc.lines
    assert log_loss.lines


def test_pictures_do_not_depend_on_the_order_of_the_customers():
    order = np.random.default_rng(1).permutation(len(CHURNED))
    shuffled = {name: each[order] for name, each in PROBABILITIES.items()}
    for draw in (gain_and_lift, precision_recall, calibration):
        assert as_svg(draw(CHURNED, PROBABILITIES)) == as_svg(draw(CHURNED[order], shuffled))


def test_a_training_night_has_all_its_pictures_in_readable_size():
    figures = training_figures(CHURNED, PROBABILITIES, CONTRIBUTIONS, recipe=RECIPE, unit="EUR")
    assert list(figures) == [
        "gain_and_lift",
        "precision_recall",
        "calibration",
        "profit",
        "contributions",
        "score_distribution",
    ]
    for figure in figures.values():
        width, height = figure.get_size_inches() * figure.dpi
        assert 600 <= width <= 900
        assert 400 <= height <= 600
        assert all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)
