"""Exports of well-known shops, tills and payment services, with rows of our own: what each column is taken for."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import polars as pl
import pytest

from models.guessing import guess

ORDERS = 240


def person(order: int) -> int:
    return order * 7 % 45


def day(order: int) -> date:
    return date(2024, 1, 2) + timedelta(days=order * 2)


def items(order: int) -> int:
    return 1 + order % 3


def money(order: int, item: int = 0) -> float:
    return 4.9 + (order * 13 + item * 5) % 60


def total(order: int) -> float:
    return sum(money(order, item) * pieces(order, item) for item in range(items(order)))


def pieces(order: int, item: int) -> int:
    return 1 + (order + item) % 2


def mail(order: int) -> str:
    return f"buyer{person(order):03}@mail.example"


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def per_line(row: Callable[[int, int], Mapping[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([row(order, item) for order in range(ORDERS) for item in range(items(order))])


def per_order(row: Callable[[int], Mapping[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([row(order) for order in range(ORDERS)])


def shopify(order: int, item: int) -> Mapping[str, object]:
    at = f"{day(order)} 10:{order % 60:02}:00 -0500"
    once = item == 0
    paid = order % 9 != 0
    return {
        "Name": f"#{1001 + order}",
        "Email": mail(order) if order % 30 else None,
        "Financial Status": ("paid" if paid else "voided") if once else None,
        "Paid at": at if once and paid else None,
        "Fulfillment Status": "fulfilled" if once else None,
        "Fulfilled at": at if once and paid else None,
        "Currency": "USD" if once else None,
        "Subtotal": f"{total(order):.2f}" if once else None,
        "Shipping": "5.00" if once else None,
        "Taxes": "1.20" if once else None,
        "Total": f"{total(order) + 6.2:.2f}" if once else None,
        "Discount Code": None,
        "Discount Amount": "0.00" if once else None,
        "Created at": at,
        "Lineitem quantity": f"{pieces(order, item)}",
        "Lineitem name": f"Thing {item}",
        "Lineitem price": f"{money(order, item):.2f}",
        "Lineitem compare at price": None,
        "Lineitem sku": f"SKU-{item}",
        "Lineitem requires shipping": "true",
        "Billing Name": f"Buyer {person(order)}" if once else None,
        "Cancelled at": at if once and not paid else None,
        "Payment Method": "card" if once else None,
        "Refunded Amount": "0.00" if once else None,
        "Vendor": "Example Goods",
        "Id": f"{5_500_000_000 + order}" if once else None,
        "Source": "web" if once else None,
        "Lineitem discount": "0.00",
    }


def woocommerce(order: int, item: int) -> Mapping[str, object]:
    return {
        "Order Number": f"{7000 + order}",
        "Order Status": ("Completed", "Completed", "Cancelled")[order % 3],
        "Order Date": f"{day(order)} 09:15",
        "First Name (Billing)": f"Name{person(order)}",
        "Email (Billing)": mail(order),
        "Payment Method Title": "Card",
        "Cart Discount Amount": "0.00",
        "Order Subtotal Amount": f"{total(order):.2f}",
        "Order Shipping Amount": "4.90",
        "Order Refund Amount": "0.00",
        "Order Total Amount": f"{total(order) + 4.9:.2f}",
        "Order Total Tax Amount": "1.90",
        "SKU": f"SKU-{item}",
        "Item #": f"{item + 1}",
        "Item Name": f"Thing {item}",
        "Quantity": f"{pieces(order, item)}",
        "Item Cost": f"{money(order, item):.2f}",
        "Coupon Code": None,
    }


def woocommerce_orders(order: int) -> Mapping[str, object]:
    return {
        "id": f"{7000 + order}",
        "status": ("completed", "processing", "refunded")[order % 3],
        "currency": "EUR",
        "date_created": f"{day(order)}T09:15:00",
        "date_modified": f"{day(order) + timedelta(days=3)}T09:15:00",
        "date_paid": f"{day(order)}T09:16:00" if order % 3 else None,
        "discount_total": "0.00",
        "shipping_total": "4.90",
        "total": f"{total(order):.2f}",
        "total_tax": "3.10",
        "customer_id": f"{100 + person(order)}",
    }


def shopware(order: int, item: int) -> Mapping[str, object]:
    return {
        "Bestellnummer": f"{20000 + order}",
        "Bestellzeit": f"{day(order):%d.%m.%Y} 18:40",
        "Kundennummer": f"{10000 + person(order)}",
        "E-Mail-Adresse": mail(order),
        "Bestellstatus": "Abgeschlossen",
        "Zahlungsstatus": "Bezahlt" if order % 8 else "Erstattet",
        "Artikelnummer": f"SW{item}",
        "Artikelname": f"Ding {item}",
        "Anzahl": f"{pieces(order, item)}",
        "Einzelpreis": comma(money(order, item)),
        "Gesamtpreis": comma(money(order, item) * pieces(order, item)),
        "Währung": "EUR",
        "Versandkosten": "4,90",
        "Rabatt %": f"{order % 4 * 5}",
        "Lieferdatum": f"{day(order) + timedelta(days=2):%d.%m.%Y}",
    }


def sap(order: int, item: int) -> Mapping[str, object]:
    return {
        "Auftraggeber": f"{100000 + person(order):010}",
        "Belegdatum": f"{day(order):%d.%m.%Y}",
        "Verkaufsbeleg": f"{9_000_000 + order}",
        "Position": f"{(item + 1) * 10:06}",
        "Material": f"{4700 + item:018}",
        "Bezeichnung": f"Ding {item}",
        "Menge": f"{pieces(order, item)},00",
        "ME": "ST",
        "Nettowert": comma(money(order, item)),
        "Währg": "EUR",
        "Vertriebsweg": ("10", "12")[order % 2],
        "Wunschlieferdatum": f"{day(order) + timedelta(days=4):%d.%m.%Y}",
    }


def square(order: int) -> Mapping[str, object]:
    return {
        "Date": f"{day(order):%m/%d/%y}",
        "Time": "10:12:00",
        "Time Zone": "Eastern Time (US & Canada)",
        "Gross Sales": f"${total(order) + 1:.2f}",
        "Discounts": "$1.00",
        "Net Sales": f"${total(order):.2f}",
        "Gift Card Sales": "$0.00",
        "Tax": "$0.50",
        "Tip": "$0.00",
        "Transaction ID": f"tx{order:05}",
        "Payment ID": f"pay{order:05}",
        "Device Name": "Till 1",
        "Event Type": "Payment",
        "Location": ("Main Street", "Harbour")[order % 2],
        "Customer ID": f"CUST{person(order):03}",
        "Customer Name": f"Buyer {person(order)}",
    }


def lightspeed(order: int, item: int) -> Mapping[str, object]:
    return {
        "Sale ID": f"{300 + order}",
        "Completed Date": f"{day(order)} 12:00:00",
        "Customer ID": f"{person(order) + 1}",
        "Item": f"Thing {item}",
        "Qty": f"{pieces(order, item)}",
        "Discounts": "0.00",
        "Subtotal": f"{money(order, item):.2f}",
        "Tax": "0.80",
        "Shop": ("North", "South")[order % 2],
        "Register": "R1",
        "Category": ("Mugs", "Pens", "Caps")[item],
    }


def stripe(order: int) -> Mapping[str, object]:
    return {
        "id": f"ch_{order:08}",
        "Description": "Subscription update",
        "Created (UTC)": f"{day(order)} 03:00",
        "Amount": f"{total(order):.2f}",
        "Amount Refunded": "0.00",
        "Currency": "eur",
        "Fee": "0.60",
        "Status": "Paid" if order % 11 else "Failed",
        "Customer ID": f"cus_{person(order):06}",
        "Customer Email": mail(order),
        "Captured": "true",
        "Card ID": f"card_{order:06}",
    }


def amazon(order: int, item: int) -> Mapping[str, object]:
    return {
        "amazon-order-id": f"302-{order:07}",
        "merchant-order-id": None,
        "purchase-date": f"{day(order)}T05:10:00+00:00",
        "last-updated-date": f"{day(order) + timedelta(days=1)}T05:10:00+00:00",
        "order-status": "Shipped" if order % 7 else "Cancelled",
        "fulfillment-channel": "Amazon",
        "sales-channel": ("Amazon.de", "Amazon.fr")[order % 2],
        "buyer-email": f"{person(order):04}x@marketplace.example",
        "product-name": f"Thing {item}",
        "sku": f"SKU-{item}",
        "asin": f"B00{item}",
        "quantity": f"{pieces(order, item)}",
        "currency": "EUR",
        "item-price": f"{money(order, item) * pieces(order, item):.2f}",
        "item-tax": "0.90",
        "shipping-price": "0.00",
        "ship-city": "Sampletown",
    }


def warehouse(order: int) -> Mapping[str, object]:
    return {
        "id": 6_000_000 + order,
        "customer_id": 710_000 + person(order),
        "created_at": f"{day(order)}T18:00:27Z",
        "updated_at": f"{day(order) + timedelta(days=9)}T18:00:27Z",
        "processed_at": f"{day(order)}T18:00:27Z",
        "cancelled_at": None if order % 10 else f"{day(order)}T19:00:00Z",
        "financial_status": "paid" if order % 10 else "voided",
        "test": order % 40 == 0,
        "currency": "EUR",
        "total_price": total(order),
        "total_tax": 1.9,
        "_fivetran_deleted": order % 33 == 0,
        "_fivetran_synced": "2025-05-01T02:00:00Z",
    }


def paypal(order: int) -> Mapping[str, object]:
    return {
        "Date": f"{day(order):%m/%d/%Y}",
        "Time": "09:20:29",
        "Time Zone": "EST",
        "Name": f"Buyer {person(order)}",
        "Type": "Express Checkout Payment",
        "Status": "Completed" if order % 12 else "Reversed",
        "Currency": "USD",
        "Gross": f"{total(order):.2f}",
        "Fee": "-0.60",
        "Net": f"{total(order) - 0.6:.2f}",
        "From Email Address": mail(order),
        "To Email Address": "shop@mail.example",
        "Transaction ID": f"TX{order:06}",
        "Balance": f"{1000 + order}.00",
    }


KNOWN = {
    "Shopify, orders": (
        per_line(shopify),
        "customer_id=Email|timestamp=Created at|transaction_id=Name|quantity=Lineitem quantity"
        "|unit_price=Lineitem price|product=Lineitem sku|discount=Lineitem discount|currency=Currency",
    ),
    "WooCommerce, lines": (
        per_line(woocommerce),
        "customer_id=Email (Billing)|timestamp=Order Date|transaction_id=Order Number|quantity=Quantity"
        "|unit_price=Item Cost|product=SKU|amount=Order Subtotal Amount"
        "|discount=Cart Discount Amount",
    ),
    "WooCommerce, orders": (
        per_order(woocommerce_orders),
        "customer_id=customer_id|timestamp=date_created|transaction_id=id|amount=total|currency=currency"
        "|discount=discount_total",
    ),
    "Shopware": (
        per_line(shopware),
        "customer_id=Kundennummer|timestamp=Bestellzeit|transaction_id=Bestellnummer|quantity=Anzahl"
        "|unit_price=Einzelpreis|amount=Gesamtpreis|product=Artikelnummer|currency=Währung",
    ),
    "SAP, list of orders": (
        per_line(sap),
        "customer_id=Auftraggeber|timestamp=Belegdatum|transaction_id=Verkaufsbeleg|product=Material|quantity=Menge"
        "|amount=Nettowert|currency=Währg|channel=Vertriebsweg",
    ),
    "Square": (
        per_order(square),
        "customer_id=Customer ID|timestamp=Date|transaction_id=Transaction ID|amount=Net Sales|discount=Discounts"
        "|channel=Location",
    ),
    "Lightspeed": (
        per_line(lightspeed),
        "customer_id=Customer ID|timestamp=Completed Date|transaction_id=Sale ID|product=Item|quantity=Qty"
        "|amount=Subtotal|discount=Discounts|channel=Shop|category=Category",
    ),
    "Stripe": (
        per_order(stripe),
        "customer_id=Customer ID|timestamp=Created (UTC)|transaction_id=id|amount=Amount|currency=Currency",
    ),
    "Amazon": (
        per_line(amazon),
        "customer_id=buyer-email|timestamp=purchase-date|transaction_id=amazon-order-id|product=sku|quantity=quantity"
        "|amount=item-price|currency=currency|channel=sales-channel",
    ),
    "a warehouse": (
        per_order(warehouse),
        "customer_id=customer_id|timestamp=processed_at|transaction_id=id|amount=total_price|currency=currency",
    ),
    "PayPal": (
        per_order(paypal),
        "customer_id=From Email Address|timestamp=Date|transaction_id=Transaction ID|amount=Net|currency=Currency",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_columns_of_a_known_export_are_taken_for_what_they_are(name: str) -> None:
    frame, expected = KNOWN[name]

    found = {one.column: ", ".join(one.names) for one in guess({"export.csv": frame}).found}

    assert found == dict(pair.split("=") for pair in expected.split("|"))


def test_why_the_fuller_column_is_taken_is_said() -> None:
    found = {one.column: one.reason for one in guess({"export.csv": per_line(shopify)}).found}

    assert "times quantity it gives 100% of the rows their money" in found["unit_price"]
