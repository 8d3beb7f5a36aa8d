"""A pair as waveforms, spectrograms and their difference: the pictures of ``ar pair --plot``.

Both files are read once, block by block, so that two hours take no more memory than two minutes. Importing this file
imports matplotlib.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from ..data.audio_file import AudioReader
from ..data.manifest import Record, need
from ..errors import RecordError
from ..signal.lag import LAG_TOLERANCE
from ..signal.level import decibels
from ._canvas import COLOURS, check_id, draw_grid, draw_scale, save, scale_top_db, title_of
from .pair_words import pair_lines, residual_lags
from .sketch import Sketch, Sketcher

_CLOSE_UP_SECONDS = 0.012
_MARKERS = ("o", "s", "^", "D", "v", "P")

Line = NDArray[np.float32]  # shape (columns,)


class CloseUp(NamedTuple):
    """A few milliseconds of one channel of a pair, where the reference is loudest; samples have shape (time,)."""

    start_seconds: float
    reference: NDArray[np.float32]
    degraded: NDArray[np.float32]


class PairSketch(NamedTuple):
    """A pair reduced to what a picture shows."""

    reference: Sketch
    degraded: Sketch
    difference: Sketch
    close_up: CloseUp
    sample_rate: int


def plot_pair(record: Record, folder: Path) -> str:
    """Draw a pair: both waveforms, both spectrograms, and their difference as waveform, level and spectrogram.

    An existing picture is replaced. Waveforms show the lowest and the highest sample of all channels, spectrograms the
    mean power over channels.

    Args:
        record: With ``reference`` and ``degraded`` of the same shape and rate. ``damage`` and ``alignment`` are
            described, where there are any, and the lags of ``alignment.windows`` are drawn over time.
        folder: For the pictures; ids are mirrored there.

    Returns:
        The path of the PNG; its bytes depend on the sound, the fields named here, the record's id and sample, and the
        version of matplotlib.
    """
    check_id(record)
    need(record, "reference", "degraded")
    with AudioReader(record["reference"]) as reference, AudioReader(record["degraded"]) as degraded:
        sketch = sketch_pair(reference, degraded)
    return save(record, folder, lambda: draw(sketch, title_of(record), pair_lines(record), residual_lags(record)))


def sketch_pair(reference: AudioReader, degraded: AudioReader) -> PairSketch:
    """Read a pair once, and reduce it to what a picture shows; RecordError if length, rate or channels differ."""
    shapes = [(each.info.frames, each.info.channels, each.info.sample_rate) for each in (reference, degraded)]
    if shapes[0] != shapes[1]:
        raise RecordError(f"{degraded.path} and {reference.path} differ in length, rate or channels")
    frames, channels, sample_rate = shapes[0]
    sketchers = [Sketcher(channels, frames, sample_rate) for _ in range(3)]
    close_up, loudest, position = None, -1.0, 0
    for clean, dirty in zip(reference.blocks(), degraded.blocks(), strict=True):
        for sketcher, block in zip(sketchers, (clean, dirty, dirty - clean), strict=True):
            sketcher.push(block)
        peak = float(np.abs(clean).max())
        if peak > loudest:
            close_up, loudest = _close_up(clean, dirty, position, sample_rate), peak
        position += clean.shape[-1]
    assert close_up is not None  # a file has at least one sample
    first, second, third = (sketcher.finish() for sketcher in sketchers)
    return PairSketch(first, second, third, close_up, sample_rate)


def _close_up(clean: NDArray[np.float32], dirty: NDArray[np.float32], position: int, sample_rate: int) -> CloseUp:
    """Cut out a few milliseconds around the peak of a block that starts at this sample."""
    channel, middle = divmod(int(np.abs(clean).argmax()), clean.shape[-1])
    frames = round(_CLOSE_UP_SECONDS * sample_rate)
    start = max(0, min(middle - frames // 2, clean.shape[-1] - frames))
    stretch = (channel, slice(start, start + frames))
    return CloseUp((position + start) / sample_rate, clean[stretch].copy(), dirty[stretch].copy())


def draw(sketch: PairSketch, title: str, lines: list[str], lags: list[NDArray[np.float64]]) -> Figure:
    """Draw waveforms at the top, then spectrograms, then the difference, and lags at the bottom.

    Args:
        sketch: Of the pair.
        title: Of the whole picture.
        lines: Text below the title.
        lags: From `residual_lags`; empty for no panel of lags.
    """
    heights = {
        ("text", "text"): 0.26 * len(lines),
        ("waveforms", "close-up"): 2.8,
        ("reference", "degraded"): 3.0,
        ("difference", "spectrum"): 3.0,
        ("lags", "lags"): 1.5 if lags else 0.0,
    }
    heights = {names: height for names, height in heights.items() if height}
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07)
    figure = Figure(figsize=(13.0, 0.6 + sum(heights.values())), dpi=100, layout=layout)
    axes = figure.subplot_mosaic(list(map(list, heights)), height_ratios=list(heights.values()))
    figure.suptitle(title, parse_math=False)
    if lines:
        axes["text"].set_axis_off()
        text = axes["text"].text(0.5, 0.5, "\n".join(lines), ha="center", va="center", parse_math=False)
        text.set_in_layout(False)  # so that a long text does not change the panels
    _draw_waveforms(axes["waveforms"], sketch)
    _draw_close_up(axes["close-up"], sketch.close_up, sketch.sample_rate)
    side, panel = sketch.difference, axes["difference"]
    _draw_envelope(panel, side, side.lowest, side.highest, COLOURS["difference"], "difference")
    _scale_amplitude(panel, side.peak)
    panel.set(title=f"difference: {_compared(sketch)}", xlim=(0.0, side.grid.duration_seconds), xlabel="time (s)")
    spectra = {"reference": axes["reference"], "degraded": axes["degraded"], "difference": axes["spectrum"]}
    _draw_spectra(figure, spectra, sketch)
    if lags:
        _draw_lags(axes["lags"], lags)
    return figure


def _draw_waveforms(axes: Axes, sketch: PairSketch) -> None:
    """Draw one envelope over the other: dark where both are, in another colour where only one of them is."""
    clean, dirty = sketch.reference, sketch.degraded
    _draw_envelope(axes, dirty, dirty.lowest, dirty.highest, COLOURS["degraded"], "degraded only")
    _draw_envelope(axes, clean, clean.lowest, clean.highest, "0.5", "reference only")
    lowest, highest = np.maximum(clean.lowest, dirty.lowest), np.minimum(clean.highest, dirty.highest)
    _draw_envelope(axes, clean, lowest, np.where(highest >= lowest, highest, np.nan), "0.15", "both")
    _scale_amplitude(axes, max(clean.peak, dirty.peak))
    axes.set(xlim=(0.0, clean.grid.duration_seconds), xlabel="time (s)")
    _draw_legend(axes, "lower center", 0.5)


def _draw_envelope(axes: Axes, side: Sketch, lowest: Line, highest: Line, colour: str, label: str) -> None:
    middles = (np.arange(len(lowest)) + 0.5) * side.column_seconds
    axes.fill_between(middles, lowest, highest, facecolor=colour, edgecolor=colour, linewidth=0.7, label=label)


def _draw_legend(axes: Axes, place: Literal["lower center", "lower right"], across: float) -> None:
    """Draw the legend above a panel, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    place_above: dict[str, Any] = {"bbox_to_anchor": (across, 1.0), "borderaxespad": 0.2, "ncols": len(labels)}
    axes.legend(handles[::-1], labels[::-1], loc=place, fontsize=11, frameon=False, **place_above)


