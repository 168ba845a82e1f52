"""The contract of the delivered table as JSON Schema, for whoever reads it with other tools."""

from typing import Any

import dataframely as dy

from models.matrix import CODES
from models.segments import CONTRACT_VERSION, AtRiskSegment

WORDS = {
    "risk_tier": ["none", "low", "medium", "high"],
    "segment": ["none", *CODES],
    "status": ["entered", "stayed", "left"],
    "contract_version": [CONTRACT_VERSION],
}
"""The words that a column may hold, where they are settled."""

_TYPES: dict[type[dy.Column], dict[str, Any]] = {
    dy.Date: {"type": "string", "format": "date"},
    dy.String: {"type": "string"},
    dy.Float64: {"type": "number"},
    dy.Int16: {"type": "integer"},
    dy.Bool: {"type": "boolean"},
}


def table_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a row of `at_risk_segments` as an object, column by name.

    `updated_at` is known to the database alone and therefore not required. That a contact begins after the night and
    ends after it began, JSON Schema cannot say.
    """
    columns = AtRiskSegment.columns()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"at_risk_segments, contract version {CONTRACT_VERSION}",
        "description": "A customer at risk on a night, or one who is so no longer. Columns are explained in table.md.",
        "type": "object",
        "properties": {name: _property(name, column) for name, column in columns.items()}
        | {"updated_at": {"type": "string", "format": "date-time"}},
        "required": list(columns),
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"status": {"const": "left"}}},
                "then": _all(risk_tier="none", segment="none", action="none", deliver=False),
                "else": {
                    "properties": {"risk_tier": {"not": {"const": "none"}}, "churn_probability": {"type": "number"}}
                },
            },
            {
                "if": {"properties": {"deliver": {"const": True}}},
                "then": {
                    "properties": {
                        "suppressed_reason": {"const": None},
                        "is_control": {"const": False},
                        "action": {"not": {"const": "none"}},
                        "contact_from": {"type": "string"},
                        "contact_until": {"type": "string"},
                    }
                },
                "else": {"properties": {"suppressed_reason": {"type": "string"}}},
            },
        ],
    }


def _all(**values: object) -> dict[str, Any]:
    return {"properties": {name: {"const": value} for name, value in values.items()}}


def _property(name: str, column: dy.Column) -> dict[str, Any]:
    said = dict(_TYPES[type(column)])
    if column.nullable:
        said["type"] = [said["type"], "null"]
    bounds = {"minimum": "min", "maximum": "max", "minLength": "min_length"}
    said |= {word: limit for word, own in bounds.items() if (limit := getattr(column, own, None)) is not None}
    return said | ({"enum": WORDS[name]} if name in WORDS else {})
