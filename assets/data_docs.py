"""The page that says how a table of a night was judged: Great Expectations' Data Docs, readable without a network."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.drafts import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

# The stock page loads styles, scripts and pictures from seven hosts. Its sections are kept, its frame is not.
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h4, h5, h6 { margin: 1.2rem 0 .3rem } a { color: #0b57d0 }
table { border-collapse: collapse; margin: .4rem 0; width: 100% } table table { width: auto }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top }
.badge { background: #eee; border-radius: .3rem; padding: 0 .3rem } .text-danger, .failed { color: #b3261e }
.text-success, .passed { color: #146c2e } .warned, .text-warning { color: #8a5300 } strong { font-weight: 600 }
.alert { background: #f4f4f4; border-radius: .3rem; padding: .3rem .6rem } [hidden], a[data-toggle] { display: none }
.fa-times::before { content: "\\2717" } .fa-check-circle::before { content: "\\2713" }
.fas { font-style: normal; font-weight: 700 } .fa-exclamation-triangle::before { content: "!" }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ table }}, night {{ night }}</title><style>{{ style | safe }}</style></head><body>
<p><a href="../index.html">All nights</a></p>
<h1>{{ table }}, night {{ night }}</h1>
<table><thead><tr><th>Check<th>Verdict<th>Expected<th>Limit<th>Found</tr></thead><tbody>
{% for finding in findings %}<tr><td>{{ finding.name }}
<td class="{{ finding.verdict }}"><strong>{{ finding.verdict }}</strong>
<td>{{ finding.sentence }}<td>{{ finding.threshold }}<td>{{ finding.observed }}</tr>
{% endfor %}</tbody></table>
{% for section in sections %}{% set section_loop = loop %}{% include "section.j2" %}{% endfor %}
</body></html>
"""
_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Quality of the nights</title><style>{{ style | safe }}</style>
</head><body>
<h1>Quality of the nights</h1>
{% for table, nights in tables.items() %}<h5>{{ table }}</h5>
<ul>{% for night in nights %}<li><a href="{{ table }}/{{ night }}.html">{{ night }}</a></li>{% endfor %}</ul>
{% endfor %}</body></html>
"""


def page_of(root: Path, table: str, night: date) -> Path:
    """Where the page of a table of a night is."""
    return root / table / f"{night}.html"


def write_page(root: Path, table: str, night: date, *, result: Any, findings: Sequence[Any]) -> None:
    """Write the page of a table of a night, and the index of all pages.

    Args:
        root: Folder of Data Docs.
        table: Name of the table.
        night: As-of date.
        result: What Great Expectations returned.
        findings: The same, in words; with ``name``, ``verdict``, ``sentence``, ``threshold`` and ``observed``.
    """
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    templates = _templates()
    result.meta["run_id"] = RunIdentifier(run_name=str(night))
    # The overview tells of versions and run identifiers; the findings stand in its place.
    sections = ValidationResultsPageRenderer().render(result).to_json_dict()["sections"][1:]
    page = page_of(root, table, night)
    page.parent.mkdir(parents=True, exist_ok=True)
    words: Mapping[str, Any] = {"table": table, "night": night, "findings": findings, "style": _STYLE}
    write_whole(page, templates.get_template("page.html").render(sections=sections, **words))
    tables = {
        folder.name: sorted((file.stem for file in folder.glob("*.html")), reverse=True)
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }
    write_whole(root / "index.html", templates.get_template("index.html").render(tables=tables, style=_STYLE))


@cache
def _templates() -> "Environment":
    # Compiling them takes longer than filling them in: once per process, not three times a night.
    from great_expectations.render.view.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, DictLoader

    pages: Environment = DefaultJinjaPageView().env
    stock = [pages.loader] if pages.loader else []
    pages.loader = ChoiceLoader([DictLoader({"page.html": _PAGE, "index.html": _INDEX}), *stock])
    return pages
