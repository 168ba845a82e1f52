"""Deliveries of every dialect, wherever they lie, are read as they were written, or refused with a sentence."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import from_url

from assets.dialects import Dialect
from assets.files import FileSource, readable, remedy
from models.mapping import ColumnMapping, DeliveryError


def zipped(members: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


# The flag of a password, in the header of the file and in the directory.
LOCKED = (
    zipped({"1.csv": b"x"})
    .replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1")
    .replace(b"\x14\3\x14\0\0", b"\x14\3\x14\0\1")
)


def zstd(content: bytes) -> bytes:
    written = pa.BufferOutputStream()
    with pa.CompressedOutputStream(written, "zstd") as out:
        out.write(content)
    return bytes(written.getvalue().to_pybytes())


COLUMNS = ColumnMapping(customer_id=("id",), timestamp=("day",))
TABLE = "id,day,amount\n007,2024-01-31,12.50\nMüller,2024-02-01,\n"
ROWS = [("007", "2024-01-31", "12.50"), ("Müller", "2024-02-01", None)]


def source(path: object, **dialect: Any) -> FileSource:
    return FileSource(str(path), COLUMNS, dialect=Dialect(**dialect))


def rows(files: FileSource, scratch: Path) -> list[tuple[Any, ...]]:
    scratch.mkdir(exist_ok=True)
    read: list[tuple[Any, ...]] = []
    for file in files.files():
        with readable(file.name):
            read += files.read(file, scratch).collect().rows()
    return read


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", TABLE.encode()),
        ("SHOUTED.CSV", TABLE.encode()),
        ("brackets[1].csv", TABLE.encode()),
        ("windows.csv", TABLE.replace("\n", "\r\n").encode("cp1252")),
        ("old_mac.csv", TABLE.replace("\n", "\r").encode()),
        ("byte_order_mark.csv", TABLE.encode("utf-8-sig")),
        ("utf_16.csv", TABLE.encode("utf-16")),
        ("utf_16_big_endian.csv", codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be")),
        ("utf_16_without_mark.csv", TABLE.encode("utf-16-le")),
        ("packed.csv.gz", gzip.compress(TABLE.encode("cp1252"), mtime=0)),
        ("packed_but_not_called_so.csv", gzip.compress(TABLE.encode(), mtime=0)),
        ("called_so_but_not_packed.csv.gz", TABLE.encode()),
        ("semicolons.csv", TABLE.replace(",", ";").encode()),
        ("tabs.csv", TABLE.replace(",", "\t").encode()),
        ("bars.csv", TABLE.replace(",", "|").encode()),
        ("quoted.csv", b'"id","day","amount"\n"007","2024-01-31","12.50"\n"M\xc3\xbcller","2024-02-01",\n'),
        ("single_quoted.csv", b"'id','day','amount'\n'007','2024-01-31','12.50'\n'M\xc3\xbcller','2024-02-01',\n"),
        ("no_newline_at_the_end.csv", TABLE.rstrip("\n").encode()),
        ("blank_lines.csv", TABLE.replace("\n", "\n\n").encode()),
        ("padded_by_a_spreadsheet.csv", (TABLE + ",,\n" * 500).encode()),
        ("tabs.tsv", TABLE.replace(",", "\t").encode()),
        ("TABLE.TXT", TABLE.replace(",", "\t").encode()),
        ("packed.txt.gz", gzip.compress(TABLE.encode(), mtime=0)),
        ("packed.tsv.bz2", bz2.compress(TABLE.replace(",", "\t").encode())),
        ("packed.csv.xz", lzma.compress(TABLE.encode())),
        ("packed.csv.zip", zipped({"__MACOSX/._x.csv": b"x", "x.csv": TABLE.encode()})),
        ("packed.zip", zipped({"export/x.csv": TABLE.encode("cp1252")})),
        ("packed.csv.zst", zstd(TABLE.encode())),
        ("utf_32.csv", TABLE.encode("utf-32")),
        ("with_an_end_mark.csv", TABLE.encode() + b"\x1a"),
    ],
)
def test_a_file_is_read_as_it_was_written(landing, tmp_path, name, content):
    (landing / name).write_bytes(content)
    assert rows(source(landing), tmp_path / "scratch") == ROWS


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        ('id,day,size\na,b,5" pipe\nc,d,6" pipe\n', {}, [("a", "b", '5" pipe'), ("c", "d", '6" pipe')]),
        ('id,day,note\na,b,"x, y\nz ""w"""\nc,d,\n', {}, [("a", "b", 'x, y\nz "w"'), ("c", "d", None)]),
        ("id,day,name\na,b,O'Brien\nc,d,'t Hooft\n", {}, [("a", "b", "O'Brien"), ("c", "d", "'t Hooft")]),
        ("id;day;amount\na;b;1,5\nc;d;2,5\n", {}, [("a", "b", "1,5"), ("c", "d", "2,5")]),
        ("id;day,amount\na;b,1\n", {"delimiter": ","}, [("a;b", "1")]),
        ('id,day,size\n"a",b,5"\n', {"quote": ""}, [('"a"', "b", '5"')]),
        (
            'id,day,size\na,"b, c",5"\nd,e,6"\nf,g,7" x 8"\n',
            {},
            [("a", "b, c", '5"'), ("d", "e", '6"'), ("f", "g", '7" x 8"')],
        ),
        (
            'id,day,size\na,b,5"\nc,"d\n, 6""",7"\ne,f,8"\n',
            {},
            [("a", "b", '5"'), ("c", 'd\n, 6"', '7"'), ("e", "f", '8"')],
        ),
        ('id,day\n"a \\"b, c\\" d",e\n"f",\\N\n', {}, [('a "b, c" d', "e"), ("f", None)]),
        ("id,day\na\\, b,'c'\nd,'e\\'f'\n", {"quote": "'"}, [("a, b", "c"), ("d", "e'f")]),
        ('id, day, size\n"a", "b, c", 1\n"d", "e", 2\n', {}, [("a", "b, c", "1"), ("d", "e", "2")]),
        ("sep=;\nid;day\na;1,5\n", {}, [("a", "1,5")]),
        ('"sep=|"\r\nid|day\r\na|1;5,2\r\n', {}, [("a", "1;5,2")]),
        ("\n\nid,day\na,b\n", {}, [("a", "b")]),
        ("Orders of May\n\nid,day\na,b\n", {"skip_lines": 2}, [("a", "b")]),
        ("# made by x\n# at y\nid,day\na,b\n", {"skip_lines": 2}, [("a", "b")]),
        ("id#day\n~a#b~#c\n", {"delimiter": "#", "quote": "~"}, [("a#b", "c")]),
        ("id,day\nżółw,b\n", {"encoding": "cp1250"}, [("żółw", "b")]),
    ],
)
def test_what_a_file_does_not_say_can_be_set(landing, tmp_path, text, dialect, expected):
    (landing / "orders.csv").write_text(text, encoding=dialect.get("encoding", "utf-8"))
    assert rows(source(landing, **dialect), tmp_path / "scratch") == expected


