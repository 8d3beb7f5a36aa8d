"""Removing a lag from a recording of any length, part by part."""

from collections.abc import Iterator, Sequence

import numpy as np

from .lag import TAPS, stretch
from .sound import BLOCK_FRAMES, Block, Sound


def without_lag(sound: Sound, lags: Sequence[float], frames: int) -> Sound:
    """Do `lag.shift` for each channel of a recording, whose first ``frames`` samples after its lag are returned.

    This is fast only if the recording has `Sound.parts`.

    >>> late = Sound.of(np.array([[0.0, 0.0, 1.0, 2.0]]), 8000)
    >>> without_lag(late, [2], 3).whole()
    array([[1., 2., 0.]], dtype=float32)
    """
    wholes = [round(lag) for lag in lags]

    def parts(start: int, stop: int) -> Block:
        first = max(0, start + min(wholes) - TAPS)
        near = sound.part(first, stop + max(wholes) + TAPS)
        rows = zip(near, lags, wholes, strict=True)
        return np.stack([stretch(row, start + whole - first, stop - start, lag - whole) for row, lag, whole in rows])

    def blocks() -> Iterator[Block]:
        for start in range(0, frames, BLOCK_FRAMES):
            yield parts(start, min(start + BLOCK_FRAMES, frames))

    return Sound(sound.sample_rate, sound.channels, frames, blocks, parts=parts)
