"""What else a skilled person would try on the same customers: other boosters, and features made by a machine.

Install them into an environment of their own: ``uv venv --seed peers; uv pip install --python peers -e . --group
peers``. Each gets the same ripe nights, weights and order of time as the project's own trees: growing stops, and
settings are compared, on a later night and other customers, and what was found is learned once more from all nights.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import xgboost as xgb
from scipy.special import expit

from models import classifier
from models.classifier import ClassifierRecipe
from models.ranking import Vector
from models.rehearsal import splits

Grown: TypeAlias = tuple[Callable[[pl.DataFrame], Vector], int]
"""A booster as the function that gives the probability of churn, and how many trees it has."""
Grow: TypeAlias = Callable[[Mapping[str, Any], pl.DataFrame, "pl.DataFrame | int"], Grown]
"""Grows a booster on examples, until a later night does not improve or as many trees as are said."""
Suggest: TypeAlias = Callable[[Any], dict[str, Any]]

ROUNDS, PATIENCE = 2000, 50


def xgboost_with_defaults(known: pl.DataFrame, features: Sequence[str], jury: pl.DataFrame, _: int) -> Vector:
    """A hundred trees of depth 6, as XGBoost comes."""
    label, weight = known["churned"].to_numpy(), known["weight"].to_numpy()
    learn = xgb.DMatrix(_table(known, features), label=label, weight=weight)
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, learn, 100)
    return np.asarray(booster.predict(xgb.DMatrix(_table(jury, features))), np.float64)


def lightgbm_tuned(known: pl.DataFrame, features: Sequence[str], jury: pl.DataFrame, trials: int) -> Vector:
    """LightGBM, its settings searched by Optuna."""
    import lightgbm

    def grow(settings: Mapping[str, Any], older: pl.DataFrame, later: pl.DataFrame | int) -> Grown:
        def data(frame: pl.DataFrame) -> Any:
            weight = frame["weight"].to_numpy()
            return lightgbm.Dataset(_table(frame, features), frame["churned"].to_numpy().astype(float), weight=weight)

        fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 0, "deterministic": True}
        fixed |= {"bagging_freq": 1, "force_col_wise": True}
        if isinstance(later, int):
            booster = lightgbm.train({**fixed, **settings}, data(older), later)
        else:
            stop = lightgbm.early_stopping(PATIENCE, verbose=False)
            watch = [data(later)]
            booster = lightgbm.train({**fixed, **settings}, data(older), ROUNDS, valid_sets=watch, callbacks=[stop])
        rounds = later if isinstance(later, int) else booster.best_iteration
        return lambda frame: np.asarray(booster.predict(_table(frame, features), num_iteration=rounds)), rounds

    def suggest(trial: Any) -> dict[str, Any]:
        return {
            "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 10, 300, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.1, 1),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.3, 1),
        }

    return _searched(grow, suggest, known, jury, trials)


def catboost_tuned(known: pl.DataFrame, features: Sequence[str], jury: pl.DataFrame, trials: int) -> Vector:
    """CatBoost, its settings searched by Optuna."""
    import catboost

    def grow(settings: Mapping[str, Any], older: pl.DataFrame, later: pl.DataFrame | int) -> Grown:
        def data(frame: pl.DataFrame) -> Any:
            label, weight = frame["churned"].to_numpy().astype(int), frame["weight"].to_numpy()
            return catboost.Pool(_table(frame, features), label, weight=weight)

        fixed = {"thread_count": 1, "random_seed": 0, "verbose": False, "allow_writing_files": False}
        rounds = later if isinstance(later, int) else ROUNDS
        booster = catboost.CatBoostClassifier(iterations=rounds, bootstrap_type="Bernoulli", **fixed, **settings)
        if isinstance(later, int):
            booster.fit(data(older))
        else:
            booster.fit(data(older), eval_set=data(later), early_stopping_rounds=PATIENCE)
        return lambda frame: np.asarray(booster.predict_proba(_table(frame, features))[:, 1]), booster.tree_count_

    def suggest(trial: Any) -> dict[str, Any]:
        return {
            "depth": trial.suggest_int("depth", 2, 6),
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1, 100, log=True),
            "subsample": trial.suggest_float("subsample", 0.3, 1),
            "rsm": trial.suggest_float("rsm", 0.1, 1),
        }

    return _searched(grow, suggest, known, jury, trials)


def own_trees(known: pl.DataFrame, features: Sequence[str], jury: pl.DataFrame, _: int) -> Vector:
    """The project's own trees alone, on whatever features."""
    recipe, names = ClassifierRecipe(threads=1), tuple(features)
    grown = [classifier.train(part.older, names, recipe, later=part.later) for part in splits(known)]
    rounds = int(np.median([booster.num_boosted_rounds() for booster in grown]))
    booster = classifier.train(known, names, recipe, rounds=rounds)
    return np.asarray(expit(classifier.log_odds(booster, jury, names)))