NAMES = "id,day\nMüller,2024-01-31\nBäcker Groß,2024-02-01\nJosé,2024-02-02\n"
ELSEWHERE = "id,day\nŻółw Łódź,2024-01-31\nЩиты,2024-02-01\n日本語,2024-02-02\n"


@pytest.mark.parametrize("encoding", ["cp850", "cp437", "mac-roman"])
def test_letters_that_windows_1252_would_change_are_asked_for_and_read_once_they_are_told(landing, tmp_path, encoding):
    (landing / "orders.csv").write_bytes(NAMES.encode(encoding))
    with pytest.raises(DeliveryError, match=r"neither UTF-8 nor, by line \d, Windows-1252.*source.encoding"):
        rows(source(landing), tmp_path / "scratch")
    read = rows(source(landing, encoding=encoding), tmp_path / "told")
    assert [customer for customer, _ in read] == ["Müller", "Bäcker Groß", "José"]


@pytest.mark.parametrize(
    ("encoding", "line"), [("cp1250", 1), ("iso8859-2", 1), ("cp1251", 2), ("koi8-r", 2), ("shift-jis", 3), ("gbk", 3)]
)
def test_what_is_not_written_in_western_europe_is_asked_for(landing, tmp_path, encoding, line):
    text = f"id,day\n{ELSEWHERE.splitlines()[line]}\n"
    (landing / "orders.csv").write_bytes(text.encode(encoding))
    with pytest.raises(DeliveryError, match="by line 2, Windows-1252"):
        rows(source(landing), tmp_path / "scratch")
    assert rows(source(landing, encoding=encoding), tmp_path / "told") == [tuple(text.splitlines()[1].split(","))]


@pytest.mark.parametrize("stray", [b"\x96", b"\x92", b"\xfc", b"\xe9\xe8"])
@pytest.mark.parametrize("encoding", [None, "cp1252"])
def test_a_file_of_utf_8_with_a_few_other_bytes_is_refused_by_line(landing, tmp_path, stray, encoding):
    (landing / "orders.csv").write_bytes(NAMES.encode() + b"A " + stray + b" B,2024-02-03\n")
    with pytest.raises(DeliveryError, match="line 5 is not UTF-8, though other lines are, such as line 2"):
        rows(FileSource(str(landing), COLUMNS, dialect=Dialect(encoding=encoding)), tmp_path / "scratch")


