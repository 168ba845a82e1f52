"""What is written down about a model on the night it was trained, and the page that says it in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from assets.wording import NAMES, UNKNOWN
from models.scorer import Scorer
from models.worth import Appraisal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = {
    "log_loss": "log loss",
    "auroc": "AUROC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "ece": "calibration error",
    "lift": "lift in the top tenth",
}


@dataclass(frozen=True)
class TrainingRecord:
    """Everything that is kept of one training night; nothing in it may name a customer.

    Attributes:
        night: As-of date of the training: the version may serve from this night on.
        judged_night: The ripe night on which the challenger met its rivals.
        learned_from: As-of dates that the serving model learned from.
        definition: What churn means here and who is asked about, as a sentence.
        serving: The scorer that serves, refitted up to the newest ripe night.
        judged: The scorer that was judged, which had not seen the judged night.
        metrics: Per scorer (``committee``, the baselines, ``champion`` re-scored on the same customers) the figures of
            `models.evaluation.evaluate`.
        rivals: Per rival the figures of `models.evaluation.compare`.
        passed: Whether the challenger won.
        sentence: The verdict in words.
        data_digest: Digest of the examples.
        settings_digest: Digest of the settings.
        promote: Whether the version serves from its night on; as ``passed`` says if absent. Where nobody serves yet
            it always does, with the rule that its scorer names.
        segments: Per segment (``tenure=new``) the challenger's figures.
        params: What the recipe was set to.
        settings: The settings file as it stood, without passwords.
        tags: Where it came from: git revision, Dagster run, partition and the like.
        worth: What came of learning the value, and whether it serves.
        profile: What the customers looked like, see `models.drift.profile`.
        tables: Frames without customers: calibration bins, gain, deciles.
        figures: Pictures by name.
    """

    night: date
    judged_night: date
    learned_from: Sequence[date]
    definition: str
    serving: Scorer
    judged: Scorer
    metrics: Mapping[str, Mapping[str, float]]
    rivals: Mapping[str, Mapping[str, float]]
    passed: bool
    sentence: str
    data_digest: str
    settings_digest: str
    promote: bool | None = None
    segments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    settings: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    worth: Appraisal | None = None
    profile: pl.DataFrame | None = None
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    figures: "Mapping[str, Figure]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would carry customers into the artifact store, where no erasure request would find them.

        Raises:
            ValueError: If a table has a column ``customer_id``.
        """
        for name, table in self.tables.items():
            if "customer_id" in table.columns:
                raise ValueError(f"table {name!r} has a column customer_id: record sums and shares, never customers")


def summary(record: TrainingRecord) -> str:
    """The model card in three lines, for the description of the run."""
    return (
        f"{record.definition}\n\nJudged on {record.judged_night}: {record.sentence}\n\nServes: {record.serving.serves}"
    )


def model_card(record: TrainingRecord) -> str:
    """The model card as markdown: what it is, what it knows, how good it is, and where it must not be used."""
    learned = sorted(record.learned_from)
    span = f"{learned[0]} to {learned[-1]}" if learned else "none"
    judged = next(iter(record.metrics.values()), {})
    return "\n".join(
        [
            f"# Churn model of {record.night}",
            "",
            f"**Definition.** {record.definition}",
            "",
            f"**Learned from** {len(learned)} nights ({span}). **Serves** {_name(record.serving.serves)}.",
            "",
            f"## Judged on {record.judged_night}",
            "",
            f"{judged.get('customers', 0):,.0f} customers, of whom {judged.get('churn_rate', 0):.1%} left. "
            "Fitting, stopping, tuning and calibration had not seen this night. In brackets the bootstrap interval.",
            "",
            "| | " + " | ".join(_COLUMNS.values()) + " |",
            "|---" * (len(_COLUMNS) + 1) + "|",
            *(
                f"| {_name(name)} | " + " | ".join(_figure(figures, key) for key in _COLUMNS) + " |"
                for name, figures in record.metrics.items()
            ),
            "",
            "## Gate",
            "",
            f"{'Passed' if record.passed else 'Not passed'}: {record.sentence}",
            "",
            "| challenger against | log loss gained | AUROC gained |",
            "|---|---|---|",
            *(
                f"| {_name(name)} | {_figure(gains, 'log_loss_gain')} | {_figure(gains, 'auroc_gain')} |"
                for name, gains in record.rivals.items()
            ),
            "",
            "A gain counts where its whole interval lies above zero.",
            "",
            *(["## Value", "", record.worth.sentence, ""] if record.worth is not None else []),
            "## Limits",
            "",
            "- It describes the customers of the definition as of the night. Whoever was lost before is not scored.",
            "- It has seen the past alone: after a change of prices, range or market its numbers are too sure.",
            "- Reasons explain the score. They are no proof of a cause, and a high risk is no proof that a call helps.",
            "- The score is for retention offers. It must not decide on contracts, dunning or prices.",
            "",
        ]
    )


def _name(scorer: str) -> str:
    return NAMES.get(scorer, scorer)


def _figure(figures: Mapping[str, float], key: str) -> str:
    if key not in figures:
        return UNKNOWN
    interval = f" [{figures[f'{key}_low']:.4f}, {figures[f'{key}_high']:.4f}]" if f"{key}_low" in figures else ""
    return f"{figures[key]:.4f}{interval}"
