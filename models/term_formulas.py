"""What the features of a contract say about a customer; see `models.formulas`."""

import polars as pl

from models.facts import Told
from models.formulas import AUTO_RENEW, Formulas, Scope, ratio

_ON = ["1", "true", "t", "yes", "y", "on", "ja", "j", "wahr", "an", "ein", "oui", "si", "sí", "auto", "automatic"]
_OFF = ["0", "false", "f", "no", "n", "off", "nein", "falsch", "aus", "non", "manual", "cancelled", "canceled"]


def terms(scope: Scope) -> Formulas:
    """Where the contract stands and how it was renewed before; nothing where churn is inactivity."""
    if scope.grace_days is None:
        return
    left, renewals, early, leads = (pl.col(f"term@{name}") for name in ("left", "renewals", "early", "lead_sum"))
    lead = ratio(leads, renewals)
    yield "days_to_expiry", "days from the night to the last paid day", left
    yield "term_days", "length of the current term in days", pl.col("term@length")
    yield "term_age_days", "days since the current term was sold", pl.col("term@age")
    yield "renewals", "renewals in time so far", renewals
    yield "lapses", "how often the contract had run out before the customer began anew", pl.col("term@lapses")
    yield "early_renewal_share", "share of the renewals that came before the last paid day", ratio(early, renewals)
    yield "renewal_lead_mean_days", "mean days from a renewal to the last paid day, below zero within the grace", lead
    yield "renewal_lead_last_days", "the same of the last renewal", pl.col("term@lead_last")
    yield "renewal_overdue_days", "days by which the customer usually would have renewed already", lead - left
    yield "plan_changes", "changes of the plan (the product of the contract)", pl.col("term@plan_changes")
    everybody = f"share renewed of the contracts whose outcome became known in the last {scope.horizon_days} days"
    yield "population_renewal_share", everybody, pl.col("term@population_share")
    alike = "share renewed of the contracts renewed as often before that were still open as long before their end"
    yield "similar_renewal_share", alike, pl.col("term@similar_share")
    yield "plan_renewal_share", "share renewed of the contracts of the same plan", pl.col("term@plan_share")
    for each in scope.inputs:
        if each.name == AUTO_RENEW and each.kind == "attributes":
            yield AUTO_RENEW, "whether the contract renews by itself (1) or not (0)", _switch(each)


def _switch(each: Told) -> pl.Expr:
    """A number or a word of an attribute as on (1) or off (0)."""
    number, text = (pl.col(f"input@{each.name}@{name}") for name in ("value", "text"))
    word = text.str.strip_chars().str.to_lowercase()
    said = [(number != 0).cast(pl.Int64)] if each.has_value else []
    if each.has_text:
        said.append(pl.when(word.is_in(_ON)).then(1).when(word.is_in(_OFF)).then(0))
    return pl.coalesce(said) if said else pl.lit(None, pl.Int64)
