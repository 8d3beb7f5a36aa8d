"""A sound reduced to what a picture can show, block by block, in memory that does not grow with its length."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..signal.level import dot
from ..signal.sound import Block
from .power_grid import PowerColumns, PowerGrid

ENVELOPE_COLUMNS = 1200  # about two for each pixel that a panel has


@dataclass(frozen=True)
class Sketch:
    """A sound reduced to what a picture shows.

    Attributes:
        lowest: The lowest sample of any channel in each column of the envelope, shape (columns,).
        highest: The highest, shape (columns,).
        column_seconds: Duration of a column of the envelope; the first starts at 0.
        mean_power: Mean square over all channels and samples.
        grid: The spectrogram; the same as `power_grid` gives of the whole waveform.
    """

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    column_seconds: float
    mean_power: float
    grid: PowerGrid

    @property
    def peak(self) -> float:
        """The largest magnitude of any sample."""
        return float(max(-self.lowest.min(), self.highest.max()))


class Sketcher:
    """Makes the sketch of a sound that is read block by block; ``frames`` is its whole length, at least 1."""

    def __init__(self, channels: int, frames: int, sample_rate: int) -> None:
        self._samples = channels * frames
        self._sample_rate = sample_rate
        self._spectra = PowerColumns(channels, frames, sample_rate)
        self._energy = 0.0
        self._position = 0
        self._per_column = math.ceil(frames / ENVELOPE_COLUMNS)
        columns = math.ceil(frames / self._per_column)
        self._lowest = np.full(columns, np.inf, np.float32)
        self._highest = np.full(columns, -np.inf, np.float32)

    def push(self, block: Block) -> None:
        """Take the next samples, shape (channels, time), time ≥ 1."""
        self._spectra.push(block)
        self._energy += dot(block, block)
        first, start = self._position // self._per_column, self._position
        self._position += block.shape[-1]
        stop = math.ceil(self._position / self._per_column)
        # Where each column starts in this block; the first may have started in an earlier block.
        starts = np.arange(first, stop) * self._per_column - start
        starts[0] = 0
        for side, pick in ((self._lowest, np.minimum), (self._highest, np.maximum)):
            side[first:stop] = pick(side[first:stop], pick.reduceat(pick.reduce(block), starts))

    def finish(self) -> Sketch:
        """Make the sketch, once all samples have been pushed."""
        column_seconds, mean_power = self._per_column / self._sample_rate, self._energy / self._samples
        return Sketch(self._lowest, self._highest, column_seconds, mean_power, self._spectra.finish())
