"""The news of a night sent to a web address, in batches of which none counts twice."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl
from pydantic import SecretStr

from assets.network import Network
from assets.posting import check_receiver, post
from models.mapping import DeliveryError
from models.segments import CONTRACT_VERSION

if TYPE_CHECKING:
    from assets.crm import Crm

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
        unencrypted: Whether the address may be one of http on another machine, for everybody on the way to read.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    url: SecretStr | None = None
    token: SecretStr | None = None
    rows: Literal["changed", "deliver"] = "changed"
    batch_rows: int = 500
    timeout_seconds: float = 30.0
    unencrypted: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be sent to, or in.

        Raises:
            ValueError: Names the setting.
        """
        if self.url is not None:
            check_receiver(self.url, "CHURN__PUSH__URL", unencrypted=self.unencrypted, setting="push.unencrypted")
        if self.token is not None and not re.fullmatch("[!-~]+", self.token.get_secret_value()):
            raise ValueError("CHURN__PUSH__TOKEN has a blank, a line end or a letter that no header may hold")
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
        assert self.url is not None
        headers = {"Content-Type": "application/json", "Idempotency-Key": sha256(body).hexdigest()[:32]}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        reason = post(self.url, body, headers, timeout=self.timeout_seconds, pauses=network.pauses())
        if reason is not None:
            what, remedy = words
            raise DeliveryError(
                f"the address of CHURN__PUSH__URL does not take {what}: {reason}. Mend the receiver, its address "
                f"or CHURN__PUSH__TOKEN; {remedy}"
            )


def _rows(batch: pl.DataFrame) -> list[dict[str, Any]]:
    moments = pl.col("updated_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return batch.with_columns(moments, pl.col(pl.Date).cast(pl.String)).to_dicts()


def _body(rows: list[dict[str, Any]], **more: Sequence[str] | None) -> bytes:
    return json.dumps({"contract_version": CONTRACT_VERSION, "rows": rows, **more}, ensure_ascii=False).encode()
