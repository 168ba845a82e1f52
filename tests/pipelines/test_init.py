import sqlite3
import tomllib
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.files import FileSource
from models.contract_simulator import lines, subscribers
from models.mapping import canonical
from pipelines.cli import app
from pipelines.init import init
from pipelines.settings import load_settings
from pipelines.settings_errors import SettingsError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
START = date(2023, 1, 1)


def orders(rows: int = 600) -> pl.DataFrame:
    """Forty customers who each buy every 30 days, a few of them anonymously, some with cancellations."""
    cancelled = [row % 20 == 7 for row in range(rows)]
    return pl.DataFrame(
        {
            "Kundennr": [None if row % 10 == 3 else f"{row % 40:04}" for row in range(rows)],
            "Bestelldatum": [f"{START + timedelta(days=row * 3 // 4):%d.%m.%Y}" for row in range(rows)],
            "Rechnungsnr": [f"{'C' if back else ''}{900 + row}" for row, back in enumerate(cancelled)],
            "Betrag": [f"{'-' if back else ''}{row % 9 + 1},50" for row, back in enumerate(cancelled)],
            "Währung": ["EUR"] * rows,
            "Sachbearbeiter": ["Meier"] * rows,
        }
    )


ACCEPTED = ("validation.max_rejected_share=0.2",)


def shown_by(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    orders().write_csv(folder / "export.csv", separator=";")
    return folder


def test_settings_of_a_folder_run_unedited(landing: Path, tmp_path: Path) -> None:
    target = tmp_path / "churn.toml"

    assert init(str(landing), target=target, force=False, others=ACCEPTED) == 0

    settings = load_settings(target)
    assert settings.source.path == "landing"
    assert settings.source.columns.customer_id == ("Kundennr",)
    assert "amount" in settings.source.columns.delivered
    assert (settings.churn.horizon_days, settings.churn.active_days) == (30, 90)
    assert (settings.validation.max_rejected_share, settings.validation.return_pattern) == (0.2, "^C")
    assert settings.value.currency == "EUR"
    source = settings.transactions()
    assert isinstance(source, FileSource)
    assert [file.name for file in source.files()] == ["export.csv"]


def test_of_terms_with_a_last_paid_day_churn_by_contract_is_suggested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = lines(subscribers(80, seed=1), first_day=START, days=400, term_days=60, grace_days=14, seed=1)
    book.rename({"contract_until": "Contract End"}).write_csv(tmp_path / "book.csv")
    target = tmp_path / "churn.toml"
    assert init(str(tmp_path / "book.csv"), target=target, force=False) == 0
    churn = load_settings(target).churn
    assert (churn.definition, churn.horizon_days, churn.grace_days) == ("contract", 15, 14)
    assert "usually 60 days ahead: whoever does not renew has left" in " ".join(capsys.readouterr().out.split())


def test_the_terminal_says_what_was_guessed_and_why(
    landing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(str(landing), target=tmp_path / "churn.toml", force=False)

    shown = " ".join(capsys.readouterr().out.split())
    for sentence in (
        "customer_id Kundennr named for customer and id, 36 different values in 540 rows",
        "product not found",
        "not used: Sachbearbeiter",
        "600 rows in 1 file, 10.0% cannot be used: customer_id_missing 60",
        "orders that match ^C are taken for cancellations",
        "horizon 30 days, active within 90 days",
        "UTC is assumed",
        "? 10.0% of the rows cannot be used (customer_id_missing 60)",
        "and a night accepts 5%. Name another column, or mend the data",
        "or accept the loss, if these rows cannot be had, by --set validation.max_rejected_share=0.15.",
    ):
        assert sentence in shown


def test_settings_that_exist_are_never_replaced_without_force(
    landing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "churn.toml"
    target.write_text("mine")

    assert init(str(landing), target=target, force=False) == 2
    assert target.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert init(str(landing), target=target, force=True) == 2
    assert "is not TOML" in capsys.readouterr().err
    assert target.read_text() == "mine"


def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "export.csv", tmp_path / "churn.toml"
    orders().drop_nulls().rename({"Kundennr": "xq7"}).write_csv(source)

    assert init(str(source), target=target, force=False) == 1

    shown = shown_by(capsys)
    assert "customer_id could not be guessed: which column says who bought." in shown
    assert "perhaps 'xq7': 36 different values, 15.0 rows each" in shown
    assert f"churn init {source} --config {target} --force --column customer_id=xq7" in shown
    with pytest.raises(SettingsError, match=r"source\.columns\.customer_id is missing"):
        load_settings(target)
    text = target.read_text()
    assert ">>> FILL IN" in text
    target.write_text(text.replace('# customer_id = ""', 'customer_id = "xq7"'))
    assert load_settings(target).source.columns.customer_id == ("xq7",)


def test_a_file_without_the_column_is_named(landing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders().drop("Bestelldatum").write_csv(landing / "undated.csv")

    assert init(str(landing), target=tmp_path / "churn.toml", force=False) == 1

    assert "undated.csv: no column 'Bestelldatum' for timestamp" in " ".join(capsys.readouterr().out.split())
    assert load_settings(tmp_path / "churn.toml").source.columns.timestamp == ("Bestelldatum",)


def test_tables_that_only_together_hold_customer_and_date_are_refused_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders().select("Kundennr", "Betrag").write_csv(tmp_path / "lines.csv")
    orders().select("Rechnungsnr", "Bestelldatum").write_csv(tmp_path / "invoices.csv")

    assert init(str(tmp_path), target=tmp_path / "churn.toml", force=False) == 1

    shown = " ".join(capsys.readouterr().out.split())
    assert "lines.csv: no column 'Bestelldatum' for timestamp" in shown
    assert "invoices.csv: no column 'Kundennr' for customer_id" in shown


def test_dates_that_are_whole_numbers_or_nothing_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "export.csv"
    orders().with_columns(Bestelldatum=pl.lit("00:00:00")).write_csv(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False) == 1

    assert "'Bestelldatum': is named so, but its values are no moments" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "no such file or folder. Check the path."),
        ("landing/*.parquet", "no file that ends in .csv"),
        ("broken.parquet", "not readable"),
    ],
)
def test_a_source_that_cannot_be_read_writes_nothing(
    landing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, sentence: str
) -> None:
    (tmp_path / "broken.parquet").write_text("no parquet")

    assert init(str(tmp_path / source), target=tmp_path / "churn.toml", force=False) == 2

    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "churn.toml").exists()


