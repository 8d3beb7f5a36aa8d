"""Mean squared error of the magnitude spectra: what a wrong phase does not hide, weighed by how loud it is."""

import numpy as np

from ._comparison import Comparison, Measured, Number

N_FFT = 2048
HOP_LENGTH = 512

NUMBERS = {
    "sqrt_power_mse": Number(
        "",
        False,
        "mean squared error of the square roots of power spectra, Hann 2048, hop 512",
        "Lattner and Nistal, Electronics 2021, eq. 6",
        ".3g",
        limits="at the file's own rate, frames in samples; channels count as further frames. Loud bins decide, and it "
        "grows with the square of the level: only for comparing estimates of one reference. The transform is not "
        "normalised (a sine of full scale has 512 in its bin); the paper does not say how its own is.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Average the squared differences of the magnitudes over bins, frames and channels."""
    total = count = 0.0
    for reference, estimate in comparison.power(N_FFT, HOP_LENGTH):
        errors = np.square(np.sqrt(reference) - np.sqrt(estimate)).mean(axis=-1)
        total += float(errors.sum(dtype=np.float64))
        count += errors.size
    return {"sqrt_power_mse": total / count}
