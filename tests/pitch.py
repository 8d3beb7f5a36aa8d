"""Pitch and power of a sound, for tests of instruments and voices."""

import numpy as np
from numpy.typing import NDArray

from audiorestore.signal.sound import Mono


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def power(waveform: NDArray[np.floating], sample_rate: int, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    frequency_hz = np.fft.rfftfreq(waveform.size, 1.0 / sample_rate)
    return float(spectrum[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def peak_hz(waveform: Mono, sample_rate: int, near_hz: float, within: float) -> float:
    """The strongest frequency near one, to a small part of a bin: a parabola through the logarithms around the peak."""
    n_fft = 4 * waveform.size
    level = np.log(np.abs(np.fft.rfft(waveform * np.hanning(waveform.size), n_fft)) + 1e-30)
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    level[np.abs(frequency_hz - near_hz) > within * near_hz] = -np.inf
    top = int(np.argmax(level))
    below, at, above = level[top - 1 : top + 2]
    return float((top + 0.5 * (below - above) / (below - 2.0 * at + above)) * sample_rate / n_fft)


def cents(played_hz: float, meant_hz: float) -> float:
    return float(1200.0 * np.log2(played_hz / meant_hz))
