"""Down to a lower sample rate and back up: nothing is left above half of the lower rate, or worse.

``method`` decides what remains audible:

- ``soxr`` filters on the way down and up: clean, and dull.
- ``decimate`` keeps every n-th sample without a filter, so the highs alias into the band that is kept, and filters on
  the way up: a common mistake in making data sets. If the rates do not divide, the nearest sample is kept.
- ``linear`` and ``nearest`` interpolate by lines or steps on the way down and up: the highs alias, and mirror images of
  the lows remain above.

None of them delays: between two samples that are equally near, ``nearest`` takes their mean.

Source: Kuleshov, Enam and Ermon, "Audio super-resolution using neural networks", ICLR workshop 2017 (rates divided by
2, 4 and 6); Crochiere and Rabiner, "Multirate digital signal processing", Prentice-Hall 1983 (aliases and images).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..errors import AudioRestoreError
from ..signal.resample import resampled_frames
from ..signal.sound import BLOCK_FRAMES, Block, Sound, regrid, windows
from ._damage import Auto, Choice, DamageConfig, Damaged, Domain, Outcome, parameter

_WAYS = {  # down and up
    "soxr": ("soxr", "soxr"),
    "decimate": ("nearest", "soxr"),
    "linear": ("linear", "linear"),
    "nearest": ("nearest", "nearest"),
}


@dataclass(frozen=True)
class Config(DamageConfig):
    """How low, and how well."""

    rate_hz: float | Auto = parameter(
        "auto", Domain(float, "Hz", "lower rate; auto: recording's / factor", low=500, high=192000, words=("auto",))
    )
    factor: int = parameter(
        Choice((2, 3, 4, 6)), Domain(int, meaning="divides the sample rate if rate_hz is auto", low=2, high=16)
    )
    method: str = parameter(
        "soxr", Domain(str, meaning="clean, aliasing the highs, or by lines or steps", choices=tuple(_WAYS))
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Resample down and up, and report the lower rate (``rate_hz``)."""
    rate = config.rate_hz
    rate = sound.sample_rate / config.factor if rate == "auto" else rate
    if rate >= sound.sample_rate:
        raise AudioRestoreError(
            f"the recording has {sound.sample_rate} Hz, so rate_hz={rate:g} removes nothing; ask for a lower rate, "
            "or for rate_hz=auto,factor=2"
        )
    # Only the ratio counts, and in lowest terms every place between two samples is exact.
    ratio = Fraction(sound.sample_rate / rate).limit_denominator(192000)
    down, up = _WAYS[config.method]
    low = _at_rate(replace(sound, sample_rate=ratio.numerator), ratio.denominator, down)
    back = _at_rate(low, ratio.numerator, up)
    yield from regrid(back.blocks(), sound.channels, sound.frames)
    return Outcome({"rate_hz": int(rate) if rate == int(rate) else rate})


def _at_rate(sound: Sound, rate: int, way: str) -> Sound:
    if way == "soxr":
        return sound.resampled(rate)
    frames = resampled_frames(sound.frames, sound.sample_rate, rate)
    return Sound(rate, sound.channels, frames, lambda: _between(sound, frames, rate, way))


def _between(sound: Sound, frames: int, rate: int, way: str) -> Iterator[Block]:
    """Read a recording between its samples: sample n of the new rate is at n · old / new."""
    old, last = sound.sample_rate, sound.frames - 1
    for index, window in enumerate(windows(sound.blocks(), BLOCK_FRAMES + 1, BLOCK_FRAMES)):
        first = index * BLOCK_FRAMES
        end = first + window.shape[-1] - 1  # its last sample is the next window's first one
        stop = frames if end == last else -(-end * rate // old)
        left, rest = np.divmod(np.arange(-(-first * rate // old), stop, dtype=np.int64) * old, rate)
        share = rest / rate if way == "linear" else 0.5 * (np.sign(2 * rest - rate) + 1.0)
        share = share.astype(np.float32)
        right = np.minimum(left + 1, last)
        yield window[:, left - first] * (1.0 - share) + window[:, right - first] * share
