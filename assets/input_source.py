"""Where optional inputs come from: attributes, contacts, tickets, answers, in files or tables, read as transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from assets.files import FileSource, readable
from assets.other_database import answer
from assets.postgresql import as_arrow, connected, is_away, is_postgresql, refusal, relation_of, types_of
from models.definition import ChurnDefinition
from models.facts import Kind
from models.mapping import ColumnMapping, DeliveryError, Reading, canonical, look_at, notation_of
from models.notation import DAY_UNCLEAR, OPEN, Notation, usual

SOURCE_URL = "CHURN__SOURCE__URL"


@dataclass(frozen=True)
class InputTable:
    """A table or query of a database, read whole each night: what is known already is left out afterwards.

    Attributes:
        url: Of the database; a secret.
        name: What the lake calls it.
        columns: Which of its columns mean what.
        query: A SELECT, in place of the table of that name.
        reading: How text becomes moments and numbers.
    """

    url: str = field(repr=False)
    name: str
    columns: ColumnMapping
    query: str | None = None
    reading: Reading = field(default_factory=Reading)

    def frame(self) -> pl.LazyFrame:
        """Its rows.

        Raises:
            AwayError: If the server does not answer or hangs up.
            DeliveryError: If the database cannot be read.
        """
        if not is_postgresql(self.url):
            statement = self.query or f"SELECT * FROM {self.name}"  # noqa: S608 (from settings)
            return answer(self.url, statement, name=self.name, variable=SOURCE_URL).lazy()
        from adbc_driver_manager import Error

        relation = relation_of(self.name, self.query)
        with connected(self.url, SOURCE_URL) as cursor:
            try:
                types = types_of(relation, cursor)
                columns = ", ".join(as_arrow(name, kind) for name, kind in types.items())
                cursor.execute(f"SELECT {columns} FROM {relation}")  # noqa: S608 (names are quoted)
                return pl.DataFrame(cursor.fetch_arrow()).lazy()
            except Error as error:
                if is_away(error):
                    raise
                raise DeliveryError(f"{self.name}: {refusal(error)}. Correct source.table or source.query.") from None


@dataclass(frozen=True)
class InputSource:
    """An optional input.

    Attributes:
        name: What its features are called after.
        kind: ``events`` or ``attributes``.
        rows: Where its rows come from; the mapping has value as ``amount``, text as ``category`` and the last valid
            day as ``contract_until``.
    """

    name: str
    kind: Kind
    rows: FileSource | InputTable

    def read(self, definition: ChurnDefinition, scratch: Path) -> Iterator[pl.LazyFrame]:
        """Every file, or the table, as canonical columns with input and kind.

        Raises:
            DeliveryError: If there is no file, or one lacks a column; the sentence names the input.
        """
        with named(f"input {self.name!r}"):
            for name, frame, notation in written_frames(self.rows, scratch):
                with readable(name):
                    rows = canonical(
                        frame,
                        self.rows.columns,
                        self.rows.reading,
                        timezone=definition.timezone,
                        file=name,
                        notation=notation,
                    )
                    yield rows.with_columns(input=pl.lit(self.name), kind=pl.lit(self.kind))


def frames(rows: FileSource | InputTable, scratch: Path) -> Iterator[tuple[str, pl.LazyFrame]]:
    """Every file, or the table, by its name and as it is.

    Raises:
        DeliveryError: If there is no file, or the database cannot be read.
    """
    if isinstance(rows, InputTable):
        yield rows.name, rows.frame()
        return
    for file in rows.files():
        yield file.name, rows.read(file, scratch)


def written_frames(rows: FileSource | InputTable, scratch: Path) -> Iterator[tuple[str, pl.LazyFrame, Notation]]:
    """Every file, or the table, as :func:`frames` gives them, and how it is written.

    Raises:
        DeliveryError: As for :func:`frames`, and if a file leaves open what it says: nobody would look at a note.
    """
    looks = []
    for name, frame in frames(rows, scratch):
        with readable(name):
            looks.append((name, frame, look_at(frame, rows.columns, file=name)))
    beside = usual((seen.decimal, seen.pattern) for _, _, seen in looks)
    for name, frame, seen in looks:
        notation = notation_of(seen, rows.reading, file=name, beside=beside)
        for kind, detail in notation.notes:
            if kind in OPEN and "as in other files" not in detail:
                what = "timestamp_format" if kind == DAY_UNCLEAR else "decimal"
                raise DeliveryError(f"{name}: {detail}. Set source.{what} in churn.toml.")
        yield name, frame, notation


@contextmanager
def named(what: str) -> Iterator[None]:
    """Let sentences about deliveries speak of the settings of something else than transactions.

    Raises:
        DeliveryError: The one that was raised, in other words.
    """
    try:
        yield
    except DeliveryError as error:
        sentence = str(error).replace("source.columns.", "").replace("source.", "")
        raise DeliveryError(f"{what}: {sentence.replace('in churn.toml', f'of the {what}')}") from error
