"""What the actions did, and what the control can tell, in plain sentences."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import polars as pl

from assets.wording import UNKNOWN, Section, words
from models.power import Power
from models.uplift import ALL

_HEADER = ("action, segment", "treated", "control", "stayed", "of control", "kept more", "95% interval", "money kept")


def what_actions_did(rows: pl.DataFrame, power: Power | None, money: Callable[[float | None], str]) -> Section:
    """The newest experiment, as a whole and by action and segment.

    Args:
        rows: ``retention_uplift`` of one experiment.
        power: What the experiment that runs can find.
        money: How an amount is written.
    """
    sentences: list[str] = []
    for row in rows.filter(action=ALL).rows(named=True):
        sentences += _as_a_whole(row, money)
    table = [
        [
            words(row["action"]) if row["segment"] == ALL else f"{words(row['action'])}, {words(row['segment'])}",
            f"{row['treated']:,}",
            f"{row['control']:,}",
            _share(row["retained_treated"]),
            _share(row["retained_control"]),
            _points(row["uplift"]),
            UNKNOWN if row["uplift"] is None else f"{_points(row['uplift_low'])} to {_points(row['uplift_high'])}",
            money(row["money_kept"]),
        ]
        for row in rows.sort(pl.col("action") != ALL, "action", pl.col("segment") != ALL, "segment").rows(named=True)
    ]
    return Section("What the actions did", sentences + what_control_can_tell(power), _HEADER if table else (), table)


def _as_a_whole(row: Mapping[str, Any], money: Callable[[float | None], str]) -> list[str]:
    if row["uplift"] is None:
        return [
            f"{row['treated']:,} contacted customers are settled, but {row['control']:,} of control: no comparison."
        ]
    low, high = row["uplift_low"], row["uplift_high"]
    proof = "" if low > 0 or high < 0 else " Chance alone could explain it."
    sentences = [
        f"Of {row['treated']:,} customers whom we set out to contact {row['retained_treated']:.1%} stayed, of "
        f"{row['control']:,} just like them whom we left alone {row['retained_control']:.1%}: "
        f"{_points(row['uplift'])} points, and with 95% confidence {_points(low)} to {_points(high)}.{proof}"
    ]
    if row["on_contacted"] is not None:
        sentences.append(
            f"{row['contacted_treated']:.0%} were really contacted; on them the effect is "
            f"{_points(row['on_contacted'])} points ({_points(row['on_contacted_low'])} to "
            f"{_points(row['on_contacted_high'])})."
        )
    if row["money_kept"] is not None:
        sentences.append(
            f"Within the horizon that brought in {money(row['money_kept'])} of margin beyond the costs of the actions "
            f"({money(row['money_kept_low'])} to {money(row['money_kept_high'])})."
        )
    return sentences


def what_control_can_tell(power: Power | None) -> list[str]:
    """The smallest effect that shows, and when the assumed one will."""
    if power is None:
        return []
    if power.detectable == inf:
        return ["There is no control, so that no effect can be told from chance: set experiment.control_share above 0."]
    tonight = "nothing" if power.tonight == inf else f"an effect of {100 * power.tonight:.1f} points or more"
    said = (
        f"Tonight's control alone can show {tonight}; all {power.control:,} of control beside {power.treated:,} "
        f"treated so far, {100 * power.detectable:.1f} points."
    )
    if power.assumed <= 0:
        return [said]
    promise = f"The save rates of the settings promise {100 * power.assumed:.1f} points"
    if power.weeks is None:
        return [f"{said} {promise}; how long that takes to show is known after a second night."]
    if power.weeks == 0:
        return [f"{said} {promise}: enough customers are settled to show that."]
    return [f"{said} {promise}; at the pace so far that shows in about {power.weeks:,.0f} weeks."]


def _share(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.1%}"


def _points(difference: float | None) -> str:
    return UNKNOWN if difference is None else f"{100 * difference:+.1f}"
