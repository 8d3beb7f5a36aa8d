"""Log-spectral distances: how far the spectra lie apart, frame by frame, whatever the phase.

Each paper means another number by it, mostly by the floor under the powers: without one, digital silence over the
cut-off of an MP3 is infinitely far from any sound.
"""

import numpy as np
from numpy.typing import NDArray

from ..signal.stft import hann
from ._comparison import Comparison, Measured, Number

N_FFT = 2048
HOP_LENGTH = 512

# What rounding to 16 bit puts into a bin.
FLOOR = float(2.0**-30 / 12.0 * np.sum(hann(N_FFT) ** 2))

# The paper takes "the log of the square of absolute values" and names neither base nor floor. The floor is that of the
# published code of networks it compares with (Kuleshov et al. 2017, Birnbaum et al. 2019), which takes ln(|S|² + 1e-8).
# The base is read from its Table 1, whose values lie between 1.59 and 3.15, FFmpeg's at 2.68: doing nothing to MP3s of
# 32 kbit/s (12 pieces of music at 22,050 Hz against 128 kbit/s) scores 2.24 with log10 and 5.15 with ln.
DESHPANDE_FLOOR = 1e-8

_LIMITS = (
    "at the file's own rate, frames in samples; channels count as further frames. "
    "Depends on its floor more than on anything else: filling an empty band with any noise lowers it a lot"
)
NUMBERS = {
    "lsd_db": Number(
        "dB",
        False,
        "log-spectral distance, Hann 2048, hop 512, floored at 16-bit rounding noise",
        "Lattner and Nistal, Electronics 2021, eq. 5",
        limits=_LIMITS + "; the paper's own floor is not known, so its values cannot be compared.",
    ),
    "lsd_deshpande": Number(
        "",
        False,
        "log-spectral distance in log10 of power, Hann 2048, hop 512, 1e-8 added to the powers: 1 is 10 dB",
        "Deshpande et al. 2021, eq. 6; floor as in the code of Kuleshov et al., ICLR workshop 2017",
        limits=_LIMITS + "; base and floor are our reading of the paper, which names neither.",
    ),
}


def measure(comparison: Comparison) -> Measured:
    """Average over frames the root of the mean squared difference of the logarithms; channels count as frames."""
    decibels = decades = frames = 0.0
    for reference, estimate in comparison.power(N_FFT, HOP_LENGTH):
        each = _distances(10.0 * np.log10(np.maximum(reference, FLOOR) / np.maximum(estimate, FLOOR)))
        decibels += float(each.sum())
        ratios = (reference + np.float32(DESHPANDE_FLOOR)) / (estimate + np.float32(DESHPANDE_FLOOR))
        decades += float(_distances(np.log10(ratios)).sum())
        frames += each.size
    return {"lsd_db": decibels / frames, "lsd_deshpande": decades / frames}


def _distances(differences: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take the root of the mean square over the bins of each frame, shape (channels, frames)."""
    roots: NDArray[np.float64] = np.sqrt(np.mean(np.square(differences, dtype=np.float64), axis=-1))
    return roots
