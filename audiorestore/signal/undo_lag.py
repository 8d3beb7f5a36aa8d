"""Removing a lag from a recording of any length, part by part."""

from collections.abc import Iterator, Sequence

import numpy as np

from .lag import LAG_TOLERANCE, TAPS, interpolate
from .sound import BLOCK_FRAMES, Block, Sound


def without_lag(sound: Sound, lags: Sequence[float], frames: int) -> Sound:
    """Cut ``frames`` samples out of a recording, of which the first is the one that was at ``lag``.

    Samples outside the recording are zero. Fractions of a sample are interpolated as in `lag.shift`.

    Args:
        sound: The recording; quick only where it has `Sound.parts`.
        lags: Samples by which each channel is delayed.
        frames: Length of what is returned.

    >>> late = Sound.of(np.array([[0.0, 0.0, 1.0, 2.0]]), 8000)
    >>> without_lag(late, [2], 3).whole()
    array([[1., 2., 0.]], dtype=float32)
    """
    wholes = [round(lag) for lag in lags]
    least, most = min(wholes) - TAPS, max(wholes) + TAPS

    def parts(start: int, stop: int) -> Block:
        near = _padded(sound, start + least, stop + most)
        rows = np.empty((sound.channels, stop - start), np.float32)
        for row, source, lag, whole in zip(rows, near, lags, wholes, strict=True):
            at, fraction = whole - least, lag - whole
            if abs(fraction) < LAG_TOLERANCE:
                row[:] = source[at : at + len(row)]
            else:
                row[:] = interpolate(source[at - TAPS : at + TAPS + len(row)], fraction)
        return rows

    def blocks() -> Iterator[Block]:
        for start in range(0, frames, BLOCK_FRAMES):
            yield parts(start, min(start + BLOCK_FRAMES, frames))

    return Sound(sound.sample_rate, sound.channels, frames, blocks, parts=parts)


def _padded(sound: Sound, start: int, stop: int) -> Block:
    """Read the samples from ``start`` to ``stop``; those outside the recording are zero."""
    inside = sound.part(start, stop)
    before = min(max(0, -start), stop - start)
    return np.pad(inside, [(0, 0), (before, stop - start - before - inside.shape[-1])])
