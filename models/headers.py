"""Headers of deliveries in messages: names of columns are told, values of data never."""

import re
from collections.abc import Collection, Sequence

_MOST = 10
_LONGEST = 60
_NAME = re.compile(r"[^\d@\x00-\x1f\x7f]+")


def looks_like_data(header: Collection[str]) -> bool:
    """Whether the first line of a file seems to be a row: an address, or more digits than letters, stand in a name."""
    return any("@" in name or _digits(name) > sum(map(str.isalpha, name)) for name in header)


def can_be_told(name: str) -> bool:
    """Whether a name looks like one of a column: short, and without digits, @ and control characters."""
    return 0 < len(name.strip()) <= _LONGEST and _NAME.fullmatch(name) is not None


def tell_names(names: Sequence[str]) -> str:
    """Names of columns as a list for messages, in quotes; those that could be data, or too many, are only counted."""
    told = [repr(name) for name in names if can_be_told(name)][:_MOST]
    if left := len(names) - len(told):
        return f"{', '.join(told)} and {left:,} more" if told else f"{left:,} that are not shown"
    return ", ".join(told)


def tell_header(header: Sequence[str]) -> str:
    """The sentence of a message that says what a file's header has, without a value where the header is missing.

    Deliveries without a header have a customer where a name is expected. Messages go to chats, logs and reports, which
    no erasure reaches.
    """
    if looks_like_data(header) or not any(map(can_be_told, header)):
        return "Its first line looks like data: is the header missing?"
    return f"The file has: {tell_names(header)}."


def without_values(message: str) -> str:
    """What a library says of a file, without what it quotes from it."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"|'[^']*'|\[.*", "…", message)


def _digits(name: str) -> int:
    return sum(map(str.isdigit, name))
