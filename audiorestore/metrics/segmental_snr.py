"""Segmental signal-to-noise ratio: how clean the sound is frame by frame, loud and soft ones alike."""

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import BLOCK_FRAMES, windows
from ._comparison import IDENTICAL_DB, SILENT_REFERENCE, Comparison, Measured, Number

FRAMES_PER_SECOND = 50  # 20 ms each, side by side
LOWEST_DB, HIGHEST_DB = -10.0, 35.0
ACTIVE_DB = 40.0  # a frame further under the loudest one counts as silent, as when levels are measured here

NUMBERS = {
    "segmental_snr_db": Number(
        "dB",
        True,
        "mean of the SNRs of 20 ms frames, each held within -10 and 35 dB, without silent frames",
        "Quackenbush, Barnwell and Clements, Objective Measures of Speech Quality, 1988; "
        "limits: Hansen and Pellom, ICSLP 1998",
        limits="any rate; channels are summed up in each frame. Frames that lie over 40 dB under the reference's "
        "loudest are left out, quiet music with them. No more than 35 dB, but 120 dB where nothing differs at all.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Average the ratios of the reference's energy to the error's in decibels over the frames that are not silent."""
    signal, noise = _frame_energies(comparison)
    loudest = signal.max()
    if loudest == 0.0:
        return {"segmental_snr_db": SILENT_REFERENCE}
    if not noise.any():
        return {"segmental_snr_db": IDENTICAL_DB}
    active = signal >= loudest * 10.0 ** (-ACTIVE_DB / 10.0)
    clean = signal[active]
    least = clean * 10.0 ** (-HIGHEST_DB / 10.0)  # more than the highest ratio is not counted
    ratios = 10.0 * np.log10(clean / np.maximum(noise[active], least))
    return {"segmental_snr_db": float(np.mean(np.maximum(ratios, LOWEST_DB)))}


def _frame_energies(comparison: Comparison) -> NDArray[np.float64]:
    """Sum the squares of reference and error over channels and frames, shape (2, frames).

    The rest at the end is a frame, too, with its energy scaled up to the length of a whole one.
    """
    length = max(1, comparison.sample_rate // FRAMES_PER_SECOND)
    energies = []
    squares = (
        np.stack([np.square(part, dtype=np.float64).sum(axis=0) for part in (clean, clean - dirty)])
        for clean, dirty in comparison.blocks()
    )
    at_once = length * max(1, BLOCK_FRAMES // length)
    for window in windows(squares, at_once, at_once):
        whole = window.shape[-1] // length * length
        energies.append(window[:, :whole].reshape(2, -1, length).sum(axis=-1))
        if whole < window.shape[-1]:
            energies.append(length * window[:, whole:].mean(axis=-1, keepdims=True))
    return np.concatenate(energies, axis=-1)
