"""Consent is the same whether it stands in a column for each channel, in a row for each change, or in a plain list."""

from pathlib import Path

import polars as pl
import pytest

from assets.consent_source import ConsentSource
from assets.files import FileSource
from models.definition import ChurnDefinition
from models.mapping import ColumnMapping, DeliveryError

WHO = ColumnMapping(("Client",), ("Since",))
WIDE = "Client,Since,Mail,Profile\nann,2025-01-01,yes,\nbob,2025-01-02,no,no\n"
LONG = "Client,Since,What,Answer\nann,2025-01-01,Mail,1\nbob,2025-01-02,Mail,0\nbob,2025-01-02,Profile,nein\n"
CHANNELS = {"email": "Mail", "profiling": "Profile"}


def said(folder: Path, text: str, channels: dict[str, str], *columns: str) -> list[tuple[object, ...]]:
    (folder / "consents.csv").write_text(text, encoding="utf-8")
    source = ConsentSource(FileSource(str(folder), WHO), channels, *columns)
    rows = pl.concat(source.read(ChurnDefinition(), folder))
    return rows.select("customer_id", "channel", "permitted").sort(pl.all()).collect().rows()


def test_columns_and_rows_say_the_same(tmp_path):
    expected = [("ann", "email", True), ("bob", "email", False), ("bob", "profiling", False)]
    assert said(tmp_path, WIDE, CHANNELS) == expected
    assert said(tmp_path, LONG, CHANNELS, "What", "Answer") == expected


def test_a_plain_list_objects_to_everything(tmp_path):
    assert said(tmp_path, WIDE, {}) == [("ann", "marketing", False), ("bob", "marketing", False)]


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        (WIDE.replace("Profile", "Profil"), (), "consent: consents.csv: no column 'Profile'"),
        (LONG.replace("Answer", "Reply"), ("What", "Answer"), "consent: consents.csv: no column 'Answer'"),
        (LONG.replace("Since", "From"), ("What", "Answer"), "consent: consents.csv: no column 'Since' for timestamp"),
        (WIDE.replace(",yes", ",perhaps"), (), "consents.csv: row 1 says neither yes nor no"),
    ],
)
def test_what_would_lose_an_objection_is_refused(tmp_path, text, columns, sentence):
    with pytest.raises(DeliveryError) as error:
        said(tmp_path, text, CHANNELS, *columns)
    assert sentence in str(error.value)
