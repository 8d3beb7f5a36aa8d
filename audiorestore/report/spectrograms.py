"""Spectrograms of a record's sounds, and of their differences from the reference: the pictures of ``ar eval --plot``.

At the top is what Panchenko et al. 2025 show in Figure 1, next to the reference and the mean spectra of the residuals;
at the bottom the phase, for Deshpande et al. 2021, Figure 4, and the frequency profiles of Lattner and Nistal 2021,
Figure 5. Importing this file imports matplotlib.
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
    rounded_up,
    save,
    scale_top_db,
    title_of,
)
from .phase_grid import Turns, phase_grid
from .power_grid import PowerGrid, in_decibels, power_grid

_LEAST_RANGE_DB = 60.0  # of the mean spectra, so that flat spectra look flat


def plot_record(record: Record, folder: Path) -> str:
    """Draw a record's degraded and restored audio next to the reference, and the difference of each below it.

    An existing picture is replaced. Without degraded or without restored audio, its column is left out. The mean power
    over channels is drawn.

    Args:
        record: With ``reference``, and ``degraded`` or ``restored`` or both, of the same shape and rate; the SNR is
            taken from ``metrics``, where there is one.
        folder: For the pictures; ids are mirrored there.

    Returns:
        The path of the PNG; its bytes depend on the sound, the record's id, sample and SNR, and the version of
        matplotlib.
    """
    check_id(record)
    (reference_path,) = need(record, "reference")
    reference, sample_rate = read_audio(reference_path)
    grids = {"reference": power_grid(reference, sample_rate)}
    residuals, phases = {}, {}
    for role in ("degraded", "restored"):
        if record.get(role):
            estimate, rate = read_audio(record[role])
            if (estimate.shape, rate) != (reference.shape, sample_rate):
                raise RecordError(f"{record[role]} and {reference_path} differ in length, rate or channels")
            grids[role] = power_grid(estimate, sample_rate)
            residuals[role] = power_grid(estimate - reference, sample_rate)
            lowest = 10.0 ** ((scale_top_db([grids["reference"]]) - RANGE_DB) / 10.0)
            phases[role] = phase_grid(reference, estimate, sample_rate, lowest)
    rows = record.get("metrics", {})
    snr_db = {role: rows[role]["snr_db"] for role in residuals if rows.get(role, {}).get("snr_db") is not None}
    return save(record, folder, lambda: draw(grids, residuals, phases, sample_rate, title_of(record), snr_db))


def draw(
    grids: dict[str, PowerGrid],
    residuals: dict[str, PowerGrid],
    phases: dict[str, Turns],
    sample_rate: int,
    title: str,
    snr_db: dict[str, float],
) -> Figure:
    """Draw spectrograms at the top, then residuals on the same colour scale, and phases at the bottom.

    Args:
        grids: Of ``reference``, and of ``degraded``, ``restored`` or both.
        residuals: Of the latter, minus the reference.
        phases: Of the latter, relative to the reference, see `phase_grid`.
        sample_rate: In Hz.
        title: Of the whole picture.
        snr_db: Of ``degraded`` and ``restored``, where it is known.
    """
    roles = list(residuals)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07)
    figure = Figure(figsize=(5.2 * (len(roles) + 1), 12.4), dpi=100, layout=layout)
    axes = figure.subplots(3, len(roles) + 1, squeeze=False)
    top = scale_top_db([*grids.values(), *residuals.values()])
    for column, role in enumerate([*roles, "reference"]):
        image = draw_grid(axes[0, column], grids[role], sample_rate, top)
        axes[0, column].set_title(f"{role}, SNR {snr_db[role]:.2f} dB" if role in snr_db else role)
        if role != "reference":
            draw_grid(axes[1, column], residuals[role], sample_rate, top)
            axes[1, column].set_title(f"{role} − reference{': no difference' if residuals[role].silent else ''}")
            turns = draw_grid(axes[2, column], grids[role], sample_rate, 0.0)
            turns.set_data(np.ma.masked_invalid(phases[role].T))  # light where the phase is right, dark where inverted
            turns.set(cmap="twilight_shifted", clim=(-np.pi, np.pi), interpolation="nearest")
            axes[2, column].set_facecolor("0.6")  # visible where there is no angle
            axes[2, column].set_title(f"phase: {role} − reference")
            axes[2, column].set_xlabel("time (s)")
    axes[0, -1].set_xlabel("time (s)")
    for row in axes[:, 0]:
        row.set_ylabel("frequency (kHz)")
    errors = {"reference": ("reference", grids["reference"])}
    errors |= {role: (f"{role} − reference", residual) for role, residual in residuals.items()}
    _draw_means(axes[1, -1], errors, sample_rate)
    axes[1, -1].set_title("mean over time (dB)")
    _draw_means(axes[2, -1], {role: (role, grid) for role, grid in grids.items()}, sample_rate)
    axes[2, -1].set_title("frequency profiles: mean over time (dB)")
    draw_scale(figure, image, list(axes[:2].flat))
    scale = figure.colorbar(turns, ax=list(axes[2]), aspect=20, pad=0.01, ticks=[-np.pi, 0.0, np.pi])
    scale.set_ticklabels(["−π", "0", "π"])
    scale.set_label("phase difference (grey: level too low)")
    figure.suptitle(title, parse_math=False)
    return figure


def _draw_means(axes: Axes, sounds: dict[str, tuple[str, PowerGrid]], sample_rate: int) -> None:
    """Draw mean spectra as curves, except those of silent sounds."""
    curves = {role: (label, in_decibels(grid.mean)) for role, (label, grid) in sounds.items() if not grid.silent}
    for role, (label, curve) in curves.items():
        frequencies = np.arange(len(curve)) * sounds[role][1].bin_hz / 1000.0
        # The degraded curve is wide and below, so that it can be seen where another one is the same.
        width, order = (3.0, 2) if role == "degraded" else (1.2, 3)
        axes.plot(frequencies, curve, color=COLOURS[role], label=label, linewidth=width, zorder=order)
    top = rounded_up(max((float(curve.max()) for _, curve in curves.values()), default=0.0))
    lowest = min((float(curve.min()) for _, curve in curves.values()), default=-RANGE_DB)
    bottom = min(max(top - RANGE_DB, lowest - STEP_DB), top - _LEAST_RANGE_DB)
    axes.set_ylim(bottom, top + STEP_DB)
    axes.set_xlim(0.0, sample_rate / 2000.0)
    axes.set_xlabel("frequency (kHz)")
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(loc="upper right", fontsize=11)
