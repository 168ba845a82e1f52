"""What counts as churn, and for whom the question is asked."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones


@dataclass(frozen=True)
class ChurnDefinition:
    """The question that the model answers.

    Attributes:
        definition: ``inactivity``: an active customer makes no purchase in ``(night, night + horizon_days]``.
        horizon_days: Days after the night in which a purchase means that the customer stayed.
        active_days: A customer is active with at least one purchase in ``(night - active_days, night]``.
        timezone: IANA name of the zone whose midnights divide the days; timestamps without a zone belong to it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    definition: Literal["inactivity"] = "inactivity"
    horizon_days: int = 90
    active_days: int = 365
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse a definition that no night could satisfy."""
        if self.horizon_days < 1:
            raise ValueError(f"horizon_days is {self.horizon_days}: it must be at least 1 day")
        if self.active_days < 1:
            raise ValueError(f"active_days is {self.active_days}: it must be at least 1 day")
        if self.timezone not in available_timezones():
            raise ValueError(f"timezone is {self.timezone!r}: use an IANA name such as 'Europe/Berlin' or 'UTC'")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as an object."""
        return ZoneInfo(self.timezone)
