"""Which of your columns is the customer, which the date, which the money: guessed, with reasons."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from types import MappingProxyType

import polars as pl

from models.column_facts import FILE, Facts, facts, pooled
from models.column_roles import LEAST_SCORE, ROLES, Role
from models.header_words import UNKNOWN, meanings
from models.mapping import ColumnMapping, DeliveryError, Names
from models.moment_patterns import Moments

REQUIRED = ("customer_id", "timestamp")
MORE_ROWS = 0.05
"""A column named less clearly is taken where it leaves so many more of the rows usable."""
_COUNTED = ("customer_id", "timestamp", "transaction_id", "amount", "discount")
_RETURNING = 0.01
_SHARED_VALUES = 0.5
_CLEARLY = 70
_LONGEST_MOMENT = 60
_PLAIN_ID = re.compile(r"id( \(\d+\))?", re.IGNORECASE)
SPREADSHEET = "excel"
"""The `timestamp_format` of days as a spreadsheet counts them."""
_SPREADSHEET_DAYS = (25_569, 73_051)  # 1970 to 2100
_ONE_LINE_AN_ORDER = 0.98
_NOTHING_SAID: Mapping[str, Names] = MappingProxyType({})
# Exports whose headers say something else than they mean: columns that tell them -> role -> column, None for none.
_LAYOUTS: tuple[tuple[frozenset[str], Mapping[str, str | None]], ...] = (
    (frozenset({"name", "lineitemquantity", "lineitemprice", "financialstatus"}), {"transaction_id": "name"}),
    # The price of an Amazon line is that of all its pieces.
    (frozenset({"amazonorderid", "itemprice", "quantity"}), {"amount": "itemprice", "unit_price": None}),
)


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
        candidates: For each required column that was not found, the columns that it might be -> what they hold, most
            likely first.
        unused: Your columns that mean nothing here.
        moments: How the timestamp reads.
        unread: For each number that was not found, the columns that are named for it and do not read as numbers.
    """

    found: tuple[Guess, ...]
    candidates: Mapping[str, Mapping[str, str]]
    unused: Names
    moments: Moments
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def mapping(self) -> ColumnMapping:
        """The guesses as settings; only where nothing required is missing."""
        return ColumnMapping(**{guess.column: guess.names for guess in self.found})

    def without(self, column: str) -> tuple["Guesses", str]:
        """The same with one column not found, and what that was called."""
        (lost,) = (guess for guess in self.found if guess.column == column)
        kept = tuple(guess for guess in self.found if guess is not lost)
        return replace(self, found=kept, unused=(*self.unused, *lost.names)), ", ".join(map(repr, lost.names))


def guess(samples: Mapping[str, pl.DataFrame], answers: Mapping[str, Names] = _NOTHING_SAID) -> Guesses:
    """Guess what the columns of a source mean.

    A column is judged by what the words of its header mean and by whether its values can be meant; the best pairs are
    taken first, and of several columns that could be the customer, the time, the order or the money the one that leaves
    clearly more rows usable. A file that lacks the best header of a column is searched for another one: by its name, or
    because at least half of its values are values of that column elsewhere. Two headers of one file are never the same
    column.

    Args:
        samples: File -> some or all of its rows, dtypes as read.
        answers: Canonical column -> your names for it, where somebody said so; without a name it is left out.

    Raises:
        DeliveryError: If no file has a column that was named.
    """
    together = pooled(samples)
    columns = facts(samples, together)
    headers = {name.strip().lower(): name.strip() for frame in samples.values() for name in frame.columns}
    _refuse_unknown(answers, headers)
    said = {role: _keys_of(names, columns) for role, names in answers.items()}
    taken, kept = _assign(columns, together, said)
    aliases = {role: [key, *_further(role, key, columns, set(taken.values()), together)] for role, key in taken.items()}
    names = {role: tuple(name for key in keys for name in columns[key].names) for role, keys in aliases.items()}
    reasons = {role: _reason(role, columns, aliases, together) + kept.get(role, "") for role in taken}
    for role, own in answers.items():
        names[role], reasons[role] = own, _holds(role, said[role], columns, together)
    used = {name.strip().lower() for own in names.values() for name in own}
    lacking = [role for role in REQUIRED if not names.get(role)]
    moment = (said.get("timestamp") or [taken.get("timestamp", "")])[0]
    return Guesses(
        found=tuple(
            Guess(column.name, names[column.name], reasons[column.name])
            for column in fields(ColumnMapping)
            if names.get(column.name)
        ),
        candidates={role: dict(_candidates(role, columns, together)) for role in lacking},
        unused=tuple(headers[name] for name in headers if name not in used),
        moments=columns[moment].moments if moment in columns else Moments(),
        unread=_unread(columns, names, answers),
    )