def test_a_glob_is_looked_at(landing: Path, tmp_path: Path) -> None:
    (landing / "notes.csv").write_text("a;b\n1;2\n")

    assert init(str(landing / "exp*.csv"), target=tmp_path / "churn.toml", force=False, others=ACCEPTED) == 0

    assert tomllib.loads((tmp_path / "churn.toml").read_text())["source"]["path"] == "landing/exp*.csv"


def test_headers_with_quotes_and_breaks_survive(tmp_path: Path) -> None:
    source = tmp_path / "export.parquet"
    orders().rename({"Kundennr": 'Kunde "neu"\\', "Sachbearbeiter": "Sach\nbearbeiter [x]"}).write_parquet(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False, others=ACCEPTED) == 0

    assert load_settings(tmp_path / "churn.toml").source.columns.customer_id == ('Kunde "neu"\\',)


def test_a_stray_month_in_the_future_does_not_open_the_gate(tmp_path: Path) -> None:
    source = tmp_path / "export.parquet"
    stray = datetime(2090, 5, 1, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "customer": [f"K{row % 40}" for row in range(600)],
            "date": [
                stray if row == 5 else datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=row * 18)
                for row in range(600)
            ],
        }
    )
    rows.write_parquet(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False) == 0

    assert tomllib.loads((tmp_path / "churn.toml").read_text())["validation"] == {}


def test_the_command_writes_settings(landing: Path, tmp_path: Path) -> None:
    target = tmp_path / "a new folder" / "mine.toml"
    typed = ["init", str(landing), "--config", str(target)]

    assert CliRunner().invoke(app, [*typed, "--set", *ACCEPTED]).exit_code == 0
    assert CliRunner().invoke(app, typed).exit_code == 2
    assert CliRunner().invoke(app, [*typed, "--force"]).exit_code == 0
    assert load_settings(target).source.columns.timestamp == ("Bestelldatum",)


