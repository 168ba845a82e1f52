"""A first look at a source: which column is what, how many rows can be used, how often customers come back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from assets.database import DatabaseSource, first_rows
from assets.files import FileSource, readable
from assets.scratch import scratch_folder
from models.column_types import plain
from models.deliveries import numbered, shared_lines
from models.delivery_notes import ENCODING, NUL, Note, foreign_encodings, sentences
from models.doubts import busiest_day, doubts, idle_pattern, repeats_totals, return_pattern
from models.guessing import Guesses, guess
from models.mapping import ColumnMapping, DeliveryError, Names, Reading, canonical, look_at, notation_of, resolve
from models.notation import (
    GROUPED,
    INEXACT,
    MIXED_MARKS,
    OTHER_MARK,
    OTHER_ORDER,
    PARTLY_READ,
    Notation,
    contradictions,
    usual,
)
from models.odd_tables import lines_above, nested, no_header, second_header, twins
from models.purchase_gaps import Suggestion, suggest
from models.related_tables import Related, related
from models.row_kinds import RowKinds, row_kinds
from models.transactions import ValidationRules, split

SAMPLE_ROWS = 1_000_000
_NO_HEADER = "Put a line with the names of the columns above it"
_SECOND_HEADER = "Join the two to one line of names, or leave the first out by --set source.skip_lines=1"
# Day and month are asked for by themselves, with what to answer.
_ASKED = (GROUPED, MIXED_MARKS, OTHER_ORDER)
_TOLD = (OTHER_MARK, INEXACT, PARTLY_READ)
_BLOCKS = 5


@dataclass(frozen=True)
class Survey:
    """What was seen in a source.

    Attributes:
        files: How many files it holds; none of a database.
        rows: How many rows were read.
        guesses: Which column means what.
        lacking: A sentence for each file that cannot be used, and for what of a table is not what it seems.
        skip_lines: Lines above the headers, where they were found further down.
        malformed: Whether some of them are no tables whose columns could be named.
        doubts: What a person should look at, in sentences.
        related: The tables of a database that the files seem to be.
        kinds: Columns that tell sales from other rows.
        shared: Two files and the number of lines of which the night would count one, though they may be two purchases.
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
    skip_lines: int = 0
    malformed: bool = False
    doubts: tuple[str, ...] = ()
    related: Related | None = None
    kinds: tuple[RowKinds, ...] = ()
    shared: tuple[tuple[str, str, int], ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    rejected_share: float = 0.0
    worst_share: float = 0.0
    return_pattern: str | None = None
    currency: str | None = None
    last_day: date | None = None
    suggestion: Suggestion | None = None
    term_days: int | None = None


def survey(
    source: FileSource | DatabaseSource,
    answers: Mapping[str, Names],
    *,
    timezone: str,
    return_pattern: str | None,
    today: date,
) -> Survey:
    """Look at files, or at a table of a database.

    Columns are guessed from a sample of at most a million rows, in five blocks of each file; the rows of files are
    counted over all.

    Args:
        source: Where the rows are and how they are read; its columns are not asked for.
        answers: Canonical column -> your names for it, where somebody said so; without a name it is left out.
        timezone: Zone of moments that carry none.
        return_pattern: What marks cancellations, where somebody said so.
        today: Rows of later days count as unusable.

    Raises:
        DeliveryError: If there is nothing to read, nothing can be read, or no file has a column that was named.
    """
    with scratch_folder() as scratch:
        notes: list[Note] = []
        above = 0
        if isinstance(source, DatabaseSource):
            files, bad = {source.name: plain(first_rows(source, SAMPLE_ROWS, scratch))}, list[str]()
        else:
            # Columns that nobody has named yet cannot tell where the header is.
            source = replace(source, columns=ColumnMapping(customer_id=(), timestamp=()))
            above = _lines_above(source)
            source = replace(source, dialect=replace(source.dialect, skip_lines=above or source.dialect.skip_lines))
            files, notes, bad = _frames(source, scratch)
        count = len(files) + len(bad)
        samples = {}
        for name, file in files.items():
            try:
                with readable(name):
                    samples[name] = _sample(file, SAMPLE_ROWS // len(files))
            except DeliveryError as error:
                bad.append(str(error))
        if not samples:
            raise DeliveryError("\n".join(bad))
        files = {name: files[name] for name in samples}
        seen = _surveyed(files, samples, answers, source.reading, timezone, return_pattern, today)
        told = [sentence.removesuffix(".") for sentence in said_of(notes, ENCODING, NUL)]
        if isinstance(source, FileSource) and (passed_over := source.tell_passed_over()):
            told.append(passed_over)
        return replace(
            seen,
            files=count if isinstance(source, FileSource) else 0,
            skip_lines=above,
            lacking=(*bad, *seen.lacking),
            doubts=(*told, *seen.doubts),
        )


def _lines_above(source: FileSource) -> int:
    """How many lines stand above the headers, where all CSV files agree and nobody said so; else 0."""
    if source.dialect.skip_lines:
        return 0
    found = {lines_above(source.beginning(file)) for file in source.files() if source.is_csv(file)}
    return found.pop() if len(found) == 1 else 0


def _frames(source: FileSource, scratch: Path) -> tuple[dict[str, pl.LazyFrame], list[Note], list[str]]:
    """The files that can be read, what is worth saying of them, and a sentence for each that cannot."""
    frames, bad, encodings = {}, [], dict[str, str | None]()
    notes: list[Note] = []
    for file in source.files():
        try:
            with readable(file.name):
                contents = source.contents(file, scratch)
                frames[file.name] = plain(contents.rows)
        except DeliveryError as error:
            bad.append(str(error))
            continue
        encodings[file.name] = contents.encoding
        if contents.nul_lines:
            notes.append((file.name, NUL, ", ".join(map(str, contents.nul_lines))))
    if not frames:
        raise DeliveryError("\n".join(bad))
    return frames, [*notes, *foreign_encodings(encodings, [])], bad


def _surveyed(
    files: Mapping[str, pl.LazyFrame],
    samples: Mapping[str, pl.DataFrame],
    answers: Mapping[str, Names],
    reading: Reading,
    timezone: str,
    pattern: str | None,
    today: date,
) -> Survey:
    tables = related(samples)
    if tables is not None:
        # Columns are never picked across tables: what the purchases' own table holds is looked at.
        main = tables.tables[tables.purchases] if tables.purchases else ()
        samples = {name: sample for name, sample in samples.items() if name in main} or samples
        files = {name: file for name, file in files.items() if name in samples}
    guesses = guess(samples, answers)
    used = [name for one in guesses.found for name in one.names if one.column not in ("category", "channel", "product")]
    kinds = tuple(row_kinds(samples.values(), used=used))
    odd = _odd(samples, guesses)
    said = tuple(dict.fromkeys(f"{name}: {sentence}" for name, sample in samples.items() for sentence in twins(sample)))
    rows = sum(sample.height for sample in samples.values())
    seen = Survey(0, rows, guesses, odd, malformed=bool(odd), doubts=said, related=tables, kinds=kinds)
    if guesses.candidates or not rows:
        return seen
    lacking = _lacking(samples, guesses)
    usable = {name: file for name, file in files.items() if name not in lacking and samples[name].height}
    seen = replace(seen, lacking=(*odd, *(lacking.values() if tables is None else ())))
    if not usable:
        return replace(seen, rows=0)
    return _accounts(usable, {name: samples[name] for name in usable}, seen, answers, reading, timezone, pattern, today)


def _sample(frame: pl.LazyFrame, rows: int) -> pl.DataFrame:
    height = frame.select(pl.len()).collect().item()
    if height <= rows:
        return frame.collect()
    starts = [(height - rows // _BLOCKS) * block // (_BLOCKS - 1) for block in range(_BLOCKS)]
    return pl.concat([frame.slice(start, rows // _BLOCKS) for start in starts]).collect()


def _odd(samples: Mapping[str, pl.DataFrame], guesses: Guesses) -> tuple[str, ...]:
    """What of the tables has to be mended before they can be understood, a sentence for all files that share it."""
    used = {name for one in guesses.found for name in one.names}
    found: dict[str, list[str]] = {}
    for name, sample in samples.items():
        if header := no_header(sample):
            found.setdefault(f"{header}. {_NO_HEADER}", []).append(name)
        elif header := second_header(sample):
            found.setdefault(f"{header}. {_SECOND_HEADER}", []).append(name)
        for column, sentence in nested(sample).items():
            if guesses.candidates or column in used:
                found.setdefault(sentence, []).append(name)
    if not any(sample.height for sample in samples.values()):
        found["there is a header and no row. Bring deliveries with rows"] = list(samples)
    return tuple(
        f"{names[0]}{f' and {len(names) - 1:,} more' * (len(names) > 1)}: {sentence}."
        for sentence, names in found.items()
    )


def _lacking(samples: Mapping[str, pl.DataFrame], guesses: Guesses) -> dict[str, str]:
    found = {}
    for name, sample in samples.items():
        try:
            resolve(sample.columns, guesses.mapping(), file=name)
        except DeliveryError as error:
            found[name] = str(error)
    return found


def _notations(
    files: Mapping[str, pl.LazyFrame], guesses: Guesses, reading: Reading
) -> tuple[dict[str, Notation], list[Note], list[str]]:
    """How each file is written, seen beside the others, what is worth saying of it, and what cannot be read."""
    looks, written, bad = {}, {}, []
    for name, file in files.items():
        try:
            with readable(name):
                looks[name] = look_at(file, guesses.mapping(), file=name)
        except DeliveryError as error:
            bad.append(str(error))
    shown = {name: (one.decimal, one.pattern) for name, one in looks.items()}
    beside = usual(shown.values())
    for name, one in looks.items():
        try:
            written[name] = notation_of(one, reading, file=name, beside=beside)
        except DeliveryError as error:
            bad.append(str(error))
    notes = [(name, *note) for name, notation in written.items() for note in notation.notes]
    return written, [*notes, *contradictions(shown, [])], bad


def said_of(notes: Sequence[Note], *kinds: str) -> list[str]:
    """Notes of some kinds as sentences."""
    frame = pl.DataFrame(notes, schema=["source_file", "kind", "detail"], orient="row")
    return [sentence for kind in kinds for sentence in sentences(frame, kind)]


def _accounts(
    files: Mapping[str, pl.LazyFrame],
    samples: Mapping[str, pl.DataFrame],
    seen: Survey,
    answers: Mapping[str, Names],
    reading: Reading,
    timezone: str,
    pattern: str | None,
    today: date,
) -> Survey:
    guesses = seen.guesses
    if reading.timestamp_format is None and guesses.moments.to_set:
        reading = replace(reading, timestamp_format=guesses.moments.pattern)

    written, notes, bad = _notations(files, guesses, reading)
    seen = replace(seen, lacking=(*seen.lacking, *bad))
    files = {name: file for name, file in files.items() if name in written}
    samples = {name: samples[name] for name in written}
    if not files:
        return replace(seen, rows=0)

    def lines(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
        return canonical(frame, guesses.mapping(), reading, timezone=timezone, file=name, notation=written[name])

    def sampled() -> pl.DataFrame:
        read = []
        for name, frame in samples.items():
            with readable(name):
                read.append(lines(frame.lazy(), name).collect())
        return pl.concat(read)

    sample = sampled()
    told = [*seen.doubts, *(sentence.removesuffix(".") for sentence in said_of(notes, *_TOLD))]
    for column in ("amount", "discount"):
        instead = {"amount": {"quantity", "unit_price"}, "discount": set()}[column]
        found = {one.column for one in guesses.found}
        if column in found - answers.keys() and instead <= found and repeats_totals(sample, column):
            guesses, name = guesses.without(column)
            told.append(
                f"{name} repeats that of the order on each of its lines: it is left out"
                f"{', and quantity x unit_price is the amount' if instead else ''}"
            )
            sample = sampled()
    mapping = guesses.mapping()
    rules = ValidationRules(return_pattern=pattern or return_pattern(sample))
    month = pl.col("day").dt.truncate("1mo")
    months, reasons, purchases, terms = [], [], [], []
    for name, file in files.items():
        with readable(name):
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
    told += [*doubts(sample), *(sentence for sentence in (busiest_day(sample),) if sentence)]
    idle = idle_pattern(sample, pattern) if pattern else None
    opens = [f"{sentence.removesuffix('.')}." for sentence in said_of(notes, *_ASKED)]
    return replace(
        seen,
        rows=rows,
        guesses=guesses,
        lacking=(*seen.lacking, *opens, *([f"{idle}."] if idle else [])),
        doubts=tuple(told),
        shared=tuple(shared_lines(numbered(sample.lazy())).collect().iter_rows()) if len(samples) > 1 else (),
        rejected=dict(rejected.most_common()),
        rejected_share=share,
        worst_share=max(share, worst or 0.0),
        return_pattern=rules.return_pattern,
        currency=codes.item() if len(codes) == 1 else None,
        last_day=last_day,
        suggestion=suggest(days) if days.height else None,
        term_days=round(float(np.median(sold["length"].to_numpy()))) if most else None,
    )
