"""How numbers are distributed, and how training went: violins and curves. Importing this file imports matplotlib.

Violins follow Figure 4 of S. Lattner and J. Nistal, "Stochastic Restoration of Heavily Compressed Musical Audio using
Generative Adversarial Networks", Electronics 2021, and J. L. Hintze and R. D. Nelson, "Violin Plots: A Box
Plot-Density Trace Synergism", The American Statistician 52, 1998; here they are horizontal, so that names have room.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from .._canvas import printable
from ..tables import format_number
from .svg import page_figure, svg, written
from .text import cut

_WIDTH, _LANE, _CURVE_HEIGHT = 360, 46, 210  # of a chart, of a violin with its name, and of curves
_MOST_DOTS = 60  # more values than this are not drawn one by one
_LEAST_VALUES = 3  # fewer have no shape
_DECADES = 1.5  # curves that span more than this have a logarithmic axis


class Violin(NamedTuple):
    """The values of one column.

    Attributes:
        label: The column's name.
        css: CSS classes that give its colour.
        values: At least one, shape (count,).
    """

    label: str
    css: str
    values: NDArray[np.float64]


class Curve(NamedTuple):
    """Something over steps of training: ``values`` as many as ``steps``, finite; ``css`` classes give its colour."""

    label: str
    css: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def violins(rows: Sequence[Violin], name: str, unit: str, style: str) -> Markup:
    """Draw how one number is distributed in several columns, one below the other.

    Each shows its median as a stroke and the middle half of its values as a bar. Its shape is a Gaussian kernel density
    with Silverman's bandwidth, and all violins have the same largest width. A few values are also drawn as dots; fewer
    than three only as dots.

    Args:
        rows: At least one.
        name: Of the number.
        unit: Of the number, may be "".
        style: How to write a value, as in Python's format language.
    """
    medians = [format_number(float(np.median(row.values)), style) for row in rows]
    bottom = 36 if unit else 22
    size = (_WIDTH, len(rows) * _LANE + bottom + 4)
    with page_figure(*size) as figure:
        axes = _chart(figure, size[1], (10, 10, bottom, 4))
        axes.set(ylim=(len(rows) * _LANE, 0), yticks=[], xlabel=unit)
        axes.spines["left"].set_visible(False)
        for lane, (row, median) in enumerate(zip(rows, medians, strict=True)):
            _draw_violin(axes, row, lane * _LANE, median)
        axes.margins(x=0.03)
        content = written(figure, f"violins of {name}")
    words = "; ".join(f"{row.label} {median}" for row, median in zip(rows, medians, strict=True))
    return svg(size, content, "chart", f"{name}, medians: {words}")


def _draw_violin(axes: Axes, row: Violin, top: float, median: str) -> None:
    middle = top + 0.65 * _LANE
    sideways = axes.get_yaxis_transform()  # x in shares of the axes, y in units
    for x, side, text, css in ((0.0, "left", printable(cut(row.label, 34)), "name"), (1.0, "right", median, "value")):
        axes.text(x, top + 13, text, ha=side, transform=sideways, parse_math=False, gid=f"class:{css}")
    quarter, half, three_quarters = np.percentile(row.values, [25, 50, 75])
    if len(row.values) >= _LEAST_VALUES and np.ptp(row.values) > 0:
        shape: Any = {"orientation": "horizontal", "widths": 24, "showextrema": False, "bw_method": "silverman"}
        axes.violinplot(row.values, [middle], **shape)
        axes.collections[-1].set_gid(f"class:violin {row.css}")
        axes.plot([quarter, three_quarters], [middle] * 2, linewidth=4, gid=f"class:half {row.css}")
    if len(row.values) <= _MOST_DOTS:
        axes.plot(
            row.values, [middle] * len(row.values), "o", markersize=4, markeredgewidth=0, gid=f"class:dots {row.css}"
        )
    axes.plot([half] * 2, [middle - 8, middle + 8], linewidth=2.5, gid="class:median")


def curves(lines: Sequence[Curve], name: str, ylabel: str, words: str) -> Markup:
    """Draw curves over steps of training; with a logarithmic axis where they span much and are all positive.

    Args:
        lines: At least one.
        name: Unique on the page.
        ylabel: What the values are, with their unit.
        words: What it shows, for people who cannot see it.
    """
    with page_figure(_WIDTH, _CURVE_HEIGHT) as figure:
        axes = _chart(figure, _CURVE_HEIGHT, (56, 12, 40, 8))
        for line in lines:
            axes.plot(line.steps, line.values, linewidth=1.5, gid=f"class:curve {line.css}")
            axes.plot(
                line.steps[-1:], line.values[-1:], "o", markersize=4, markeredgewidth=0, gid=f"class:dots {line.css}"
            )
        low, high = (pick(pick(line.values) for line in lines) for pick in (min, max))
        if low > 0 and high > low * 10.0**_DECADES:
            axes.set_yscale("log")
            axes.yaxis.minorticks_off()
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set(xlabel="step", ylabel=ylabel)
        return svg((_WIDTH, _CURVE_HEIGHT), written(figure, name), "chart", words)


def _chart(figure: Figure, height: float, margins: tuple[float, float, float, float]) -> Axes:
    """Make axes with a grid; margins are left, right, bottom, top."""
    left, right, bottom, top = margins
    box = (left / _WIDTH, bottom / height, (_WIDTH - left - right) / _WIDTH, (height - bottom - top) / height)
    axes = figure.add_axes(box)
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    return axes
