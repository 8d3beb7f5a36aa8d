"""Undoing a lag in a recording of any length, block by block, and looking at parts of it."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from .lag import shift
from .sound import BLOCK_FRAMES, Block, Sound, regrid

_REACH = 66  # samples to each side of one that a fraction of a sample hangs on, and rounding


def without_lag(sound: Sound, lags: Sequence[float], frames: int) -> Sound:
    """Cut ``frames`` samples out of a recording, of which the first is the one that was at ``lag``.

    What lies outside the recording is zero. Fractions of a sample are interpolated, see `lag.shift`.

    Args:
        sound: The recording.
        lags: Samples by which each channel is late.
        frames: Length of what is returned.

    >>> late = Sound.of(np.array([[0.0, 0.0, 1.0, 2.0]]), 8000)
    >>> without_lag(late, [2], 3).whole()
    array([[1., 2., 0.]], dtype=float32)
    """
    least, most = math.floor(min(lags)) - _REACH, math.ceil(max(lags)) + _REACH

    def blocks() -> Iterator[Block]:
        source = sound.blocks()
        held = np.zeros((sound.channels, 0), np.float32)
        begin = 0  # where in the recording what is held starts
        for start in range(0, frames, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, frames)
            parts, end = [held], begin + held.shape[-1]
            while end < stop + most and (block := next(source, None)) is not None:
                parts.append(block)
                end += block.shape[-1]
            held = np.concatenate(parts, axis=-1)
            passed = min(max(0, start + least - begin), held.shape[-1])
            held, begin = held[:, passed:], begin + passed
            rows = zip(held, lags, strict=True)
            yield np.stack([shift(row, start - begin + lag, stop - start) for row, lag in rows])

    return Sound(sound.sample_rate, sound.channels, frames, blocks)


def excerpts(sound: Sound, starts: Sequence[int], frames: int) -> list[Block]:
    """Read several parts of a recording in one go.

    Args:
        sound: The recording.
        starts: Where each begins.
        frames: How long each is at most; the recording's end may cut it short.
    """
    parts: list[list[Block]] = [[] for _ in starts]
    place = 0
    for block in sound.blocks():
        for part, start in zip(parts, starts, strict=True):
            low, high = max(0, start - place), min(block.shape[-1], start + frames - place)
            if low < high:
                part.append(block[:, low:high])
        place += block.shape[-1]
    return [np.concatenate([np.zeros((sound.channels, 0), np.float32), *part], axis=-1) for part in parts]


def loudest_parts(sound: Sound, count: int, frames: int) -> list[int]:
    """Say where the loudest part of each of ``count`` equal stretches of a recording begins; of a short one, of fewer.

    Args:
        sound: The recording.
        count: How many stretches.
        frames: Length of a part, a multiple of `BLOCK_FRAMES`.
    """
    blocks = regrid(sound.blocks(), sound.channels, sound.frames)
    energies = [float(np.einsum("ct,ct->", block, block, dtype=np.float64)) for block in blocks]
    length = min(frames // BLOCK_FRAMES, len(energies))
    summed = np.concatenate([[0.0], np.cumsum(energies)])
    heard = summed[length:] - summed[: len(summed) - length]
    edges = np.linspace(0, len(heard), count + 1, dtype=int)
    return [int(low + np.argmax(heard[low:high])) * BLOCK_FRAMES for low, high in pairwise(edges) if low < high]
