from datetime import date, timedelta

import polars as pl

from models.related_tables import related

ORDERS = 200


def shop() -> dict[str, pl.DataFrame]:
    """Tables of a marketplace: an order has a customer key of its own, and a person stands in a table of customers."""
    order = [f"o{row:03}" for row in range(ORDERS)]
    key = [f"c{row:03}" for row in range(ORDERS)]
    days = [f"{date(2024, 1, 1) + timedelta(days=row)} 10:00:00" for row in range(ORDERS)]
    lines = [(row, item) for row in range(ORDERS) for item in range(1 + row % 2)]
    return {
        "data/customers.csv": pl.DataFrame(
            {
                "customer_id": key,
                "customer_unique_id": [f"p{row % 60}" for row in range(ORDERS)],
                "customer_city": ["Here"] * ORDERS,
            }
        ),
        "data/orders.csv": pl.DataFrame(
            {
                "order_id": order,
                "customer_id": key,
                "order_status": ["delivered"] * ORDERS,
                "order_purchase_timestamp": days,
                "order_delivered_date": days,
            }
        ),
        "data/order_items.csv": pl.DataFrame(
            {
                "order_id": [order[row] for row, _ in lines],
                "order_item_id": [f"{item + 1}" for _, item in lines],
                "product_id": [f"q{row % 30}" for row, _ in lines],
                "shipping_limit_date": [days[row] for row, _ in lines],
                "price": [f"{row % 90 + 0.9:.2f}" for row, _ in lines],
                "freight_value": ["9.90"] * len(lines),
            }
        ),
        "data/order_payments.csv": pl.DataFrame(
            {
                "order_id": [order[row] for row, _ in lines],
                "payment_sequential": [f"{item + 1}" for _, item in lines],
                "payment_value": [f"{row % 70 + 0.5:.2f}" for row, _ in lines],
            }
        ),
        "data/products.csv": pl.DataFrame(
            {
                "product_id": [f"q{row}" for row in range(30)],
                "product_category_name": [f"group {row % 5}" for row in range(30)],
                "product_photos_qty": ["2"] * 30,
            }
        ),
    }


def test_tables_that_share_keys_are_joined_without_counting_a_line_twice() -> None:
    found = related(shop())

    assert found is not None
    assert found.purchases == "orders"
    assert found.query == (
        "SELECT customers.customer_unique_id AS customer_id, orders.order_purchase_timestamp AS timestamp, "
        "order_items.order_id AS transaction_id, order_items.price AS amount, order_items.product_id AS product, "
        "products.product_category_name AS category FROM order_items "
        "JOIN orders ON orders.order_id = order_items.order_id "
        "JOIN products ON products.product_id = order_items.product_id "
        "JOIN customers ON customers.customer_id = orders.customer_id"
    )
    assert "Or take 'data/orders.csv' alone as the source" in found.sentence


def test_the_query_gives_the_lines() -> None:
    tables = {name.split("/")[1].split(".")[0]: frame for name, frame in shop().items()}
    found = related(shop())
    assert found is not None
    assert found.query is not None

    lines = pl.SQLContext(tables).execute(found.query, eager=True)

    assert lines.height == tables["order_items"].height
    assert lines["customer_id"].n_unique() == 60


def test_deliveries_of_one_table_are_no_tables() -> None:
    orders = shop()["data/orders.csv"]

    assert related({"a.csv": orders.head(100), "b.csv": orders.tail(100).drop("order_status")}) is None
    assert related({"a.csv": orders}) is None


def test_files_that_share_nothing_are_not_joined() -> None:
    tables = shop()

    assert related({"orders.csv": tables["data/orders.csv"], "stock.csv": tables["data/products.csv"]}) is None


def test_a_list_of_customers_beside_the_orders_is_told() -> None:
    tables = shop()

    found = related({"orders.csv": tables["data/orders.csv"], "people.csv": tables["data/customers.csv"]})

    assert found is not None
    assert found.query is not None
    assert found.query.startswith("SELECT people.customer_unique_id AS customer_id")