def test_a_set_encoding_is_that_of_the_files_that_are_not_utf_8(landing, tmp_path):
    (landing / "1.csv").write_bytes(NAMES.encode())
    (landing / "2.csv").write_bytes(NAMES.encode("cp850"))
    read = rows(source(landing, encoding="cp850"), tmp_path / "scratch")
    assert read[:3] == read[3:]


def test_latin_1_that_is_none_is_refused(landing, tmp_path):
    (landing / "orders.csv").write_bytes("id,day\n“Müller”,2024-01-31\n".encode("cp1252"))
    with pytest.raises(DeliveryError, match="read as latin-1, line 2 has control characters"):
        rows(source(landing, encoding="latin-1"), tmp_path / "scratch")


def test_typography_of_windows_is_read(landing, tmp_path):
    text = "id,day\nO\u2019Brien \u2013 “Müller”… 5 €,2024-01-31\nNaïve Œuvre ££££ ½ l,2024-01-31\n"
    (landing / "orders.csv").write_bytes(text.encode("cp1252"))
    assert [customer for customer, _ in rows(source(landing), tmp_path / "scratch")] == [
        "O\u2019Brien \u2013 “Müller”… 5 €",
        "Naïve Œuvre ££££ ½ l",
    ]


@pytest.mark.parametrize("above", [0, 1 << 17])
def test_nul_characters_are_taken_out_and_their_lines_told(landing, tmp_path, above):
    lines = [f"{place:07},2024-01-31" for place in range(above // 18)]
    (landing / "orders.csv").write_text("\n".join(["id,day", *lines, "C01\0\0\0,2024-01-31", "C\x0002,2024-01-31\n"]))
    files = source(landing)
    contents = files.contents(files.files()[0], tmp_path)
    assert contents.rows.tail(2).collect()["id"].to_list() == ["C01", "C02"]
    assert contents.nul_lines == (len(lines) + 2, len(lines) + 3)


def test_a_hole_in_a_file_is_refused(landing, tmp_path):
    (landing / "orders.csv").write_bytes(b"id,day\na,2024-" + bytes(4096) + b"01-31\n")
    with pytest.raises(DeliveryError, match="hole of NUL characters stands where data should be, from line 2"):
        rows(source(landing), tmp_path / "scratch")


@pytest.mark.parametrize("end", [b"\x1a", b"\x1a\r\n", b"\x1a\x1a", b"\x1a\0\0\0"])
def test_the_end_mark_of_dos_is_no_line(landing, tmp_path, end):
    (landing / "orders.csv").write_bytes(TABLE.encode() + end)
    assert rows(source(landing), tmp_path / "scratch") == ROWS


def test_a_byte_order_mark_is_believed_before_the_settings(landing, tmp_path):
    (landing / "orders.csv").write_bytes(TABLE.encode("utf-8-sig"))
    assert rows(source(landing, encoding="cp1252"), tmp_path / "scratch") == ROWS


VALUES = st.text(st.sampled_from("ab 0.é,;|\t'\"\n"), max_size=6)


@given(
    table=st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), VALUES, VALUES), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    written_as=st.tuples(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]), st.booleans()),
)
@settings(max_examples=60, deadline=None)
def test_whatever_a_csv_writer_writes_is_read_back(tmp_path_factory, table, delimiter, line_end, written_as):
    encoding, packed = written_as
    landing = tmp_path_factory.mktemp("landing")
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator=line_end).writerows([("id", "day", "amount"), *table])
    content = written.getvalue().encode(encoding)
    (landing / "orders.csv").write_bytes(gzip.compress(content, mtime=0) if packed else content)
    read = rows(source(landing), landing / "scratch")
    assert [tuple(value or "" for value in row) for row in read] == table


CUT = 'id,day,amount\na,2024-01-31,"1,5"\nb,"2024\n-02-01",2\nMüller,2024-02-02,33\n'.encode()


@pytest.mark.parametrize("size", range(14, len(CUT)))
def test_a_file_cut_anywhere_is_refused_or_lacks_nothing_but_the_end_of_its_last_value(landing, tmp_path, size):
    (landing / "whole.csv").write_bytes(CUT)
    whole = rows(source(landing / "whole.csv"), tmp_path / "scratch")
    (landing / "cut.csv").write_bytes(CUT[:size])
    try:
        cut = rows(source(landing / "cut.csv"), tmp_path / "scratch")
    except DeliveryError:
        return
    assert cut[:-1] == whole[: max(0, len(cut) - 1)]
    for shortened, complete in zip(cut[-1:], whole[len(cut) - 1 :], strict=False):
        assert shortened[:-1] == complete[:-1]
        assert str(complete[-1]).startswith(shortened[-1] or "")


