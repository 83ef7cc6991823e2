"""One look for all plots: SVG whose colors are the page's, and its text text."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 360.0
"""Of plots, in CSS pixels: what a phone can show without shrinking the text."""

INK, MUTED, LINE, BAND = "#010101", "#020202", "#030303", "#040404"
REAL, MIXED, SYNTHETIC, BAD = "#050505", "#060606", "#070707", "#080808"
"""Stand for the colors of the page, which differ in light, dark and print."""

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    BAND: "--band",
    REAL: "--real",
    MIXED: "--mixed",
    SYNTHETIC: "--synthetic",
    BAD: "--bad",
}
_POINTS_AN_INCH = 72
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.borderpad": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "butt",
    # The step names on the pages come from files: a dollar is a dollar.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 10,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 10,
    "ytick.left": False,
}


@contextmanager
def drawing(
    height: float, n_rows: int = 1, width: float = WIDTH
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield an empty figure in the common style, and its axes from top to bottom.

    Args:
        height: In CSS pixels.
        n_rows: Axes one above the other, which share their horizontal axis.
        width: In CSS pixels.
    """
    size = width / _POINTS_AN_INCH, height / _POINTS_AN_INCH
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=size)
        axes = figure.subplots(n_rows, 1, sharex=True, squeeze=False)
        yield figure, [row[0] for row in axes]


def as_svg(figure: Figure, name: str, alt: str) -> Markup:
    """Render a figure as an SVG element; call it within `drawing`.

    The same figure gives the same text, and no two names share an id.

    Args:
        figure: What `drawing` gave.
        name: Unique within the page; letters, digits and hyphens.
        alt: What a reader who does not see it must know.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for pattern, replacement in (
        # Within a page it would be a rule for all of the page.
        (r"<defs>\s*<style.*?</style>\s*</defs>", ""),
        (r'(?<= )id="', f'id="{name}-'),
        (r'(?<=href=")#', f"#{name}-"),
        (r"url\(#", f"url(#{name}-"),
        (r"(?<=font-family: )[^;\"]*", "inherit"),
        (r' (?:width|height)="[\d.]+pt"', ""),
    ):
        svg = re.sub(pattern, replacement, svg, flags=re.DOTALL)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    head = f'<svg class="plot" role="img" aria-label="{escape(alt)}"'
    # Nothing in it is ours to escape: Matplotlib has, of all that came from files.
    return Markup(svg.replace("<svg", head, 1))
