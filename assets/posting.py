"""Requests that carry something to an address of the settings: sent there and nowhere else, and tried again."""

import logging
import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from pydantic import SecretStr
from urllib3.exceptions import HTTPError, LocationValueError

from assets.addresses import check_address

LONGEST_PAUSE = 60.0
_OVERLOADED = 429
_BROKEN = 500
# Its debug messages have the whole address.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


def check_receiver(url: SecretStr, name: str, *, unencrypted: bool, setting: str) -> None:
    """Refuse an address that nothing can be sent to, or only for everybody to read.

    Args:
        url: The address.
        name: The variable that holds it.
        unencrypted: Whether http is allowed to other machines than this one.
        setting: The setting that allows it.

    Raises:
        ValueError: Names the variable; never the address, which is a secret as a whole.
    """
    address = url.get_secret_value()
    check_address(address, name, schemes=("https", "http"))
    parts = urlsplit(address)
    if parts.username is not None or not parts.hostname:
        raise ValueError(f"{name} has a user in it, or no host: write https://host/path")
    if parts.scheme == "http" and not unencrypted and not is_loopback(parts.hostname):
        raise ValueError(f"{name} sends in the open: write https://, or set {setting} to true where the way is safe")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def post(
    url: SecretStr, body: bytes, headers: Mapping[str, str], *, timeout: float, pauses: Iterable[float] = ()
) -> str | None:
    """Send a body by POST to one address; a redirect is an answer like any other, and not followed.

    Args:
        url: The address.
        body: What is sent.
        headers: The headers; they may hold a token.
        timeout: Seconds to wait for a connection, and for an answer.
        pauses: Seconds before each further try after no answer, 429 or 5xx; Retry-After may ask for more, up to a
            minute.

    Returns:
        None if it was taken, else why not, in words that repeat nothing of address and headers.
    """
    with _pool(url.get_secret_value()) as pool:
        remaining = iter(pauses)
        while (problem := _problem(pool, url, body, headers, timeout)) is not None:
            reason, wait = problem
            pause = None if wait is None else next(remaining, None)
            if wait is None or pause is None:
                return reason
            time.sleep(max(pause, min(wait, LONGEST_PAUSE)))
    return None


def _pool(address: str) -> urllib3.PoolManager:
    parts = urlsplit(address)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or proxy_bypass(parts.hostname or ""):
        return urllib3.PoolManager()
    user = urllib3.util.parse_url(proxy).auth
    return urllib3.ProxyManager(proxy, proxy_headers=urllib3.util.make_headers(proxy_basic_auth=user))


def _problem(
    pool: urllib3.PoolManager, url: SecretStr, body: bytes, headers: Mapping[str, str], timeout: float
) -> tuple[str, float | None] | None:
    """Why a request was not taken, and the seconds to leave the receiver alone for; None of them: for good."""
    try:
        answer = pool.request(
            "POST",
            url.get_secret_value(),
            body=body,
            headers=headers,
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
        )
    except (LocationValueError, ValueError) as error:
        return f"it cannot be sent ({type(error).__name__})", None
    except (HTTPError, OSError) as error:
        return f"no answer ({type(error.__cause__ or error).__name__})", 0.0
    answer.close()
    if 200 <= answer.status < 300:
        return None
    if 300 <= answer.status < 400:
        return f"it answers {answer.status} and points elsewhere: give the final address", None
    asked = answer.headers.get("Retry-After", "")
    again = answer.status == _OVERLOADED or answer.status >= _BROKEN
    return f"it answers {answer.status}", (float(asked) if asked.isdecimal() else 0.0) if again else None
