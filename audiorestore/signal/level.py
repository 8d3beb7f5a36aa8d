"""How loud: decibels, powers, and the gain of one recording relative to another."""

import math

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.floating]


def decibels(power_ratio: float) -> float:
    """Convert a ratio of powers to decibels.

    >>> decibels(100.0)
    20.0
    """
    return 10.0 * math.log10(power_ratio)


def from_decibels(gain_db: float) -> float:
    """Convert decibels to the factor that samples are multiplied by.

    >>> from_decibels(-20.0)
    0.1
    """
    return float(10.0 ** (gain_db / 20.0))


def dot(first: Waveform, second: Waveform) -> float:
    """Sum the products of two waveforms over all channels and samples, in double precision."""
    return float(np.einsum("...t,...t->...", first, second, dtype=np.float64).sum())


def apparent_gain(reference: Waveform, degraded: Waveform) -> float:
    """Measure the factor by which the reference was scaled in the degraded recording; 1 if the reference is silent.

    Noise that has nothing to do with the reference does not change the result.

    >>> apparent_gain(np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.5, 0.5, 1.5, 0.5]))
    0.5
    """
    power = dot(reference, reference)
    return dot(reference, degraded) / power if power > 0 else 1.0


class LevelMeter:
    """Measure a recording's power block by block, over all of it and over its active parts.

    A part of 50 ms is active if its power over all channels is less than ``depth_db`` below that of the loudest part.
    So pauses do not lower the level, much as ITU-T P.56 measures speech.
    """

    def __init__(self, sample_rate: int, depth_db: float = 40.0) -> None:
        self._frames = max(1, sample_rate // 20)
        self._depth = 10.0 ** (-depth_db / 10.0)
        self._energies: list[NDArray[np.float64]] = []
        self._rest = np.zeros(0)
        self._channels = 1

    def push(self, block: Waveform) -> None:
        """Take the next samples, shape (channels, time)."""
        self._channels = block.shape[0]
        squares = np.concatenate([self._rest, np.square(block, dtype=np.float64).sum(axis=0)])
        parts = len(squares) // self._frames
        self._energies.append(squares[: parts * self._frames].reshape(parts, self._frames).sum(axis=1))
        self._rest = squares[parts * self._frames :]

    def active_power(self) -> float:
        """Average the power over the active parts; 0 for an empty recording."""
        energies, lengths = self._parts()
        if not len(energies):
            return 0.0
        powers = energies / lengths
        active = powers >= powers.max() * self._depth
        return float(energies[active].sum() / lengths[active].sum())

    def mean_power(self) -> float:
        """Average the power over the whole recording; 0 if it is empty."""
        energies, lengths = self._parts()
        return float(energies.sum() / lengths.sum()) if len(energies) else 0.0

    def _parts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        energies = np.concatenate([*self._energies, [self._rest.sum()] if len(self._rest) else []])
        lengths = np.full(len(energies), float(self._frames * self._channels))
        if len(self._rest):
            lengths[-1] = len(self._rest) * self._channels
        return energies, lengths
