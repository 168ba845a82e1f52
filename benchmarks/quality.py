"""How good the probabilities are out of time, beside simple rules and other boosters, on real purchases.

Run ``python -m benchmarks.quality --data ../shared/data``. The nights are fixed by a rule: the last one that is ripe,
and the others before it, evenly spaced over one horizon. As of each night everything is trained on what was known then
and settled with what happened; nothing is tuned on these nights. Figures are means over the nights, intervals come from
a bootstrap of customers, each of whom counts equally often on every night and for every row.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.datasets import SOURCES, DataSet, read
from benchmarks.means import summarised
from benchmarks.peers import PEERS, own_trees, synthesized
from models.baselines import BASELINES
from models.classifier import ClassifierRecipe
from models.features import features
from models.gate import gate
from models.labels import labels
from models.learning import TrainingRecipe, fit, ripe_examples, training_nights
from models.population import histories

ACTIVE, LOOKBACK = 365, 1095
RECIPE = TrainingRecipe(classifier=ClassifierRecipe(threads=1))
SYNTHESIZED = "own trees, featuretools"
NEEDS = {"LightGBM tuned": "lightgbm", "CatBoost tuned": "catboost", SYNTHESIZED: "featuretools"}
TARGETS = {"cdnow": (0.748, 0.518), "online_retail": (0.747, 0.595), "oxford_spend": (0.800, 0.553)}


def judged_nights(data: DataSet, count: int) -> list[date]:
    """The last ripe night and the others before it, evenly spaced over one horizon; newest first."""
    last = data.last_day - timedelta(days=data.horizon_days)
    return [last - timedelta(days=number * data.horizon_days // count) for number in range(count)]


def told(data: DataSet, night: date, trials: int, rows: Iterable[str]) -> tuple[pl.DataFrame, bool, dict[str, float]]:
    """Train as of a night and score it: customer_id, churned and a column per row; the gate's verdict; seconds."""
    known, items = (table.filter(pl.col("day") <= night).lazy() for table in (data.days, data.items))
    horizon = data.horizon_days
    first = data.days.select(pl.col("day").filter(pl.col("orders") > 0).min()).item()
    nights = training_nights(night, horizon_days=horizon, first_day=first, recipe=RECIPE)
    key = ["night", "customer_id"]

    def seen(days: pl.LazyFrame, wanted: list[date]) -> pl.DataFrame:
        outcomes = labels(days, wanted, horizon)
        found = features(known, wanted, active_days=ACTIVE, horizon_days=horizon, items=items)
        return found.join(outcomes, on=key).sort(key).collect()

    examples, jury = seen(known, nights), seen(data.days.lazy(), [night])
    past, earlier = (histories(known, day, LOOKBACK).collect() for day in (night, nights[0]))
    start = time.perf_counter()
    scorer = fit(examples, past, earlier, as_of=night, horizon_days=horizon, recipe=RECIPE)
    predictions = scorer.predict(jury)
    seconds = {"champion": time.perf_counter() - start}
    scores = {"champion": predictions["committee"], **{name: predictions[name] for name in BASELINES}}
    ripe, names = ripe_examples(examples, as_of=night, horizon_days=horizon, recipe=RECIPE)
    for name in rows:
        start = time.perf_counter()
        if name == SYNTHESIZED:
            scores[name] = _synthesized(data, jury, ripe)
        else:
            scores[name] = pl.Series(np.clip(PEERS[name](ripe, names, jury, trials), 1e-6, 1 - 1e-6))
        seconds[name] = time.perf_counter() - start
    passed = gate(jury["churned"].to_numpy(), predictions).passed
    return (
        jury.select("customer_id", "churned").with_columns(pl.Series(n, s) for n, s in scores.items()),
        passed,
        seconds,
    )


def _synthesized(data: DataSet, jury: pl.DataFrame, ripe: pl.DataFrame, newest: int = 4) -> pl.Series:
    nights = ripe["night"].unique().sort().tail(newest)
    made = [
        synthesized(
            data.days, night, ripe.filter(pl.col("night") == night).select("night", "customer_id", "churned", "weight")
        )
        for night in nights
    ]
    asked = synthesized(data.days, jury["night"][0], jury.select("customer_id"))
    names = [name for name in asked.columns if name != "customer_id" and all(name in part.columns for part in made)]
    return pl.Series(own_trees(pl.concat(made, how="diagonal"), names, asked, 0))


