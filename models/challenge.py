"""A new model meets its rivals: trained with one recipe as of two nights, judged on a night that it has not seen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.baselines import HISTORY
from models.contamination import EVER, copies_of, untreated
from models.definition import ChurnDefinition
from models.evaluation import compare, evaluate
from models.example_store import ExampleStore, features_by, held, part_of
from models.features import FeatureRecipe
from models.gate import GateRecipe, Verdict, gate
from models.labels import contracts, happened
from models.learning import TrainingRecipe, fit, training_nights, tuned
from models.population import histories
from models.ranking import EvaluationRecipe, Vector
from models.scorer import Scorer
from models.settlement import SERVED
from models.sufficiency import refusal
from models.terms import Terms


@dataclass(frozen=True)
class Question:
    """What is asked, what is known, and how the answer is learned and judged.

    Attributes:
        churn: What counts as churn, and for whom it is asked.
        features: What is known of a customer.
        training: How the model learns.
        evaluation: How probabilities are judged.
        gate: What a challenger must fulfil.
    """

    churn: ChurnDefinition
    features: FeatureRecipe
    training: TrainingRecipe
    evaluation: EvaluationRecipe
    gate: GateRecipe


@dataclass(frozen=True)
class Challenge:
    """What came of a training.

    Attributes:
        judged_night: The newest ripe night, on which the rivals met.
        judged: The scorer as it would have been trained on the judged night, with the same of its models in charge.
        serving: The same recipe one step further in time, the judged night included; what won serves.
        jury: The active customers of the judged night, a part of them beyond `max_examples`: features and ``churned``.
        probabilities: Per scorer its probabilities of the same customers.
        metrics: Per scorer the figures of `models.evaluation.evaluate`.
        rivals: Per rival of the challenger the figures of `models.evaluation.compare`.
        verdict: The decision of the gate.
        examples: Everything that could be learned from, sorted by night and customer, for its digest.
        trials: The recipes that were tried, as in `models.tuning.Tuning`; no rows without a search.
    """

    judged_night: date
    judged: Scorer
    serving: Scorer
    jury: pl.DataFrame
    probabilities: Mapping[str, Vector]
    metrics: Mapping[str, Mapping[str, float]]
    rivals: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    examples: pl.LazyFrame
    trials: pl.DataFrame

    @property
    def churned(self) -> NDArray[np.bool_]:
        """What became of the jury."""
        return self.jury["churned"].to_numpy()

    @property
    def copies(self) -> NDArray[np.int64]:
        """How many rows of the jury each row's customer has: one of control stands for others too."""
        return copies_of(self.jury)


def is_due(night: date, trained_as_of: date, recipe: TrainingRecipe) -> bool:
    """Whether a champion is old enough to be challenged."""
    return night - trained_as_of >= timedelta(days=recipe.retrain_days)