def parquet() -> bytes:
    written = io.BytesIO()
    pl.DataFrame(ROWS, schema=["id", "day", "amount"], orient="row").write_parquet(written)
    return written.getvalue()


NDJSON = b'{"id": "007", "day": "2024-01-31", "amount": 12.5}\n{"id": "M\xc3\xbcller", "day": "2024-02-01"}\n'


@pytest.mark.parametrize(
    ("name", "content", "last"),
    [
        ("orders.parquet", parquet(), "12.50"),
        ("brackets[1].parquet", parquet(), "12.50"),
        ("orders.ndjson", NDJSON, 12.5),
        ("brackets[1].ndjson", NDJSON, 12.5),
        ("byte_order_mark.ndjson", codecs.BOM_UTF8 + NDJSON, 12.5),
    ],
)
def test_files_with_types_keep_them(landing, tmp_path, name, content, last):
    (landing / name).write_bytes(content)
    assert rows(source(landing), tmp_path / "scratch") == [("007", "2024-01-31", last), ("Müller", "2024-02-01", None)]


MISTAKES = {
    "more fields than the header": (
        "a.csv",
        b"id,day\n1,2\n3,4,5\n",
        "a.csv: line 3 has 3 fields, the header has 2. Mend the line and deliver the file again. A field that holds "
        "the delimiter needs quotes around it.",
    ),
    "fewer fields than the header": (
        "a.csv",
        b"id,day,amount\n1,2,3\n4,5\n6,7,8\n",
        "a.csv: line 3 has 2 fields, the header has 3. Mend the line and deliver the file again. A field that holds "
        "the delimiter needs quotes around it.",
    ),
    "cut in a line": (
        "a.csv",
        b"id,day,amount\n1,2,3\n4,5",
        "a.csv: the file ends in the middle of line 3. Deliver the whole file again.",
    ),
    "cut in quotes": (
        "a.csv",
        b'id,day\n"1",2\n"3',
        "a.csv: a quote in line 3 is never closed. Deliver the whole file if it was cut off; if quotes are plain "
        'characters in it, set source.quote = "" in churn.toml.',
    ),
    "cut in a letter": (
        "a.csv",
        "id,day\nMü".encode()[:-1],
        "a.csv: the text ends in the middle of a letter of UTF-8, in line 2. Deliver the whole file again.",
    ),
    "text after a quoted value": (
        "a.csv",
        b'id,day\n1,"a" b\n',
        "a.csv: line 2 has text behind the quote that closes a field. Double the quotes within fields, or deliver the "
        "file again without them.",
    ),
    "empty": ("a.csv", b"", "a.csv: the file is empty. Deliver it again or remove it from the source."),
    "blank": ("a.csv", b" \r\n\n", "a.csv: the file is empty. Deliver it again or remove it from the source."),
    "a byte order mark": (
        "a.csv",
        codecs.BOM_UTF16_LE,
        "a.csv: the file is empty. Deliver it again or remove it from the source.",
    ),
    "empty ndjson": ("a.ndjson", b"\n", "a.ndjson: the file is empty. Deliver it again or remove it from the source."),
    "a workbook": (
        "a.csv",
        b"PK\x03\x04\x14\x00",
        "a.csv: this is a ZIP archive or an Excel workbook. Export it as CSV, or give it the ending of what it is.",
    ),
    "parquet called csv": (
        "a.csv",
        parquet(),
        "a.csv: this is a Parquet file. Export it as CSV, or give it the ending of what it is.",
    ),
    "a cut archive": (
        "a.csv.gz",
        gzip.compress(TABLE.encode(), mtime=0)[:-9],
        "a.csv.gz: the archive is cut off or damaged. Deliver the whole file again.",
    ),
    "cut parquet": (
        "a.parquet",
        parquet()[:-20],
        "a.parquet: not readable (parquet: File out of specification: The file must end with PAR1 or PARE). Deliver it "
        "again or remove it from the source.",
    ),
    "cut ndjson": (
        "a.ndjson",
        NDJSON[:-9],
        "a.ndjson: line 2 is where the file was cut off. Deliver the whole file again.",
    ),
    "text behind a quote, which would close two lines to one": (
        "a.csv",
        b'id,day\n1,"2\n3,"4"5\n6,7\n',
        "a.csv: line 3 has text behind the quote that closes a field. Double the quotes within fields, or deliver the "
        "file again without them.",
    ),
    "a header below a title": (
        "a.csv",
        b"Orders of May\n\nID;Day;amount\n1;2;3\n",
        "a.csv: line 3 looks like the header, and there are lines above it. Set source.skip_lines = 2 in churn.toml, "
        "or deliver the file without them.",
    ),
    "a header of two lines": (
        "a.csv",
        b"Customer,Order\nid,day\n1,2\n",
        "a.csv: line 2 looks like the header, and there are lines above it. Set source.skip_lines = 1 in churn.toml, "
        "or deliver the file without them.",
    ),
    "a header of too many columns": (
        "a.csv",
        b",".join(b"c%d" % place for place in range(100_000)) + b"\n" + b"," * 99_999 + b"\n",
        "a.csv: the header has 100,000 fields, and a table of transactions has at most 10,000. Correct source."
        "delimiter in churn.toml, or deliver the columns that are needed.",
    ),
    "a field without an end": (
        "a.csv",
        b'id,day\n1,"' + b"x" * 200_000 + b"\n",
        "a.csv: a field that begins in line 2 is longer than 131,072 characters. Close its quote, or deliver the file "
        "without it.",
    ),
    "a page": (
        "a.csv",
        b"<!DOCTYPE html>\n<html><body>Please log in</body></html>",
        "a.csv: this is a page of HTML or XML, such as that of an error or a login, and no table. Deliver the file "
        "itself.",
    ),
    "an error of a store": (
        "a.csv",
        codecs.BOM_UTF8 + b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>',
        "a.csv: this is a page of HTML or XML, such as that of an error or a login, and no table. Deliver the file "
        "itself.",
    ),
    "a pointer": (
        "a.csv",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        "a.csv: this is the pointer of Git LFS to a file, not the file. Export it as CSV, or give it the ending of "
        "what it is.",
    ),
    "JSON called csv": (
        "a.csv",
        b'[{"id": 1}]',
        "a.csv: this is JSON. Write one object a line and call it .ndjson, or export it as CSV.",
    ),
    "a script": (
        "a.csv",
        b"INSERT INTO orders VALUES (1);\n",
        "a.csv: this is a script of SQL. Export the table as CSV.",
    ),
    "a locked archive": (
        "a.csv.zip",
        LOCKED,
        "a.csv.zip: the archive is locked by a password. Deliver it without.",
    ),
    "an archive of two": (
        "a.csv.zip",
        zipped({"1.csv": b"x", "2.csv": b"x"}),
        "a.csv.zip: the archive holds 2 files, not one. Deliver them unpacked.",
    ),
    "a cut xz": (
        "a.csv.xz",
        lzma.compress(TABLE.encode())[:-9],
        "a.csv.xz: the archive is cut off or damaged. Deliver the whole file again.",
    ),
    "a bomb": (
        "a.csv.gz",
        gzip.compress(b"id,day\n" + b"0,0\n" * (17 << 20)),
        "a.csv.gz: unpacks to more than 250 times its size. If it is no mistake, deliver it without compression.",
    ),
    "an array": (
        "a.ndjson",
        b'[\n {"id": 1}\n]\n',
        "a.ndjson: line 1 begins a JSON document of several lines or an array, not one object a line. Write it anew, "
        "such as with jq -c '.[]' for an array or jq -c . for objects.",
    ),
    "a key twice": (
        "a.ndjson",
        NDJSON + b'{"id": "1", "day": "2", "id": "3"}\n',
        "a.ndjson: line 3 has the key of its field 1 twice. Deliver each key once in an object.",
    ),
    "a line that nests deeply": (
        "a.ndjson",
        NDJSON + b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        "a.ndjson: line 3 nests too deeply. Deliver objects of plain values.",
    ),
    "keys that are values": (
        "a.ndjson",
        b"".join(b'{"id": "1", "k%d": 1}\n' % place for place in range(20_000)),
        "a.ndjson: up to line 1000 there are more than 1,000 different keys. Values seem to stand where keys should: "
        "deliver objects that have the same keys.",
    ),
    "columns within a column": (
        "a.ndjson",
        b'{"raw": {"id": "1", "day": "2"}, "extracted": "3"}\n',
        "a.ndjson: no column that a setting names is there. Values stand inside 'raw': flatten it, so that each is a "
        "key of its own.",
    ),
    "columns within text": (
        "a.ndjson",
        b'{"raw": "{\\"id\\": \\"1\\"}", "extracted": "3"}\n',
        "a.ndjson: no column that a setting names is there. Values stand inside 'raw': flatten it, so that each is a "
        "key of its own.",
    ),
    "a line that is no object": (
        "a.ndjson",
        NDJSON + b"7\n",
        "a.ndjson: line 3 is no JSON object. Mend it and deliver the file again.",
    ),
}


