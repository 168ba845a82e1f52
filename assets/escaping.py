"""Texts of a source, such as names of files, columns and customers, as each medium shows them without obeying them."""

import re

_BREAK = "\u200b"
"""A blank of no width: it breaks what a chat would take for a mention or a link, and changes nothing to the eye."""


def plain(text: str) -> str:
    """A text without control characters, and without those that turn its direction, for a terminal or a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def as_markdown(text: str) -> str:
    """A text as Markdown that has neither links, pictures, tags, code nor emphasis, in one line."""
    return re.sub(r"([\\\[\]<*`])", r"\\\1", plain(text))


def as_chat(text: str) -> str:
    """A text of several lines for Slack and its like: no link, no mention of people or channels."""
    lines = "\n".join(map(plain, text.split("\n")))
    escaped = lines.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"@(?=\w)", f"@{_BREAK}", escaped.replace("](", f"]{_BREAK}("))
