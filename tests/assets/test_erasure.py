"""Whatever letters an id has, it is found and taken out wherever it is written, and nobody else is."""

import gzip
import sqlite3
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.crm import Crm
from assets.erasure import EXPORTS, PAGES, CrmTables, Exports, OtherFiles, Pages, Place
from assets.exports import export
from assets.night_report import NightReport
from assets.reporting import as_html, as_text
from assets.written import in_table, written_forms
from models.definition import ChurnDefinition
from models.mapping import DeliveryError
from models.segments import AtRiskSegment
from tests.at_risk import NIGHT, at_risk

IDS = [
    *(
        "O'Brien",
        'a"b',
        "A&B",
        "x<y>z",
        "A\xa0B",
        "A\xadB",
        "a\u200bb",
        "C\tD",
        "E\nF",
        "\N{SHOPPING TROLLEY}7",
        "שלום",
    ),
    *(
        "=1+1",
        "+49 1",
        "@x",
        "-5",
        "0'7\xa0B",
        "a|b",
        "a;b",
        "a,b",
        "[x](http://y)",
        "*b*",
        "a\\b",
        "007",
        "&#39;",
        "`c`",
    ),
    *("Müller", "</b>", "a_b", "{{x}}", "%s", "\x1b[1m"),
]
DAYS = {"contact_from": NIGHT + timedelta(days=1), "contact_until": NIGHT + timedelta(days=7)}


def table(*customers: str) -> pl.DataFrame:
    return AtRiskSegment.validate(at_risk({who: {} for who in customers}, **DAYS))


def report(customer: str) -> NightReport:
    rows = AtRiskSegment.validate(at_risk({customer: {}, "somebody else": {}}, **DAYS))
    return NightReport(NIGHT, ChurnDefinition(horizon_days=90), 1000, rows, "Version 2 scored.", "It beat every rule.")


def names(folder: Path, customer: str) -> list[str]:
    """Files that have the id in one of the forms in which it may be written; short ones are no proof."""
    forms = [form for form in written_forms(customer) if len(form) > 2]
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file()
        for form in forms
        if form.encode() in file.read_bytes()
    ]


@pytest.mark.parametrize("customer", IDS)
def test_no_name_stays_in_a_report(tmp_path, customer):
    said = report(customer)
    (tmp_path / "n.md").write_text(as_text(said), encoding="utf-8")
    (tmp_path / "n.html").write_text(as_html(said), encoding="utf-8")
    (tmp_path / "table.html").write_text(f"<td> {in_table(customer)} </td>", encoding="utf-8")
    place = Pages("reports", tmp_path)
    counts = place.count(customer)
    assert counts["reports, n.md"] == counts["reports, n.html"] == 1
    place.erase(customer)
    assert place.count(customer) == {}
    text = (tmp_path / "n.md").read_text(encoding="utf-8")
    assert "**(erased)**" in text
    assert "**somebody else**" in text
    assert "<b>somebody else</b>" in (tmp_path / "n.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("customer", IDS)
def test_no_row_stays_in_exports_or_in_the_crm(tmp_path, customer):
    crm = Crm(database=f"{tmp_path / 'crm.db'}", exports=f"{tmp_path / 'exports'}")
    crm.publish(table(customer, "somebody else"), NIGHT, "run")
    crm.mark_sent(crm.news())
    places: list[Place] = [CrmTables(crm), Exports(tmp_path / "exports")]
    assert {name.rpartition(".")[2] for place in places for name in place.count(customer)} >= {"parquet", "csv", "xlsx"}
    for place in places:
        place.erase(customer)
        assert place.count(customer) == {}
        assert place.count("somebody else")
    assert names(tmp_path, customer) == []
    assert crm.told().to_list() == ["somebody else"]


def test_nobody_else_goes_with_a_name_that_is_a_part_of_another(tmp_path):
    for place, other in enumerate(("O'Brien", "Brien 2", "x Brien", "Brien-2")):
        (tmp_path / f"{place}.md").write_text(as_text(report(other)), encoding="utf-8")
        (tmp_path / f"{place}.html").write_text(as_html(report(other)), encoding="utf-8")
    assert Pages("reports", tmp_path).count("Brien") == {}


def test_an_apostrophe_before_an_id_is_another_id(tmp_path):
    export(table("'00635"), tmp_path)
    assert Exports(tmp_path).count("00635") == {}


def test_other_files_are_looked_into_packed_or_not_and_what_cannot_be_read_is_said(tmp_path):
    line = "c17,2026-01-31,5\n"
    (tmp_path / "plain.text").write_text(line)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(line.encode()))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", line)
    pl.DataFrame({"who": ["c17"]}).write_parquet(tmp_path / "other.table")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(line.encode() * 1000)[:40])
    (tmp_path / "no.text").write_text("c170,xc17\n")
    (tmp_path / "empty").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    found = OtherFiles("lake", tmp_path, EXPORTS | PAGES).count("c17")
    assert found == {
        "lake, cut.gz": None,
        "lake, gone": None,
        "lake, other.table": 1,
        "lake, packed.gz": 1,
        "lake, packed.zip": 1,
        "lake, plain.text": 1,
    }


def test_pages_of_a_database_that_somebody_reads_are_not_said_to_be_clear(tmp_path):
    crm = Crm(database=f"{tmp_path / 'crm.db'}")
    crm.publish(table("C0000017", "b"), NIGHT, "run")
    with closing(sqlite3.connect(crm.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM at_risk_segments").fetchall()
        with pytest.raises(DeliveryError, match="another program reads it"):
            CrmTables(crm).erase("C0000017")
        assert names(tmp_path, "C0000017")
    CrmTables(crm).erase("C0000017")
    assert names(tmp_path, "C0000017") == []


def test_no_database_is_made_to_erase_somebody_from_it(tmp_path):
    place = CrmTables(Crm(database=f"{tmp_path / 'crm.db'}"))
    assert place.count("a") == {}
    place.erase("a")
    assert list(tmp_path.iterdir()) == []
