"""The at-risk table as files: for programs, for loaders of a CRM, and for a spreadsheet."""

from pathlib import Path

import polars as pl

FORMULA = r"^\s*[=+\-@＝＋－＠]|^[\t\r\n\x00]"  # noqa: RUF001
"""What a spreadsheet may take for a formula (OWASP ASVS 1.2.10)."""


def export(table: pl.DataFrame, folder: Path) -> list[Path]:
    """Write a night as files, each in one step that no reader can see half done.

    Args:
        table: at_risk_segments of one night.
        folder: where to; `at_risk_segments.parquet`, `at_risk_segments.csv` (for the loaders of a CRM: every
            value as it is) and `at_risk_segments.spreadsheet.csv` (for German Excel: semicolons, decimal
            commas, a byte order mark, and an apostrophe before texts that would run as a formula).

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"at_risk_segments.{suffix}" for suffix in ("parquet", "csv", "spreadsheet.csv")]
    drafts = [file.with_name(f".{file.name}.draft") for file in files]
    table.write_parquet(drafts[0])
    table.write_csv(drafts[1])
    table.with_columns(_harmless()).write_csv(drafts[2], separator=";", include_bom=True, decimal_comma=True)
    for draft, file in zip(drafts, files, strict=True):
        draft.replace(file)
    return files


def harmless(text: str) -> str:
    """A text as the file for a spreadsheet has it."""
    return f"{pl.DataFrame({'text': [text]}).select(_harmless()).item()}"


def _harmless() -> pl.Expr:
    texts = pl.col(pl.String)
    return pl.when(texts.str.contains(FORMULA)).then("'" + texts).otherwise(texts).name.keep()
