"""How loud: decibels, and the one gain that brings a recording closest to another."""

import math

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.floating]


def decibels(power_ratio: float) -> float:
    """Say a ratio of powers in decibels.

    >>> decibels(100.0)
    20.0
    """
    return 10.0 * math.log10(power_ratio)


def from_decibels(gain_db: float) -> float:
    """Turn decibels into the factor that samples are multiplied by.

    >>> from_decibels(-20.0)
    0.1
    """
    return float(10.0 ** (gain_db / 20.0))


def dot(first: Waveform, second: Waveform) -> float:
    """Sum the products of two waveforms over all channels and samples, in double precision."""
    return float(np.einsum("...t,...t->...", first, second, dtype=np.float64).sum())


def mean_power(waveform: Waveform) -> float:
    """Average the squared samples over all channels; silence and nothing at all are 0."""
    return dot(waveform, waveform) / waveform.size if waveform.size else 0.0


def closest_gain(reference: Waveform, estimate: Waveform) -> float:
    """Find the one factor for the estimate that leaves the smallest squared error to the reference.

    This is the *oracle* level match behind the ``_leveled`` rows: the best that any single multiplication could do.
    A silent estimate gets 1.

    >>> closest_gain(np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    2.0
    """
    power = dot(estimate, estimate)
    return dot(reference, estimate) / power if power > 0 else 1.0


def apparent_gain(reference: Waveform, degraded: Waveform) -> float:
    """Measure by which factor the reference's own sound was scaled on its way into the degraded recording.

    Noise that has nothing to do with the reference does not change the answer, where ``closest_gain`` would shrink
    the recording for being noisy. A silent reference gets 1.

    >>> apparent_gain(np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.5, 0.5, 1.5, 0.5]))
    0.5
    """
    power = dot(reference, reference)
    return dot(reference, degraded) / power if power > 0 else 1.0


def active_power(waveform: Waveform, sample_rate: int, depth_db: float = 40.0) -> float:
    """Average the power over the parts where something sounds, so that pauses do not count against the level.

    A part is active when its 50 ms, over all channels, lie less than ``depth_db`` below the loudest 50 ms.

    Args:
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz.
        depth_db: How far below the loudest part still counts, in decibels.
    """
    frames = max(1, sample_rate // 20)
    starts = np.arange(0, waveform.shape[-1], frames)
    if not len(starts):
        return 0.0
    energies = np.add.reduceat(np.square(waveform, dtype=np.float64).sum(axis=0), starts)
    lengths = np.diff(starts, append=waveform.shape[-1]) * waveform.shape[0]
    powers = energies / lengths
    active = powers >= powers.max() * 10.0 ** (-depth_db / 10.0)
    return float(energies[active].sum() / lengths[active].sum())
