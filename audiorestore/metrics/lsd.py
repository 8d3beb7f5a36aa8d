"""Log-spectral distance: how far the spectra lie apart in decibels, frame by frame, whatever the phase."""

import numpy as np

from ..signal.stft import hann
from ._comparison import Comparison, Measured, Number

N_FFT = 2048
HOP_LENGTH = 512

# The number hangs on the floor under the powers more than on anything else: without one, digital silence over the
# cut-off of an MP3 is infinitely far from any sound. Here it is what rounding to 16 bit puts into a bin.
FLOOR = float(2.0**-30 / 12.0 * np.sum(hann(N_FFT) ** 2))

NUMBERS = {
    "lsd_db": Number(
        "dB",
        False,
        "log-spectral distance, Hann 2048, hop 512, floored at 16-bit rounding noise",
        "Lattner and Nistal, Electronics 2021, eq. 5",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Average over frames the root of the mean squared difference of the bins in decibels; channels count as frames."""
    total = frames = 0.0
    for reference, estimate in comparison.power(N_FFT, HOP_LENGTH):
        distances = 10.0 * np.log10(np.maximum(reference, FLOOR) / np.maximum(estimate, FLOOR))
        each = np.sqrt(np.mean(np.square(distances, dtype=np.float64), axis=-1))
        total += float(each.sum())
        frames += each.size
    return {"lsd_db": total / frames}
