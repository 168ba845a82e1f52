from datetime import date, timedelta

import polars as pl
import pytest

from models.guessing import guess
from models.header_words import meanings
from models.mapping import DeliveryError

ROWS = 400
VALUES = {
    "customer_id": [f"K{row % 40:03}" for row in range(ROWS)],
    "timestamp": [str(date(2024, 1, 1) + timedelta(days=row % 97)) for row in range(ROWS)],
    "transaction_id": [str(5000 + row // 2) for row in range(ROWS)],
    "amount": [f"{row % 7 * 3 + 0.99:.2f}" for row in range(ROWS)],
    "quantity": [str(row % 5 + 1) for row in range(ROWS)],
    "unit_price": [f"{row % 11 + 0.5:.2f}" for row in range(ROWS)],
    "product": [f"SKU-{row % 31}" for row in range(ROWS)],
    "category": [f"group {row % 6}" for row in range(ROWS)],
    "channel": [("web", "shop", "phone")[row % 3] for row in range(ROWS)],
    "discount": [f"{row % 4 * 1.5:.2f}" for row in range(ROWS)],
    "currency": ["EUR"] * ROWS,
    "contract_until": [str(date(2025, 1, 1) + timedelta(days=row % 40)) for row in range(ROWS)],
}
LANGUAGES = {
    "English": {
        "customer_id": "Customer ID",
        "timestamp": "Order Date",
        "transaction_id": "Order No.",
        "amount": "Line Total",
        "quantity": "Qty",
        "unit_price": "Unit Price",
        "product": "Item Code",
        "category": "Category",
        "channel": "Sales Channel",
        "discount": "Discount Amount",
        "currency": "Currency",
        "contract_until": "Contract End Date",
    },
    "German": {
        "customer_id": "Kundennummer",
        "timestamp": "Bestelldatum",
        "transaction_id": "Rechnungs-Nr.",
        "amount": "Gesamtbetrag",
        "quantity": "Stückzahl",
        "unit_price": "Einzelpreis",
        "product": "Artikelnummer",
        "category": "Warengruppe",
        "channel": "Filiale",
        "discount": "Rabatt",
        "currency": "Währung",
        "contract_until": "Vertragsende",
    },
    "French": {
        "customer_id": "N° client",
        "timestamp": "Date de commande",
        "transaction_id": "Numéro de commande",
        "amount": "Montant",
        "quantity": "Quantité",
        "unit_price": "Prix unitaire",
        "product": "Référence produit",
        "category": "Catégorie",
        "channel": "Magasin",
        "discount": "Remise",
        "currency": "Devise",
        "contract_until": "Échéance",
    },
    "Spanish": {
        "customer_id": "Código de cliente",
        "timestamp": "Fecha de compra",
        "transaction_id": "Nº de pedido",
        "amount": "Importe",
        "quantity": "Cantidad",
        "unit_price": "Precio unitario",
        "product": "Artículo",
        "category": "Categoría",
        "channel": "Tienda",
        "discount": "Descuento",
        "currency": "Moneda",
        "contract_until": "Vencimiento",
    },
    "Portuguese": {
        "customer_id": "codigo_cliente",
        "timestamp": "data_da_compra",
        "transaction_id": "numero_pedido",
        "amount": "valor",
        "quantity": "quantidade",
        "unit_price": "preço_unitário",
        "product": "produto",
        "category": "categoria",
        "channel": "loja",
        "discount": "desconto",
        "currency": "moeda",
        "contract_until": "vencimento",
    },
    "Italian": {
        "customer_id": "Codice cliente",
        "timestamp": "Data ordine",
        "transaction_id": "Numero fattura",
        "amount": "Importo",
        "quantity": "Quantità",
        "unit_price": "Prezzo unitario",
        "product": "Codice articolo",
        "category": "Categoria",
        "channel": "Negozio",
        "discount": "Sconto",
        "currency": "Valuta",
        "contract_until": "Scadenza",
    },
    "Dutch": {
        "customer_id": "Klantnummer",
        "timestamp": "Besteldatum",
        "transaction_id": "Factuurnummer",
        "amount": "Bedrag",
        "quantity": "Aantal",
        "unit_price": "Prijs per stuk",
        "product": "Artikelcode",
        "category": "Categorie",
        "channel": "Winkel",
        "discount": "Korting",
        "currency": "Munt",
        "contract_until": "Einddatum",
    },
}
LANGUAGES |= {
    "Polish": {
        "customer_id": "Numer klienta",
        "timestamp": "Data zamówienia",
        "transaction_id": "Numer zamówienia",
        "amount": "Wartość",
        "quantity": "Ilość",
        "unit_price": "Cena jednostkowa",
        "product": "Kod towaru",
        "category": "Kategoria",
        "channel": "Sklep",
        "discount": "Rabat",
        "currency": "Waluta",
        "contract_until": "Koniec umowy",
    },
    "Swedish": {
        "customer_id": "Kundnummer",
        "timestamp": "Orderdatum",
        "transaction_id": "Ordernummer",
        "amount": "Belopp",
        "quantity": "Antal",
        "unit_price": "Styckpris",
        "product": "Artikelnummer",
        "category": "Varugrupp",
        "channel": "Butik",
        "discount": "Rabatt",
        "currency": "Valuta",
        "contract_until": "Slutdatum",
    },
}
# Headers of well-known exports: canonical name or None -> header.
EXPORTS = {
    "a gift wholesaler": "transaction_id=InvoiceNo product=StockCode ?=Description quantity=Quantity "
    "timestamp=InvoiceDate unit_price=UnitPrice customer_id=CustomerID ?=Country",
    "a fashion chain": "timestamp=t_dat customer_id=customer_id product=article_id amount=price "
    "channel=sales_channel_id",
    "a grocer": "customer_id=household_key transaction_id=BASKET_ID product=PRODUCT_ID quantity=QUANTITY "
    "amount=SALES_VALUE channel=STORE_ID discount=RETAIL_DISC ?=WEEK_NO timestamp=DATE",
    "one order a line": "customer_id=cust timestamp=date amount=sales",
    "all in small letters": "customer_id=visitorid timestamp=orderdate transaction_id=transactionid product=itemid",
    "an event stream": "timestamp=event_time product=product_id category=category_code ?=brand "
    "amount=price customer_id=user_id ?=user_session",
    "an office supplier": "?=Row_ID transaction_id=Order_ID timestamp=Order_Date ?=Ship_Date ?=Ship_Mode "
    "customer_id=Customer_ID ?=Customer_Name ?=Segment ?=Country ?=Postal_Code product=Product_ID category=Category "
    "?=Sub-Category ?=Product_Name amount=Sales quantity=Quantity discount=Discount ?=Profit",
}
UNNAMED = {
    "Ship_Date": VALUES["timestamp"],
    "Customer_Name": VALUES["customer_id"],
    "Profit": VALUES["amount"],
}


def found(frame: pl.DataFrame) -> dict[str, list[str]]:
    return {one.column: list(one.names) for one in guess({"file": frame}).found}


@pytest.mark.parametrize("language", LANGUAGES)
def test_columns_are_found_in_nine_languages(language: str) -> None:
    headers = LANGUAGES[language]

    frame = pl.DataFrame({header: VALUES[column] for column, header in headers.items()})

    assert found(frame) == {column: [header] for column, header in headers.items()}


@pytest.mark.parametrize("export", EXPORTS)
def test_columns_of_well_known_exports_are_found(export: str) -> None:
    pairs = [pair.split("=") for pair in EXPORTS[export].split()]
    values = {name: VALUES.get(column) or UNNAMED.get(name, VALUES["product"]) for column, name in pairs}

    assert found(pl.DataFrame(values)) == {column: [name] for column, name in pairs if column != "?"}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("KundenNr", ("customer", "id")),
        ("bestelldatum", ("order", "date")),
        ("CUSTOMER_ID", ("customer", "id")),
        ("Expenditure Catergory", ("?", "category")),
        ("Date de la commande", ("date", "order")),
        ("", ()),
    ],
)
def test_headers_are_read_word_by_word(header: str, expected: tuple[str, ...]) -> None:
    assert meanings(header) == expected


