"""Log-mel distance: how far the spectra lie apart in bands as wide as the ear's, in decibels."""

import numpy as np
from numpy.typing import NDArray

from ._comparison import Comparison, Measured, Number
from .lsd import FLOOR, HOP_LENGTH, N_FFT

BANDS = 80
TOP_HZ = 20000.0  # inaudible above

NUMBERS = {
    "log_mel_db": Number(
        "dB",
        False,
        "mean absolute distance of 80 mel bands, Hann 2048, hop 512, floored at 16-bit rounding noise",
        "the mel distance of Kong et al., NeurIPS 2020, eq. 3, in decibels; mel scale of O'Shaughnessy 1987 (HTK)",
        limits="at the file's own rate, frames in samples; bands reach from 0 Hz to half the rate, at most 20 kHz, so "
        "other rates have other bands; channels count as further frames. Half of the bands lie under 3 kHz.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Average the distances in decibels over bands, frames and channels."""
    filters = mel_filters(comparison.sample_rate, N_FFT)
    floors = FLOOR * filters.sum(axis=0)
    total = count = 0.0
    for powers in comparison.power(N_FFT, HOP_LENGTH):
        reference, estimate = (np.maximum(power @ filters, floors) for power in powers)
        distances = np.abs(10.0 * np.log10(reference / estimate))
        total += float(distances.sum(dtype=np.float64))
        count += distances.size
    return {"log_mel_db": total / count}


def mel_filters(sample_rate: int, n_fft: int) -> NDArray[np.float32]:
    """Make triangles that are evenly spaced in mel, mel = 2595 log10(1 + f / 700 Hz), each 1 at its centre.

    Triangles without any bin inside are left out: at 96 kHz and above, the lowest ones are.

    Returns:
        Weights of the bins, shape (n_fft // 2 + 1, bands).
    """
    top = 2595.0 * np.log10(1.0 + min(TOP_HZ, sample_rate / 2.0) / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    below, centres, above = corners[:-2], corners[1:-1], corners[2:]
    bins = np.arange(n_fft // 2 + 1)[:, np.newaxis] * sample_rate / n_fft
    rising, falling = (bins - below) / (centres - below), (above - bins) / (above - centres)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return triangles[:, triangles.any(axis=0)].astype(np.float32)