def _level(side: Sketch) -> str:
    """Write a level in decibels relative to a full-scale sine."""
    return f"{decibels(2.0 * side.mean_power):.1f} dB".replace("-", "−") if side.mean_power > 0 else "silent"


def _scale_amplitude(axes: Axes, peak: float) -> None:
    axes.set_ylim(*(np.array([-1.1, 1.1]) * (peak or 1.0)))
    axes.set_ylabel("amplitude")
    axes.grid(alpha=0.3)


def _draw_close_up(axes: Axes, close_up: CloseUp, sample_rate: int) -> None:
    milliseconds = 1000.0 * np.arange(len(close_up.reference)) / sample_rate
    # The degraded curve is wide and below, so that it can be seen where both are the same.
    axes.plot(milliseconds, close_up.degraded, color=COLOURS["degraded"], linewidth=3.5, label="degraded")
    axes.plot(milliseconds, close_up.reference, color=COLOURS["reference"], linewidth=1.2, label="reference")
    _scale_amplitude(axes, float(max(np.abs(close_up.reference).max(), np.abs(close_up.degraded).max())))
    axes.set_xlim(0.0, 1000.0 * len(close_up.reference) / sample_rate)
    axes.set_title("around the peak", loc="left")
    axes.set_xlabel(f"time after {close_up.start_seconds:.3f} s (ms)")
    _draw_legend(axes, "lower right", 1.0)


