"""Where optional inputs come from: files of attributes, contacts, tickets, answers, read like transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.files import FileSource, readable
from models.definition import ChurnDefinition
from models.facts import Kind
from models.mapping import DeliveryError, canonical


@dataclass(frozen=True)
class InputSource:
    """An optional input.

    Attributes:
        name: What its features are called after.
        kind: ``events`` or ``attributes``.
        files: Where its rows come from; the mapping has value as ``amount``, text as ``category`` and the last valid
            day as ``contract_until``.
    """

    name: str
    kind: Kind
    files: FileSource

    def read(self, definition: ChurnDefinition, scratch: Path) -> Iterator[pl.LazyFrame]:
        """Every file as canonical columns.

        Raises:
            DeliveryError: If there is no file, or one lacks a column; the sentence names the input.
        """
        with _named(self.name):
            for file in self.files.files():
                with readable(file.name):
                    rows = self.files.read(file, scratch)
                    yield canonical(
                        rows, self.files.columns, self.files.reading, timezone=definition.timezone, file=file.name
                    ).with_columns(input=pl.lit(self.name), kind=pl.lit(self.kind))


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except DeliveryError as error:
        # Sentences about deliveries name the settings of transactions.
        sentence = str(error).replace("source.columns.", "").replace("source.", "")
        raise DeliveryError(f"input {name!r}: {sentence.replace('in churn.toml', f'of the input {name!r}')}") from error
