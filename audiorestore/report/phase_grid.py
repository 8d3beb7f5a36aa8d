"""The phase of a sound relative to its reference over time and frequency, in as few columns as a picture shows.

The phase itself would not be a useful picture: it rotates with time at every frequency, and always looks like noise.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..signal.lag import shift
from ..signal.stft import hann
from .power_grid import ColumnPlan

Turns = NDArray[np.float32]  # shape (columns, bins)


def phase_grid(
    reference: NDArray[np.floating], estimate: NDArray[np.floating], sample_rate: int, lowest_power: float
) -> Turns:
    """Measure the angle by which the estimate is ahead of the reference: that of their cross-spectrum in each column.

    Columns and bins are those of `power_grid`. If a column has several frames or channels, the loud ones dominate.

    Args:
        reference: Samples, shape (channels, time), time ≥ 1.
        estimate: The same of the other, same shape.
        sample_rate: In Hz.
        lowest_power: Where either has less power, there is no angle; a full-scale sine has 1.

    Returns:
        Radians from −π to π, NaN where there is no angle, shape (columns, bins).
    """
    n_fft, hop_length, count, per_column = ColumnPlan.of(reference.shape[-1], sample_rate)
    window = hann(n_fft) / (np.sum(hann(n_fft)) / 2.0)
    angles = []
    for start in range(0, count, per_column):
        here = min(per_column, count - start)
        place = start * hop_length - n_fft // 2, (here - 1) * hop_length + n_fft
        stretches = np.stack([shift(side, *place) for side in (reference, estimate)])
        views = sliding_window_view(stretches, n_fft, axis=-1)[..., ::hop_length, :]
        spectra = np.fft.rfft(views * window)
        powers = np.square(np.abs(spectra)).mean(axis=(1, 2))
        angle = np.angle((np.conj(spectra[0]) * spectra[1]).sum(axis=(0, 1)))
        angles.append(np.where(powers.min(axis=0) >= lowest_power, angle, np.nan).astype(np.float32))
    return np.stack(angles)
