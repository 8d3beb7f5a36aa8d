"""The power of a sound over time and frequency, in as few columns as a picture can show."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import Block, Sound
from ..signal.stft import hann, power_spectra

MAX_COLUMNS = 600  # about as many as a panel has pixels
FLOOR_DB = -200.0  # for silence; float32 sound is never this quiet
_FRAME_SECONDS = 0.04


@dataclass(frozen=True)
class PowerGrid:
    """The power of a sound over time and frequency.

    Attributes:
        power: The mean power over channels and over the frames of a column, shape (columns, bins); a full-scale sine
            has 1 in its bin.
        mean: The mean over all frames, shape (bins,).
        column_seconds: Duration of a column.
        left_seconds: Where the first column starts: half a hop before 0, since frames are centred.
        bin_hz: Distance between bins; the first one is at 0 Hz.
        duration_seconds: Length of the sound.
    """

    power: NDArray[np.float32]
    mean: NDArray[np.float32]
    column_seconds: float
    left_seconds: float
    bin_hz: float
    duration_seconds: float

    @property
    def silent(self) -> bool:
        """Whether all samples are zero."""
        return not self.power.any()


class ColumnPlan(NamedTuple):
    """How the frames of a sound are grouped into the columns of a picture.

    Attributes:
        n_fft: Length of a frame in samples, about 40 ms.
        hop_length: Distance between frames, which are centred on samples 0, hop, 2 hops ….
        frames: Number of frames.
        per_column: Number of frames in a column; the last one may have fewer.
    """

    n_fft: int
    hop_length: int
    frames: int
    per_column: int

    @classmethod
    def of(cls, samples: int, sample_rate: int) -> "ColumnPlan":
        """Plan the columns of a recording of this many samples."""
        n_fft = frame_length(sample_rate)
        hop_length = min(n_fft // 2, max(n_fft // 8, math.ceil(samples / MAX_COLUMNS)))
        frames = math.ceil(samples / hop_length)
        return cls(n_fft, hop_length, frames, math.ceil(frames / MAX_COLUMNS))


def power_grid(waveform: NDArray[np.floating], sample_rate: int) -> PowerGrid:
    """Measure the power of a sound over time and frequency, see `PowerColumns`.

    Args:
        waveform: Samples, shape (channels, time), time ≥ 1.
        sample_rate: In Hz.
    """
    columns = PowerColumns(waveform.shape[0], waveform.shape[1], sample_rate)
    for block in Sound.of(waveform, sample_rate).blocks():
        columns.push(block)
    return columns.finish()


class PowerColumns:
    """Measures the power of a sound that is read block by block, in overlapping Hann frames of about 40 ms.

    No sample is skipped, however long the sound is: a column is the mean power of its frames. The power of channels is
    averaged, so that they cannot cancel each other.

    Args:
        channels: Number of channels.
        samples: Samples per channel, at least one.
        sample_rate: In Hz.
    """

    def __init__(self, channels: int, samples: int, sample_rate: int) -> None:
        self._plan = ColumnPlan.of(samples, sample_rate)
        self._frames_left = self._plan.frames
        self._samples, self._sample_rate = samples, sample_rate
        self._held = [np.zeros((channels, self._plan.n_fft // 2), np.float32)]
        self._columns: list[NDArray[np.float32]] = []

    def push(self, block: Block) -> None:
        """Take the next samples, shape (channels, time)."""
        self._held.append(block)
        n_fft, hop_length, _, per_column = self._plan
        ready = min(self._frames_left, (sum(each.shape[-1] for each in self._held) - n_fft) // hop_length + 1)
        if ready < self._frames_left:
            ready -= ready % per_column
        if ready <= 0:
            return
        held = np.concatenate(self._held, axis=-1)
        spectra = power_spectra(held[:, : (ready - 1) * hop_length + n_fft], n_fft, hop_length).mean(axis=0)
        starts = np.arange(0, ready, per_column)
        counts = np.diff([*starts, ready])[:, np.newaxis]
        self._columns.append((np.add.reduceat(spectra, starts, axis=0) / counts).astype(np.float32))
        self._frames_left -= ready
        self._held = [held[:, ready * hop_length :]]

    def finish(self) -> PowerGrid:
        """Fill up the last frames with zeros, and return all columns."""
        plan = self._plan
        self.push(np.zeros((self._held[0].shape[0], plan.n_fft), np.float32))
        power = np.concatenate(self._columns) / np.float32(np.square(np.sum(hann(plan.n_fft)) / 2.0))
        counts = np.diff([*range(0, plan.frames, plan.per_column), plan.frames])
        return PowerGrid(
            power=power,
            mean=np.average(power, axis=0, weights=counts).astype(np.float32),
            column_seconds=plan.per_column * plan.hop_length / self._sample_rate,
            left_seconds=-plan.hop_length / 2 / self._sample_rate,
            bin_hz=self._sample_rate / plan.n_fft,
            duration_seconds=self._samples / self._sample_rate,
        )


def frame_length(sample_rate: int) -> int:
    """Choose the power of two that is closest to 40 ms.

    >>> frame_length(22050), frame_length(44100)
    (1024, 2048)
    """
    return int(2 ** max(4, round(math.log2(_FRAME_SECONDS * sample_rate))))


def in_decibels(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert powers to decibels relative to a full-scale sine; silence is −200 dB.

    >>> in_decibels(np.array([1.0, 0.01, 0.0])).tolist()
    [0.0, -20.0, -200.0]
    """
    bounded = np.clip(power, 10.0 ** (FLOOR_DB / 10.0), np.finfo(np.float32).max, dtype=np.float64)
    decibels: NDArray[np.float64] = 10.0 * np.log10(bounded)
    return decibels