@pytest.mark.parametrize(("name", "content", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_damaged_file_is_refused_with_a_sentence(landing, tmp_path, name, content, sentence):
    (landing / name).write_bytes(content)
    with pytest.raises(DeliveryError) as refusal:
        rows(source(landing), tmp_path / "scratch")
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ["2023/orders.csv", "2024/a/orders.ndjson", "2024/orders.csv.gz", "orders.parquet"]),
        ("2024", ["a/orders.ndjson", "orders.csv.gz"]),
        ("*.parquet", ["orders.parquet"]),
        ("20*/orders.*", ["2023/orders.csv", "2024/orders.csv.gz"]),
        ("2024/**/orders.*", ["a/orders.ndjson", "orders.csv.gz"]),
        ("**/*.csv*", ["2023/orders.csv", "2024/orders.csv.gz"]),
        ("2023/orders.csv", ["orders.csv"]),
    ],
)
def test_a_folder_a_pattern_or_a_file_names_the_same_files_on_disk_and_in_a_store(
    landing, object_store, path, expected
):
    for name in ["orders.parquet", "2023/orders.csv", "2024/orders.csv.gz", "2024/a/orders.ndjson", "2023/notes.txt"]:
        put(landing, object_store, name, b"x")
    for hidden in [".orders.csv", ".cache/orders.csv"]:
        put(landing, object_store, hidden, b"x")
    assert [file.name for file in source(landing / path).files()] == expected
    assert [file.name for file in source(f"{object_store}/{path}").files()] == expected


