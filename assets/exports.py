"""The at-risk table as files: for programs, for loaders of a CRM, and for people."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from assets.workbook import write_workbook


def export(
    table: pl.DataFrame, folder: Path, *, language: str = "en", segments: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a night as files, each in one step that no reader can see half done.

    Args:
        table: at_risk_segments of one night.
        folder: Where to; `at_risk_segments.parquet`, `at_risk_segments.csv` (for the loaders of a CRM: every value as
            it is) and `at_risk_segments.xlsx` (for people, see `assets.workbook.write_workbook`).
        language: Of the workbook.
        segments: Names of segments in the workbook, by their codes.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"at_risk_segments.{suffix}" for suffix in ("parquet", "csv", "xlsx")]
    drafts = [file.with_name(f".{file.name}.draft") for file in files]
    table.write_parquet(drafts[0])
    table.write_csv(drafts[1])
    write_workbook(table, drafts[2], language=language, segments=segments)
    # That of programs last: an erasure that was interrupted finds in it whom to take out of the others.
    for draft, file in reversed(list(zip(drafts, files, strict=True))):
        draft.replace(file)
    return files
