"""What is on record besides purchases: attributes, contacts, tickets, answers, as they arrived tonight."""

from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl

from assets.erased import Erasures
from assets.input_source import InputSource
from assets.lake import SCHEMAS, Lake
from assets.network import Network
from assets.nights import NIGHTS, as_night
from models.definition import ChurnDefinition
from models.facts import arriving, unusable


@dg.asset(partitions_def=NIGHTS, deps=["transactions"], group_name="ingestion", kinds={"polars"})
def customer_facts(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    inputs: dg.ResourceParam[tuple[InputSource, ...]],
    scratch: dg.ResourceParam[Path],
    churn: dg.ResourceParam[ChurnDefinition],
    network: dg.ResourceParam[Network],
    erasures: dg.ResourceParam[Erasures],
) -> pl.LazyFrame:
    """The rows of optional inputs that no earlier night has brought; a night that ran keeps what it has."""
    night = as_night(context.partition_key)
    if night in lake.nights("customer_facts"):
        return lake.scan("customer_facts", [night])
    known = lake.scan("customer_facts", lake.before("customer_facts", night))
    with network.patient(context):
        rows = [frame for source in inputs for frame in source.read(churn, scratch)]
    if not rows:
        return SCHEMAS["customer_facts"].create_empty(lazy=True)
    delivered = pl.concat(rows)
    for sentence in unusable(delivered):
        context.log.warning(sentence)
    # Only what is new is tried against those who were erased, which is slow.
    return erasures.read().without(
        arriving(delivered, known, night=night), partial(lake.arrived, "customer_days", night)
    )