def challenge(
    days: pl.LazyFrame,
    night: date,
    question: Question,
    champion: Scorer | None,
    *,
    items: pl.LazyFrame | None = None,
    facts: pl.LazyFrame | None = None,
    terms: pl.LazyFrame | None = None,
    delivered: pl.LazyFrame | None = None,
    store: ExampleStore | None = None,
) -> Challenge:
    """Train as of the newest ripe night, judge on it, then train as of tonight.

    The judged scorer knows no outcome later than the judged night, so that nothing it is judged on was learned from.
    The champion meets it in the state in which it was judged itself: its serving twin may have seen the outcome.

    Args:
        days: ``customer_days`` as known on the night.
        night: As-of date.
        question: What is asked.
        champion: The judged scorer of whoever serves; None if nobody does.
        items: ``customer_items`` as known on the night.
        facts: ``customer_facts`` as known on the night.
        terms: `models.terms.customer_terms` as known on the night; read where churn is by contract.
        delivered: ``at_risk_segments`` of earlier nights; whoever was treated then is not learned from.
        store: Where the examples are held, and where the trees that score grow from all of them; in memory, from
            `max_examples`, without it.
    """
    churn, horizon = question.churn, question.churn.ripe_days
    newest = night - timedelta(days=horizon)
    bought = days.filter(pl.col("orders") > 0, pl.col("day") <= night)
    first = bought.select(pl.col("day").min()).collect().item() or night
    wanted = {
        as_of: training_nights(as_of, horizon_days=horizon, first_day=first, recipe=question.training)
        for as_of in (newest, night)
    }
    nights = sorted({newest, *wanted[newest], *wanted[night]})
    sold = None if churn.grace is None else Terms.of(contracts(terms), churn.grace)
    examples = held(
        features_by(churn, question.features, days=days, items=items, facts=facts, terms=terms),
        partial(happened, days, churn=churn, terms=terms),
        nights,
        store=store,
        delivered=delivered,
        horizon_days=horizon,
    )

    def seen(as_of: date) -> pl.LazyFrame:
        return examples.filter(pl.col("night").is_in(wanted[as_of]))

    lacking = refusal(
        seen(newest).select("customer_id", "churned").collect(),
        span_days=(night - first).days,
        horizon_days=horizon,
        min_history_days=question.training.min_history_days,
        min_outcomes=question.training.min_outcomes,
    )

    # Once, as of the judged night: what is found must not have seen its outcome.
    recipe, trials = tuned(seen(newest), as_of=newest, horizon_days=horizon, recipe=question.training)

    def untaught(as_of: date) -> pl.DataFrame:
        known = past(days, as_of, question, sold).collect()
        if delivered is None or sold is not None:
            return known
        so_far = delivered.filter(pl.col("night") <= as_of)
        alone = untreated(known.lazy().with_columns(night=pl.lit(as_of)), so_far, horizon_days=EVER)
        return alone.drop("night").collect()

    def trained(as_of: date) -> Scorer:
        return fit(
            seen(as_of),
            *(untaught(each) for each in (as_of, as_of - timedelta(days=horizon))),
            as_of=as_of,
            horizon_days=horizon,
            recipe=recipe,
            trees=lacking is None,
            history=HISTORY[churn.definition],
            store=store,
        )

    jury = part_of(examples.filter(pl.col("night") == newest), question.training.max_examples).collect()
    serving = trained(night)
    if jury["churned"].n_unique() < 2:
        why = f"No night is ripe that could judge a model ({newest} has no two outcomes)"
        sentence = f"{why}{f'; {lacking}' if lacking else ''}. {serving.serves} serves."
        nobody = Verdict(False, serving.serves, np.nan, (), np.nan, np.nan, False, sentence)
        return Challenge(newest, serving, serving, jury, {}, {}, {}, nobody, examples, trials)
    judged = trained(newest)
    predictions = judged.predict(jury)
    probabilities = {
        name: predictions[name].to_numpy() for name in judged.models if predictions[name].null_count() == 0
    }
    if champion is not None:
        probabilities[SERVED] = champion.predict(jury)["churn_probability"].to_numpy()
    churned = jury["churned"].to_numpy()
    copies = copies_of(jury)
    verdict = gate(churned, predictions, probabilities.get(SERVED), question.gate, question.evaluation, copies)
    if lacking:
        verdict = replace(verdict, sentence=f"No model is trained: {lacking}. {verdict.serves} serves.")
    rivals = {
        name: compare(churned, probabilities["committee"], rival, question.evaluation, copies)
        for name, rival in probabilities.items()
        if name != "committee" and "committee" in probabilities
    }
    metrics = {
        name: evaluate(churned, each, question.evaluation, copies=copies) for name, each in probabilities.items()
    }
    if verdict.serves != SERVED:
        # In the same hands, or a rule that serves would meet the next challenger in the guise of the model that lost.
        judged, serving = judged.serving(verdict.serves), serving.serving(verdict.serves)
    return Challenge(newest, judged, serving, jury, probabilities, metrics, rivals, verdict, examples, trials)


def past(days: pl.LazyFrame, night: date, question: Question, sold: Terms | None) -> pl.LazyFrame:
    """What the rule from histories is fitted to as of a night: purchases of everybody, or terms that ended."""
    if sold is None:
        return histories(days, night, question.features.lookback_days)
    return sold.ended(night, question.features.lookback_days).lazy()
