"""Structural similarity of the magnitude spectrograms: whether they look alike, patch by patch, as pictures do."""

import math

import numpy as np
from numpy.typing import NDArray

from ..signal.resample import fit
from ..signal.sound import windows
from ._comparison import Comparison, Measured, Number

# As the paper's code calls it: 512 bins, patches of 3 × 3 under a Gaussian of 1.5, magnitudes as the transform gives
# them, L = 1. The paper asks for a k₁ of 0.005 to 0.01, a k₂ of 0.01 to 0.03, and an L of less than half of the
# range of the values; these reach 256 for a sine of full scale.
N_FFT = 1023
HOP_LENGTH = 248
PATCH = 3
SIGMA = 1.5
K1, K2, RANGE = 0.01, 0.03, 1.0
_FRAMES = 256  # compared at once

NUMBERS = {
    "ssim": Number(
        "",
        True,
        "structural similarity of the magnitudes, 3×3 patches, Hann 1023, hop 248: 1 is the same",
        "Wang et al., IEEE Trans. Image Processing 2004, eq. 13; Deshpande et al. 2021, eq. 2",
        ".4f",
        limits="at the file's own rate, frames in samples (the paper's is 22,050 Hz); channels are averaged. Where "
        "both lie more than about 80 dB under full scale they count as alike: recordings with much silence score high.",
    )
}

_SIDE = math.exp(-0.5 / SIGMA**2) / (1.0 + 2.0 * math.exp(-0.5 / SIGMA**2))
_MIDDLE = 1.0 - 2.0 * _SIDE
_C1, _C2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2

Maps = NDArray[np.float64]  # shape (channels, frames, bins)


def measure(comparison: Comparison) -> Measured:
    """Average the similarity of all patches inside the spectrogram, padded with silence if shorter than a patch."""
    maps = (
        np.moveaxis(np.sqrt(np.stack(powers), dtype=np.float64), 2, -1)
        for powers in comparison.power(N_FFT, HOP_LENGTH)
    )
    total = count = 0.0
    for window in windows(maps, _FRAMES + PATCH - 1, _FRAMES):
        likeness = similarity(*np.moveaxis(fit(window, max(PATCH, window.shape[-1])), -1, 2))
        total += float(likeness.sum())
        count += likeness.size
    return {"ssim": total / count}


def similarity(reference: Maps, estimate: Maps) -> Maps:
    """Compare two magnitude spectrograms of at least 3 frames and bins, patch by patch.

    Returns:
        1 where they are alike, less elsewhere, shape (channels, frames - 2, bins - 2).
    """
    means = _averaged(reference), _averaged(estimate)
    both = means[0] * means[1]
    squares = np.square(means[0]) + np.square(means[1])
    covariance = _averaged(reference * estimate) - both
    variances = _averaged(np.square(reference) + np.square(estimate)) - squares
    likeness: Maps = (2.0 * both + _C1) * (2.0 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return likeness


def _averaged(maps: Maps) -> Maps:
    """Average each patch under the Gaussian."""
    rows = _MIDDLE * maps[:, 1:-1] + _SIDE * (maps[:, :-2] + maps[:, 2:])
    averaged: Maps = _MIDDLE * rows[:, :, 1:-1] + _SIDE * (rows[:, :, :-2] + rows[:, :, 2:])
    return averaged
