"""Finding the quality at which a codec without a bit rate setting comes closest to a bit rate."""

import math
from collections.abc import Callable

import numpy as np

from ..errors import AudioRestoreError
from ..signal.sound import Block, Sound

TOLERANCE = 0.05  # relative error of the bit rate above which the result is refused
QUALITIES = (0.0, 10.0)
_NEAR = 0.01  # relative error at which the search stops
_MOST_TRIALS = 16
_EXCERPTS, _EXCERPT_SECONDS = 10, 3  # longer recordings are searched on excerpts

Trial = Callable[[Sound, float], float]


def settle_quality(sound: Sound, kbps: float, trial: Trial, guess: Callable[[float], float]) -> float:
    """Find the quality at which a recording has the requested bit rate within 5 %, and encode it at that quality.

    A recording of more than half a minute is searched on ten evenly spaced excerpts of three seconds. If the whole
    recording takes more or less than they do, the target is corrected by the same factor, twice at most.

    Args:
        sound: The recording.
        kbps: The requested bit rate.
        trial: Encodes a recording at a quality of 0 to 10 and returns the bit rate. The last trial is the result.
        guess: Estimates the quality for a bit rate.

    Raises:
        AudioRestoreError: No quality has this bit rate; the message lists which ones are possible.
    """
    searched = excerpts(sound)
    aim = kbps
    for _ in range(3):
        quality = _search(aim, lambda quality: trial(searched, quality), guess)
        found = trial(sound, quality)
        if abs(found / kbps - 1.0) <= TOLERANCE:
            return quality
        if quality in QUALITIES:
            break
        aim *= kbps / found
    low, high = (trial(searched, quality) for quality in QUALITIES)
    raise AudioRestoreError(
        f"kbps={kbps:g} is out of reach: this sound takes {low:.1f} to {high:.1f} kbit/s at {sound.sample_rate} Hz, "
        f"{found:.1f} at the nearest that was found; ask for another kbps, or for kbps=auto and a quality"
    )


def _search(aim: float, rate: Callable[[float], float], guess: Callable[[float], float]) -> float:
    """Correct the guess by its error until there are bit rates on both sides of the target; then interpolate.

    The bit rate may jump where a codec changes its mode, so each step stays well inside the interval.
    """
    tried: dict[float, float] = {}
    corrected = aim
    while len(tried) < _MOST_TRIALS:
        low = max((quality for quality, found in tried.items() if found <= aim), default=None)
        high = min((quality for quality, found in tried.items() if found > aim), default=None)
        if low is not None and high is not None:
            share = math.log(aim / tried[low]) / math.log(tried[high] / tried[low])
            quality = low + min(max(share, 0.1), 0.9) * (high - low)
        else:
            quality = guess(corrected)
        quality = round(min(max(quality, QUALITIES[0]), QUALITIES[1]), 4)
        if quality in tried:
            break
        tried[quality] = rate(quality)
        if abs(tried[quality] / aim - 1.0) <= _NEAR:
            break
        corrected *= aim / tried[quality]
    return min(tried, key=lambda quality: abs(math.log(tried[quality] / aim)))


def excerpts(sound: Sound) -> Sound:
    """Read what the search works on into memory: all of a short recording, evenly spaced excerpts of a long one."""
    length = _EXCERPT_SECONDS * sound.sample_rate
    if sound.frames <= _EXCERPTS * length:
        return Sound.of(sound.whole(), sound.sample_rate)
    starts = np.linspace(0, sound.frames - length, _EXCERPTS).astype(int)
    held: list[Block] = []
    position = 0
    for block in sound.blocks():
        end = position + block.shape[-1]
        for start in starts:
            if start < end and position < start + length:
                held.append(block[:, max(0, start - position) : max(0, start + length - position)])
        position = end
    return Sound.of(np.concatenate(held, axis=-1), sound.sample_rate)
