"""Which of your columns is the customer, which the date, which the money: guessed, with reasons."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import polars as pl

from models.column_facts import Facts, facts, pooled
from models.column_roles import LEAST_SCORE, ROLES, Role
from models.header_words import UNKNOWN, meanings
from models.mapping import ColumnMapping, Names
from models.moment_patterns import Moments

REQUIRED = ("customer_id", "timestamp")
_RETURNING = 0.01
_SHARED_VALUES = 0.5


@dataclass(frozen=True)
class Guess:
    """One canonical column, found.

    Attributes:
        column: Canonical name.
        names: Your names, one for each spelling among the files.
        reason: Why, in a sentence.
    """

    column: str
    names: Names
    reason: str


@dataclass(frozen=True)
class Guesses:
    """What could be guessed about a source, and what not.

    Attributes:
        found: The canonical columns that were found.
        candidates: For each required column that was not found, the columns that it might be, with what they hold.
        unused: Your columns that mean nothing here.
        moments: How the timestamp reads.
    """

    found: tuple[Guess, ...]
    candidates: Mapping[str, tuple[str, ...]]
    unused: Names
    moments: Moments

    def mapping(self) -> ColumnMapping:
        """The guesses as settings; only where nothing required is missing."""
        return ColumnMapping(**{guess.column: guess.names for guess in self.found})


def guess(samples: Mapping[str, pl.DataFrame]) -> Guesses:
    """Guess what the columns of a source mean.

    A column is judged by what the words of its header mean and by whether its values can be meant; the best pairs are
    taken first. A file that lacks the best header of a column is searched for another one: by its name, or because at
    least half of its values are values of that column elsewhere. Two headers of one file are never the same column.

    Args:
        samples: File -> some or all of its rows, dtypes as read.
    """
    together = pooled(samples)
    columns = facts(samples, together)
    taken = _assign(columns, together)
    aliases = {role: [key, *_further(role, key, columns, set(taken.values()), together)] for role, key in taken.items()}
    names = {role: tuple(name for key in keys for name in columns[key].names) for role, keys in aliases.items()}
    used = {name.lower() for own in names.values() for name in own}
    headers = {name.strip().lower(): name.strip() for frame in samples.values() for name in frame.columns}
    return Guesses(
        found=tuple(
            Guess(field.name, names[field.name], _reason(field.name, columns, aliases, together))
            for field in fields(ColumnMapping)
            if field.name in taken
        ),
        candidates={role: tuple(_candidates(role, columns, together)) for role in REQUIRED if role not in taken},
        unused=tuple(headers[name] for name in headers if name not in used),
        moments=columns[taken["timestamp"]].moments if "timestamp" in taken else Moments(),
    )


def _assign(columns: Mapping[str, Facts], together: pl.DataFrame) -> dict[str, str]:
    scores = {
        (role, key): (score, len(column.files), column.filled)
        for role, looks in ROLES.items()
        for key, column in columns.items()
        if (score := looks.score(column.names[0])) >= LEAST_SCORE and looks.fits(column)
    }
    _drop_keys_of_single_orders(scores, together)
    taken: dict[str, str] = {}
    for role, key in sorted(scores, key=lambda pair: scores[pair], reverse=True):
        if role not in taken and key not in taken.values():
            taken[role] = key
    if "timestamp" not in taken:
        plain = [key for key, column in columns.items() if _is_only_a_moment(column) and key not in taken.values()]
        if len(plain) == 1:
            taken["timestamp"] = plain[0]
    if "unit_price" in taken and not {"quantity", "amount"} & taken.keys():
        taken["amount"] = taken.pop("unit_price")
    if "discount" in taken and columns[taken["discount"]].rate:
        del taken["discount"]
    return taken


def _drop_keys_of_single_orders(scores: dict[tuple[str, str], tuple[int, int, int]], together: pl.DataFrame) -> None:
    """Leave out customer columns whose values never come back, where another one's do."""
    dates = {key: score for (role, key), score in scores.items() if role == "timestamp"}
    people = [key for role, key in scores if role == "customer_id"]
    if not dates or len(people) < 2:
        return
    moment = max(dates, key=lambda key: dates[key])
    back = {key: _returning(together, key, moment) for key in people}
    if max(back.values()) >= _RETURNING:
        for key in people:
            if back[key] < _RETURNING:
                del scores["customer_id", key]


