"""An optional input is the same rows whether it is a file, a table or a query; what cannot be used is said."""

import csv
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.files import FileSource
from assets.input_source import InputSource, InputTable
from assets.postgresql import connected
from models.definition import ChurnDefinition
from models.facts import Fact, arriving, unusable
from models.mapping import ColumnMapping, DeliveryError

COLUMNS = ColumnMapping(("client",), ("asked",), amount=("answer",), contract_until=("until",))
ROWS = [
    ("ann", "2024-01-01 10:00:00", "9", ""),
    ("ann", "2024-01-05 10:00:00", "7", "2024-03-01"),
    ("", "2024-01-02 10:00:00", "1", ""),
    ("bob", "", "2", ""),
    ("eve", "2024-01-03 10:00:00", "fine", "soon"),
]
MADE = "CREATE TABLE {} (client TEXT, asked TEXT, answer TEXT, until TEXT)"
LOST = [
    "1 of 5 rows of {} lack a customer and are left out.",
    "1 of 5 rows of {} lack a time that can be read and are left out.",
    "1 of 5 rows of {} have a value that is no number; it counts as unknown.",
    "1 of 5 rows of {} have a last valid day that is none; they count as valid for ever.",
]


def told(rows: FileSource | InputTable, scratch: Path) -> tuple[pl.DataFrame, list[str]]:
    """The facts of the tenth of January, and what is said of the rows."""
    delivered = pl.concat(InputSource("survey", "attributes", rows).read(ChurnDefinition(), scratch))
    known = Fact.create_empty(lazy=True)
    return arriving(delivered, known, night=date(2024, 1, 10)).collect(), unusable(delivered)


@pytest.fixture
def file(tmp_path: Path) -> FileSource:
    with (tmp_path / "answers.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("client", "asked", "answer", "until"), *ROWS])
    return FileSource(f"{tmp_path / 'answers.csv'}", COLUMNS)


def test_rows_that_cannot_be_used_are_counted_and_the_others_arrive(tmp_path, file):
    facts, said = told(file, tmp_path)
    assert facts.select("customer_id", "value", "until").rows() == [
        ("ann", 9.0, None),
        ("ann", 7.0, date(2024, 3, 1)),
        ("eve", None, None),
    ]
    assert said == [f"input 'survey': {sentence.format('answers.csv')}" for sentence in LOST]


@pytest.mark.parametrize("query", [None, "SELECT * FROM answers"])
def test_a_table_or_a_query_tells_the_same_as_a_file(tmp_path, file, query):
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm, crm:
        crm.execute(MADE.format("answers"))
        crm.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", ROWS)
    table = InputTable(f"sqlite:///{tmp_path}/crm.db", "answers", COLUMNS, query=query)
    facts, said = told(table, tmp_path)
    assert_frame_equal(facts, told(file, tmp_path)[0])
    assert said == [f"input 'survey': {sentence.format('answers')}" for sentence in LOST]


def test_postgresql_tells_the_same_with_types_of_its_own(tmp_path, file, postgres_url):
    with connected(postgres_url, "CHURN__SOURCE__URL") as cursor:
        cursor.execute("CREATE SCHEMA survey")
        cursor.execute("CREATE TABLE survey.answers (client text, asked timestamp, answer numeric, until date)")
        cursor.execute(
            "INSERT INTO survey.answers VALUES ('ann', '2024-01-01 10:00', 9, NULL), ('ann', '2024-01-05 10:00', 7, "
            "'2024-03-01'), ('eve', '2024-01-03 10:00', NULL, NULL), (NULL, '2024-01-02', 1, NULL)"
        )
    facts, said = told(InputTable(postgres_url, "survey.answers", COLUMNS), tmp_path)
    assert_frame_equal(facts, told(file, tmp_path)[0])
    assert len(said) == 1
    missing = InputSource("survey", "attributes", InputTable(postgres_url, "survey.answer", COLUMNS))
    with pytest.raises(DeliveryError, match=r"input 'survey': survey\.answer: .*does not exist"):
        list(missing.read(ChurnDefinition(), tmp_path))
