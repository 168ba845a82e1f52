"""What the control can tell: the smallest effect that shows, and when an effect of the expected size will."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from models.enrolment import first_enrolments
from models.experiment import minimum_detectable_effect


@dataclass(frozen=True)
class Power:
    """What an experiment can find, at 80 % power and 5 % error.

    Attributes:
        treated: Customers who were delivered, each counted once.
        control: Customers who were left alone.
        detectable: The smallest difference in retention that they will show.
        tonight: The same of tonight's customers alone; infinite without a control.
        assumed: The difference that the save rates of the settings promise.
        weeks: Until so many customers have entered, at the pace so far, that the assumed difference shows, and are
            ripe; 0 if enough have entered and are; None if none is assumed, there is no control, or one night alone
            tells no pace.
    """

    treated: int
    control: int
    detectable: float
    tonight: float
    assumed: float
    weeks: float | None


def power(
    entered: pl.LazyFrame, save_rates: Mapping[str, float], *, experiment_id: str, night: date, horizon_days: int
) -> Power | None:
    """What the experiment that runs can find.

    Args:
        entered: night, customer_id, experiment_id, `models.enrolment.ARM`, action and churn_probability of the rows of
            ``at_risk_segments`` up to a night.
        save_rates: By action, the share of leaving customers whom it is assumed to keep.
        experiment_id: The experiment.
        night: The night.
        horizon_days: Days until a night is ripe.

    Returns:
        None if nobody has entered.
    """
    rows = entered.filter(pl.col("experiment_id") == experiment_id)
    first = first_enrolments(rows).collect()
    if first.is_empty():
        return None
    base = float(first["churn_probability"].mean())  # type: ignore[arg-type]
    promised = pl.col("action").replace_strict(dict(save_rates), default=0.0, return_dtype=pl.Float64)
    assumed = float(first.select((pl.col("churn_probability") * promised).mean()).item())

    def smallest(customers: pl.DataFrame) -> float:
        treated, control = (customers.filter(arm=arm).height for arm in ("treated", "control"))
        return minimum_detectable_effect(treated, control, base)

    treated, control = (first.filter(arm=arm).height for arm in ("treated", "control"))
    detectable = smallest(first)
    nights = first["night"].unique().sort().to_list()
    weeks = None
    if assumed > 0 and detectable < float("inf") and len(nights) > 1:
        # The first of k nights stands at the beginning of the span that the others fill.
        span = (nights[-1] - nights[0]).days * len(nights) / (len(nights) - 1)
        # The smallest effect shrinks with the root of the customers.
        wait = span * ((detectable / assumed) ** 2 - 1)
        weeks = max(0.0, wait + horizon_days if wait > 0 else horizon_days - (night - nights[-1]).days) / 7
    tonight = smallest(rows.filter(pl.col("night") == night).select("arm").collect())
    return Power(treated, control, detectable, tonight, assumed, weeks)