def table(name: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The rows of a data set as text."""
    lines = [f"{'':24} {'AUROC':>22} {'log loss':>22} {'ECE':>6} {'|bias|':>7} {'lift':>5} {'gained by champion':>30}"]
    for row, each in found.items():
        auroc, loss, gain = (_bracketed(each[key]) for key in ("auroc", "log_loss", "log_loss_gain"))
        rest = f"{each['ece'][0]:6.3f} {each['absolute_bias'][0]:7.3f} {each['lift'][0]:5.2f}"
        lines.append(f"{row:24} {auroc:>22} {loss:>22} {rest} {'' if row == 'champion' else gain:>30}")
    champion, (auroc_target, loss_target) = found["champion"], TARGETS[name]
    rules = min(found[rule]["log_loss"][0] for rule in BASELINES)
    checks = {
        f"AUROC at least {auroc_target}": champion["auroc"][0] >= auroc_target,
        f"log loss at most {loss_target}": champion["log_loss"][0] <= loss_target,
        "log loss below every rule's": champion["log_loss"][0] < rules,
        f"ECE at most 0.03 (a perfect model's: {champion['ece_if_perfect']:.3f})": champion["ece"][0] <= 0.03,
        "|bias| at most 0.03": champion["absolute_bias"][0] <= 0.03,
    }
    return "\n".join([*lines, *(f"{'reached' if met else 'MISSED '}  {what}" for what, met in checks.items())])


def _bracketed(figure: list[float]) -> str:
    return f"{figure[0]:.4f} [{figure[1]:.4f}, {figure[2]:.4f}]"


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the Parquet files")
    arguments.add_argument("--nights", type=int, default=4)
    arguments.add_argument("--trials", type=int, default=10, help="settings that LightGBM and CatBoost may try")
    arguments.add_argument("--sets", nargs="*", default=list(SOURCES), choices=SOURCES)
    arguments.add_argument("--rows", nargs="*", default=[*PEERS, SYNTHESIZED], choices=[*PEERS, SYNTHESIZED])
    arguments.add_argument("--quick", action="store_true", help="two nights, a quarter of the customers, two trials")
    arguments.add_argument("--json", type=Path, default=Path("quality.json"))
    given = arguments.parse_args()
    wanted, nights, trials = [], given.nights, given.trials
    if given.quick:
        nights, trials = 2, 2
    for name in given.rows:
        package = NEEDS.get(name)
        if package is None or _installed(package):
            wanted.append(name)
        else:
            print(f"{name} is left out: {package} is not installed (dependency group peers)")
    packages = {
        name: version(name)
        for name in ("xgboost-cpu", "polars", "numpy", "optuna", *NEEDS.values())
        if _installed(name)
    }
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    report: dict[str, Any] = {**machine, "versions": packages, "trials": trials, "sets": {}}
    for name in given.sets:
        try:
            data = read(name, given.data)
        except FileNotFoundError:
            print(f"{name} is left out: {given.data / name}.parquet is not there")
            continue
        if given.quick:
            data = data.thinned(4)
        chosen = judged_nights(data, nights)
        settled = [told(data, night, trials, wanted) for night in chosen]
        found = summarised([frame for frame, _, _ in settled])
        sizes = {f"{night}": frame.height for night, (frame, _, _) in zip(chosen, settled, strict=True)}
        print(f"\n{name}, horizon {data.horizon_days} days, customers per night: {sizes}")
        print(table(name, found))
        gates = [passed for _, passed, _ in settled]
        print(f"the gate passes the champion on {sum(gates)} of {len(gates)} nights, against the rules alone")
        seconds = {row: float(np.mean([each[row] for _, _, each in settled])) for row in settled[0][2]}
        report["sets"][name] = {"customers": sizes, "rows": found, "seconds": seconds}
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
