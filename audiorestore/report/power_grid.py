"""The power of a sound over time and frequency, in as few columns as a picture can show."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..signal.align import shift
from ..signal.stft import hann, power_spectra

MAX_COLUMNS = 600  # about what a panel has pixels for
FLOOR_DB = -200.0  # what silence is drawn as; float32 sound is never this quiet
_FRAME_SECONDS = 0.04


@dataclass(frozen=True)
class PowerGrid:
    """The power of a sound over time and frequency.

    Attributes:
        power: The mean power over channels and over the frames of a column, shape (columns, bins); 1 is what a sine
            of full scale has in its bin.
        mean: The mean over all frames, shape (bins,).
        column_seconds: How much time a column stands for.
        left_seconds: Where the first column begins: half a hop before 0, since frames are centred.
        bin_hz: Distance between bins; the first one lies at 0 Hz.
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
        """Whether there is no sound at all."""
        return not self.power.any()


def power_grid(waveform: NDArray[np.floating], sample_rate: int) -> PowerGrid:
    """Measure where a sound has its power, from overlapping Hann frames of about 40 ms.

    Every sample counts, however long the sound is: where there are more frames than columns, a column is the mean power
    of its frames. Channels are averaged in power too, so that none can cancel another.

    Args:
        waveform: Samples, shape (channels, time), time ≥ 1.
        sample_rate: In Hz.
    """
    n_fft = frame_length(sample_rate)
    hop_length = min(n_fft // 2, max(n_fft // 8, math.ceil(waveform.shape[-1] / MAX_COLUMNS)))
    frames = math.ceil(waveform.shape[-1] / hop_length)  # centred on samples 0, hop, 2 hops …
    per_column = math.ceil(frames / MAX_COLUMNS)
    starts = range(0, frames, per_column)
    counts = [min(per_column, frames - start) for start in starts]
    power = np.empty((len(starts), n_fft // 2 + 1), np.float32)
    for column, (start, count) in enumerate(zip(starts, counts, strict=True)):
        stretch = shift(waveform, start * hop_length - n_fft // 2, (count - 1) * hop_length + n_fft)
        power[column] = power_spectra(stretch, n_fft, hop_length).mean(axis=(0, 1))
    power /= np.square(np.sum(hann(n_fft)) / 2.0)
    return PowerGrid(
        power=power,
        mean=np.average(power, axis=0, weights=counts).astype(np.float32),
        column_seconds=per_column * hop_length / sample_rate,
        left_seconds=-hop_length / 2 / sample_rate,
        bin_hz=sample_rate / n_fft,
        duration_seconds=waveform.shape[-1] / sample_rate,
    )


def frame_length(sample_rate: int) -> int:
    """Choose the power of two that is closest to 40 ms.

    >>> frame_length(22050), frame_length(44100)
    (1024, 2048)
    """
    return int(2 ** max(4, round(math.log2(_FRAME_SECONDS * sample_rate))))


def in_decibels(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Say powers in decibels over that of a sine of full scale; silence is −200 dB.

    >>> in_decibels(np.array([1.0, 0.01, 0.0])).tolist()
    [0.0, -20.0, -200.0]
    """
    bounded = np.clip(power, 10.0 ** (FLOOR_DB / 10.0), np.finfo(np.float32).max, dtype=np.float64)
    decibels: NDArray[np.float64] = 10.0 * np.log10(bounded)
    return decibels
