"""How loud a recording is to people: integrated loudness in LUFS, with two gates that leave out pauses.

Source: Recommendation ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level",
2015, Annex 1; EBU R 128, "Loudness normalisation and permitted maximum level of audio signals", 2020. The K-weighting
filters are those of Steinmetz and Reiss, "pyloudnorm: A simple yet flexible loudness meter in Python", AES 150, 2021.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .sound import Sound, regrid

_BLOCK_SECONDS = 0.4
_OVERLAP = 0.75
_STEPS = 4  # steps of 100 ms in a gating block
_OFFSET_DB = -0.691
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU
_SURROUND = 1.41  # weight of a channel that plays from the side
_WEIGHTS = {
    4: (1.0, 1.0, 1.0, _SURROUND),
    5: (1.0, 1.0, 1.0, _SURROUND, _SURROUND),
    6: (1.0, 1.0, 1.0, 0.0, _SURROUND, _SURROUND),  # 5.1 as in WAV files: the fourth channel is the subwoofer
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, _SURROUND, _SURROUND),  # 7.1: the pair at the back comes before the sides
}


def integrated_loudness(sound: Sound) -> float | None:
    """Measure the loudness of a recording, gated, in memory that does not grow with its length.

    Up to five channels are left, right, centre and the two surrounds, as in pyloudnorm. Six are 5.1 and eight are 7.1,
    in the order of WAV files: the subwoofer does not count. With seven, or with more than eight, all channels have the
    same weight.

    Args:
        sound: The recording, at any sample rate.

    Returns:
        The integrated loudness in LUFS. None if there is none: the recording is shorter than 0.4 s, or no part of it
        is louder than −70 LUFS (silence).

    >>> tone = 10 ** (-20 / 20) * np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
    >>> round(integrated_loudness(Sound.of(tone[np.newaxis], 48000)))
    -23
    """
    rate = sound.sample_rate
    if sound.frames < _BLOCK_SECONDS * rate:
        return None
    count = round((sound.frames / rate - _BLOCK_SECONDS) / (_BLOCK_SECONDS * (1.0 - _OVERLAP))) + 1
    powers = sliding_window_view(_energies(sound, count + _STEPS - 1), _STEPS).sum(axis=-1) / (_BLOCK_SECONDS * rate)
    with np.errstate(divide="ignore"):
        loudness = _OFFSET_DB + 10.0 * np.log10(powers)
    audible = loudness >= _ABSOLUTE_GATE
    if not audible.any():
        return None
    threshold = max(_ABSOLUTE_GATE, _lufs(powers[audible].mean()) + _RELATIVE_GATE)
    return _lufs(powers[loudness > threshold].mean())


def _lufs(power: float) -> float:
    return _OFFSET_DB + 10.0 * math.log10(power)


def _energies(sound: Sound, count: int) -> NDArray[np.float64]:
    """Sum the squares of the K-weighted samples over steps of 100 ms and over channels, each with its weight."""
    from scipy.signal import sosfilt

    weights = np.array(_WEIGHTS.get(sound.channels, (1.0,) * sound.channels))
    sections = _k_weighting(sound.sample_rate)
    state = np.zeros((len(sections), sound.channels, 2))
    edges = (_BLOCK_SECONDS * ((1.0 - _OVERLAP) * np.arange(count + 1)) * sound.sample_rate).astype(np.int64)
    energies = np.zeros(count)
    position = 0
    for block in regrid(sound.blocks(), sound.channels, sound.frames):
        weighted, state = sosfilt(sections, block.astype(np.float64), zi=state)
        squares = weights @ np.square(weighted)
        step = int(np.searchsorted(edges, position, side="right")) - 1
        inside = edges[(edges > position) & (edges < position + len(squares))] - position
        sums = np.add.reduceat(squares, [0, *inside])[: count - step]  # what follows the last step does not count
        energies[step : step + len(sums)] += sums
        position += len(squares)
    return energies


def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """Get the two filters of the K-weighting, a shelf and a high-pass, as second-order sections, shape (2, 6)."""
    from pyloudnorm import IIRfilter  # it imports scipy, which takes a second

    filters = (
        IIRfilter(4.0, math.sqrt(0.5), 1500.0, sample_rate, "high_shelf"),
        IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass"),
    )
    return np.array([[*each.b, *each.a] for each in filters])