def put(landing: Path, store: str, name: str, content: bytes) -> None:
    (landing / name).parent.mkdir(parents=True, exist_ok=True)
    (landing / name).write_bytes(content)
    from_url(store).put(name, content)


def test_files_of_a_store_read_like_files_on_disk(landing, object_store, tmp_path):
    put(landing, object_store, "2024/utf 16, packed.csv.gz", gzip.compress(TABLE.encode("utf-16")))
    put(landing, object_store, "2024/orders.parquet", parquet())
    put(landing, object_store, "orders.ndjson", NDJSON)
    stored = rows(source(object_store), tmp_path / "scratch")
    assert stored == rows(source(landing), tmp_path / "scratch")
    assert len(stored) == 6


def test_a_file_of_a_store_is_fetched_once(object_store, tmp_path):
    store = from_url(object_store)
    store.put("orders.csv", TABLE.encode())
    (file,) = source(object_store).files()
    first = source(object_store).read(file, tmp_path).collect()
    store.delete("orders.csv")
    assert source(object_store).read(file, tmp_path).collect().equals(first)


def test_a_digest_follows_the_content_not_the_place_or_the_time(landing):
    def digest(name: str, content: str, written: int) -> str:
        (landing / name).write_text(content)
        os.utime(landing / name, ns=(written, written))
        return source(landing / name).files()[0].digest

    first = digest("a.csv", TABLE, 1)
    assert digest("a.csv", TABLE, 2) == digest("b.csv", TABLE, 3) == first
    assert digest("a.csv", TABLE.replace("007", "008"), 4) != first


def test_a_digest_in_a_store_follows_the_content(object_store):
    def digest(content: bytes) -> str:
        from_url(object_store).put("orders.csv", content)
        return source(object_store).files()[0].digest

    first = digest(TABLE.encode())
    assert digest(TABLE.replace("007", "008").encode()) != first
    assert digest(TABLE.encode()) == first


ABSENT = {
    "no folder": ("landing/none", "{path}: no such file or folder. Set source.path in churn.toml."),
    "no such files": (
        "landing",
        "{path}: no file that ends in .csv, .tsv, .txt, .ndjson, .jsonl, .json, .parquet. notes.txt cannot be read. "
        "Set source.path in churn.toml.",
    ),
    "a pattern that names none": (
        "landing/*.csv",
        "{path}: no file that ends in .csv, .tsv, .txt, .ndjson, .jsonl, .json, .parquet. Set source.path in "
        "churn.toml.",
    ),
}


@pytest.mark.parametrize(("path", "sentence"), ABSENT.values(), ids=ABSENT)
def test_a_source_without_files_is_refused_with_a_sentence(landing, tmp_path, path, sentence):
    (landing / "notes.txt").write_text("nothing")
    with pytest.raises(DeliveryError) as refusal:
        source(tmp_path / path).files()
    assert str(refusal.value) == sentence.format(path=tmp_path / path)


S3 = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, off Amazon, AWS_ENDPOINT_URL in the environment."
UNREACHABLE = {
    "empty bucket": (
        "s3://shop/none",
        {},
        "s3://shop/none: no file that ends in .csv, .tsv, .txt, .ndjson, .jsonl, .json, .parquet. Set source.path in "
        "churn.toml.",
    ),
    "no bucket": (
        "s3://shoq/landing",
        {},
        f"s3://shoq/landing: the object store cannot be read (NoSuchBucket). Check source.path in churn.toml, and {S3}",
    ),
    "wrong secret": (
        "s3://shop/landing",
        {"AWS_SECRET_ACCESS_KEY": "another word"},
        "s3://shop/landing: the object store cannot be read (SignatureDoesNotMatch). Check source.path in churn.toml, "
        f"and {S3}",
    ),
    "no server": (
        "s3://shop/landing",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        "s3://shop/landing: the object store cannot be read (HTTP error: error sending request). Check source.path in "
        f"churn.toml, and {S3}",
    ),
    "no account": (
        "az://shop/landing",
        {},
        "az://shop/landing: the object store cannot be read (Account must be specified). Check source.path in "
        "churn.toml, and AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY in the environment.",
    ),
    "no such store": (
        "ftp://shop/landing",
        {},
        "ftp://shop/landing: files are read from a folder or from s3://, gs://, az://. Set source.path in churn.toml.",
    ),
}


