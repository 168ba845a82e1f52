"""How a text of a source is written in reports, pages and files: for those who write it, and who look for it."""

import json
from functools import cache
from html import escape as escape_all
from xml.sax.saxutils import escape as escape_xml

from markupsafe import escape

from assets.exports import harmless


def plain(text: str) -> str:
    """A text of a source without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def in_table(text: str) -> str:
    """A text of a source as a cell of a Markdown table."""
    return plain(text).replace("|", r"\|")


@cache
def written_forms(text: str) -> tuple[str, ...]:
    """Every way in which the pipeline writes a text, the longest first.

    As it is; in Markdown; in HTML as Jinja escapes it and as Great Expectations does; in XML; in JSON with and without
    other alphabets; doubled quotes of CSV; and before what a spreadsheet would run, an apostrophe.
    """
    forms = {text, plain(text), in_table(text), harmless(text)}
    forms |= {f"{write(form)}" for form in tuple(forms) for write in (escape, escape_all, escape_xml)}
    forms |= {json.dumps(text, ensure_ascii=latin)[1:-1] for latin in (True, False)}
    forms |= {form.replace('"', '""') for form in (text, harmless(text))}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