def _refuse_unknown(answers: Mapping[str, Names], headers: Mapping[str, str]) -> None:
    for role, names in answers.items():
        if names and not any(name.strip().lower() in headers for name in names):
            near = get_close_matches(names[0].strip().lower(), headers, n=1, cutoff=0.4)
            hint = f"did you mean {headers[near[0]]!r}?" if near else "check the name."
            raise DeliveryError(
                f"no file has a column {' or '.join(map(repr, names))} for {role}; {hint} "
                f"There are: {', '.join(map(repr, headers.values()))}."
            )


def _keys_of(names: Names, columns: Mapping[str, Facts]) -> list[str]:
    wanted = {name.strip().lower() for name in names}
    return [key for key, column in columns.items() if wanted & {name.strip().lower() for name in column.names}]


def _unread(
    columns: Mapping[str, Facts], names: Mapping[str, Names], answers: Mapping[str, Names]
) -> dict[str, tuple[str, ...]]:
    """Columns that are clearly named for a number and do not hold numbers, where no other one was found."""
    derived = names.get("quantity") and names.get("unit_price")
    asked = [role for role in ("amount", "unit_price", "quantity") if role not in answers and not names.get(role)]
    if derived or names.get("amount"):
        asked = [role for role in asked if role == "quantity"]
    used = {name for own in names.values() for name in own}
    unread = {
        role: tuple(
            f"{column.names[0]!r} is named for it, but {1 - column.numbers:.0%} of its values are no numbers that can "
            f"be read ({', '.join(column.unread or column.examples)})"
            for column in columns.values()
            if ROLES[role].score(column.names[0]) >= _CLEARLY
            and not column.is_number
            and not column.is_moment
            and column.names[0] not in used
        )
        for role in asked
    }
    return {role: sentences for role, sentences in unread.items() if sentences}


