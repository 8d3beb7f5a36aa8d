"""Where a recording has the most sound: the place for a short excerpt."""

import numpy as np

from .sound import BLOCK_FRAMES, Sound, regrid

PARTS_PER_SECOND = 20  # how finely the start is chosen


def busiest_start(sound: Sound, frames: int) -> int:
    """Find the sample at which the excerpt of ``frames`` samples with the most sound starts.

    The RMS values of parts of 50 ms are summed, not their powers, so that one bang does not outweigh music.

    >>> tone = np.zeros((1, 8000), np.float32)
    >>> tone[:, 4000:6000] = 0.5
    >>> busiest_start(Sound.of(tone, 8000), 2000)
    4000
    """
    part = max(1, sound.sample_rate // PARTS_PER_SECOND)
    count = frames // part
    if count == 0:
        return 0
    levels = []
    for block in regrid(sound.blocks(), sound.channels, sound.frames, max(1, BLOCK_FRAMES // part) * part):
        whole = block[:, : block.shape[-1] // part * part].astype(np.float64)
        levels.append(np.sqrt(np.square(whole).reshape(sound.channels, -1, part).mean(axis=(0, 2))))
    # Rounded, so that equal excerpts are equal whatever the order of the sums.
    sums = np.round(np.concatenate([[0.0], np.cumsum(np.concatenate(levels))]), 9)
    first = int(np.argmax(np.round(sums[count:] - sums[:-count], 6))) * part
    return min(first, sound.frames - frames)
