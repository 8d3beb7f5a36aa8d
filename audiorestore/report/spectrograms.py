"""Spectrograms of a record's sounds, and of what each still has wrong: the pictures of ``ar eval --plot``.

The layout follows Panchenko et al. 2025, Figure 1, with the reference and a mean spectrum beside it. Importing this
file imports matplotlib, of which only the parts without a global current figure are used.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ..data.audio_file import read_audio
from ..data.manifest import Record, need
from ..errors import RecordError
from ._canvas import (
    COLOURS,
    RANGE_DB,
    STEP_DB,
    check_id,
    draw_grid,
    draw_scale,
    name_apart,
    plot_path,
    rounded_up,
    save,
    scale_top_db,
    title_of,
)
from .power_grid import PowerGrid, in_decibels, power_grid

__all__ = ["RANGE_DB", "draw", "name_apart", "plot_path", "plot_record", "title_of"]

_LEAST_RANGE_DB = 60.0  # of the mean spectra, so that flat ones look flat


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
    check_id(record)
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
    save(target, lambda: draw(grids, residuals, sample_rate, title_of(record), _snr(record)))
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
    top = scale_top_db([*grids.values(), *residuals.values()])
    for column, role in enumerate([*roles, "reference"]):
        above, below = axes[:, column]
        image = draw_grid(above, grids[role], sample_rate, top)
        above.set_title(f"{role}, SNR {snr_db[role]:.2f} dB" if role in snr_db else role)
        if role != "reference":
            draw_grid(below, residuals[role], sample_rate, top)
            below.set_title(f"{role} − reference{': no difference' if residuals[role].silent else ''}")
            below.set_xlabel("time (s)")
    axes[0, -1].set_xlabel("time (s)")
    for row in axes[:, 0]:
        row.set_ylabel("frequency (kHz)")
    _draw_means(axes[1, -1], grids["reference"], residuals, sample_rate)
    draw_scale(figure, image, list(axes.flat))
    figure.suptitle(title, parse_math=False)
    return figure


def _draw_means(axes: Axes, reference: PowerGrid, residuals: dict[str, PowerGrid], sample_rate: int) -> None:
    """Draw the mean spectra of the reference and of the residuals as curves; a silent one has none."""
    sounds = {"reference": ("reference", reference)}
    sounds |= {role: (f"{role} − reference", grid) for role, grid in residuals.items()}
    curves = {role: (label, in_decibels(grid.mean)) for role, (label, grid) in sounds.items() if not grid.silent}
    for role, (label, curve) in curves.items():
        frequencies = np.arange(len(curve)) * reference.bin_hz / 1000.0
        # The degraded one's is broad and lies below, so that it shows where another takes the same way.
        width, order = (3.0, 2) if role == "degraded" else (1.2, 3)
        axes.plot(frequencies, curve, color=COLOURS[role], label=label, linewidth=width, zorder=order)
    top = rounded_up(max((float(curve.max()) for _, curve in curves.values()), default=0.0))
    lowest = min((float(curve.min()) for _, curve in curves.values()), default=-RANGE_DB)
    bottom = min(max(top - RANGE_DB, lowest - STEP_DB), top - _LEAST_RANGE_DB)
    axes.set_ylim(bottom, top + STEP_DB)
    axes.set_xlim(0.0, sample_rate / 2000.0)
    axes.set(title="mean over time (dB)", xlabel="frequency (kHz)")
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(loc="upper right", fontsize=11)


def _snr(record: Record) -> dict[str, float]:
    rows = record.get("metrics", {})
    found = {role: rows.get(role, {}).get("snr_db") for role in ("degraded", "restored")}
    return {role: value for role, value in found.items() if value is not None}