def test_a_key_of_single_orders_is_not_taken_for_the_customer() -> None:
    frame = pl.DataFrame(
        {
            "customer_id": [f"once-{row}" for row in range(ROWS)],
            "customer_unique_id": VALUES["customer_id"],
            "order_purchase_timestamp": VALUES["timestamp"],
        }
    )

    assert found(frame)["customer_id"] == ["customer_unique_id"]


def test_headers_that_drift_between_files_become_a_list() -> None:
    first = {"Supplier Name": "customer_id", "Paid Date": "timestamp", "Organisational Unit": "category"}
    second = {"supplier_name": "customer_id", "paid_date": "timestamp", "Betreuer": "category"}
    files = {
        name: pl.DataFrame({header: VALUES[column] for header, column in headers.items()})
        for name, headers in (("a.csv", first), ("b.csv", second))
    }

    mapping = guess(files).mapping()

    assert set(mapping.customer_id) == {"Supplier Name", "supplier_name"}
    assert set(mapping.timestamp) == {"Paid Date", "paid_date"}
    # Nothing in the name says so, but the values are those of the other file.
    assert set(mapping.channel) == {"Organisational Unit", "Betreuer"}


def test_two_columns_of_one_file_are_never_two_names_of_one() -> None:
    both = pl.DataFrame(
        {"customer_id": VALUES["customer_id"], "user_id": VALUES["product"], "date": VALUES["timestamp"]}
    )
    lacking = pl.DataFrame({"user_id": VALUES["product"], "date": VALUES["timestamp"]})

    assert guess({"a.csv": both, "b.csv": lacking}).mapping().customer_id == ("customer_id",)


