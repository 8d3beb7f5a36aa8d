"""Too few bits: every sample is rounded to a coarse grid, with dither or without.

The grid is that of two's complement, steps of 2^(1 − bits) from −1 to one step below 1, with a level at 0. Samples
beyond the last level are clipped and counted. Rounding without dither leaves an error that depends on the sound: music
that fades out distorts, and vanishes below half a step. Rectangular dither, one step wide, makes the mean of the error
0 whatever the sound; triangular dither, two steps wide, also makes its power constant. The power of the error is 1/12,
2/12 and 3/12 of a squared step for none, rectangular and triangular: 0, 3.0 and 4.8 dB more noise.

Source: Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither: a theoretical survey", Journal of the Audio
Engineering Society 40(5), 1992.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import Block, Sound
from ._additive import NOISE_SEED
from ._damage import Choice, DamageConfig, Damaged, Domain, Outcome, parameter

DITHERS = ("none", "rectangular", "triangular")


@dataclass(frozen=True)
class Config(DamageConfig):
    """How coarse the grid is, and what is added before rounding."""

    bits: int = parameter(Choice((4, 6, 8, 10, 12)), Domain(int, "bit", "what is left of each sample", low=2, high=24))
    dither: str = parameter(
        Choice(("none", "triangular")),
        Domain(str, meaning="distribution of the noise that is added before rounding", choices=DITHERS),
    )
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Round, each channel with its own dither, and report how many samples were beyond the last level (``clipped``)."""
    rng = np.random.default_rng(config.noise_seed)
    half = 2.0 ** (config.bits - 1)  # steps from 0 to full scale
    clipped = 0
    for block in sound.blocks():
        steps = np.rint(half * block.astype(np.float64) + _dither(config.dither, block, rng))
        clipped += int(np.count_nonzero((steps < -half) | (steps > half - 1.0)))
        yield np.asarray(np.clip(steps, -half, half - 1.0) / half, np.float32)
    return Outcome({"clipped": clipped})


def _dither(name: str, block: Block, rng: np.random.Generator) -> NDArray[np.float64] | float:
    """Draw noise in steps, sample by sample in the order of time, so that it does not depend on the blocks."""
    if name == "none":
        return 0.0
    channels, frames = block.shape
    draws = rng.random((frames, channels, DITHERS.index(name)))  # one even distribution, or the sum of two
    return np.asarray((draws - 0.5).sum(axis=-1).T, np.float64)
