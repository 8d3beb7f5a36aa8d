"""How PEAQ prepares excitations before it compares them: it adapts levels, and computes modulations and loudness.

Sources: Recommendation ITU-R BS.1387-1 (2001), Annex 2, section 3; P. Kabal, An Examination and Interpretation of ITU-R
BS.1387, McGill University, 2002, section 4. Arrays are (frames, signals, channels, bands).
"""

import numpy as np

from .ear import BANDS, CENTRES, FRAME_RATE, Array, Smoother

_SLOWEST_SECONDS = 0.050  # of the means below, at 100 Hz


def _neighbours() -> Array:
    """Average over the three bands below, the band and the four above, as far as there are any; (from, to)."""
    index = np.arange(BANDS)
    above = index[:, None] - index
    near = ((above >= -3) & (above <= 4)).astype(np.float64)
    return np.asarray(near / near.sum(axis=0))


_NEIGHBOURS = _neighbours()


class Adaptation:
    """Removes constant differences of level and colour, so that they do not count as noise."""

    def __init__(self, channels: int) -> None:
        self._level = Smoother(_SLOWEST_SECONDS, (2, channels, BANDS))
        self._correlation = Smoother(_SLOWEST_SECONDS, (2, channels, BANDS), sum_up=True)
        self._correction = Smoother(_SLOWEST_SECONDS, (2, channels, BANDS))

    def __call__(self, smeared: Array) -> Array:
        """Adapt the excitations of reference and estimate to each other; Kabal, equations 56 to 64."""
        mean = self._level(smeared)
        common = np.sum(np.sqrt(mean[:, 0] * mean[:, 1]), axis=-1, keepdims=True)
        louder = (common / np.sum(mean[:, 1], axis=-1, keepdims=True)) ** 2
        reference = smeared[:, 0] / np.maximum(louder, 1.0)
        estimate = smeared[:, 1] * np.minimum(louder, 1.0)
        both, alone = np.moveaxis(self._correlation(np.stack([estimate * reference, reference**2], axis=1)), 1, 0)
        ratios = np.stack([np.minimum(both / alone, 1.0), np.minimum(alone / both, 1.0)], axis=1)
        return np.stack([reference, estimate], axis=1) * self._correction(ratios @ _NEIGHBOURS)


class Modulation:
    """Measures how much the envelope of each band changes."""

    def __init__(self, channels: int) -> None:
        shape = (2, channels, BANDS)
        self._before = np.zeros((1, *shape))
        self._movement = Smoother(_SLOWEST_SECONDS, shape)
        self._mean = Smoother(_SLOWEST_SECONDS, shape)

    def __call__(self, excitation: Array) -> tuple[Array, Array]:
        """Measure modulation and mean loudness of unsmeared excitations; Kabal, equations 65 to 67."""
        loudness = excitation**0.3
        movement = self._movement(FRAME_RATE * np.abs(np.diff(loudness, axis=0, prepend=self._before)))
        self._before = loudness[-1:]
        mean = self._mean(loudness)
        return movement / (1.0 + mean / 0.3), mean


_THRESHOLD = 10.0 ** (0.364 * (CENTRES / 1000.0) ** -0.8)
_INDEX = 10.0 ** (0.1 * (-2.0 - 2.05 * np.arctan(CENTRES / 4000.0) - 0.75 * np.arctan((CENTRES / 1600.0) ** 2)))
_SONE = 1.07664 * (_THRESHOLD / (_INDEX * 1e4)) ** 0.23


def loudness(smeared: Array) -> Array:
    """Add up the loudness of the bands in sone, shape (…) of (…, bands)."""
    specific = _SONE * ((1.0 - _INDEX + _INDEX * smeared / _THRESHOLD) ** 0.23 - 1.0)
    return np.asarray(24.0 / BANDS * np.sum(np.maximum(specific, 0.0), axis=-1))