@pytest.mark.parametrize(
    ("columns", "amount"),
    [
        ({"price": "unit_price"}, ["price"]),
        ({"price": "unit_price", "quantity": "quantity"}, None),
        ({"price": "unit_price", "total": "amount"}, ["total"]),
    ],
)
def test_a_price_without_a_quantity_is_the_amount(columns: dict[str, str], amount: list[str] | None) -> None:
    frame = pl.DataFrame(
        {"customer": VALUES["customer_id"], "date": VALUES["timestamp"]}
        | {header: VALUES[column] for header, column in columns.items()}
    )

    assert found(frame).get("amount") == amount


def test_a_discount_in_percent_is_not_money() -> None:
    frame = pl.DataFrame(
        {
            "customer": VALUES["customer_id"],
            "date": VALUES["timestamp"],
            "discount": [row % 5 / 10 for row in range(ROWS)],
        }
    )

    assert "discount" not in found(frame)


def test_a_constant_column_is_nobody() -> None:
    frame = pl.DataFrame(
        {"Client": ["OCC"] * ROWS, "Supplier ID": VALUES["customer_id"], "Paid Date": VALUES["timestamp"]}
    )

    assert found(frame)["customer_id"] == ["Supplier ID"]


def test_the_only_column_of_moments_needs_no_name() -> None:
    frame = pl.DataFrame({"customer": VALUES["customer_id"], "xyz": VALUES["timestamp"]})

    assert found(frame)["timestamp"] == ["xyz"]