def synthesized(days: pl.DataFrame, night: date, customers: pl.DataFrame) -> pl.DataFrame:
    """What deep feature synthesis (Kanter and Veeramachaneni 2015) makes of these customers' days up to a night."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft
        import pandas as pd

        past = days.filter(pl.col("day") <= night).join(customers.select("customer_id"), on="customer_id", how="semi")
        numbers = [name for name in past.columns if name not in ("customer_id", "day")]
        table = pd.DataFrame({name: past[name].fill_null(0).to_numpy().astype(float) for name in numbers})
        table["customer_id"] = past["customer_id"].to_numpy().astype(object)
        table["day"] = pd.to_datetime(past["day"].to_numpy())
        table["row"] = np.arange(len(table))
        entities = ft.EntitySet("shop")
        entities.add_dataframe(dataframe_name="days", dataframe=table, index="row", time_index="day")
        entities.normalize_dataframe("days", "customers", "customer_id")
        matrix, _ = ft.dfs(
            entityset=entities,
            target_dataframe_name="customers",
            agg_primitives=["count", "sum", "mean", "std", "max", "min"],
            trans_primitives=["time_since", "weekday"],
            cutoff_time=pd.Timestamp(night),
            max_depth=2,
        )
        numeric = matrix.select_dtypes("number")
    made = pl.DataFrame({str(name): numeric[name].to_numpy().astype(np.float32) for name in numeric.columns})
    found = made.with_columns(customer_id=pl.Series([str(each) for each in matrix.index])).fill_nan(None)
    return customers.join(found, on="customer_id", how="left", maintain_order="left")


PEERS: dict[str, Callable[[pl.DataFrame, Sequence[str], pl.DataFrame, int], Vector]] = {
    "XGBoost with defaults": xgboost_with_defaults,
    "own trees alone": own_trees,
    "LightGBM tuned": lightgbm_tuned,
    "CatBoost tuned": catboost_tuned,
}


def _searched(grow: Grow, suggest: Suggest, known: pl.DataFrame, jury: pl.DataFrame, trials: int) -> Vector:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parts, rounds = splits(known), []

    def objective(trial: Any) -> float:
        settings, losses, trees = suggest(trial), [], []
        for part in parts:
            predict, number = grow(settings, part.older, part.later)
            told, churned = np.clip(predict(part.later), 1e-6, 1 - 1e-6), part.later["churned"].to_numpy()
            losses.append(-np.log(np.where(churned, told, 1 - told)))
            trees.append(number)
        rounds.append(max(int(np.median(trees)), 1))
        return float(np.concatenate(losses).mean())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=trials)
    predict, _ = grow(suggest(study.best_trial), known, rounds[study.best_trial.number])
    return np.clip(predict(jury), 1e-6, 1 - 1e-6)


def _table(frame: pl.DataFrame, features: Sequence[str]) -> Any:
    return frame.select(pl.col(features).cast(pl.Float32)).to_numpy()
