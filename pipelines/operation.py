"""How the pipeline is operated: when nights start by themselves, and who is told when one fails."""

import re
from datetime import date
from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from assets.posting import check_receiver


class Schedule(BaseModel):
    """When Dagster's daemon starts the nightly job; `churn run` by cron or systemd needs none of it.

    Attributes:
        enabled: Whether the schedule runs as soon as a daemon does; otherwise it waits to be turned on in `churn ui`.
        cron: When the night that has just ended is run: minute, hour, day of month, month, day of week.
        timezone: IANA name of the zone of ``cron``; by default ``churn.timezone``.
        on_arrival: Whether new or changed files start the last night that is over, unless it has run.
        settle_seconds: Files start a night only after nothing has changed among them for so long, so that one that is
            still being written is not read.
        first_night: First night that Dagster's pages show and offer for a backfill, if older than the first one of the
            lake; without a lake and without it, every night since 1990.
        fresh_hours: A table that no run has stored for so many hours is shown as overdue.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    cron: str = "30 3 * * *"
    timezone: str | None = None
    on_arrival: bool = False
    settle_seconds: int = Field(default=120, ge=0)
    first_night: date | None = None
    fresh_hours: int = Field(default=30, ge=1)

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str) -> str:
        # Dagster decides what a schedule is; only settings that name one wait for its import.
        import dagster as dg

        try:
            dg.ScheduleDefinition(name="asked", job_name="nightly", cron_schedule=cron)
        except dg.DagsterInvalidDefinitionError:
            raise ValueError(
                f"{cron!r} is no schedule: write minute, hour, day of month, month and day of week, such as "
                "'30 3 * * *' for half past three every night"
            ) from None
        return cron

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, timezone: str | None) -> str | None:
        if timezone is not None and timezone not in available_timezones():
            raise ValueError(f"{timezone!r} is no time zone: use an IANA name such as 'Europe/Berlin' or 'UTC'")
        return timezone

    def zone(self, default: ZoneInfo) -> ZoneInfo:
        """The zone of ``cron``."""
        return default if self.timezone is None else ZoneInfo(self.timezone)


class Alerts(BaseModel):
    """Who is told when a run fails: a chat by webhook, people by e-mail, or both.

    Attributes:
        webhook: Slack-compatible address that takes ``{"text": …}``; a secret, only from the environment,
            ``CHURN__ALERTS__WEBHOOK``.
        smtp_host: Server that sends e-mail. Port 465 speaks TLS from the start; others change to it where the server
            can, and have to before a password is sent, or anything to another machine.
        smtp_port: Its port.
        smtp_user: User, where the server asks for one.
        smtp_password: Its password; only from the environment, ``CHURN__ALERTS__SMTP_PASSWORD``.
        sender: Address that e-mail comes from.
        recipients: Addresses that it goes to.
        timeout_seconds: How long to wait for either.
        unencrypted: Whether other machines may be told by http, and by a mail server that offers no TLS, for everybody
            on the way to read. A password is never sent so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    TLS_PORT: ClassVar[int] = 465

    webhook: SecretStr | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=10, gt=0)
    unencrypted: bool = False

    @field_validator("smtp_password")
    @classmethod
    def _can_be_sent(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and not re.fullmatch("[ -~]+", password.get_secret_value()):
            raise ValueError(
                "CHURN__ALERTS__SMTP_PASSWORD has a line end or a letter beyond ASCII: SMTP cannot send it"
            )
        return password

    @model_validator(mode="after")
    def _complete(self) -> "Alerts":
        if self.webhook is not None:
            name = "CHURN__ALERTS__WEBHOOK"
            check_receiver(self.webhook, name, unencrypted=self.unencrypted, setting="alerts.unencrypted")
        if self.smtp_host is not None and (self.sender is None or not self.recipients):
            raise ValueError("smtp_host is set: set sender and recipients too, or nobody is told")
        if self.smtp_host is None and self.recipients:
            raise ValueError("recipients are set: set smtp_host too, or nobody is told")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("smtp_user and CHURN__ALERTS__SMTP_PASSWORD belong together: set both or neither")
        return self

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told."""
        return self.webhook is not None or self.smtp_host is not None