@pytest.mark.parametrize(
    ("days", "pattern", "to_set", "ambiguous"),
    [
        (["12/25/2024", "01/31/2025"], "%m/%d/%Y", True, False),
        (["25/12/2024", "31/01/2025"], "%d/%m/%Y", True, False),
        (["01/02/2024", "03/04/2024"], "%d/%m/%Y", False, True),
        (["2024-12-25", "2025-01-31"], "%Y-%m-%d", False, False),
        (["12/25/2024 3:05:00 PM", "01/31/2025 11:00:00 AM"], "%m/%d/%Y %I:%M:%S %p", True, False),
        (["25.12.98", "31.01.99"], "%d.%m.%y", False, False),
    ],
)
def test_a_format_that_single_files_could_get_wrong_is_set(
    days: list[str], pattern: str, to_set: bool, ambiguous: bool
) -> None:
    moments = guess({"a.csv": pl.DataFrame({"customer": ["a", "b"] * 9, "date": days * 9})}).moments

    assert (moments.share, moments.pattern, moments.to_set, moments.ambiguous) == (1, pattern, to_set, ambiguous)


def test_a_format_is_not_set_where_files_differ() -> None:
    files = {
        "a.csv": pl.DataFrame({"customer": ["a", "b"], "date": ["25/12/2024", "31/01/2025"]}),
        "b.csv": pl.DataFrame({"customer": ["a", "b"], "date": ["2024-12-25", "2025-01-31"]}),
    }

    assert not guess(files).moments.to_set


def test_what_is_missing_comes_with_candidates() -> None:
    frame = pl.DataFrame({"msno": VALUES["customer_id"], "date": [43921 + row % 28 for row in range(ROWS)]})

    candidates = guess({"a.parquet": frame}).candidates

    assert candidates.keys() == {"customer_id", "timestamp"}
    assert candidates["customer_id"]["msno"] == "40 different values, 10.0 rows each"
    assert candidates["timestamp"]["date"].startswith("holds days as a spreadsheet counts them")


def test_every_guess_has_a_reason_and_every_other_column_is_listed() -> None:
    frame = pl.DataFrame(
        {
            "Customer": VALUES["customer_id"],
            "Date": VALUES["timestamp"],
            "Colour": VALUES["channel"],
            "vip": [True] * ROWS,
        }
    )

    guesses = guess({"a.csv": frame})

    assert [one.reason for one in guesses.found] == [
        "named for customer, 40 different values in 400 rows",
        "named for date, reads as %Y-%m-%d",
    ]
    assert guesses.unused == ("Colour", "vip")


def test_a_source_without_rows_asks_for_everything() -> None:
    guesses = guess({"a.csv": pl.DataFrame({"customer": [], "date": []}, schema_overrides={"customer": pl.String})})

    assert guesses.candidates == {"customer_id": {}, "timestamp": {}}


def test_answers_stand_fast_and_the_rest_is_guessed_around_them() -> None:
    frame = pl.DataFrame(
        {"xq7": VALUES["customer_id"], "Date": VALUES["timestamp"], "Paid": VALUES["amount"], "Total": VALUES["amount"]}
    )

    guesses = guess({"a.csv": frame}, {"customer_id": ("XQ7",), "amount": ()})

    assert {one.column: one.names for one in guesses.found} == {"customer_id": ("XQ7",), "timestamp": ("Date",)}
    assert guesses.found[0].reason == "you named it, 40 different values in 400 rows"
    assert not guesses.candidates
    assert guesses.unused == ("Paid", "Total")


def test_an_answer_that_no_file_has_is_refused_with_the_nearest_header() -> None:
    frame = pl.DataFrame({"Kunde": VALUES["customer_id"], "Created at": VALUES["timestamp"]})

    with pytest.raises(
        DeliveryError, match="no file has a column 'Createdat' for timestamp; did you mean 'Created at'"
    ):
        guess({"a.csv": frame}, {"timestamp": ("Createdat",)})


