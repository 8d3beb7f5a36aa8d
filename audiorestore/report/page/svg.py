"""matplotlib figures as SVG elements of the page, whose colours are those of the page's style, light or dark.

matplotlib decides where everything is. What carries data has a ``gid`` such as ``class:violin c1``, which becomes the
class of its group; since CSS overrides the attributes of an SVG, page.css colours it, and text too. Importing this file
imports matplotlib.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

from .._canvas import drawing
from .text import cleaned

_DPI = 72  # matplotlib's SVGs have a unit of one point
_STYLE = {"font.size": 11, "axes.linewidth": 0.6, "axes.edgecolor": "0.55", "svg.fonttype": "none"} | {
    f"{part}.color": "0.55" for part in ("grid", "xtick", "ytick")
}
_ATTRIBUTES = ("fill", "fill-opacity", "opacity", "stroke", "stroke-opacity", "stroke-width", "text-anchor")


@contextmanager
def page_figure(width: float, height: float) -> Iterator[Figure]:
    """Make a figure of this size in units of its SVG, about pixels; draw and write it inside of the context."""
    with drawing(_STYLE):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        figure.patch.set_visible(False)
        yield figure


def written(figure: Figure, name: str) -> Markup:
    """Write what is in a figure, without style attributes, which the page's policy forbids.

    Args:
        figure: Of `page_figure`.
        name: Unique on the page; the ids of shapes depend on it.
    """
    file = io.StringIO()
    with rc_context({"svg.hashsalt": ascii(name)}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index('<g id="figure_1">') : text.rindex("</svg>")]
    text = re.sub(r"\s+", " ", text).replace("> <", "><").replace(' "', '"')
    text = re.sub(r'<g id="class:([^"]*)">', r'<g class="\1">', text)
    text = re.sub(r'(<(?:g|image)\b[^>]*?) id="[^"]*"', r"\1", text)
    text = re.sub(r' style="([^"]*)"', lambda found: _as_attributes(found[1]), text)
    return Markup(re.sub(r' transform="rotate\(-0 [^"]*"', "", text).replace("xlink:href", "href"))


def _as_attributes(style: str) -> str:
    """Turn declarations of CSS into attributes; fonts are the page's.

    >>> _as_attributes("fill: none; font-size: 10px")
    ' fill="none"'
    """
    pairs = (each.split(":", 1) for each in style.split(";") if ":" in each)
    named = ((name.strip(), value.strip()) for name, value in pairs)
    return "".join(f' {name}="{value}"' for name, value in named if name in _ATTRIBUTES)


def svg(size: tuple[float, float], content: Markup, css: str, words: str) -> Markup:
    """Make an element of the page.

    Args:
        size: Width and height in units.
        content: What `written` gives.
        css: Class of the element.
        words: What it shows, for people who cannot see it.
    """
    head = '<svg class="{}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">'
    return Markup(head).format(css, *size, escape(cleaned(words))) + content + Markup("</svg>")
