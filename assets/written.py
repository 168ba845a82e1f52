"""How a text of a source is written in reports, pages and files: for those who write it, and who look for it."""

import json
import re
from functools import cache
from html import escape as escape_all
from xml.sax.saxutils import escape as escape_xml

from markupsafe import escape

from assets.escaping import as_markdown, plain

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")


def in_table(text: str) -> str:
    """A text of a source as a cell of a Markdown table."""
    return as_markdown(text).replace("|", r"\|")


@cache
def written_forms(text: str) -> tuple[str, ...]:
    """Every way in which the pipeline writes a text, the longest first.

    As it is; in Markdown; in HTML as Jinja escapes it and as Great Expectations does; in XML; in JSON with and without
    other alphabets; with the doubled quotes of CSV; and as workbooks do.
    """
    forms = {text, plain(text), as_markdown(text), in_table(text)}
    forms |= {f"{write(form)}" for form in tuple(forms) for write in (escape, escape_all, escape_xml)}
    forms |= {json.dumps(text, ensure_ascii=latin)[1:-1] for latin in (True, False)}
    forms.add(text.replace('"', '""'))
    # Workbooks have their own spelling of control characters.
    forms |= {_CONTROLS.sub(lambda found: f"_x{ord(found[0]):04X}_", form) for form in tuple(forms)}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))
