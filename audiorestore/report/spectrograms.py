"""Spectrograms of a record's sounds, and of what each still has wrong: the pictures of ``ar eval --plot``.

The layout follows Panchenko et al. 2025, Figure 1, with the reference and a mean spectrum beside it. Importing this
file imports matplotlib, of which only the parts without a global current figure are used.
"""

import math
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from ..data.atomic import atomic_path
from ..data.audio_file import read_audio
from ..data.manifest import Record, is_clean_id, need, output_path
from ..errors import RecordError
from .power_grid import PowerGrid, in_decibels, power_grid

RANGE_DB = 90.0  # how far below the top of the scale its bottom lies
_LEAST_RANGE_DB = 60.0  # of the mean spectra, so that flat ones look flat
_STEP_DB = 5.0  # the top of the scale is the peak rounded up to a multiple of this
_TITLE_LENGTH = 100
_FONT = "DejaVu Sans"  # comes with matplotlib, so that pictures do not depend on the system's fonts
_STYLE: dict[str, Any] = {"font.family": _FONT, "font.size": 12, "axes.titlesize": 13, "figure.titlesize": 15}
_COLOURS = {"reference": "black", "degraded": "#E69F00", "restored": "#0072B2"}  # distinct to colour-blind eyes too
# Settings and font caches of matplotlib are shared by all threads; what takes long, the spectra, is made outside.
_DRAWING = threading.Lock()
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def name_apart(records: Iterable[Record], folder: Path) -> Iterator[Record]:
    """Pass records on, and note in each whose picture would replace that of an earlier one that it gets none."""
    seen = set()
    for record in records:
        if "error" not in record:
            record = {key: value for key, value in record.items() if key not in ("plot", "plot_note")}
            path = plot_path(record, folder)
            if path in seen:
                record["plot_note"] = f"{path} shows an earlier record of this id already"
            seen.add(path)
        yield record


def plot_path(record: Record, folder: Path) -> Path:
    """Name the picture of a record: its id, and its sample where it is one of several, inside the folder."""
    return output_path(folder, record, ".png")


def plot_record(record: Record, folder: Path) -> str:
    """Draw a record's degraded and restored audio beside the reference, and below each what it still has wrong.

    A picture that is there already is replaced. Without degraded or without restored audio, its column is left out.
    The mean power over channels is drawn.

    Args:
        record: With ``reference``, and ``degraded`` or ``restored`` or both, of the same shape and rate; the SNR is
            taken from ``metrics``, where it is.
        folder: Where pictures go; ids are mirrored there.

    Returns:
        The path of the PNG; its bytes depend on the sound, the record's id, sample and SNR, and the version of
        matplotlib.
    """
    if not is_clean_id(record["id"]):
        raise RecordError(f"the id {record['id']!r} cannot name a picture; it must be a relative path without '..'")
    (reference_path,) = need(record, "reference")
    reference, sample_rate = read_audio(reference_path)
    grids = {"reference": power_grid(reference, sample_rate)}
    residuals = {}
    for role in ("degraded", "restored"):
        if record.get(role):
            estimate, rate = read_audio(record[role])
            if (estimate.shape, rate) != (reference.shape, sample_rate):
                raise RecordError(f"{record[role]} and {reference_path} differ in length, rate or channels")
            grids[role] = power_grid(estimate, sample_rate)
            residuals[role] = power_grid(estimate - reference, sample_rate)
    target = plot_path(record, folder)
    with atomic_path(target, overwrite=True) as path, _DRAWING, style.context(["default", _STYLE]):
        figure = draw(grids, residuals, sample_rate, title_of(record), _snr(record))
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png", metadata={"Software": None})  # else it names matplotlib's version
    return str(target)


