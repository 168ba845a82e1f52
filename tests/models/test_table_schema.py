"""The JSON Schema of the delivered table refuses what the contract refuses, and accepts what it accepts."""

import json
from datetime import date

import polars as pl
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from models.segments import AtRiskSegment, departed
from models.table_schema import WORDS, table_schema
from tests.at_risk import at_risk

JUDGE = Draft202012Validator(table_schema(), format_checker=FormatChecker())
BROKEN: list[dict[str, object]] = [
    {"night": None},
    {"customer_id": ""},
    {"churn_probability": 1.01},
    {"churn_probability": None},
    {"risk_percentile": 0},
    {"risk_percentile": 101},
    {"risk_tier": "none"},
    {"risk_tier": "urgent"},
    {"value": -0.01},
    {"segment": "others"},
    {"segment": None},
    {"action": "none"},
    {"contact_from": None},
    {"expected_profit": -1.0},
    {"is_control": True},
    {"deliver": False},
    {"suppressed_reason": "capacity"},
    {"status": "left"},
    {"status": "gone"},
    {"entered_on": None},
]
SOUND: list[dict[str, object]] = [
    {},
    {"value": None, "value_at_risk": None, "expected_profit": None, "currency": None},
    {"risk_tier": "low", "churn_probability": 0.0, "status": "entered", "segment": "let_go"},
    {"deliver": False, "suppressed_reason": "control", "is_control": True},
]


def verdicts(table):
    """Whether the contract, and whether the JSON Schema, takes a table for sound."""
    rows = json.loads(table.with_columns(pl.col(pl.Date).cast(pl.String)).write_json())
    return AtRiskSegment.is_valid(table), not [error for row in rows for error in JUDGE.iter_errors(row)]


def table_of(change):
    return at_risk({"a": change})


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_what_breaks_the_contract_breaks_the_schema(change):
    assert verdicts(table_of(change)) == (False, False)


@pytest.mark.parametrize("change", SOUND, ids=str)
def test_what_keeps_the_contract_keeps_the_schema(change):
    assert verdicts(table_of(change)) == (True, True)


def test_who_left_keeps_both():
    assert verdicts(departed(table_of({}), date(2026, 3, 2))) == (True, True)


@pytest.mark.parametrize("column", ["risk_tier", "segment"])
def test_the_contract_knows_the_words_of_the_schema(column):
    assert [word for word in WORDS[column][1:] if not AtRiskSegment.is_valid(table_of({column: word}))] == []
