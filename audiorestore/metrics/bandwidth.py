"""Effective bandwidth: how far up the sound reaches, compared with the reference."""

import numpy as np
from numpy.typing import NDArray

from ._comparison import SILENT_ESTIMATE, SILENT_REFERENCE, Comparison, Measured, Number, Signal
from .lsd import HOP_LENGTH, N_FFT

ANY_LEVEL = True  # the floor depends on the sound's own power

# A long-term spectrum counts as sound down to the level of white noise with 50 dB less power than all of it: treble
# below that is hardly missed, and a recording's own noise floor is not mistaken for its band.
DEPTH_DB = 50.0
SHARE = 0.99  # of the area over the floor is below the edge: a single whistling line above does not move it

NUMBERS = {
    "bandwidth_error_hz": Number(
        "Hz",
        False,
        "how far the upper edge of the band lies from the reference's, too low or too high",
        "defined here: below the edge lies 99 % of the area of the long-term spectrum, in decibels over its mean power "
        "- 50 dB; a roll-off point as in Tzanetakis and Cook, IEEE Trans. Speech and Audio Processing 2002, of levels",
        ".0f",
        limits="at the file's own rate; channels are averaged in power; Hann 2048, hop 512. Of the whole recording: "
        "a band that comes and goes is not seen, nor whether what fills it is music or noise. A reference whose "
        "treble lies near the floor has a vague edge: differences under some 100 Hz say nothing.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Compare the edges of both bands; undefined where either is silent."""
    edges = band_edge_hz(comparison.reference), band_edge_hz(comparison.estimate)
    if edges[0] is None or edges[1] is None:
        return {"bandwidth_error_hz": SILENT_REFERENCE if edges[0] is None else SILENT_ESTIMATE}
    return {"bandwidth_error_hz": abs(edges[0] - edges[1])}


def band_edge_hz(signal: Signal) -> float | None:
    """Find the frequency up to which a recording has sound, in Hz; None for silence."""
    # A last frame that the sound does not fill is left out: its jump to silence has power at all frequencies.
    left = max(1, 1 + (signal.sound.frames - N_FFT) // HOP_LENGTH)
    total = np.zeros(N_FFT // 2 + 1)
    for power in signal.power(N_FFT, HOP_LENGTH):
        filled = power[:, :left]
        total += filled.sum(axis=(0, 1), dtype=np.float64)
        left -= filled.shape[1]
    return edge_hz(total, signal.sample_rate) if total.any() else None


def edge_hz(power: NDArray[np.float64], sample_rate: int) -> float:
    """Find the frequency below which 99 % of the area over the floor is, in Hz.

    ``power`` is a long-term spectrum that is not silent, shape (bins,), from 0 Hz to half the rate.

    >>> round(edge_hz(np.array([1.0] * 50 + [0.0] * 51), 20000), 1)
    4900.5
    """
    floor = power.mean() * 10.0 ** (-DEPTH_DB / 10.0)
    heights = 10.0 * np.log10(np.maximum(power, floor) / floor)
    # A bin reaches half a bin to each side of its frequency; the first and the last have one side only.
    limits = np.clip(np.arange(len(power) + 1) - 0.5, 0.0, len(power) - 1) / (len(power) - 1) * sample_rate / 2.0
    areas = np.concatenate([[0.0], np.cumsum(heights * np.diff(limits))])
    return float(np.interp(SHARE * areas[-1], areas, limits))
