"""The jobs: nightly from source to CRM, training, settlement; and a backtest, which changes none of them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.backtest import backtest_nights

TRAIN_NOW = {"ops": {"churn_model": {"config": {"due": "now"}}}}

NIGHTLY = "nightly"


@dg.graph(description="Say of past nights what would have been said then, and settle it; one run for all.")
def backtest() -> None:
    """The nights of a backtest, in the order of time."""
    backtest_nights()


def jobs(tags: Mapping[str, str]) -> list[Any]:
    """The jobs, whose runs bear these tags wherever they are started."""
    return [
        dg.define_asset_job(
            NIGHTLY,
            selection=dg.AssetSelection.all(),
            description="Ingest, validate, build features, train where due, score, deliver, settle what is ripe.",
            tags=tags,
        ),
        dg.define_asset_job(
            "training",
            selection=dg.AssetSelection.assets("churn_model"),
            description="Train a challenger as of a night that ran; the gate decides whether it becomes champion.",
            config=TRAIN_NOW,
            tags=tags,
        ),
        dg.define_asset_job(
            "settlement",
            selection=dg.AssetSelection.groups("settlement"),
            description="Compare what was predicted with what happened, for every night that is ripe.",
            tags=tags,
        ),
        backtest.to_job(tags=tags),
    ]
