"""The files say the same as the table, and none of them runs in a spreadsheet."""

from datetime import date

import polars as pl
import pytest

from assets.exports import export

TABLE = pl.DataFrame(
    {
        "night": [date(2026, 3, 1)],
        "customer_id": ["=HYPERLINK(1)"],
        "value": [-12.5],
        "reason_1": ['Sagt; "so", oder so'],
        "channel": [None],
        "deliver": [True],
    },
    schema_overrides={"channel": pl.String},
)


def spreadsheet(tmp_path, **columns):
    export(TABLE.with_columns(pl.lit(value).alias(name) for name, value in columns.items()), tmp_path)
    return (tmp_path / "at_risk_segments.spreadsheet.csv").read_text(encoding="utf-8-sig").splitlines()[1]


def test_programs_get_every_value_as_it_is(tmp_path):
    files = export(TABLE, tmp_path / "2026-03-01")
    assert [file.name for file in files] == [
        "at_risk_segments.parquet",
        "at_risk_segments.csv",
        "at_risk_segments.spreadsheet.csv",
    ]
    assert pl.read_parquet(files[0]).equals(TABLE)
    assert pl.read_csv(files[1], schema=TABLE.schema).equals(TABLE)
    assert {file.name for file in files[0].parent.iterdir()} == {file.name for file in files}


def test_german_excel_gets_semicolons_decimal_commas_and_a_byte_order_mark(tmp_path):
    file = export(TABLE, tmp_path)[2]
    assert file.read_bytes().startswith(b"\xef\xbb\xbfnight;customer_id;")
    assert spreadsheet(tmp_path) == '2026-03-01;\'=HYPERLINK(1);-12,5;"Sagt; ""so"", oder so";;true'


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+49", "-1", "@SUM(A1)", " =1", "\t=1", "\x00=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"],
)
def test_a_text_that_could_run_as_a_formula_is_neutralised(tmp_path, text):
    assert "'" + text in spreadsheet(tmp_path, customer_id=text)


@pytest.mark.parametrize("text", ["17850", "c=1", "'", "Müller-Lüdenscheidt", "34 days; usually every 12"])
def test_any_other_text_stays_as_it_is(tmp_path, text):
    assert "'" + text not in spreadsheet(tmp_path, customer_id=text)


def test_the_same_night_again_gives_the_same_bytes(tmp_path):
    once = [file.read_bytes() for file in export(TABLE, tmp_path / "a")]
    assert [file.read_bytes() for file in export(TABLE, tmp_path / "b")] == once
