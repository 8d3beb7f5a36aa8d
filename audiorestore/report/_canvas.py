"""What all pictures share: names and titles, fonts and colours, spectrograms, and how a PNG is written.

Importing this file imports matplotlib, of which only the parts without a global current figure are used.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
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

RANGE_DB = 90.0  # how far below the top of the scale its bottom lies
STEP_DB = 5.0  # the top of the scale is the peak rounded up to a multiple of this
# Distinct to colour-blind eyes too (Okabe and Ito 2008).
COLOURS = {"reference": "black", "degraded": "#E69F00", "restored": "#0072B2", "difference": "#009E73"}
_TITLE_LENGTH = 100
_FONT = "DejaVu Sans"  # comes with matplotlib, so that pictures do not depend on the system's fonts
_STYLE: dict[str, Any] = {"font.family": _FONT, "font.size": 12, "axes.titlesize": 13, "figure.titlesize": 15}
# Settings and font caches of matplotlib are shared by all threads; what takes long, the spectra, is made outside.
_DRAWING = threading.Lock()
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def name_apart(records: Iterable[Record], folder_of: Callable[[Record], Path]) -> Iterator[Record]:
    """Pass records on, and note in each whose picture would replace that of an earlier one that it gets none.

    Args:
        records: Those that get pictures.
        folder_of: Names the folder of a record's picture.
    """
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
    """Refuse a record whose picture would lie outside of its folder."""
    if not is_clean_id(record["id"]):
        raise RecordError(f"the id {record['id']!r} cannot name a picture; it must be a relative path without '..'")


def save(target: Path, draw: Callable[[], Figure]) -> None:
    """Draw a figure and write it as PNG, whole or not at all; one that is there already is replaced.

    Args:
        target: Where the picture goes.
        draw: Makes the figure; called under the style of the house, in one thread at a time.
    """
    with atomic_path(target, overwrite=True) as path, _DRAWING, style.context(["default", _STYLE]):
        figure = draw()
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png", metadata={"Software": None})  # else it names matplotlib's version


def title_of(record: Record) -> str:
    """Write a record's id on one line, without characters that the font does not have."""
    shown = printable(record["id"] + (f", sample {record['sample']}" if "sample" in record else ""))
    return shown if len(shown) <= _TITLE_LENGTH else "…" + shown[1 - _TITLE_LENGTH :]


def printable(text: str) -> str:
    """Put a sign in the place of each character that the font does not have, or that is none to be seen."""
    known = get_font(findfont(_FONT)).get_charmap()
    return "".join(each if each.isprintable() and ord(each) in known else _UNKNOWN for each in text)


def scale_top_db(grids: Iterable[PowerGrid]) -> float:
    """Choose where the scale of colours ends: at the loudest of all spectrograms, rounded up."""
    peak = max(float(grid.power.max()) for grid in grids)
    return rounded_up(float(in_decibels(np.array(peak)))) if peak > 0 else 0.0


def rounded_up(decibels: float) -> float:
    """Round up to a multiple of 5 dB.

    >>> rounded_up(-6.02)
    -5.0
    """
    return STEP_DB * math.ceil(decibels / STEP_DB)


def draw_grid(axes: Axes, grid: PowerGrid, sample_rate: int, top_db: float) -> AxesImage:
    """Draw a spectrogram over seconds and kilohertz, on a scale of 90 dB whose top is given."""
    columns, bins = grid.power.shape
    right = grid.left_seconds + columns * grid.column_seconds
    image = axes.imshow(
        in_decibels(grid.power).T,
        cmap="magma",
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        origin="lower",
        aspect="auto",
        extent=(grid.left_seconds, right, -grid.bin_hz / 2000.0, (bins - 0.5) * grid.bin_hz / 1000.0),
    )
    axes.set_xlim(0.0, grid.duration_seconds)
    axes.set_ylim(0.0, sample_rate / 2000.0)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return image


def draw_scale(figure: Figure, image: AxesImage, axes: Sequence[Axes]) -> None:
    """Draw what the colours of spectrograms mean, to the right of them."""
    scale = figure.colorbar(image, ax=axes, extend="min", aspect=40, pad=0.01)
    scale.set_label("power in a bin (dB; 0 dB: a sine of full scale)")
