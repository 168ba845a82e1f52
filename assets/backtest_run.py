"""A backtest as one run in MLflow: every figure of every scorer with the night as its step."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime

from assets.advice_figures import backtest_figure
from assets.backtest_report import BacktestReport, as_text
from assets.experiment_store import ExperimentStore
from models.challenge import Question

ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))
_BATCH = 1000
"""Metrics that MLflow takes in one call."""


def record_backtest(
    store: ExperimentStore, report: BacktestReport, question: Question, *, digest: str, tags: Mapping[str, str]
) -> str:
    """Write down a backtest; the same one again changes nothing.

    Args:
        store: Where to.
        report: What was found.
        question: What was asked, for the parameters.
        digest: Digest of settings, code and data.
        tags: Where it came from.

    Returns:
        The id of the run.
    """
    mine = f"tags.record = 'backtest' and tags.digest = '{digest}'"
    for known in store.runs(f"{mine} and attributes.status = 'FINISHED'"):
        return str(known.info.run_id)
    for killed in store.runs(f"{mine} and attributes.status = 'RUNNING'"):
        store.client.set_terminated(killed.info.run_id, "KILLED")
    first, last = min(report.nights), max(report.nights)
    own = {"record": "backtest", "role": "backtest", "digest": digest, "night": f"{last}"}
    settings = {f"{part}.{key}": value for part, values in asdict(question).items() for key, value in values.items()}
    params = settings | {"backtest.first": first, "backtest.last": last, "backtest.step_days": report.step_days}
    with store.run(f"backtest {first} to {last}", {**tags, **own, "mlflow.note.content": as_text(report)}) as run:
        store.log(run, _means(report), params)
        _log_nights(store, run, report)
        tables = {"figures": report.figures, "gains": report.gains, "gate": report.verdicts}
        store.log_pages(run, tables, {"backtest": backtest_figure(report.figures)})
    return run


def _means(report: BacktestReport) -> dict[str, float]:
    gains = {
        f"mean/{row['scorer']}/log_loss_gain{end}/{row['rival']}": row[column]
        for row in report.gains.iter_rows(named=True)
        for end, column in ENDS
    }
    return {f"mean/{scorer}/{figure}": value for (scorer, figure), value in report.means.items()} | gains


def _log_nights(store: ExperimentStore, run: str, report: BacktestReport) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(
            f"backtest/{row['scorer']}/{row['figure']}{end}", row[column], _instant(row["night"]), _step(row["night"])
        )
        for row in report.figures.iter_rows(named=True)
        for end, column in ENDS
    ]
    for start in range(0, len(metrics), _BATCH):
        store.client.log_batch(run, metrics=metrics[start : start + _BATCH])


def _step(night: date) -> int:
    """The night as a number that reads as a date: 19980331."""
    return int(f"{night:%Y%m%d}")


def _instant(night: date) -> int:
    return int(datetime(night.year, night.month, night.day, tzinfo=UTC).timestamp() * 1000)
