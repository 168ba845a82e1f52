"""Telling people that a run failed: a chat by webhook, an address by e-mail. That nobody could be told is a warning."""

import json
import smtplib
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage

from assets.escaping import as_chat
from assets.posting import is_loopback, post
from pipelines.failures import Failure
from pipelines.operation import Alerts

TOLD_TAG = "churn/alerts"
"""Tag of a run whose starter tells of its failure itself, so that the daemon does not tell it again."""


def tell(failure: Failure, alerts: Alerts, warn: Callable[[str], object]) -> None:
    """Send a failure to everybody who is to be told.

    Args:
        failure: What is told.
        alerts: To whom.
        warn: Takes a sentence for each channel that failed; nothing is raised, because the failure itself matters more.
    """
    for name, send in _channels(failure, alerts):
        try:
            reason = send()
        except Exception as error:  # the failure of the run is the news; the text may repeat address or password
            reason = type(error).__name__
        if reason is not None:
            warn(f"the alert was not sent by {name}: {reason}")


def _channels(failure: Failure, alerts: Alerts) -> Iterator[tuple[str, Callable[[], str | None]]]:
    if alerts.webhook is not None:
        yield "the webhook of CHURN__ALERTS__WEBHOOK", lambda: _post(failure, alerts)
    if alerts.smtp_host is not None:
        yield f"e-mail over {alerts.smtp_host}:{alerts.smtp_port}", lambda: _mail(failure, alerts)


def _post(failure: Failure, alerts: Alerts) -> str | None:
    assert alerts.webhook is not None
    body = json.dumps({"text": as_chat(failure.text)}).encode()
    headers = {"Content-Type": "application/json"}
    return post(alerts.webhook, body, headers, timeout=alerts.timeout_seconds)


def _mail(failure: Failure, alerts: Alerts) -> str | None:
    assert alerts.smtp_host is not None
    letter = EmailMessage()
    letter["Subject"], letter["From"], letter["To"] = failure.title, alerts.sender, ", ".join(alerts.recipients)
    letter.set_content(failure.text)
    where = (alerts.smtp_host, alerts.smtp_port)
    secure = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(*where, timeout=alerts.timeout_seconds, context=secure)
        if alerts.smtp_port == Alerts.TLS_PORT
        else smtplib.SMTP(*where, timeout=alerts.timeout_seconds)
    ) as server:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=secure)
        elif alerts.smtp_port != Alerts.TLS_PORT:
            if alerts.smtp_password is not None:
                return "the server offers no TLS, and the password is not sent in the open"
            if not alerts.unencrypted and not is_loopback(alerts.smtp_host):
                return "the server offers no TLS: set alerts.unencrypted to true where the way to it is safe"
        if alerts.smtp_user is not None and alerts.smtp_password is not None:
            server.login(alerts.smtp_user, alerts.smtp_password.get_secret_value())
        server.send_message(letter)
    return None
