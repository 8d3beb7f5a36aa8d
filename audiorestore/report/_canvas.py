"""What all pictures share: names and titles, fonts and colours, spectrograms, and how a PNG is written.

Importing this file imports matplotlib. Only its object-oriented parts are used, which have no global current figure.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ..data.atomic import atomic_path
from ..data.manifest import Record, is_clean_id, output_path
from ..errors import RecordError
from .power_grid import PowerGrid, in_decibels

RANGE_DB = 90.0  # from the bottom to the top of the colour scale
STEP_DB = 5.0  # the top of the scale is the peak rounded up to a multiple of this
COLOUR_MAP = "magma"
# Distinct to colour-blind eyes too (Okabe and Ito 2008).
COLOURS = {"reference": "black", "degraded": "#E69F00", "restored": "#0072B2", "difference": "#009E73"}
_TITLE_LENGTH = 100
_FONT = "DejaVu Sans"  # comes with matplotlib, so that pictures do not depend on the system's fonts
_STYLE: dict[str, Any] = {"font.family": _FONT, "font.size": 12, "axes.titlesize": 13, "figure.titlesize": 15}
# All threads share matplotlib's settings and font caches. The slow part, the spectra, is computed outside of the lock.
_DRAWING = threading.Lock()
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def name_apart(records: Iterable[Record], folder_of: Callable[[Record], Path]) -> Iterator[Record]:
    """Pass records on, with a ``plot_note`` where the picture in its folder would replace an earlier record's."""
    seen = set()
    for record in records:
        if "error" not in record:
            record = {key: value for key, value in record.items() if key not in ("plot", "plot_note")}
            path = plot_path(record, folder_of(record))
            if path in seen:
                record["plot_note"] = f"{path} shows an earlier record of this id already"
            seen.add(path)
        yield record


def plot_path(record: Record, folder: Path) -> Path:
    """Name the picture of a record: its id, and its sample where it is one of several, inside the folder."""
    return output_path(folder, record, ".png")


def check_id(record: Record) -> None:
    """Refuse a record whose picture would be outside of its folder."""
    if not is_clean_id(record["id"]):
        raise RecordError(f"the id {record['id']!r} cannot name a picture; it must be a relative path without '..'")


@contextmanager
def drawing(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw with the project's settings of matplotlib, and more; one thread at a time, independent of the user's own."""
    with _DRAWING, style.context(["default", {**_STYLE, **(settings or {})}]):
        yield


def save(record: Record, folder: Path, draw: Callable[[], Figure]) -> str:
    """Draw the picture of a record and write it as PNG, whole or not at all; an existing file is replaced.

    Args:
        record: The record.
        folder: For the pictures; ids are mirrored there.
        draw: Makes the figure; called inside of `drawing`.

    Returns:
        The path of the PNG.
    """
    target = plot_path(record, folder)
    with atomic_path(target, overwrite=True) as path, drawing():
        canvas: Any = FigureCanvasAgg(draw())
        # Not savefig, which draws twice. The metadata would name matplotlib's version.
        canvas.print_png(path, metadata={"Software": None})
    return str(target)


def title_of(record: Record) -> str:
    """Write a record's id on one line, without characters that the font does not have."""
    shown = printable(record["id"] + (f", sample {record['sample']}" if "sample" in record else ""))
    return shown if len(shown) <= _TITLE_LENGTH else "…" + shown[1 - _TITLE_LENGTH :]


def printable(text: str) -> str:
    """Replace each character that the font does not have, or that cannot be seen."""
    known = get_font(findfont(_FONT)).get_charmap()
    return "".join(each if each.isprintable() and ord(each) in known else _UNKNOWN for each in text)


def scale_top_db(grids: Iterable[PowerGrid]) -> float:
    """Choose the top of the colour scale: the peak of all spectrograms, rounded up to a multiple of 5 dB."""
    peak = max((float(grid.power.max()) for grid in grids), default=0.0)
    return rounded_up(float(in_decibels(np.array(peak)))) if peak > 0 else 0.0


def rounded_up(decibels: float) -> float:
    """Round up to a multiple of 5 dB.

    >>> rounded_up(-6.02)
    -5.0
    """
    return STEP_DB * math.ceil(decibels / STEP_DB)


def draw_grid(axes: Axes, grid: PowerGrid, sample_rate: int, top_db: float) -> AxesImage:
    """Draw a spectrogram over seconds and kilohertz; its colour scale covers 90 dB, up to the top."""
    image = axes.imshow(
        in_decibels(grid.power).T,
        cmap=COLOUR_MAP,
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        origin="lower",
        aspect="auto",
        extent=scale_axes(axes, grid, sample_rate),
    )
    scale_axes(axes, grid, sample_rate)
    return image


def scale_axes(
    axes: Axes, grid: PowerGrid, sample_rate: int, start_seconds: float = 0.0
) -> tuple[float, float, float, float]:
    """Let axes show seconds, from where in the recording the spectrogram begins, and kilohertz.

    Returns:
        The edges of the spectrogram's first and last column and bin: left, right, bottom, top.
    """
    columns, bins = grid.power.shape
    axes.set_xlim(start_seconds, start_seconds + grid.duration_seconds)
    axes.set_ylim(0.0, sample_rate / 2000.0)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    left = start_seconds + grid.left_seconds
    return left, left + columns * grid.column_seconds, -grid.bin_hz / 2000.0, (bins - 0.5) * grid.bin_hz / 1000.0


def draw_scale(figure: Figure, image: AxesImage, axes: Sequence[Axes]) -> None:
    """Draw the colour scale of spectrograms, to the right of them."""
    scale = figure.colorbar(image, ax=axes, extend="min", aspect=40, pad=0.01)
    scale.set_label("power in a bin (dB; 0 dB: a full-scale sine)")
