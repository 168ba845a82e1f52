"""The current table in the shapes that tools of reverse ETL ask for."""
# ruff: noqa: S608 - the statements are made of names of columns, of nothing that anybody sends

from collections.abc import Mapping
from typing import Protocol

import polars as pl

from models.next_purchase import QUANTILES
from models.segments import BUSINESS, AtRiskSegment

_KEPT_BACK = ("action_cost", "expected_profit", "experiment_id", "stratum")
_NO_NEWS = (*QUANTILES, "reason_1", "reason_2", "reason_3", "status")
SYNCED: Mapping[str, pl.DataType] = {
    name: dtype
    for name, dtype in AtRiskSegment.create_empty().schema.items()
    if name != "customer_id" and name not in _KEPT_BACK and (name in BUSINESS or name in _NO_NEWS)
}
"""What belongs into a profile of a customer: not where a row comes from, what it costs or how the experiment counts."""


class Dialect(Protocol):
    """How a database writes what the views need."""

    @property
    def json_object(self) -> str:
        """Name of the function that makes a JSON object of names and values."""

    def as_text(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as text: ISO dates, `true` and `false`; null stays null."""

    def as_json(self, column: str, dtype: pl.DataType) -> str:
        """SQL of a column as it stands in a JSON object."""


def views(dialect: Dialect, table: str) -> dict[str, str]:
    """The queries of the views, by their names.

    Args:
        dialect: The database.
        table: What the CRM reads.
    """
    texts = {name: dialect.as_text(name, dtype) for name, dtype in SYNCED.items()}
    fields = ", ".join(f"coalesce(nullif({text}, ''), '#N/A') AS \"{name.title()}__c\"" for name, text in texts.items())
    payload = ", ".join(f"'{name}', {dialect.as_json(name, dtype)}" for name, dtype in SYNCED.items())
    properties = ", ".join(f"'{name}', coalesce({text}, '')" for name, text in texts.items())
    return {
        f"{table}_braze": "SELECT updated_at AS UPDATED_AT, customer_id AS EXTERNAL_ID, "
        f"CAST({dialect.json_object}({payload}) AS text) AS PAYLOAD FROM {table}",
        f"{table}_salesforce": f'SELECT updated_at, customer_id AS "Customer_Id__c", {fields} FROM {table}',
        f"{table}_hubspot": "SELECT updated_at, 'customer_id' AS id_property, customer_id AS id, "
        f"CAST({dialect.json_object}({properties}) AS text) AS properties FROM {table}",
    }