def test_answers_are_taken_and_all_is_judged_by_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "export.csv", tmp_path / "churn.toml"
    frame = orders().drop_nulls().rename({"Kundennr": "xq7"}).with_columns(Bezahlt=pl.lit("01.01.2023"))
    frame.write_csv(source)
    typed = ["customer_id=xq7", "timestamp=bezahlt", "amount="]

    init(str(source), target=target, force=False, columns=typed, others=["churn.timezone=Europe/Berlin"])

    shown = shown_by(capsys)
    assert "customer_id xq7 you named it, 36 different values in 540 rows" in shown
    assert "timestamp bezahlt you named it" in shown
    assert "100% of the rows fall on 2023-01-01" not in shown  # a single day is said by the horizon
    assert "time zone: Europe/Berlin" in shown
    table = tomllib.loads(target.read_text())
    assert table["source"]["columns"]["amount"] == []
    assert table["churn"]["timezone"] == "Europe/Berlin"
    assert load_settings(target).source.columns.amount == ()


def test_what_the_settings_say_is_kept_and_what_was_suggested_for_other_columns_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "export.csv", tmp_path / "churn.toml"
    orders().drop_nulls().rename({"Kundennr": "xq7"}).write_csv(source)
    target.write_text(
        f'[source]\npath = "{source}"\ndecimal = ","\n[source.columns]\ncustomer_id = "xq7"\namount = "Betrag"\n'
        "[churn]\nhorizon_days = 45\n[crm]\ndeparted_days = 9\n[[inputs]]\n"
        'name = "tickets"\npath = "tickets"\ncustomer_id = "c"\ntimestamp = "t"\n'
    )

    assert init(None, target=target, force=True) == 0

    settings = load_settings(target)
    assert (settings.churn.horizon_days, settings.crm.departed_days, settings.source.decimal) == (45, 9, ",")
    assert [one.name for one in settings.inputs] == ["tickets"]
    assert settings.source.columns.customer_id == ("xq7",)
    shown = shown_by(capsys)
    assert "the settings say churn.horizon_days = 45, which is kept" in shown
    assert "You said so; the purchases suggest 30 days" in " ".join(target.read_text().replace("#", "").split())

    assert init(None, target=target, force=True, columns=["customer_id=Sachbearbeiter"]) in (0, 1)
    assert tomllib.loads(target.read_text())["churn"]["horizon_days"] != 45


