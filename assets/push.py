"""The news of a night sent to a web address, in batches of which none counts twice."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import polars as pl
from pydantic import SecretStr

from assets.network import Network
from models.mapping import DeliveryError
from models.segments import CONTRACT_VERSION

if TYPE_CHECKING:
    from assets.crm import Crm

_OVERLOADED = 429
_BROKEN = 500
_LONGEST_PAUSE = 60.0
_NEWS = (
    "the news of the night, which the CRM's tables have",
    "the next night, or this one run again, sends what is missing.",
)
_ERASURE = ("who was erased, and may still hold them", "then erase them again: only that tells it.")


@dataclass(frozen=True)
class Push:
    """Sending what is news to a web address, after the CRM's tables have it; nothing is sent without an address.

    Attributes:
        url: Address that takes batches by POST; a secret, only from the environment, ``CHURN__PUSH__URL``.
        token: Sent as ``Authorization: Bearer …``; a secret, only from the environment, ``CHURN__PUSH__TOKEN``.
        rows: ``changed`` sends every row whose content has changed, those who left and those kept back included, so
            that the receiver knows the whole table; ``deliver`` sends of them only those to be contacted, and
            those who were when they were sent last and are not any more.
        batch_rows: How many rows a request holds at most.
        timeout_seconds: How long to wait for an answer.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    url: SecretStr | None = None
    token: SecretStr | None = None
    rows: Literal["changed", "deliver"] = "changed"
    batch_rows: int = 500
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sent to, or in.

        Raises:
            ValueError: Names the setting.
        """
        if self.url is not None and not self.url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("CHURN__PUSH__URL is no web address: it begins with https://")
        if self.batch_rows < 1 or self.timeout_seconds <= 0:
            raise ValueError("batch_rows and timeout_seconds must be more than 0")

    def send(self, crm: "Crm", network: Network) -> int:
        """Send what the CRM's tables have learned since everything was taken last.

        What was sent counts as taken when every batch was. After a failure all of it is sent again, in the same batches
        with the same keys, so that whoever keeps the keys takes no batch twice.

        Args:
            crm: Where the tables are.
            network: How often a batch is tried again that meets no answer, 429 or 5xx.

        Returns:
            How many rows were sent.

        Raises:
            DeliveryError: If a batch is refused, or not taken after all retries.
        """
        if self.url is None:
            return 0
        news = crm.news()
        told = news
        if self.rows == "deliver" and news.height:
            told = news.filter(pl.col("deliver") | pl.col("customer_id").is_in(crm.told().implode()))
        for batch in told.iter_slices(self.batch_rows):
            self._deliver(_body(_rows(batch)), network, _NEWS)
        if news.height:
            crm.mark_sent(news)
        return told.height

    def forget(self, customers: Sequence[str], night: date | None, network: Network) -> bool:
        """Ask the receiver to erase customers, whether it knows them or not.

        Args:
            customers: Ids as in the table.
            night: The newest that ran. Asked again before another one, the same customers have the same key.
            network: As for the news.

        Returns:
            Whether there is a receiver.

        Raises:
            DeliveryError: If it refuses, or does not take them after all retries.
        """
        if self.url is None:
            return False
        for start in range(0, len(customers), self.batch_rows):
            batch = customers[start : start + self.batch_rows]
            self._deliver(_body([], erased=batch, night=f"{night}" if night else None), network, _ERASURE)
        return True

    def _deliver(self, body: bytes, network: Network, words: tuple[str, str]) -> None:
        pauses = network.pauses()
        while (problem := self._problem(body)) is not None:
            reason, wait = problem
            pause = next(pauses, None)
            if wait is None or pause is None:
                what, remedy = words
                raise DeliveryError(
                    f"the address of CHURN__PUSH__URL does not take {what}: {reason}. Mend the receiver, its address "
                    f"or CHURN__PUSH__TOKEN; {remedy}"
                )
            time.sleep(max(pause, min(wait, _LONGEST_PAUSE)))

    def _problem(self, body: bytes) -> tuple[str, float | None] | None:
        """Why a batch was not taken, and the seconds to leave the receiver alone for; None of them: for good."""
        assert self.url is not None
        headers = {"Content-Type": "application/json", "Idempotency-Key": sha256(body).hexdigest()[:32]}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        request = Request(self.url.get_secret_value(), body, headers)  # noqa: S310 (settings ask for http)
        try:
            with urlopen(request, timeout=self.timeout_seconds):  # noqa: S310
                return None
        except HTTPError as error:
            with error:
                again = error.code == _OVERLOADED or error.code >= _BROKEN
                asked = error.headers.get("Retry-After", "")
                return f"it answers {error.code}", (float(asked) if asked.isdecimal() else 0.0) if again else None
        except OSError as error:
            # A URLError may quote the address; its reason does not.
            said = error.reason if isinstance(error, URLError) else error
            return f"no answer ({type(said).__name__ if isinstance(said, OSError) else said})", 0.0


def _rows(batch: pl.DataFrame) -> list[dict[str, Any]]:
    moments = pl.col("updated_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return batch.with_columns(moments, pl.col(pl.Date).cast(pl.String)).to_dicts()


def _body(rows: list[dict[str, Any]], **more: Sequence[str] | None) -> bytes:
    return json.dumps({"contract_version": CONTRACT_VERSION, "rows": rows, **more}, ensure_ascii=False).encode()
