"""Changing the sample rate, whole or block by block, with the length exact (soxr, very high quality)."""

import numpy as np
import soxr
from numpy.typing import NDArray

QUALITY = "VHQ"


def resampled_frames(frames: int, from_rate: int, to_rate: int) -> int:
    """Count the samples that a recording has at another rate.

    >>> resampled_frames(44100, 44100, 16000)
    16000
    """
    return -(-frames * to_rate // from_rate)


def fit(waveform: NDArray[np.floating], frames: int) -> NDArray[np.floating]:
    """Cut the end of a waveform, or pad it with zeros, to exactly this many samples."""
    excess = waveform.shape[-1] - frames
    if excess >= 0:
        return waveform[..., :frames]
    return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(0, -excess)])


def resample(
    waveform: NDArray[np.floating], from_rate: int, to_rate: int, frames: int | None = None
) -> NDArray[np.floating]:
    """Resample a waveform, shape (channels, time), without delay.

    ``frames`` is the exact length to return; by default the input's duration, rounded up.
    """
    wanted = resampled_frames(waveform.shape[-1], from_rate, to_rate) if frames is None else frames
    if from_rate == to_rate:
        return fit(waveform, wanted)
    rows = soxr.resample(np.ascontiguousarray(waveform.T), from_rate, to_rate, quality=QUALITY)
    return fit(np.ascontiguousarray(rows.T), wanted)


class StreamResampler:
    """Resample block by block: the returned blocks, joined, are ``resample`` of the pushed blocks, joined."""

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        self._rates = (from_rate, to_rate)
        self._soxr = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality=QUALITY)
        self._channels = channels
        self._pushed = self._returned = 0

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples (channels, time) and return those that are ready."""
        self._pushed += block.shape[-1]
        return self._count(self._soxr.resample_chunk(np.ascontiguousarray(block.T)))

    def flush(self) -> NDArray[np.float32]:
        """End the recording and return the rest, to the exact length."""
        tail = self._soxr.resample_chunk(np.zeros((0, self._channels), np.float32), last=True)
        wanted = resampled_frames(self._pushed, *self._rates)
        return self._count(fit(tail.T, wanted - self._returned).T)

    def _count(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        # The stream may run past the exact length by a rounded-up sample: cut there.
        wanted = resampled_frames(self._pushed, *self._rates)
        rows = rows[: max(0, wanted - self._returned)]
        self._returned += len(rows)
        return np.ascontiguousarray(rows.T)
