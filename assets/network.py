"""Servers that were away for a moment: what is tried again, how often, and what is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from models.mapping import DeliveryError

if TYPE_CHECKING:
    import dagster as dg

_LONGEST_PAUSE = 60.0


class AwayError(DeliveryError):
    """A server did not answer, or hung up: the same again may succeed."""


@dataclass(frozen=True)
class Network:
    """How patient the pipeline is with servers.

    Attributes:
        retries: How often a step starts again when a server does not answer, hangs up or is overloaded; a wrong
            password or a missing table is never tried again.
        pause_seconds: Pause before the first retry; each further one is twice as long, up to a minute.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    retries: int = 4
    pause_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what is no number of times.

        Raises:
            ValueError: Names the setting.
        """
        for name, value in (("retries", self.retries), ("pause_seconds", self.pause_seconds)):
            if value < 0:
                raise ValueError(f"{name} is {value}: it must be 0 or more")

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each retry."""
        for retry in range(self.retries):
            yield min(self.pause_seconds * 2**retry, _LONGEST_PAUSE)

    @contextmanager
    def patient(self, context: "dg.AssetExecutionContext") -> Iterator[None]:
        """Let Dagster start the step again when a server was away.

        Raises:
            dagster.RetryRequested: If it was, and the step may be started again.
        """
        import dagster as dg

        try:
            yield
        except AwayError as error:
            pause = next(islice(self.pauses(), context.retry_number, None), None)
            # The last attempt fails with the sentence itself.
            if pause is None:
                raise
            context.log.warning(f"{error} Trying again in {pause:g} seconds.")
            raise dg.RetryRequested(max_retries=self.retries, seconds_to_wait=pause) from error
