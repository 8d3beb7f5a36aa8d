"""Log-spectral distance: how far the spectra lie apart in decibels, frame by frame, whatever the phase."""

import numpy as np

from ..signal.stft import hann
from ._comparison import Comparison, Number

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


def measure(comparison: Comparison) -> dict[str, float | None]:
    """Average over frames the root of the mean squared difference of the bins in decibels; channels count as frames."""
    reference = comparison.reference.power(N_FFT, HOP_LENGTH)
    estimate = comparison.estimate.power(N_FFT, HOP_LENGTH)
    distances = 10.0 * np.log10(np.maximum(reference, FLOOR) / np.maximum(estimate, FLOOR))
    return {"lsd_db": float(np.sqrt(np.mean(np.square(distances, dtype=np.float64), axis=-1)).mean())}