@pytest.mark.parametrize(
    ("columns", "others", "sentence"),
    [
        (["customer=x"], [], "'customer' is no column of ours; did you mean customer_id?"),
        (["timestamp"], [], "names no header: write --column timestamp=HEADER"),
        (["timestamp=Bestelltag"], [], "no file has a column 'Bestelltag' for timestamp; did you mean 'Bestelldatum'?"),
        ([], ["churn.timezon=UTC"], "churn.timezon is no setting; did you mean 'timezone'?"),
        ([], ["timezone"], "write --set SECTION.KEY=VALUE"),
        ([], ["source.decimal=;"], "source.decimal = ';'"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(
    landing: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    columns: list[str],
    others: list[str],
    sentence: str,
) -> None:
    assert init(str(landing), target=tmp_path / "churn.toml", force=False, columns=columns, others=others) == 2

    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "churn.toml").exists()


def test_a_limit_is_never_raised_unasked(landing: Path, tmp_path: Path) -> None:
    target = tmp_path / "churn.toml"

    assert init(str(landing), target=target, force=False) == 1

    assert load_settings(target).validation.max_rejected_share == 0.05
    assert ">>> FILL IN: 10.0% of the rows cannot be used" in target.read_text()


def test_days_that_could_be_months_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "export.csv", tmp_path / "churn.toml"
    days = [f"{row % 12 + 1:02}/{row % 11 + 1:02}/2024" for row in range(600)]
    orders().drop_nulls("Kundennr").with_columns(Bestelldatum=pl.Series(days[:540])).write_csv(source)

    assert init(str(source), target=target, force=False) == 1
    assert "No moment tells day from month" in (shown := shown_by(capsys))
    assert "--set source.timestamp_format=%d/%m/%Y" in shown

    assert init(None, target=target, force=True, others=["source.timestamp_format=%m/%d/%Y"]) == 0
    assert load_settings(target).source.timestamp_format == "%m/%d/%Y"


def test_money_that_cannot_be_read_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "export.csv"
    orders().drop_nulls().with_columns(Betrag=pl.lit("rund ") + pl.col("Betrag")).write_csv(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False) == 1
    assert "'Betrag' is named for it, but 100% of its values are no numbers" in shown_by(capsys)
    assert init(None, target=tmp_path / "churn.toml", force=True, columns=["amount="]) == 0


def test_columns_that_tell_sales_from_other_rows_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "export.csv"
    frame = orders().drop_nulls()
    rows = range(frame.height)
    frame.with_columns(
        Status=pl.Series(["storniert" if row % 9 == 0 else "bezahlt" for row in rows]),
        Test=pl.Series([row % 54 == 0 for row in rows]),
    ).write_csv(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False) == 0

    shown = shown_by(capsys)
    assert "'Status' marks 60 rows as no plain sales (storniert 60, bezahlt 480)" in shown
    assert "'Test' marks 10 rows as no plain sales (true 10)" in shown


def test_tables_that_share_keys_are_to_be_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, target = tmp_path / "shop", tmp_path / "churn.toml"
    folder.mkdir()
    rows = orders().drop_nulls().with_columns(order_id=pl.int_range(pl.len()).cast(pl.String))
    rows.select("order_id", customer_id="order_id", order_purchase_timestamp="Bestelldatum").with_columns(
        customer_id=pl.lit("c") + pl.col("customer_id")
    ).write_csv(folder / "orders.csv")
    rows.select("order_id", product_id="Rechnungsnr", price="Betrag").write_csv(folder / "items.csv", separator=";")
    rows.select(customer_id=pl.lit("c") + pl.col("order_id"), customer_unique_id="Kundennr").write_csv(
        folder / "customers.csv"
    )

    assert init(str(folder), target=target, force=False) == 1

    shown = shown_by(capsys)
    assert "These are tables that belong together" in shown
    assert "customers and orders share 'customer_id'" in shown
    assert (
        "SELECT customers.customer_unique_id AS customer_id, orders.order_purchase_timestamp AS timestamp, "
        "items.order_id AS transaction_id, items.price AS amount"
    ) in shown
    assert "Or take 'orders.csv' alone" in shown
    assert load_settings(target).source.columns.amount == ()


MALFORMED = {
    "no header": ("K1;03.02.2025;8,90\nK2;04.02.2025;9,90\nK1;05.02.2025;7,50\n", "the file has no header"),
    "two header lines": (
        "Customer;Order;Sales\nid;date;amount\nK1;2025-02-03;8.90\nK2;2025-02-04;9.90\nK1;2025-02-07;9.90\n",
        "it seems to be a second line of the header",
    ),
    "no rows": ("customer;date;amount\n", "there is a header and no row"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_headers_that_are_none_are_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, sentence = MALFORMED[name]
    (tmp_path / "export.csv").write_text(text)

    assert init(str(tmp_path / "export.csv"), target=tmp_path / "churn.toml", force=False) == 1

    assert sentence in (shown := shown_by(capsys))
    assert "could not be guessed" not in shown


def test_columns_inside_of_columns_are_named_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f'{{"_airbyte_extracted_at": 1746057600000, "_airbyte_data": {{"customer_id": {row % 9}, "at": "2025-01-02"}}}}'
        for row in range(40)
    ]
    (tmp_path / "export.ndjson").write_text("\n".join(lines) + "\n")

    assert init(str(tmp_path / "export.ndjson"), target=tmp_path / "churn.toml", force=False) == 1

    assert "are inside '_airbyte_data': flatten it" in (shown := shown_by(capsys))
    assert "_airbyte_extracted_at': reads" not in shown


def test_equal_lines_of_two_branches_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, target = tmp_path / "tills", tmp_path / "churn.toml"
    folder.mkdir()
    for branch, shift in (("north", 0), ("south", 3)):
        rows = [
            (
                f"K{row * 7 % 31 if row % 4 else row % 12}",
                f"{START + timedelta(days=row // 4)}",
                row % 4 and (row + shift) % 9 + 1,
            )
            for row in range(400)
        ]
        pl.DataFrame(rows, schema=["customer", "date", "amount"], orient="row").write_csv(folder / f"{branch}.csv")

    assert init(str(folder), target=target, force=False) == 1

    shown = shown_by(capsys)
    assert "lines stand in two files each, such as south.csv and north.csv" in shown
    identity = load_settings(target).source.identity
    answer = f"source.identity={[*identity, 'source_file']}"
    assert init(None, target=target, force=True, others=[answer]) == 0
    assert load_settings(target).source.identity[-1] == "source_file"


def test_a_table_of_a_database_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database, target = tmp_path / "shop.db", tmp_path / "churn.toml"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE orders (client TEXT, bought_at TEXT, total REAL, state TEXT)")
        rows = [(f"K{row % 30}", f"{START + timedelta(days=row)}", row % 9 + 0.5, "paid") for row in range(400)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
        connection.commit()

    assert init("sqlite://nobody:pw@host/x", target=target, force=False) == 2
    assert "set CHURN__SOURCE__URL in the environment" in capsys.readouterr().err
    monkeypatch.setenv("CHURN__SOURCE__URL", f"sqlite:///{database}")
    for source in ("orders", "SELECT * FROM orders WHERE total > 1"):
        assert init(source, target=target, force=True) == 0
        shown = shown_by(capsys)
        assert "rows of the database, 0.0% cannot be used" in shown
        table = tomllib.loads(target.read_text())["source"]
        assert (table["kind"], table.get("table") or table["query"]) == ("database", source)
        assert load_settings(target).source.columns.customer_id == ("client",)


def test_a_table_that_is_not_there_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHURN__SOURCE__URL", f"sqlite:///{tmp_path / 'shop.db'}")

    assert init("orders", target=tmp_path / "churn.toml", force=False) == 2
    assert "CHURN__SOURCE__URL names the file" in capsys.readouterr().err


REAL = {
    "cdnow.parquet": (120, None, None, ["customer_id"], 69_659, 0),
    "online_retail.parquet": (90, 0.4, "^C", ["customer_id"], 541_909, 135_080),
    "oxford_spend.parquet": (120, 0.1, None, ["customer_id"], 61_529, 4_866),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data_run_unedited(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    horizon, share, pattern, customer, rows, rejected = REAL[name]

    target = tmp_path / "churn.toml"
    assert init(str(DATA / name), target=target, force=False) == (1 if share else 0)
    if share:
        assert load_settings(target).validation.max_rejected_share == 0.05
        assert init(None, target=target, force=True, others=[f"validation.max_rejected_share={share}"]) == 0

    settings = load_settings(target)
    table = tomllib.loads((tmp_path / "churn.toml").read_text())
    assert settings.churn.horizon_days == horizon
    assert settings.churn.active_days == 365
    assert table.get("validation", {}).get("max_rejected_share") == share
    assert settings.validation.return_pattern == pattern
    assert list(settings.source.columns.customer_id) == customer
    source = settings.transactions()
    assert isinstance(source, FileSource)
    lines = pl.concat(
        canonical(source.read(file, tmp_path), source.columns, source.reading, timezone="UTC", file=file.name)
        for file in source.files()
    )
    usable = pl.all_horizontal(pl.col("customer_id", "timestamp", "amount").is_not_null())
    assert lines.select(rows=pl.len(), rejected=(~usable).sum()).collect().row(0) == (rows, rejected)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{rows:,} rows" in shown
    assert f"{rejected / rows:.1%} cannot be used" in shown


def test_a_real_file_without_days_is_named_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (DATA / "oxford_spend_raw").exists():
        pytest.skip(f"{DATA / 'oxford_spend_raw'} is not here")

    assert init(str(DATA / "oxford_spend_raw"), target=tmp_path / "churn.toml", force=False) == 1

    assert list(load_settings(tmp_path / "churn.toml").source.columns.customer_id) == ["supplier_id", "Supplier ID"]
    shown = shown_by(capsys)
    assert "? expenditure-over-500-apr-jun-2014.csv: the pattern '%d/%m/%Y' reads none of column 'Paid Date'" in shown
    assert "57,693 rows in 17 files, 0.0% cannot be used" in shown
