"""How a text of a source is written in reports, pages and files: for those who write it, and who look for it."""

import json
from functools import cache
from html import escape as escape_all
from xml.sax.saxutils import escape as escape_xml

from markupsafe import escape

from assets.escaping import as_markdown, plain


def in_table(text: str) -> str:
    """A text of a source as a cell of a Markdown table."""
    return as_markdown(text).replace("|", r"\|")


@cache
def written_forms(text: str) -> tuple[str, ...]:
    """Every way in which the pipeline writes a text, the longest first.

    As it is; in Markdown; in HTML as Jinja escapes it and as Great Expectations does; in XML; in JSON with and without
    other alphabets; and with the doubled quotes of CSV.
    """
    forms = {text, plain(text), as_markdown(text), in_table(text)}
    forms |= {f"{write(form)}" for form in tuple(forms) for write in (escape, escape_all, escape_xml)}
    forms |= {json.dumps(text, ensure_ascii=latin)[1:-1] for latin in (True, False)}
    forms.add(text.replace('"', '""'))
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
