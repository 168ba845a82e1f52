"""The report of a night as a page to open anywhere and as text for a terminal or a mail."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from assets.escaping import as_markdown
from assets.night_report import NightReport, calls, cards, lead, sections, shares, title
from assets.written import in_table

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def as_text(report: NightReport) -> str:
    """The report as markdown that also reads well as it is."""
    lines = [f"# {title(report)}", "", lead(report), ""]
    lines += [f"**Attention:** {as_markdown(warning)}\n" for warning in report.warnings]
    lines += ["## Most worth a call", ""]
    for number, call in enumerate(calls(report), 1):
        lines.append(f"{number}. **{as_markdown(call.customer)}**: {', '.join(call.facts)}. {as_markdown(call.advice)}")
        lines += [f"   - {as_markdown(reason)}" for reason in call.reasons]
    for section in sections(report):
        lines += ["", f"## {section.title}", "", *map(as_markdown, section.sentences)]
        if section.rows:
            lines += [""] if section.sentences else []
            lines += _table([section.header, *section.rows])
    if report.places:
        width = max(map(len, report.places))
        lines += ["", "## Where to look next", ""]
        lines += [f"- {as_markdown(what):<{width}}  {as_markdown(where)}" for what, where in report.places.items()]
    return "\n".join(lines) + "\n"


def as_html(report: NightReport) -> str:
    """The report as one page that needs nothing else: no script, no network, in light and dark."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["svg"] = _svg
    return pages.get_template("report.html").render(
        title=title(report),
        lead=lead(report),
        cards=cards(report),
        shares=shares(report),
        warnings=report.warnings,
        calls=calls(report),
        sections=sections(report),
        figures=report.figures,
        places=report.places,
    )


def _svg(figure: "Figure") -> "Markup":
    from assets.drawing import as_svg

    return as_svg(figure)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[in_table(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"| {' | '.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])} |" for row in cells]
    rule = "|" + "|".join("-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]
