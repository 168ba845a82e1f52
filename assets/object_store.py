"""Files of an object store: listed with their entity tags, and fetched when they are due."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.addresses import redacted, shown
from assets.drafts import draft_of
from models.mapping import DeliveryError

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, off Amazon, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""The stores that can be read, and what their clients look for in the environment."""

# The server's own code, else what stands behind the address in the client's message, else its last part.
_REASONS = tuple(map(re.compile, (r"<Code>(\w+)</Code>", r" - (.+)", r"error: (.+)", r"(.+)")))


def objects(url: str, retries: int) -> Iterator[tuple[str, int, str]]:
    """Every object below a URL.

    Args:
        url: The folder.
        retries: How often a request is sent again to a store that does not answer or is overloaded.

    Yields:
        Its key below the URL, its size in bytes, and what changes with its content.

    Raises:
        DeliveryError: If the store cannot be reached or refuses.
    """
    from obstore.store import from_url

    with _explained(url):
        for batch in from_url(url, retry_config={"max_retries": retries}).list():
            for found in batch:
                yield found["path"], found["size"], found["e_tag"] or found["last_modified"].isoformat()


def head(url: str, key: str, length: int, retries: int) -> bytes:
    """The first bytes of an object.

    Args:
        url: The folder that it is in.
        key: Its key in the folder.
        length: How many bytes at most.
        retries: How often a request is sent again to a store that does not answer or is overloaded.

    Raises:
        DeliveryError: If the store cannot be reached, refuses, or has no such object any more.
    """
    from obstore.store import from_url

    with _explained(f"{url}/{key}"):
        store = from_url(url, retry_config={"max_retries": retries})
        return next(iter(store.get(key).stream(min_chunk_size=length)), b"")[:length]


def fetch(url: str, key: str, target: Path, retries: int) -> None:
    """Write an object to a file, whole or not at all.

    Args:
        url: The folder that it is in.
        key: Its key in the folder.
        target: The file.
        retries: How often a request is sent again to a store that does not answer or is overloaded.

    Raises:
        DeliveryError: If the store cannot be reached, refuses, or has no such object any more.
    """
    from obstore.store import from_url

    with _explained(f"{url}/{key}"), draft_of(target) as draft, draft.open("wb") as out:
        for chunk in from_url(url, retry_config={"max_retries": retries}).get(key):
            out.write(chunk)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    scheme = url.partition("://")[0]
    if scheme not in CREDENTIALS:
        stores = ", ".join(f"{known}://" for known in CREDENTIALS)
        raise DeliveryError(
            f"{shown(url)}: files are read from a folder or from {stores}. Set source.path in churn.toml."
        )
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError, ValueError) as error:
        reason = next(found[1] for pattern in _REASONS if (found := pattern.search(redacted(str(error), url))))
        raise DeliveryError(
            f"{shown(url)}: the object store cannot be read ({reason}). Check source.path in churn.toml, and "
            f"{CREDENTIALS[scheme]} in the environment."
        ) from None
