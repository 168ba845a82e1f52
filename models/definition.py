"""What counts as churn, and for whom the question is asked."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones


@dataclass(frozen=True)
class ChurnDefinition:
    """The question that the model answers.

    Attributes:
        definition: ``inactivity``: an active customer makes no purchase in ``(night, night + horizon_days]``.
            ``contract``: a contract that ends within these days is not renewed; ``source.columns.contract_until`` has
            to name the column with the last paid day.
        horizon_days: Inactivity: days after the night in which a purchase means that the customer stayed. Contract:
            how far ahead contracts are looked at, the time in which renewals are worked for.
        active_days: Inactivity: a customer is active with at least one purchase in ``(night - active_days, night]``.
        grace_days: Contract: a renewal up to so many days after the last paid day keeps the customer; one that comes
            later is a new beginning, and the customer had left. Inactivity does not read it.
        timezone: IANA name of the zone whose midnights divide the days; timestamps without a zone belong to it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    definition: Literal["inactivity", "contract"] = "inactivity"
    horizon_days: int = 90
    active_days: int = 365
    grace_days: int = 14
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse a definition that no night could satisfy."""
        if self.horizon_days < 1:
            raise ValueError(f"horizon_days is {self.horizon_days}: it must be at least 1 day")
        if self.active_days < 1:
            raise ValueError(f"active_days is {self.active_days}: it must be at least 1 day")
        if self.grace_days < 0:
            raise ValueError(f"grace_days is {self.grace_days}: it must not be negative")
        if self.timezone not in available_timezones():
            raise ValueError(f"timezone is {self.timezone!r}: use an IANA name such as 'Europe/Berlin' or 'UTC'")

    @property
    def grace(self) -> int | None:
        """Days of grace after a contract; None where churn is inactivity."""
        return self.grace_days if self.definition == "contract" else None

    @property
    def ripe_days(self) -> int:
        """Days after which the outcome of a night is known: that of a contract when its grace is over."""
        return self.horizon_days + (self.grace or 0)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.timezone)