def _assign(
    columns: Mapping[str, Facts], together: pl.DataFrame, said: Mapping[str, list[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Role -> key of the column for what nobody said, and role -> what the choice among several rests on."""
    named = {key for keys in said.values() for key in keys}
    layout = _layout(columns)
    scores = {
        (role, key): (score, len(column.files), column.filled)
        for role, looks in ROLES.items()
        if role not in said and role not in layout
        for key, column in columns.items()
        if key not in named
        and key not in layout.values()
        and (score := looks.score(column.names[0])) >= LEAST_SCORE
        and looks.fits(column)
    }
    _drop_keys_of_single_orders(scores, together)
    kept = _drop_emptier(scores, columns, together)
    taken: dict[str, str] = {
        role: own for role, own in layout.items() if own is not None and role not in said and own not in named
    }
    for named_role, named_key in sorted(scores, key=lambda pair: scores[pair], reverse=True):
        if named_role not in taken and named_key not in taken.values():
            taken[named_role] = named_key
    if "timestamp" not in {*taken, *said}:
        plain = [key for key, column in columns.items() if _is_only_a_moment(column) and key not in taken.values()]
        if len(plain) == 1:
            taken["timestamp"] = plain[0]
    if "unit_price" in taken and not {"quantity", "amount"} & {*taken, *said} and "unit_price" not in said:
        taken["amount"] = taken.pop("unit_price")
    if "discount" in taken and columns[taken["discount"]].rate:
        del taken["discount"]
    everything = taken | {role: keys[0] for role, keys in said.items() if keys}
    if "amount" in taken and {"quantity", "unit_price"} <= everything.keys():
        whole = together.select(
            pl.all_horizontal(pl.col(everything["quantity"], everything["unit_price"]).is_not_null())
        )
        derived = whole.to_series().mean()
        assert isinstance(derived, float)  # there are rows
        if derived > (money := _usable("amount", columns[taken["amount"]], together, taken["amount"])) + MORE_ROWS:
            name = columns[taken.pop("amount")].names[0]
            kept["unit_price"] = (
                f"; times quantity it gives {derived:.0%} of the rows their money, {name!r} {money:.0%}"
            )
    if "transaction_id" not in {*taken, *said} and (plain_id := _plain_id(everything, columns, together)):
        taken["transaction_id"] = plain_id
    return taken, kept


def _layout(columns: Mapping[str, Facts]) -> dict[str, str | None]:
    meant = next((roles for telling, roles in _LAYOUTS if telling <= columns.keys()), {})
    return dict(meant)


def _usable(role: str, column: Facts, together: pl.DataFrame, key: str) -> float:
    """Share of the rows of the files with the column in which it holds a value that reads."""
    rows = together.filter(pl.col(FILE).is_in(list(column.files))).height
    readable = {"moment": column.moments.share, "number": column.numbers}.get(ROLES[role].kind, 1.0)
    return readable * together[key].count() / rows


def _drop_emptier(
    scores: dict[tuple[str, str], tuple[int, int, int]], columns: Mapping[str, Facts], together: pl.DataFrame
) -> dict[str, str]:
    """Leave out columns where another one of the same role leaves clearly more rows usable; say it of the role."""
    said = {}
    for role in _COUNTED:
        keys = [key for named, key in scores if named == role]
        # A supplier fills every line and is no customer.
        if role == "customer_id" and any("supplier" not in meanings(columns[key].names[0]) for key in keys):
            keys = [key for key in keys if "supplier" not in meanings(columns[key].names[0])]
        shares = {key: _usable(role, columns[key], together, key) for key in keys}
        emptier = [key for key in keys if shares[key] < max(shares.values()) - MORE_ROWS]
        full = max((key for key in keys if key not in emptier), key=lambda key: scores[role, key], default=None)
        better = [key for key in emptier if full and scores[role, key] > scores[role, full]]
        for key in emptier:
            del scores[role, key]
        if better and full:
            others = ", ".join(f"{columns[key].names[0]!r} {shares[key]:.0%}" for key in better)
            said[role] = f"; {columns[full].names[0]!r} keeps {shares[full]:.0%} of the rows, {others}"
    return said


def _plain_id(taken: Mapping[str, str], columns: Mapping[str, Facts], together: pl.DataFrame) -> str | None:
    """The column that is called id and nothing else, where it names orders and not lines or customers."""
    if not {"customer_id", "timestamp"} <= taken.keys():
        return None
    who, when = taken["customer_id"], taken["timestamp"]
    for key, column in columns.items():
        if not _PLAIN_ID.fullmatch(column.names[0].strip()) or key in taken.values():
            continue
        orders = together.lazy().drop_nulls([key, who, when]).select(key, who, when)
        ids, purchases, pairs, rows = (
            orders.select(
                pl.col(key).n_unique(),
                pl.struct(who, when).n_unique().alias("purchases"),
                pl.struct(key, who).n_unique().alias("pairs"),
                pl.len(),
            )
            .collect()
            .row(0)
        )
        of_one_customer = ids and pairs <= ids / _ONE_LINE_AN_ORDER
        # An id of its own on each of several lines of one purchase names lines.
        of_orders = ids < rows or purchases >= _ONE_LINE_AN_ORDER * rows
        if of_one_customer and of_orders and ROLES["transaction_id"].fits(column):
            return key
    return None


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
    why = f"named for {said}" if said else "so called in this export"
    if role == "timestamp" and not looks.score(column.names[0]):
        why = "the only column of moments"
    if role == "amount" and not looks.score(column.names[0]):
        why += ": without a quantity it is what the line cost"
    if looks.kind == "moment":
        return f"{why}, reads as {column.moments.pattern or 'moments'}"
    return f"{why}, {_values(aliases[role], together)}"


def _values(keys: list[str], together: pl.DataFrame) -> str:
    values = together.select(pl.coalesce(keys).alias("value")).drop_nulls()["value"]
    return f"{values.n_unique():,} different values in {len(values):,} rows"


def _holds(role: str, keys: list[str], columns: Mapping[str, Facts], together: pl.DataFrame) -> str:
    if not keys:
        return "you named it"
    if ROLES[role].kind == "moment":
        return f"you named it, reads as {columns[keys[0]].moments.pattern or 'moments'}"
    return f"you named it, {_values(keys, together)}"


def _are_spreadsheet_days(values: pl.Series) -> bool:
    days = values.drop_nulls().str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return bool(days.is_between(*_SPREADSHEET_DAYS).mean() == 1)


def _candidates(role: str, columns: Mapping[str, Facts], together: pl.DataFrame) -> Iterator[tuple[str, str]]:
    if role == "timestamp":
        for key, column in columns.items():
            if "other" in meanings(column.names[0]) or any(len(value) > _LONGEST_MOMENT for value in column.examples):
                continue
            shown = ", ".join(column.examples)
            if column.is_moment and not (column.is_number and column.distinct < 10):
                yield column.names[0], f"reads as moments ({shown})"
            elif "date" in meanings(column.names[0]) and column.is_number and _are_spreadsheet_days(together[key]):
                yield column.names[0], f"holds days as a spreadsheet counts them ({shown}), read by {SPREADSHEET!r}"
            elif "date" in meanings(column.names[0]):
                yield column.names[0], f"is named so, but its values are no moments that can be read ({shown})"
        return
    likely = {
        key: together[key].drop_nulls().len() / column.distinct
        for key, column in columns.items()
        if column.is_id and 10 <= column.distinct < column.filled and not column.currencies
    }

    def place(key: str) -> tuple[int, int, str]:
        return -ROLES[role].score(columns[key].names[0]), -columns[key].distinct, key

    for key in sorted(likely, key=place)[:5]:
        column = columns[key]
        yield column.names[0], f"{column.distinct:,} different values, {likely[key]:.1f} rows each"
