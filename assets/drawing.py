"""How pictures are drawn: one colour for each scorer in all of them, few lines, and every axis with its unit."""

from collections.abc import Mapping
from io import StringIO
from typing import Any, Literal

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from numpy.typing import NDArray

from assets.wording import NAMES
from models.ranking import Vector

COLOURS = {
    "champion": "#c8431b",
    "committee": "#1f6fc4",
    "mbg_nbd": "#1b8a5a",
    "renewal_rate": "#0f8f94",
    "logistic_rfm": "#8f5bb5",
    "frequency": "#b87a00",
    "recency": "#7a7f87",
}
INK, FAINT, PAPER = "#22262d", "#8b919b", "#ffffff"
TIMES = "\N{MULTIPLICATION SIGN}"
Place = Literal["upper left", "upper right", "lower right", "best"]
DASHED: Any = {"color": FAINT, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 1}


def as_svg(figure: Figure) -> Markup:
    """A picture for a page, in the ink and on the paper of that page (``--ink``, ``--faint``, ``--paper``)."""
    drawn = StringIO()
    with rc_context({"svg.hashsalt": "churn"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = drawn.getvalue()
    for colour, variable in ((INK, "--ink"), (FAINT, "--faint"), (PAPER, "--paper")):
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg[svg.index("<svg") :])  # noqa: S704 - drawn here, with its text as outlines


def running_totals(probability: Vector, amounts: NDArray[Any]) -> tuple[Vector, Vector]:
    """Customers and amounts from the riskiest on, from nobody to everybody; equal probabilities come together."""
    _, group, count = np.unique(-probability, return_inverse=True, return_counts=True)
    return np.cumsum([0.0, *count]), np.cumsum([0.0, *np.bincount(group, amounts)])


def canvas(width: int, height: int) -> Figure:
    """An empty picture of so many pixels."""
    return Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained", facecolor=PAPER)


def dress(axes: Axes, title: str, ylabel: str) -> None:
    """Give a drawing its title and unit, and take away what is not needed."""
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=10)
    axes.set_ylabel(ylabel)
    axes.grid(color=FAINT, alpha=0.18, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9.5)


def legend(axes: Axes, place: Place, title: str = "", *, above: float = 0, reverse: bool = False) -> None:
    """Name the curves in their own colours, in a corner that is empty."""
    named = axes.legend(
        loc=place,
        bbox_to_anchor=(0, above, 1, 1 - above),
        title=title or None,
        frameon=False,
        labelcolor="linecolor",
        handlelength=1.1,
        fontsize=9.5,
        title_fontsize=9,
        alignment="left",
        reverse=reverse,
    )
    named.get_title().set_color(FAINT)


def in_percent(*axes: Axis) -> None:
    """Write shares as percentages."""
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1, decimals=0))


def in_thousands(axis: Axis) -> None:
    """Write large numbers with separators."""
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))


def ordered(scorers: Mapping[str, Any]) -> list[str]:
    """The names of scorers, the most interesting first."""
    return sorted(scorers, key=lambda name: ([*NAMES, name].index(name), name))


def name_of(scorer: str) -> str:
    """How a scorer is called where people read."""
    return NAMES.get(scorer, scorer)


def colour_of(scorer: str) -> str:
    """The colour of a scorer, the same in every picture."""
    return COLOURS.get(scorer, FAINT)


def is_model(scorer: str) -> bool:
    """Whether a scorer is drawn strongly: the models are, the rules are not."""
    return scorer in {"champion", "committee"}


def line_of(scorer: str) -> dict[str, Any]:
    """How the curve of a scorer is drawn."""
    strong = is_model(scorer)
    return {
        "color": colour_of(scorer),
        "linewidth": 2.1 if strong else 1.3,
        "alpha": 1 if strong else 0.85,
        "zorder": 3 if strong else 2,
    }
