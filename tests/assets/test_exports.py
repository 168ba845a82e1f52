"""The files say the same as the table: to programs as it is, to people as a spreadsheet shows it."""

import zipfile

import polars as pl
import pytest

from assets.exports import export
from assets.workbook import MOST_ROWS
from tests.at_risk import KEPT_BACK, LEFT, at_risk

TABLE = at_risk(
    {
        "=HYPERLINK(1)": {"expected_profit": 3.5, "reason_1": 'Sagt; "so", oder so', "status": "entered"},
        "00010010": {"expected_profit": None},
        "4.0E12": {"expected_profit": 12.25, "churn_probability": 0.875},
        "kept": KEPT_BACK,
        "left": LEFT,
    }
)
TROUBLE = [
    *("00009", "0", "-187", "+49", "109E1", "4.00638E+12", "1.392", "178,5", "2-10", "1/2", "3 March", "TRUE", "WAHR"),
    *("=1+1", "@SUM(A1)", " =1", "\t=1", "'", "'=1", "#N/A", "http://shop.example/a", "mailto:a@b.example", "_x0041_"),
    *("x" * 300, "123456789012345678901", "two\nlines", "\x00=1", "\u00a0a", "\U0001f600142", "=1\uff1d", "Ab", "aB"),
]


def opened(file):
    return pl.read_excel(file)


def test_programs_get_every_value_as_it_is(tmp_path):
    files = export(TABLE, tmp_path / "2026-03-01")
    names = [f"at_risk_segments.{suffix}" for suffix in ("parquet", "csv", "xlsx")]
    assert [file.name for file in files] == names
    assert pl.read_parquet(files[0]).equals(TABLE)
    assert pl.read_csv(files[1], schema=TABLE.schema).equals(TABLE)
    assert {file.name for file in files[0].parent.iterdir()} == {file.name for file in files}


def test_people_get_those_to_contact_by_profit(tmp_path):
    seen = opened(export(TABLE, tmp_path)[2])
    assert seen["Customer"].to_list() == ["4.0E12", "=HYPERLINK(1)", "00010010"]
    assert seen["Expected profit"].to_list() == [12.25, 3.5, None]
    assert seen["New on the list"].to_list() == ["no", "yes", "no"]
    assert seen["Churn probability"].to_list() == [0.875, 0.8, 0.8]
    assert seen.schema["Contact from"] == pl.Date
    assert seen.row(0, named=True)["Segment"] == "save now"


def test_the_workbook_speaks_the_language_and_the_names_of_the_settings(tmp_path):
    file = export(TABLE, tmp_path, language="de", segments={"save_now": "sofort anrufen"})[2]
    seen = opened(file)
    assert seen.columns[:4] == ["Kunde", "Erwarteter Gewinn", "Maßnahme", "Kanal"]
    assert seen.row(1, named=True) | {"Segment": "sofort anrufen", "Risiko": "hoch", "Neu auf der Liste": "ja"} == (
        seen.row(1, named=True)
    )
    assert not set(seen.columns) & set(opened(export(TABLE, tmp_path / "en")[2]).columns) - {"Segment"}


@pytest.mark.parametrize("text", TROUBLE)
def test_a_text_stays_the_text_that_it_is(tmp_path, text):
    seen = opened(export(at_risk({text: {"reason_1": text, "channel": text}}), tmp_path)[2])
    assert seen.select("Customer", "Reason", "Channel").row(0) == (text,) * 3


def test_nothing_in_it_is_a_formula_a_link_or_a_number_in_place_of_a_text(tmp_path):
    file = export(at_risk({text: {} for text in TROUBLE}), tmp_path)[2]
    with zipfile.ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    cells = [cell for cell in sheet.split("<c ") if cell.startswith('r="A')]
    assert len(cells) == len(TROUBLE) + 1
    assert all('t="s"' in cell for cell in cells)
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert '<pane xSplit="1" ySplit="1"' in sheet


def test_a_night_without_anybody_to_contact_has_its_headings(tmp_path):
    seen = opened(export(at_risk({"left": LEFT}), tmp_path)[2])
    assert "Customer" in seen.columns
    assert seen.drop_nulls("Customer").is_empty()


def test_more_than_people_can_read_is_cut_and_the_sheet_says_so(tmp_path):
    many = at_risk({f"{number:06}": {"expected_profit": float(number)} for number in range(MOST_ROWS + 5)})
    file = export(many, tmp_path, language="de")[2]
    seen = pl.read_excel(file, sheet_name="Erste 5.000 von 5.005")
    assert seen.height == MOST_ROWS
    assert seen["Kunde"][0] == f"{MOST_ROWS + 4:06}"
    assert pl.read_csv(file.with_suffix(".csv"), schema=many.schema).height == many.height


def test_the_same_night_again_gives_the_same_bytes(tmp_path):
    once = [file.read_bytes() for file in export(TABLE, tmp_path / "a")]
    assert [file.read_bytes() for file in export(TABLE, tmp_path / "b")] == once
