"""The at-risk table as files: for programs, for loaders of a CRM, and for people."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl

from assets.drafts import draft_of
from assets.workbook import write_workbook
from models.mapping import DeliveryError


class PlacingError(Exception):
    """The CRM has the night, and its files could not be put in their places."""


def export(
    table: pl.DataFrame, folder: Path, *, language: str = "en", segments: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a night as files, each in one step that no reader can see half done; see `exported`."""
    with exported(table, folder, language=language, segments=segments) as files:
        return files


@contextmanager
def exported(
    table: pl.DataFrame, folder: Path, *, language: str = "en", segments: Mapping[str, str] | None = None
) -> Iterator[list[Path]]:
    """Write a night as files that are in their places once the block is done, and gone if it fails.

    Whatever keeps them from being written, such as a full disk, is met before the block.

    Args:
        table: at_risk_segments of one night.
        folder: Where to; `at_risk_segments.parquet`, `at_risk_segments.csv` (for the loaders of a CRM: every value as
            it is) and `at_risk_segments.xlsx` (for people, see `assets.workbook.write_workbook`).
        language: Of the workbook.
        segments: Names of segments in the workbook, by their codes.

    Yields:
        The files.

    Raises:
        DeliveryError: If the files cannot be written.
        PlacingError: If they cannot be put in their places after the block.
    """
    files = [folder / f"at_risk_segments.{suffix}" for suffix in ("parquet", "csv", "xlsx")]
    with ExitStack() as places:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            drafts = [places.enter_context(draft_of(file)) for file in files]
            table.write_parquet(drafts[0])
            table.write_csv(drafts[1])
            write_workbook(table, drafts[2], language=language, segments=segments)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DeliveryError(
                f"{folder}: the exports cannot be written ({_why(error)}). Make room, or set crm.exports in churn.toml "
                "to a folder that this user may write, and run the night again."
            ) from error
        yield files
        try:
            # The last draft takes its place first, the file for programs last: an interrupted erasure finds in it whom
            # to take out of the others.
            places.close()
        except OSError as error:
            raise PlacingError(
                f"{folder}: the CRM's tables have the night, its files could not be put in their places "
                f"({_why(error)}). Remove what is in the way, and run the night again."
            ) from error


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{error}".splitlines()[0]
