"""How numbers are spread, and how training went: violins and curves, drawn as SVG without any library.

Violins follow Figure 4 of S. Lattner and J. Nistal, "Stochastic Restoration of Heavily Compressed Musical Audio using
Generative Adversarial Networks", Electronics 2021, and J. L. Hintze and R. D. Nelson, "Violin Plots: A Box
Plot-Density Trace Synergism", The American Statistician 52, 1998; here they lie, so that names have room.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tables import format_number
from .pictures import ticks
from .text import escaped

POINTS = 80  # of a violin's outline
_DOTS = 60  # more values than this are not drawn one by one
_WIDTH = 360  # about pixels on a phone
_LEFT, _RIGHT = 10, 350
_LANE, _HALF = 46, 12  # height of a violin with its name, and half that of the violin
_LEAST_VALUES = 3  # fewer have no shape
_CURVE = (40, 10, 352, 170)  # left, top, right, bottom of a chart of curves
_DECADES = 1.5  # curves that span more than this are drawn over a logarithmic scale


@dataclass(frozen=True)
class Violin:
    """The values of one column, and how it is told from others.

    Attributes:
        label: Its name.
        colour: Its CSS class.
        values: At least one, shape (count,).
    """

    label: str
    colour: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Something over steps of training; ``values`` as long as ``steps``, all finite."""

    label: str
    colour: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


def density(values: NDArray[np.float64], points: int = POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say how densely values lie, from the least to the greatest: a Gaussian on each of them.

    Args:
        values: At least one, shape (count,).
        points: At how many places.

    Returns:
        The places and the densities there, shape (points,) each; where all values are one, a single place.

    Source: B. W. Silverman, Density Estimation for Statistics and Data Analysis, 1986, section 3.4: the bandwidth is
    0.9 · min(standard deviation, interquartile range / 1.34) · count^(−1/5).
    """
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return np.array([low]), np.array([1.0])
    quarter, three_quarters = np.percentile(values, [25, 75])
    spread = min([each for each in (float(np.std(values, ddof=1)), (three_quarters - quarter) / 1.34) if each > 0])
    width = max(0.9 * spread * len(values) ** -0.2, (high - low) / points)
    places = np.linspace(low, high, points)
    total = np.zeros(points)
    for value in values:  # one by one: memory does not grow with points times values
        total += np.exp(-0.5 * np.square((places - value) / width))
    return places, total / (len(values) * width * math.sqrt(2.0 * math.pi))


def violins(rows: Sequence[Violin], title: str, style: str) -> str:
    """Draw the spread of one number in several columns, one below the other, on a common scale.

    Each has its median as a stroke and the middle half of its values as a bar, and is as broad as all others where it
    is densest. Few values are dots as well; fewer than three are nothing but dots.

    Args:
        rows: At least one.
        title: Name of the number.
        style: How to write a value, as in Python's format language.
    """
    low = min(float(row.values.min()) for row in rows)
    high = max(float(row.values.max()) for row in rows)
    margin = 0.03 * (high - low) or max(abs(low) * 0.05, 0.5)
    low, high = low - margin, high + margin
    bottom = len(rows) * _LANE + 4
    parts = []
    for value in ticks(low, high):
        at = _across(value, low, high)
        parts.append(f'<path class="grid" d="M{at:.1f} 4V{bottom}"/>')
        parts.append(f'<text class="below" x="{at:.1f}" y="{bottom + 14}">{value:g}</text>')
    for lane, row in enumerate(rows):
        parts.append(_violin(row, lane * _LANE + 4, low, high, style))
    told = "; ".join(f"{row.label} {format_number(float(np.median(row.values)), style)}" for row in rows)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {bottom + 20}" role="img" '
        f'aria-label="{escaped(f"{title}, medians: {told}", 2000)}">{"".join(parts)}</svg>'
    )


def _violin(row: Violin, top: float, low: float, high: float, style: str) -> str:
    middle = top + _LANE - _HALF - 4
    values = np.sort(row.values)
    quarter, median, three_quarters = (float(each) for each in np.percentile(values, [25, 50, 75]))
    parts = [
        f'<text class="name" x="{_LEFT}" y="{top + 13}">{escaped(row.label, 34)}</text>',
        f'<text class="value" x="{_RIGHT}" y="{top + 13}">{format_number(median, style)}</text>',
    ]
    if len(values) >= _LEAST_VALUES and values[-1] > values[0]:
        places, height = density(values)
        xs = [_across(float(place), low, high) for place in places]
        half = _HALF * height / height.max()
        upper = [f"{x:.1f} {middle - each:.1f}" for x, each in zip(xs, half, strict=True)]
        lower = [f"{x:.1f} {middle + each:.1f}" for x, each in zip(xs, half, strict=True)]
        parts.append(f'<path class="violin" d="M{"L".join(upper + lower[::-1])}Z"/>')
        start, stop = (_across(each, low, high) for each in (quarter, three_quarters))
        parts.append(f'<path class="half" d="M{start:.1f} {middle}H{stop:.1f}"/>')
    if len(values) <= _DOTS:
        parts += [f'<circle cx="{_across(float(each), low, high):.1f}" cy="{middle}" r="2"/>' for each in values]
    parts.append(f'<path class="median" d="M{_across(median, low, high):.1f} {middle - 8}v16"/>')
    return f'<g class="{row.colour}">{"".join(parts)}</g>'


def _across(value: float, low: float, high: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * (value - low) / (high - low)


def curves(lines: Sequence[Curve], title: str) -> str:
    """Draw curves over steps of training; over a logarithmic scale where they span much and are all above zero.

    Args:
        lines: At least one, of at least one point each.
        title: What is drawn, for those who do not see it.
    """
    left, top, right, bottom = _CURVE
    everything = np.concatenate([line.values for line in lines])
    last = max(float(line.steps.max()) for line in lines)
    first = min(float(line.steps.min()) for line in lines)
    logarithmic = bool(everything.min() > 0 and everything.max() > everything.min() * 10.0**_DECADES)
    scaled = [np.log10(line.values) if logarithmic else line.values for line in lines]
    low, high = min(float(each.min()) for each in scaled), max(float(each.max()) for each in scaled)
    margin = 0.04 * (high - low) or max(abs(low) * 0.05, 1e-12)
    low, high = low - margin, high + margin
    parts = []
    for value in ticks(low, high):
        if logarithmic and value != round(value) and high - low > 2:
            continue
        at = bottom - (bottom - top) * (value - low) / (high - low)
        parts.append(f'<path class="grid" d="M{left} {at:.1f}H{right}"/>')
        name = f"{10.0**value:.2g}" if logarithmic else f"{value:g}"
        parts.append(f'<text class="left" x="{left - 4}" y="{at + 3.5:.1f}">{name}</text>')
    span = last - first or 1.0
    for value in ticks(first, last):
        at = left + (right - left) * (value - first) / span
        parts.append(f'<text class="below" x="{at:.1f}" y="{bottom + 14}">{value:g}</text>')
    for line, values in zip(lines, scaled, strict=True):
        xs = left + (right - left) * (line.steps - first) / span
        ys = bottom - (bottom - top) * (values - low) / (high - low)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        dot = f'<circle cx="{xs[-1]:.1f}" cy="{ys[-1]:.1f}" r="2.5"/>'
        parts.append(f'<g class="{line.colour}"><polyline class="curve" points="{points}"/>{dot}</g>')
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {bottom + 30}" role="img" aria-label="{escaped(title)}">'
        f'{"".join(parts)}<text class="unit end" x="{right}" y="{bottom + 27}">step</text></svg>'
    )
