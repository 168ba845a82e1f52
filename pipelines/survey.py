"""A first look at a source: which column is what, how many rows can be used, how often customers come back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from assets.files import FileSource
from assets.scratch import scratch_folder
from models.doubts import doubts, events, return_pattern
from models.guessing import Guesses, guess
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, resolve
from models.purchase_gaps import Suggestion, suggest
from models.transactions import ValidationRules, split

SAMPLE_ROWS = 1_000_000
_BLOCKS = 5


@dataclass(frozen=True)
class Survey:
    """What was seen in a source.

    Attributes:
        files: How many files it holds.
        rows: How many rows were read.
        guesses: Which column means what.
        lacking: A sentence for each file without a customer or a timestamp.
        doubts: What a person should look at, in sentences.
        rejected: Reason -> rows that would go to quarantine for it, most frequent first.
        rejected_share: Share of all rows that would.
        worst_share: The same in the worst month, or over all where that is more.
        return_pattern: Pattern of the orders that are cancellations.
        currency: Code of the one currency of all amounts, where a column says so.
        last_day: Day of the last usable row.
        suggestion: Horizon and activity that fit; None without a usable purchase.
        term_days: Usual days from a line to the end of the contract that it sells, where most customers have one.
    """

    files: int
    rows: int
    guesses: Guesses
    lacking: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    rejected_share: float = 0.0
    worst_share: float = 0.0
    return_pattern: str | None = None
    currency: str | None = None
    last_day: date | None = None
    suggestion: Suggestion | None = None
    term_days: int | None = None


def survey(source: str, *, today: date) -> Survey:
    """Look at a file, a folder or a glob.

    Columns are guessed from a sample of at most a million rows, in five blocks of each file; rows are counted over all.

    Args:
        source: What the person typed.
        today: Rows of later days count as unusable.

    Raises:
        DeliveryError: If there is nothing to read, or a file cannot be read.
    """
    with scratch_folder() as scratch:
        return _surveyed(FileSource(source, ColumnMapping(customer_id=(), timestamp=())), scratch, today)


def _surveyed(source: FileSource, scratch: Path, today: date) -> Survey:
    files = {file.name: source.read(file, scratch) for file in source.files()}
    samples = {name: _sample(file, SAMPLE_ROWS // len(files)) for name, file in files.items()}
    guesses = guess(samples)
    if guesses.candidates:
        rows = sum(sample.height for sample in samples.values())
        return Survey(len(files), rows, guesses, doubts=tuple(events(samples)))
    lacking = _lacking(samples, guesses.mapping())
    usable = {name: file for name, file in files.items() if name not in lacking}
    if not usable:
        return Survey(len(files), 0, guesses, tuple(lacking.values()))
    return _accounts(usable, {name: samples[name] for name in usable}, guesses, today, tuple(lacking.values()))


def _sample(frame: pl.LazyFrame, rows: int) -> pl.DataFrame:
    height = frame.select(pl.len()).collect().item()
    if height <= rows:
        return frame.collect()
    starts = [(height - rows // _BLOCKS) * block // (_BLOCKS - 1) for block in range(_BLOCKS)]
    return pl.concat([frame.slice(start, rows // _BLOCKS) for start in starts]).collect()


def _lacking(samples: Mapping[str, pl.DataFrame], mapping: ColumnMapping) -> dict[str, str]:
    found = {}
    for name, sample in samples.items():
        try:
            resolve(sample.columns, mapping, file=name)
        except DeliveryError as error:
            found[name] = str(error)
    return found


def _accounts(
    files: Mapping[str, pl.LazyFrame],
    samples: Mapping[str, pl.DataFrame],
    guesses: Guesses,
    today: date,
    lacking: tuple[str, ...],
) -> Survey:
    mapping, moments = guesses.mapping(), guesses.moments
    reading = Reading(timestamp_format=moments.pattern if moments.to_set else None)

    def lines(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
        return canonical(frame, mapping, reading, timezone="UTC", file=name)

    sample = pl.concat([lines(frame.lazy(), name) for name, frame in samples.items()]).collect()
    rules = ValidationRules(return_pattern=return_pattern(sample))
    month = pl.col("day").dt.truncate("1mo")
    months, reasons, purchases, terms = [], [], [], []
    for name, file in files.items():
        raw = lines(file, name).with_columns(occurrence=pl.lit(1, pl.Int64))
        valid, quarantine = split(raw, rules, night=today, mapped=mapping.delivered)
        by_month, lost_by_month, by_reason, days, sold = pl.collect_all(
            [
                valid.group_by(month).agg(pl.len().alias("valid"), pl.col("day").max().alias("last")),
                quarantine.group_by(month).agg(pl.len().alias("lost")),
                quarantine.explode("reasons").group_by("reasons").len(),
                valid.filter(~pl.col("is_return")).select("customer_id", "day").unique(),
                valid.filter(~pl.col("is_return"), pl.col("contract_until") > pl.col("day")).select(
                    "customer_id", length=(pl.col("contract_until") - pl.col("day")).dt.total_days()
                ),
            ]
        )
        months.append(by_month.join(lost_by_month, on="day", how="full", coalesce=True, nulls_equal=True))
        reasons.append(by_reason)
        purchases.append(days)
        terms.append(sold)
    counts = pl.concat(months).group_by("day").agg(pl.col("valid", "lost").sum(), pl.col("last").max())
    valid_rows, lost_rows, last_day = counts.select(pl.col("valid", "lost").sum(), pl.col("last").max()).row(0)
    rows = valid_rows + lost_rows
    share = lost_rows / rows if rows else 0.0
    # A month of a few stray rows, such as typing errors in the year, says nothing about a usual night.
    usual = counts.drop_nulls("day").filter(pl.col("valid") + pl.col("lost") >= rows / 100)
    worst = usual.select((pl.col("lost") / (pl.col("valid") + pl.col("lost"))).max()).item()
    rejected = Counter[str]()
    for by_reason in reasons:
        rejected.update(dict(by_reason.iter_rows()))
    days, sold = pl.concat(purchases), pl.concat(terms)
    most = sold["customer_id"].n_unique() > days["customer_id"].n_unique() / 2
    codes = sample["currency"].drop_nulls().unique()
    return Survey(
        files=len(files) + len(lacking),
        rows=rows,
        guesses=guesses,
        lacking=lacking,
        doubts=(*doubts(sample), *events(samples)),
        rejected=dict(rejected.most_common()),
        rejected_share=share,
        worst_share=max(share, worst or 0.0),
        return_pattern=rules.return_pattern,
        currency=codes.item() if len(codes) == 1 else None,
        last_day=last_day,
        suggestion=suggest(days) if days.height else None,
        term_days=round(float(np.median(sold["length"].to_numpy()))) if most else None,
    )
