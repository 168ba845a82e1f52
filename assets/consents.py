"""What customers agreed and objected to, as it arrived tonight."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.consent_source import ConsentSource
from assets.lake import SCHEMAS, Lake
from assets.network import Network
from assets.nights import NIGHTS, as_night
from models.consent import arriving, tell_unknown, unknown
from models.definition import ChurnDefinition


@dg.asset(partitions_def=NIGHTS, deps=["transactions"], group_name="ingestion", kinds={"polars"})
def customer_consents(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    consents: dg.ResourceParam[tuple[ConsentSource, ...]],
    scratch: dg.ResourceParam[Path],
    churn: dg.ResourceParam[ChurnDefinition],
    network: dg.ResourceParam[Network],
) -> pl.LazyFrame:
    """What was said that no earlier night has brought; a night that ran keeps what it has."""
    night = as_night(context.partition_key)
    if night in lake.nights("customer_consents"):
        return lake.scan("customer_consents", [night])
    known = lake.scan("customer_consents", lake.before("customer_consents", night))
    with network.patient(context):
        rows = [frame for source in consents for frame in source.read(churn, scratch)]
    empty = SCHEMAS["customer_consents"].create_empty(lazy=True)
    if not rows:
        return empty
    said = arriving(pl.concat(rows), known, night=night).collect()
    if said.height and (sentence := tell_unknown(*unknown(said.lazy(), lake.arrived("transactions", night)))):
        context.log.warning(sentence)
    return said.lazy()
