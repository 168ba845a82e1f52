"""The list for people: a workbook of those to contact, the most profitable first, that a spreadsheet opens as meant."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from models.matrix import TOLD

MOST_ROWS = 5_000
"""Rows that are written: nobody works through more by hand, and a thousand cost a third of a second."""

_MADE = datetime(2000, 1, 1, tzinfo=UTC)
"""What the file says of when it was made: always the same, so that a night that runs again gives the same bytes."""

_LONGEST = 32_767
"""Characters that a cell holds."""

_HEADINGS = {
    "customer_id": {"en": "Customer", "de": "Kunde"},
    "expected_profit": {"en": "Expected profit", "de": "Erwarteter Gewinn"},
    "action": {"en": "Action", "de": "Maßnahme"},
    "channel": {"en": "Channel", "de": "Kanal"},
    "contact_from": {"en": "Contact from", "de": "Kontakt ab"},
    "contact_until": {"en": "Contact until", "de": "Kontakt bis"},
    "reason_1": {"en": "Reason", "de": "Grund"},
    "reason_2": {"en": "Second reason", "de": "Zweiter Grund"},
    "reason_3": {"en": "Third reason", "de": "Dritter Grund"},
    "churn_probability": {"en": "Churn probability", "de": "Abwanderungswahrscheinlichkeit"},
    "risk_tier": {"en": "Risk", "de": "Risiko"},
    "segment": {"en": "Segment", "de": "Segment"},
    "value": {"en": "Value", "de": "Wert"},
    "value_at_risk": {"en": "Value at risk", "de": "Gefährdeter Wert"},
    "currency": {"en": "Currency", "de": "Währung"},
    "action_cost": {"en": "Cost of the action", "de": "Kosten der Maßnahme"},
    "expected_next_purchase": {"en": "Next purchase, if there is one", "de": "Nächster Kauf, falls es einen gibt"},
    "entered": {"en": "New on the list", "de": "Neu auf der Liste"},
    "entered_on": {"en": "At risk since", "de": "Gefährdet seit"},
}
"""The columns in their order, as people call them."""

_TIERS = {"en": {}, "de": {"high": "hoch", "medium": "mittel", "low": "niedrig"}}
_TRUTH = {"en": ("yes", "no"), "de": ("ja", "nein")}
_SHEETS = {"en": ("To contact", "First {} of {}"), "de": ("Zu kontaktieren", "Erste {} von {}")}
_DATES = {"en": "yyyy-mm-dd", "de": "dd.mm.yyyy"}
_WIDTHS = {"customer_id": 18, "reason_1": 46, "reason_2": 46, "reason_3": 46}
_WIDTH = 17


def write_workbook(
    table: pl.DataFrame, file: Path, *, language: str = "en", segments: Mapping[str, str] | None = None
) -> None:
    """Write those to contact as an .xlsx; equal tables give equal bytes.

    Ids and other texts are cells of text, whatever they look like: no zero is lost, nothing becomes a date, a number, a
    link or a formula. Days and figures are cells of that kind, which the spreadsheet shows as its country does.

    Args:
        table: `at_risk_segments` of one night.
        file: Where to.
        language: Of headings and words: ``en`` or ``de``.
        segments: Names of segments by their codes, where they are not the usual ones.
    """
    from xlsxwriter import Workbook

    due = table.filter("deliver").sort("expected_profit", "customer_id", descending=[True, False], nulls_last=True)
    rows = _as_read(due.head(MOST_ROWS), language, segments or {})
    plain, cut = _SHEETS[language]
    name = plain if due.height <= MOST_ROWS else cut.format(*(_count(n, language) for n in (MOST_ROWS, due.height)))
    options = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
    with Workbook(file, options) as workbook:
        workbook.set_properties({"created": _MADE})
        sheet = workbook.add_worksheet(name)
        headings = {column: said[language] for column, said in _HEADINGS.items()}
        rows.rename(headings).write_excel(
            workbook,
            sheet,
            table_style="Table Style Light 1",
            column_formats={headings["churn_probability"]: "0.0%"},
            dtype_formats={pl.String: "@", pl.Date: _DATES[language], pl.Float64: "#,##0.00"},
            column_widths={headings[name]: _pixels(_WIDTHS.get(name, _WIDTH)) for name in headings},
            freeze_panes=(1, 1),
        )
        # An id of digits is meant to be text; no mark at each cell need say so.
        sheet.ignore_errors({"number_stored_as_text": f"A1:A{MOST_ROWS + 1}"})


def _as_read(rows: pl.DataFrame, language: str, segments: Mapping[str, str]) -> pl.DataFrame:
    names = {code: segments.get(code, name) for code, (name, _) in TOLD[language].items()}
    yes, no = _TRUTH[language]
    entered: Any = pl.when(pl.col("status") == "entered").then(pl.lit(yes)).otherwise(pl.lit(no))
    worded = rows.with_columns(
        pl.col("segment").replace(names),
        pl.col("risk_tier").replace(_TIERS[language]),
        pl.col("action").str.replace_all("_", " ", literal=True),
        entered=entered,
    )
    return worded.select(list(_HEADINGS)).with_columns(pl.col(pl.String).str.slice(0, _LONGEST))


def _count(number: int, language: str) -> str:
    return f"{number:,}".replace(",", "." if language == "de" else ",")


def _pixels(characters: int) -> int:
    return 7 * characters + 5