def _returning(together: pl.DataFrame, key: str, moment: str) -> float:
    day = pl.col(moment).str.extract(r"^([^\sT]+)")
    days = together.lazy().group_by(pl.col(key).alias("value")).agg(day.n_unique().alias("days")).drop_nulls("value")
    return days.select((pl.col("days") > 1).mean()).collect().item() or 0.0


def _is_only_a_moment(column: Facts) -> bool:
    return column.is_moment and not column.is_number and "other" not in meanings(column.names[0])


def _further(
    role: str, main: str, columns: Mapping[str, Facts], taken: set[str], together: pl.DataFrame
) -> Iterator[str]:
    """Headers of the files that lack the main one."""
    covered = set(columns[main].files)
    looks = ROLES[role]
    files = frozenset().union(*(column.files for column in columns.values()))
    open_to = {key: column for key, column in columns.items() if key not in taken and looks.fits(column)}
    while covered < files:
        able = {
            key: (looks.score(column.names[0]), len(column.files))
            for key, column in open_to.items()
            if not column.files & covered
            and (looks.score(column.names[0]) >= LEAST_SCORE or _shares_values(together, key, main, looks))
        }
        if not able:
            return
        best = max(able, key=lambda key: able[key])
        covered |= columns[best].files
        yield best


def _shares_values(together: pl.DataFrame, key: str, main: str, looks: Role) -> bool:
    if looks.kind not in {"id", "order", "label"}:
        return False
    mine, known = together.select(key).drop_nulls().unique(), together.select(main).drop_nulls().unique()
    shared = mine.join(known, left_on=key, right_on=main, how="semi")
    return shared.height >= _SHARED_VALUES * mine.height


def _reason(role: str, columns: Mapping[str, Facts], aliases: Mapping[str, list[str]], together: pl.DataFrame) -> str:
    column, looks = columns[aliases[role][0]], ROLES[role]
    said = " and ".join(dict.fromkeys(word for word in meanings(column.names[0]) if word != UNKNOWN))
    why = f"named for {said}"
    if role == "timestamp" and not looks.score(column.names[0]):
        why = "the only column of moments"
    if role == "amount" and not looks.score(column.names[0]):
        why += ": without a quantity it is what the line cost"
    if looks.kind == "moment":
        return f"{why}, reads as {column.moments.pattern or 'moments'}"
    values = together.select(pl.coalesce(aliases[role]).alias("value")).drop_nulls()["value"]
    return f"{why}, {values.n_unique():,} different values in {len(values):,} rows"


def _candidates(role: str, columns: Mapping[str, Facts], together: pl.DataFrame) -> Iterator[str]:
    if role == "timestamp":
        for column in columns.values():
            shown = ", ".join(column.examples)
            if column.is_moment and not (column.is_number and column.distinct < 10):
                yield f"{column.names[0]!r} reads as moments ({shown})"
            elif "date" in meanings(column.names[0]):
                yield f"{column.names[0]!r} is named so, but its values are no moments that can be read ({shown})"
        return
    likely = {
        key: together[key].drop_nulls().len() / column.distinct
        for key, column in columns.items()
        if column.is_id and 10 <= column.distinct < column.filled and not column.currencies
    }
    for key in sorted(likely, key=lambda key: (-columns[key].distinct, key))[:5]:
        column = columns[key]
        yield f"{column.names[0]!r}: {column.distinct:,} different values, {likely[key]:.1f} rows each"
