"""Spectrograms of the page: images inside of axes, and a line that the player moves.

Importing this file imports matplotlib.
"""

import base64
import io
import re
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from .._canvas import COLOUR_MAP, RANGE_DB, scale_axes
from ..power_grid import PowerGrid, in_decibels
from .svg import page_figure, svg, written

ROWS, COLUMNS = 200, 400  # pixels of an image, at the most
COLOURS = 128  # steps of 0.7 dB, which nobody sees
_SIZE = (300, 196)
_AXES = (38 / 300, 40 / 196, 254 / 300, 148 / 196)  # left, bottom, width, height in the picture

# The inner element cuts off what of the image is outside of the axes.
_INSIDE = Markup(
    '<svg x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{height:.2f}"><image x="{x:.2f}" y="{y:.2f}" '
    'width="{image_width:.2f}" height="{image_height:.2f}" preserveAspectRatio="none" href="{image}"/></svg>'
)
_PLAYHEAD = Markup('<line class="playhead" x1="{0:.2f}" x2="{0:.2f}" y1="{1:.2f}" y2="{2:.2f}"/>')


def spectrograms(
    grids: Sequence[tuple[str, PowerGrid]], sample_rate: int, top_db: float, start_seconds: float, name: str
) -> Iterator[tuple[str, Markup]]:
    """Draw sounds of the same length and rate over seconds and kilohertz; their axes are the same, and drawn once.

    Args:
        grids: What to draw, each with words that say what it shows; at least one.
        sample_rate: In Hz.
        top_db: Top of the colour scale.
        start_seconds: Where in the recording they begin.
        name: Unique on the page.

    Returns:
        The words and the drawing of each.
    """
    with page_figure(*_SIZE) as figure:
        axes = figure.add_axes(_AXES)
        axes.patch.set_visible(False)
        axes.set(xlabel="time (s)", ylabel="frequency (kHz)")
        left, right, low, high = scale_axes(axes, grids[0][1], sample_rate, start_seconds)
        frame = written(figure, name)
        box = axes.get_window_extent()
        (x0, y0), (x1, y1) = axes.transData.transform([(left, low), (right, high)])
    top, bottom = _SIZE[1] - box.y1, _SIZE[1] - box.y0  # an SVG counts from the top
    place = {"left": box.x0, "top": top, "width": box.width, "height": box.height, "x": x0 - box.x0, "y": box.y1 - y1}
    place |= {"image_width": x1 - x0, "image_height": y1 - y0}
    for number, (words, grid) in enumerate(grids):
        inside = _INSIDE.format(**place, image=image_uri(pixels_of(grid, top_db)))
        unique = Markup(re.sub(r"\bm[0-9a-f]{10}\b", rf"\g<0>-{number}", frame))  # ids of the tick marks
        content = inside + _PLAYHEAD.format(box.x0, top, bottom) + unique
        yield words, svg(_SIZE, content, "spectrogram", f"Spectrogram of {words}")


def colour_scale(top_db: float, name: str) -> Markup:
    """Draw what the colours of spectrograms mean."""
    with page_figure(_SIZE[0], 60) as figure:
        axes = figure.add_axes((_AXES[0], 0.7, _AXES[2], 0.2))
        ramp = np.linspace(0.0, 1.0, COLOURS)[np.newaxis]
        axes.imshow(ramp, cmap=COLOUR_MAP, aspect="auto", extent=(top_db - RANGE_DB, top_db, 0.0, 1.0))
        axes.set(yticks=[], xlabel="power in a bin (dB; 0 dB: a full-scale sine)")
        words = f"Colours from {top_db - RANGE_DB:g} to {top_db:g} dB"
        return svg((_SIZE[0], 60), written(figure, name), "scale", words)


def pixels_of(grid: PowerGrid, top_db: float) -> NDArray[np.uint8]:
    """Average a spectrogram down to what a picture shows, as numbers of colours.

    Returns:
        From 0, 90 dB below the top or less, to `COLOURS` − 1; high frequencies first, shape (rows, columns).
    """
    power: NDArray[np.floating] = grid.power
    for axis, most in enumerate((COLUMNS, ROWS)):
        edges = np.linspace(0, power.shape[axis], min(most, power.shape[axis]) + 1).astype(int)
        counts = np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
        power = np.add.reduceat(power, edges[:-1], axis=axis) / counts
    share = (in_decibels(power) - (top_db - RANGE_DB)) / RANGE_DB
    pixels: NDArray[np.uint8] = np.rint(np.clip(share, 0.0, 1.0) * (COLOURS - 1)).astype(np.uint8).T[::-1]
    return pixels


def image_uri(pixels: NDArray[np.uint8]) -> str:
    """Write an image as PNG, as text that stands where an address would."""
    image = Image.fromarray(pixels, "P")
    image.putpalette(colormaps[COLOUR_MAP](np.linspace(0.0, 1.0, COLOURS), bytes=True)[:, :3].tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