@pytest.mark.parametrize(("url", "environment", "sentence"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_store_that_cannot_be_read_is_refused_with_a_sentence(object_store, monkeypatch, url, environment, sentence):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeliveryError) as refusal:
        source(url).files()
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("dialect", "sentence"),
    [
        ({"delimiter": ";;"}, "delimiter is ';;': it must be one ASCII character"),
        ({"quote": "«"}, "quote is '«': it must be one ASCII character, or empty for none"),
        ({"encoding": "utf-9"}, "encoding is 'utf-9': try utf-8, utf-16, cp1252 or latin-1"),
    ],
)
def test_a_dialect_that_no_file_can_have_is_refused(dialect, sentence):
    with pytest.raises(ValueError, match=sentence):
        Dialect(**dialect)


def linked(landing: Path, kind: str) -> None:
    """A folder with a file of its own, and beside it what leads elsewhere, or nowhere."""
    elsewhere = landing.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.csv").write_text("CHURN__SOURCE__URL=postgresql://reader:SECRET@db/shop\n")
    landing.mkdir()
    (landing / "1.csv").write_text(TABLE)
    targets = {"file": elsewhere / "secret.csv", "dangling": elsewhere / "none.csv", "inner": Path("1.csv")}
    if kind in targets:
        (landing / "2.csv").symlink_to(targets[kind])
    if kind == "folder":
        (landing / "2.csv").symlink_to(elsewhere)
    if kind == "pipe":
        os.mkfifo(landing / "2.csv")


def read_or_refused(files: FileSource, scratch: Path) -> tuple[list[tuple[Any, ...]], list[str]]:
    read: list[tuple[Any, ...]] = []
    refused = []
    for file in files.files():
        try:
            assert len(file.digest) == 64
            read += files.read(file, scratch).collect().rows()
        except DeliveryError as error:
            refused.append(str(error))
    return read, refused


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("file", "2.csv: a link that leaves the folder of the source"),
        ("folder", "2.csv: a link that leaves the folder of the source"),
        ("dangling", "2.csv: a link that leaves the folder of the source"),
        ("pipe", "2.csv: no regular file"),
    ],
)
def test_no_link_brings_a_file_from_elsewhere(tmp_path, kind, sentence):
    linked(tmp_path / "landing", kind)
    read, refused = read_or_refused(source(tmp_path / "landing"), tmp_path)
    assert read == ROWS
    assert [said.partition(".")[0] for said in refused] == ["2"]
    assert refused[0].startswith(sentence)


def test_links_within_a_source_and_to_a_whole_source_are_followed(tmp_path):
    linked(tmp_path / "landing", "inner")
    (tmp_path / "by link").symlink_to(tmp_path / "landing")
    for folder in ("landing", "by link"):
        assert read_or_refused(source(tmp_path / folder), tmp_path) == (ROWS * 2, [])


def test_a_file_that_is_named_and_is_a_link_elsewhere_is_refused(tmp_path):
    (tmp_path / "landing").mkdir()
    (tmp_path / "secret").write_text("SECRET,x\n")
    (tmp_path / "landing" / "1.csv").symlink_to(tmp_path / "secret")
    named = source(tmp_path / "landing" / "1.csv")
    with pytest.raises(DeliveryError, match="leaves the folder of the source"):
        named.read(named.files()[0], tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,day,day\na,1,1\nb,2,2\n", {"id": ["a", "b"], "day": ["1", "2"]}),
        ("id,day,id\na,1,7\nb,2,8\n", {"id (1)": ["a", "b"], "day": ["1", "2"], "id (2)": ["7", "8"]}),
        (",id,day,\n0,a,1,\n", {"column 1": ["0"], "id": ["a"], "day": ["1"], "column 4": [None]}),
    ],
)
def test_a_name_of_several_columns_is_taken_once_where_they_agree(landing, tmp_path, text, expected):
    (landing / "orders.csv").write_text(text)
    files = source(landing)
    assert files.read(files.files()[0], tmp_path).collect().to_dict(as_series=False) == expected