def draw(
    grids: dict[str, PowerGrid],
    residuals: dict[str, PowerGrid],
    sample_rate: int,
    title: str,
    snr_db: dict[str, float],
) -> Figure:
    """Lay out spectrograms above, residuals below, all on one scale of colours.

    Args:
        grids: Of ``reference``, and of ``degraded``, ``restored`` or both.
        residuals: Of the latter, less the reference.
        sample_rate: In Hz.
        title: Of the whole picture.
        snr_db: For the titles of ``degraded`` and ``restored``, where it is known.
    """
    roles = list(residuals)
    figure = Figure(
        figsize=(5.2 * (len(roles) + 1), 8.4), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07)
    )
    axes = figure.subplots(2, len(roles) + 1, squeeze=False)
    top = _top_db([*grids.values(), *residuals.values()])
    for column, role in enumerate([*roles, "reference"]):
        above, below = axes[:, column]
        image = _draw_grid(above, grids[role], sample_rate, top)
        above.set_title(f"{role}, SNR {snr_db[role]:.2f} dB" if role in snr_db else role)
        if role != "reference":
            _draw_grid(below, residuals[role], sample_rate, top)
            below.set_title(f"{role} − reference{': no difference' if residuals[role].silent else ''}")
            below.set_xlabel("time (s)")
    axes[0, -1].set_xlabel("time (s)")
    for row in axes[:, 0]:
        row.set_ylabel("frequency (kHz)")
    _draw_means(axes[1, -1], grids["reference"], residuals, sample_rate)
    _draw_scale(figure, image, axes)
    figure.suptitle(title, parse_math=False)
    return figure


def _top_db(grids: list[PowerGrid]) -> float:
    peak = max(float(grid.power.max()) for grid in grids)
    return _rounded_up(float(in_decibels(np.array(peak)))) if peak > 0 else 0.0


def _rounded_up(decibels: float) -> float:
    return _STEP_DB * math.ceil(decibels / _STEP_DB)


def _draw_grid(axes: Axes, grid: PowerGrid, sample_rate: int, top_db: float) -> AxesImage:
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


def _draw_means(axes: Axes, reference: PowerGrid, residuals: dict[str, PowerGrid], sample_rate: int) -> None:
    """Draw the mean spectra of the reference and of the residuals as curves; a silent one has none."""
    sounds = {"reference": ("reference", reference)}
    sounds |= {role: (f"{role} − reference", grid) for role, grid in residuals.items()}
    curves = {role: (label, in_decibels(grid.mean)) for role, (label, grid) in sounds.items() if not grid.silent}
    for role, (label, curve) in curves.items():
        frequencies = np.arange(len(curve)) * reference.bin_hz / 1000.0
        # The degraded one's is broad and lies below, so that it shows where another takes the same way.
        width, order = (3.0, 2) if role == "degraded" else (1.2, 3)
        axes.plot(frequencies, curve, color=_COLOURS[role], label=label, linewidth=width, zorder=order)
    top = _rounded_up(max((float(curve.max()) for _, curve in curves.values()), default=0.0))
    lowest = min((float(curve.min()) for _, curve in curves.values()), default=-RANGE_DB)
    bottom = min(max(top - RANGE_DB, lowest - _STEP_DB), top - _LEAST_RANGE_DB)
    axes.set_ylim(bottom, top + _STEP_DB)
    axes.set_xlim(0.0, sample_rate / 2000.0)
    axes.set(title="mean over time (dB)", xlabel="frequency (kHz)")
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(loc="upper right", fontsize=11)


def _draw_scale(figure: Figure, image: AxesImage, axes: Any) -> None:
    scale = figure.colorbar(image, ax=axes, extend="min", aspect=40, pad=0.01)
    scale.set_label("power in a bin (dB; 0 dB: a sine of full scale)")


def _snr(record: Record) -> dict[str, float]:
    rows = record.get("metrics", {})
    found = {role: rows.get(role, {}).get("snr_db") for role in ("degraded", "restored")}
    return {role: value for role, value in found.items() if value is not None}


def title_of(record: Record) -> str:
    """Write a record's id on one line, without characters that the font does not have."""
    known = get_font(findfont(_FONT)).get_charmap()
    text = record["id"] + (f", sample {record['sample']}" if "sample" in record else "")
    shown = "".join(each if each.isprintable() and ord(each) in known else _UNKNOWN for each in text)
    return shown if len(shown) <= _TITLE_LENGTH else "…" + shown[1 - _TITLE_LENGTH :]