@pytest.mark.parametrize(
    ("role", "clear", "full"),
    [
        ("timestamp", "Order Date", "Created at"),
        ("customer_id", "Customer ID", "Email"),
        ("transaction_id", "Order ID", "Transaction"),
        ("amount", "Amount", "Gross sales"),
    ],
)
def test_the_column_that_keeps_most_rows_is_preferred_and_said(role: str, clear: str, full: str) -> None:
    columns = {"Client": "customer_id", "Date": "timestamp"} if role not in ("customer_id", "timestamp") else {}
    columns |= {"Client": "customer_id"} if role == "timestamp" else {}
    columns |= {"Date": "timestamp"} if role == "customer_id" else {}
    gaps = [None if row % 3 == 0 else value for row, value in enumerate(VALUES[role])]
    frame = pl.DataFrame({header: VALUES[name] for header, name in columns.items()} | {clear: gaps, full: VALUES[role]})

    one = next(one for one in guess({"a.csv": frame}).found if one.column == role)

    assert one.names == (full,)
    assert one.reason.endswith(f"; '{full}' keeps 100% of the rows, '{clear}' 66%")


def test_a_few_gaps_do_not_outweigh_a_clear_name() -> None:
    gaps = [None if row % 50 == 0 else value for row, value in enumerate(VALUES["timestamp"])]
    frame = pl.DataFrame({"Client": VALUES["customer_id"], "Order Date": gaps, "Created at": VALUES["timestamp"]})

    assert found(frame)["timestamp"] == ["Order Date"]


@pytest.mark.parametrize(
    "header",
    ["Cancelled at", "Fulfilled at", "Delivery date", "_synced", "updated_at", "_airbyte_extracted_at", "Refunded at"],
)
def test_what_happened_to_an_order_later_is_not_its_time(header: str) -> None:
    frame = pl.DataFrame(
        {"Client": VALUES["customer_id"], header: VALUES["timestamp"], "Created at": VALUES["timestamp"]}
    )

    assert found(frame)["timestamp"] == ["Created at"]


@pytest.mark.parametrize("header", ["Rabatt %", "Discount (%)", "discount_pct", "Discount rate", "Remise pourcentage"])
def test_a_percentage_is_never_money_off(header: str) -> None:
    frame = pl.DataFrame(
        {
            "customer": VALUES["customer_id"],
            "date": VALUES["timestamp"],
            header: [str(row % 4 * 5) for row in range(ROWS)],
        }
    )

    assert "discount" not in found(frame)


def test_money_that_does_not_read_is_shown_and_not_passed_over() -> None:
    words = [f"about {row}" for row in range(ROWS)]
    frame = pl.DataFrame({"Client": VALUES["customer_id"], "Date": VALUES["timestamp"], "Amount": words})

    (sentence,) = guess({"a.csv": frame}).unread["amount"]

    assert sentence.startswith(
        "'Amount' is named for it, but 100% of its values are no numbers that can be read (about 0"
    )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([str(6000 + row) for row in range(ROWS)], ["id"]),
        ([str(6000 + row // 2) for row in range(ROWS)], None),
    ],
)
def test_a_plain_id_is_the_order_unless_it_names_lines_or_several_customers(
    ids: list[str], expected: list[str] | None
) -> None:
    frame = pl.DataFrame(
        {
            "customer": VALUES["customer_id"],
            "at": [f"{date(2024, 1, 1) + timedelta(days=row)}" for row in range(ROWS)],
            "id": ids,
        }
    )

    assert found(frame).get("transaction_id") == expected


def test_a_plain_id_of_each_line_of_a_purchase_is_no_order() -> None:
    frame = pl.DataFrame(
        {
            "customer": [f"K{row // 4 % 20}" for row in range(ROWS)],
            "at": [f"{date(2024, 1, 1) + timedelta(days=row // 4)}" for row in range(ROWS)],
            "id": [str(row) for row in range(ROWS)],
        }
    )

    assert "transaction_id" not in found(frame)


def test_headers_that_differ_in_capitals_alone_are_two_columns() -> None:
    frame = pl.DataFrame(
        {"Kunde": VALUES["customer_id"], "Date": VALUES["timestamp"], "date": VALUES["contract_until"]}
    )

    assert found(frame)["timestamp"] == ["Date"]