RECORDS = st.lists(
    st.lists(st.text(st.sampled_from('ab" ,\n'), max_size=5), min_size=3, max_size=3), min_size=1, max_size=6
)


@given(records=RECORDS, bare=st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_record_is_lost_or_merged_whatever_quotes_stand_in_it(tmp_path_factory, records, bare):
    """Bare quotes within fields, as RFC 4180 readers take them, beside quoted fields: every record is a row."""
    landing = tmp_path_factory.mktemp("landing")

    def written(field: str) -> str:
        if bare and not field.startswith(('"', " ")) and not set(field) & set(",\n"):
            return field
        return '"' + field.replace('"', '""') + '"'

    lines = ["id,day,p", *(",".join(map(written, ["x" + first, *others])) for first, *others in records)]
    (landing / "orders.csv").write_text("\n".join(lines) + "\n")
    read = rows(source(landing, quote='"'), landing / "scratch")
    assert [[value or "" for value in row] for row in read] == [["x" + first, *others] for first, *others in records]


def test_what_is_no_table_is_passed_over_by_name_and_what_is_hidden_is_not(landing):
    tables = {
        "a.csv": TABLE.encode(),
        "b.jsonl": NDJSON,
        "c.json": NDJSON,
        "d.txt": TABLE.encode(),
        "e.zip": zipped({"x.csv": TABLE.encode()}),
    }
    others = {
        "README.md": b"x",
        "array.json": b'[{"id": 1}]',
        "many.zip": zipped({"1.csv": b"x", "2.csv": b"x"}),
        "notes.txt": b"Dear all,\nthis is, well, a note.\nBye\n",
        "orders.csv.part": b"x",
        "orders.parquet.gz": b"x",
        "sheet.xlsx": b"PK",
    }
    hidden = ["._a.csv", ".x/a.csv", "~$sheet.xlsx", "_SUCCESS", "_temporary/0/a.csv", "_committed_1"]
    for name, content in (tables | others | dict.fromkeys(hidden, b"x")).items():
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(content)
    files = source(landing)
    assert [file.name for file in files.files()] == sorted(tables)
    assert files.passed_over() == sorted(others)
    assert all(remedy(name).endswith(".") for name in others)


@pytest.mark.parametrize(
    ("mark", "engine"),
    [
        ("orders/_delta_log/00000000000000000000.json", "orders is a table of Delta"),
        ("_delta_log/00000000000000000000.json", "the folder is a table of Delta"),
        ("orders/metadata/v1.metadata.json", "orders is a table of Iceberg"),
        ("orders/.hoodie/hoodie.properties", "orders is a table of Hudi"),
    ],
)
def test_a_table_in_which_deleted_rows_are_still_there_is_refused(landing, mark, engine):
    (landing / mark).parent.mkdir(parents=True)
    (landing / mark).write_text("{}")
    (landing / "part-0.parquet").write_bytes(parquet())
    with pytest.raises(DeliveryError, match=f"{engine}, in which rows that were deleted"):
        source(landing).files()


def test_folders_of_keys_and_values_are_columns(landing, tmp_path):
    for folder in ("country=DE/shop=a%20b", "country=__HIVE_DEFAULT_PARTITION__/shop=c"):
        (landing / folder).mkdir(parents=True)
        (landing / folder / "part-0.parquet").write_bytes(parquet())
    assert [row[3:] for row in rows(source(landing), tmp_path / "scratch")] == [("DE", "a b")] * 2 + [(None, "c")] * 2


def test_types_of_ndjson_hold_all_values_of_a_key(landing, tmp_path):
    lines = [
        '{"id": 9007199254740993, "mixed": 9003, "amount": 1, "inside": {"a": 1}, "list": [1], "flag": true}',
        '{"id": 9007199254740995, "mixed": "9003", "amount": 2.5, "inside": {"b": "x"}, "list": {"a": 1}}',
        '{"id": 3, "mixed": 9003.0, "amount": null}',
    ]
    (landing / "orders.ndjson").write_text("\n".join(lines))
    files = source(landing)
    files = FileSource(files.path, ColumnMapping(("id",), ("mixed",)))
    read = files.read(files.files()[0], tmp_path).collect()
    assert read["id"].to_list() == [9007199254740993, 9007199254740995, 3]
    assert read["mixed"].to_list() == ["9003", "9003", "9003"]
    assert read["amount"].to_list() == [1.0, 2.5, None]
    assert read.schema["inside"].is_nested()
    assert read.schema["list"].is_nested()


def test_a_panic_of_polars_is_a_sentence_about_the_file():
    with pytest.raises(DeliveryError, match=r"far\.parquet: not readable"), readable("far.parquet"):
        pl.Series([2**62]).cast(pl.Datetime("ms")).dt.replace_time_zone("Europe/Berlin")
