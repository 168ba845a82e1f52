"""Files that are tables of one database, not deliveries of the same rows: recognised, and a join proposed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from models.column_facts import Facts, facts, keys, pooled
from models.column_roles import LEAST_SCORE, ROLES
from models.guessing import REQUIRED, guess

_ALIKE = 0.5
_SHARED = 0.5
_OF_THE_LINE = frozenset({"amount", "quantity", "unit_price", "discount"})


@dataclass(frozen=True)
class Related:
    """Tables that share keys.

    Attributes:
        tables: Name of each table -> its files.
        links: Two tables and the column that they share.
        purchases: The table that holds customer and time itself; None if none does.
        query: A SELECT that joins them to one row per line; None if customer and time cannot be brought together.
    """

    tables: Mapping[str, tuple[str, ...]]
    links: tuple[tuple[str, str, str], ...]
    purchases: str | None
    query: str | None

    @property
    def sentence(self) -> str:
        """What was seen, and what to do."""
        shared = ", ".join(f"{one} and {other} share {key!r}" for one, other, key in self.links)
        way = "Join them to one row per line of an order, and deliver that as one export"
        if self.query:
            way += f", or load them into a database and set source.query to:\n    {self.query}"
        alone = ""
        if self.purchases and len(files := self.tables[self.purchases]) == 1:
            alone = f"\n    Or take {files[0]!r} alone as the source, if its columns are enough."
        return f"These are tables that belong together, not deliveries of the same rows: {shared}. {way}{alone}"


def related(samples: Mapping[str, pl.DataFrame]) -> Related | None:
    """Whether some files lack the customer or the time because they are other tables; None where all are deliveries.

    Args:
        samples: File -> some or all of its rows, dtypes as read.
    """
    tables = {_table_name(files): files for files in _alike(samples)}
    whole = [name for name, files in tables.items() if _names_both(samples[files[0]])]
    if len(tables) < 2 or len(whole) == len(tables):
        return None
    parts = {name: pooled({file: samples[file] for file in files}) for name, files in tables.items()}
    links = tuple(_links(tables, samples, parts))
    linked = {name for link in links for name in link[:2]}
    if not linked - set(whole):
        return None
    joined = {name: {file: samples[file] for file in files} for name, files in tables.items() if name in linked}
    return Related(
        {name: tables[name] for name in joined},
        links,
        next((name for name in whole if name in linked), None),
        _query(joined, links, parts),
    )


def _alike(samples: Mapping[str, pl.DataFrame]) -> list[tuple[str, ...]]:
    """Files by the likeness of their headers."""
    groups: list[tuple[set[str], list[str]]] = []
    for file, frame in samples.items():
        header = set(keys(frame))
        for known, files in groups:
            if len(header & known) >= _ALIKE * len(header | known) or (len(header) > 2 and header <= known):
                known.update(header)
                files.append(file)
                break
        else:
            groups.append((header, [file]))
    return [tuple(files) for _, files in groups]


def _names_both(frame: pl.DataFrame) -> bool:
    return all(any(ROLES[role].score(name) >= LEAST_SCORE for name in frame.columns) for role in REQUIRED)


def _table_name(files: Sequence[str]) -> str:
    stem = re.split(r"[./]", files[0].rpartition("/")[2])[0]
    return re.sub(r"\W+", "_", stem).strip("_") or "data"


def _links(
    tables: Mapping[str, tuple[str, ...]], samples: Mapping[str, pl.DataFrame], parts: Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, str, str]]:
    headers = {
        name: {key: own for file in files for key, own in keys(samples[file]).items()} for name, files in tables.items()
    }
    for one, other in combinations(tables, 2):
        for key in headers[one].keys() & headers[other].keys():
            mine, theirs = (parts[name][key].drop_nulls().unique() for name in (one, other))
            few = min(len(mine), len(theirs))
            if few > 1 and mine.is_in(theirs.implode()).sum() >= _SHARED * few and _is_key(one, other, key, parts):
                yield one, other, headers[one][key]


def _is_key(one: str, other: str, key: str, parts: Mapping[str, pl.DataFrame]) -> bool:
    return any(_is_unique(parts[name][key]) for name in (one, other))


def _is_unique(values: pl.Series) -> bool:
    return values.null_count() == 0 and values.n_unique() == len(values)


def _query(
    tables: Mapping[str, Mapping[str, pl.DataFrame]],
    links: Sequence[tuple[str, str, str]],
    parts: Mapping[str, pl.DataFrame],
) -> str | None:
    best: tuple[int, int, str] | None = None
    for base in tables:
        reached = _reached(base, links, parts)
        columns = _columns(base, reached, tables, parts)
        if columns.keys() >= set(REQUIRED) and (best is None or (len(columns), parts[base].height) > best[:2]):
            chosen = ", ".join(f"{table}.{_quoted(name)} AS {role}" for role, (table, name) in columns.items())
            needed = _needed({table for table, _ in columns.values()}, reached)
            joins = "".join(
                f" JOIN {table} ON {table}.{_quoted(key)} = {origin}.{_quoted(key)}"
                for table, (origin, key) in reached.items()
                if table in needed
            )
            best = len(columns), parts[base].height, f"SELECT {chosen} FROM {base}{joins}"  # noqa: S608 (to be read)
    return best and best[2]


def _reached(
    base: str, links: Sequence[tuple[str, str, str]], parts: Mapping[str, pl.DataFrame]
) -> dict[str, tuple[str, str]]:
    """Tables that add columns to the base and no rows -> the table and the key by which each is joined."""
    reached: dict[str, tuple[str, str]] = {}
    grown = [base]
    for origin in grown:
        for one, other, key in links:
            table = {one: other, other: one}.get(origin)
            if table is None or table in grown:
                continue
            if _is_unique(parts[table][_key_of(key, parts[table])]):
                reached[table] = origin, key
                grown.append(table)
    return reached


def _key_of(header: str, part: pl.DataFrame) -> str:
    key = next(iter(keys(pl.DataFrame(schema={header: pl.String}))))
    return key if key in part.columns else header


def _needed(tables: set[str], reached: Mapping[str, tuple[str, str]]) -> set[str]:
    needed = set(tables)
    for table in reversed(tuple(reached)):
        if table in needed:
            needed.add(reached[table][0])
    return needed


def _columns(
    base: str,
    reached: Mapping[str, tuple[str, str]],
    tables: Mapping[str, Mapping[str, pl.DataFrame]],
    parts: Mapping[str, pl.DataFrame],
) -> dict[str, tuple[str, str]]:
    """Role -> table and column; what is counted or added up has to stand in the base, whose rows are the lines."""
    scored: dict[str, tuple[tuple[int, int], str, str]] = {}
    for table in (base, *reached):
        found = {one.column: one.names[0] for one in guess(tables[table]).found}
        columns = facts(tables[table], parts[table])
        for column in columns.values():
            # Of two names of the customer the one that comes again is the person.
            if (score := ROLES["customer_id"].score(column.names[0])) >= LEAST_SCORE and column.is_id:
                again = column.distinct < column.filled
                named_twice = any(_names_rows(other) for other in columns.values() if other is not column)
                place = int(again and table != base and named_twice), score
                if "customer_id" not in scored or place > scored["customer_id"][0]:
                    scored["customer_id"] = place, table, column.names[0]
        for role, name in found.items():
            if role != "customer_id" and (table == base or role not in _OF_THE_LINE):
                place = 0, ROLES[role].score(name) + (table == base)
                if role not in scored or place > scored[role][0]:
                    scored[role] = place, table, name
    return {role: scored[role][1:] for role in ROLES if role in scored}


def _names_rows(column: Facts) -> bool:
    return ROLES["customer_id"].score(column.names[0]) >= LEAST_SCORE and column.distinct == column.filled


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
