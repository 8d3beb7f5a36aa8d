"""Spectrograms for a page: PNG images made with nothing but zlib, inside drawings that have axes.

The colours are the cubehelix of D. A. Green, "A colour scheme for the display of astronomical intensity images",
Bulletin of the Astronomical Society of India 39, 2011, equation 2: they get lighter evenly, so that a print in grey
and eyes that see few colours read the same.
"""

import base64
import math
import struct
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..power_grid import PowerGrid, in_decibels
from .text import escaped

RANGE_DB = 90.0  # how far below the top of the scale its bottom lies
STEP_DB = 5.0  # the top of the scale is the peak rounded up to a multiple of this
ROWS = 256  # pixels that a spectrogram is high, at the most
COLOURS = 128  # steps of 0.7 dB: no edge is seen between two, and the file is small
_START, _TURNS, _HUE, _GAMMA = 0.25, 0.5, 1.35, 1.0  # from a dark blue over purple and orange to a light yellow

# Of a drawing, in its own units: about pixels on a phone.
WIDTH, HEIGHT = 300, 186
LEFT, TOP, RIGHT, BOTTOM = 26, 8, 292, 156


def palette() -> NDArray[np.uint8]:
    """Mix the colours from quiet to loud, shape (COLOURS, 3): red, green and blue."""
    light = np.linspace(0.0, 1.0, COLOURS) ** _GAMMA
    angle = 2.0 * np.pi * (_START / 3.0 + 1.0 + _TURNS * light)
    strength = _HUE * light * (1.0 - light) / 2.0
    mixed = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])
    turned = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ mixed.T
    colours = np.clip(light[:, np.newaxis] + strength[:, np.newaxis] * turned, 0.0, 1.0)
    told: NDArray[np.uint8] = np.rint(255.0 * colours).astype(np.uint8)
    return told


def scale_top_db(grids: Iterable[PowerGrid]) -> float:
    """Choose where the scale of colours ends: at the loudest of all spectrograms, rounded up to a multiple of 5 dB."""
    peak = max((float(grid.power.max()) for grid in grids), default=0.0)
    return STEP_DB * math.ceil(float(in_decibels(np.array(peak))) / STEP_DB) if peak > 0 else 0.0


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Write an image whose pixels are numbers of colours of the `palette`, shape (height, width), row 0 at the top."""
    height, width = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels], axis=1)  # each row says first: not filtered
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette().tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pixels_of(grid: PowerGrid, top_db: float) -> NDArray[np.uint8]:
    """Colour a spectrogram on a scale of 90 dB whose top is given; high frequencies above, shape (rows, columns)."""
    bins = grid.power.shape[1]
    edges = np.linspace(0, bins, min(ROWS, bins) + 1).astype(int)
    power = np.add.reduceat(grid.power, edges[:-1], axis=1) / np.diff(edges)
    share = (in_decibels(power) - (top_db - RANGE_DB)) / RANGE_DB
    pixels: NDArray[np.uint8] = np.rint(np.clip(share, 0.0, 1.0) * (COLOURS - 1)).astype(np.uint8).T[::-1]
    return pixels


def image_uri(pixels: NDArray[np.uint8]) -> str:
    """Write an image as text that stands where an address would."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose about this many round numbers from low to high: multiples of 1, 2 or 5 times a power of ten.

    >>> ticks(0.0, 22.05), ticks(-3.2, 1.1)
    ([0.0, 5.0, 10.0, 15.0, 20.0], [-3.0, -2.0, -1.0, 0.0, 1.0])
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(size * power for size in (1, 2, 5, 10, 20) if (high - low) / (size * power) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.12g}") + 0.0 for place in range(first, last + 1)]


def spectrogram(grid: PowerGrid, sample_rate: int, top_db: float, start_seconds: float, words: str) -> str:
    """Draw a spectrogram over seconds and kilohertz.

    Args:
        grid: What to draw.
        sample_rate: In Hz.
        top_db: Where the scale of colours ends.
        start_seconds: Where in the recording it begins.
        words: What it shows, for those who do not see it.
    """
    duration, highest = grid.duration_seconds, sample_rate / 2000.0
    across = (RIGHT - LEFT) / duration
    # Frames are centred on their time, so that the image begins half a frame's distance before the sound.
    left = LEFT + grid.left_seconds * across
    width = grid.power.shape[0] * grid.column_seconds * across
    marks = []
    for value in ticks(0.0, highest):
        at = BOTTOM - (BOTTOM - TOP) * value / highest
        marks.append(f'<path class="tick" d="M{LEFT - 3} {at:.1f}h3"/>')
        marks.append(f'<text class="left" x="{LEFT - 6}" y="{at + 3.5:.1f}">{value:g}</text>')
    for value in ticks(start_seconds, start_seconds + duration):
        at = LEFT + (value - start_seconds) * across
        marks.append(f'<path class="tick" d="M{at:.1f} {BOTTOM}v3"/>')
        marks.append(f'<text class="below" x="{at:.1f}" y="{BOTTOM + 14}">{value:g}</text>')
    return (
        f'<svg class="spectrogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(words)}">'
        f'<svg x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}">'
        f'<image x="{left - LEFT:.2f}" width="{width:.2f}" height="{BOTTOM - TOP}" preserveAspectRatio="none" '
        f'href="{image_uri(pixels_of(grid, top_db))}"/></svg>'
        f'<line class="playhead" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{BOTTOM}"/>{"".join(marks)}'
        f'<text class="unit" x="{LEFT - 26}" y="{BOTTOM + 27}">kHz</text>'
        f'<text class="unit" x="{RIGHT - 8}" y="{BOTTOM + 27}">s</text></svg>'
    )


def scale(top_db: float) -> str:
    """Draw what the colours mean."""
    ramp = image_uri(np.arange(COLOURS, dtype=np.uint8)[np.newaxis])
    marks = []
    for value in ticks(top_db - RANGE_DB, top_db, 5):
        at = LEFT + (RIGHT - LEFT) * (value - top_db + RANGE_DB) / RANGE_DB
        marks.append(f'<path class="tick" d="M{at:.1f} 18v3"/><text class="below" x="{at:.1f}" y="32">{value:g}</text>')
    return (
        f'<svg class="scale" viewBox="0 0 {WIDTH} 52" role="img" aria-label="colours from {top_db - RANGE_DB:g} to '
        f'{top_db:g} dB"><image x="{LEFT}" y="6" width="{RIGHT - LEFT}" height="12" preserveAspectRatio="none" '
        f'href="{ramp}"/>{"".join(marks)}<text class="unit" x="{LEFT}" y="47">power in a bin, dB; 0 dB: a sine of '
        f"full scale</text></svg>"
    )