def _compared(sketch: PairSketch) -> str:
    """Write the level of the difference relative to a full-scale sine, and to the reference: the SNR."""
    if sketch.difference.mean_power == 0:
        return "none"
    if sketch.reference.mean_power == 0:
        return f"{_level(sketch.difference)}, of a silent reference"
    below = decibels(sketch.reference.mean_power / sketch.difference.mean_power)
    return f"{_level(sketch.difference)}, {abs(below):.1f} dB {'below' if below >= 0 else 'above'} the reference"


def _draw_spectra(figure: Figure, axes: dict[str, Axes], sketch: PairSketch) -> None:
    """Draw the spectrograms of both sides and of their difference on one colour scale."""
    grids = {role: getattr(sketch, role).grid for role in axes}
    top = scale_top_db(grids.values())
    images = [draw_grid(axes[role], grid, sketch.sample_rate, top) for role, grid in grids.items()]
    for role, panel in axes.items():
        title = "degraded − reference" if role == "difference" else f"{role}, {_level(getattr(sketch, role))}"
        panel.set(title=title, xlabel="time (s)", ylabel="frequency (kHz)")
    draw_scale(figure, images[0], [axes["degraded"], axes["difference"]])


def _draw_lags(axes: Axes, lags: list[NDArray[np.float64]]) -> None:
    """Draw the lag of each window as a dot, one shape for each channel, and the band in which lags are negligible."""
    axes.axhspan(-LAG_TOLERANCE, LAG_TOLERANCE, color="0.88")
    for channel, row in reversed(list(enumerate(lags))):
        # Channels are side by side, since their dots would hide each other.
        places = np.arange(1, len(row) + 1) + 0.12 * (channel - (len(lags) - 1) / 2)
        marker = _MARKERS[channel % len(_MARKERS)]
        label = f"channel {channel + 1}"
        axes.plot(places, row, marker, color=COLOURS["restored"], markersize=7, fillstyle="none", label=label)
    windows = max(map(len, lags))
    reach = max(float(np.nanmax(np.abs(row))) for row in lags if np.isfinite(row).any())
    axes.set_ylim(*(np.array([-1.25, 1.25]) * max(reach, 2.0 * LAG_TOLERANCE)))
    axes.set_xlim(0.5, windows + 0.5)
    axes.set_xticks(range(1, windows + 1))
    axes.set(title="residual lag in windows from the start to the end", xlabel="window", ylabel="samples")
    axes.grid(alpha=0.3)
    if len(lags) > 1:
        _draw_legend(axes, "lower right", 1.0)
