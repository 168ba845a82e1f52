import tomllib
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


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    orders().write_csv(folder / "export.csv", separator=";")
    return folder


def test_settings_of_a_folder_run_unedited(landing: Path, tmp_path: Path) -> None:
    target = tmp_path / "churn.toml"

    assert init(str(landing), target=target, force=False) == 0

    settings = load_settings(target)
    assert settings.source.path == "landing"
    assert settings.source.columns.customer_id == ("Kundennr",)
    assert "amount" in settings.source.columns.delivered
    assert (settings.churn.horizon_days, settings.churn.active_days) == (30, 90)
    assert (settings.validation.max_rejected_share, settings.validation.return_pattern) == (0.15, "^C")
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
    assert init(str(landing), target=target, force=True) == 0
    assert target.read_text() != "mine"


def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "export.csv", tmp_path / "churn.toml"
    orders().drop_nulls().rename({"Kundennr": "xq7"}).write_csv(source)

    assert init(str(source), target=target, force=False) == 1

    shown = " ".join(capsys.readouterr().out.split())
    assert "customer_id could not be guessed." in shown
    assert "perhaps 'xq7': 36 different values, 15.0 rows each" in shown
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

    assert "'Bestelldatum' is named so, but its values are no moments" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "no such file or folder. Check the path."),
        ("landing/*.parquet", "no file that ends in .csv, .csv.gz, .parquet, .ndjson. Check the path."),
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

    assert init(str(landing / "exp*.csv"), target=tmp_path / "churn.toml", force=False) == 0

    assert tomllib.loads((tmp_path / "churn.toml").read_text())["source"]["path"] == "landing/exp*.csv"


def test_headers_with_quotes_and_breaks_survive(tmp_path: Path) -> None:
    source = tmp_path / "export.parquet"
    orders().rename({"Kundennr": 'Kunde "neu"\\', "Sachbearbeiter": "Sach\nbearbeiter [x]"}).write_parquet(source)

    assert init(str(source), target=tmp_path / "churn.toml", force=False) == 0

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

    assert "validation" not in tomllib.loads((tmp_path / "churn.toml").read_text())


def test_the_command_writes_settings(landing: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    typed = ["init", str(landing), "--config", str(target)]

    assert CliRunner().invoke(app, typed).exit_code == 0
    assert CliRunner().invoke(app, typed).exit_code == 2
    assert CliRunner().invoke(app, [*typed, "--force"]).exit_code == 0
    assert load_settings(target).source.columns.timestamp == ("Bestelldatum",)


REAL = {
    "cdnow.parquet": (90, None, None, ["customer_id"], 69_659, 0),
    "online_retail.parquet": (90, 0.4, "^C", ["customer_id"], 541_909, 135_080),
    "oxford_spend.parquet": (180, 0.1, None, ["customer_id"], 61_529, 4_866),
    "oxford_spend_raw": (180, 0.1, None, ["supplier_id", "Supplier ID"], 61_529, 3_855),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data_run_unedited(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    horizon, share, pattern, customer, rows, rejected = REAL[name]

    assert init(str(DATA / name), target=tmp_path / "churn.toml", force=False) == 0

    settings = load_settings(tmp_path / "churn.toml")
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
