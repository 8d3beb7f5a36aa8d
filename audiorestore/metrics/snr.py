"""Signal-to-noise ratio: how far the reference lies over everything that differs from it."""

from ..signal.level import dot
from ._comparison import SILENT_REFERENCE, Comparison, Measured, Number, ratio_db

NUMBERS = {
    "snr_db": Number(
        "dB",
        True,
        "signal-to-noise ratio of the waveform",
        "Lattner and Nistal, Electronics 2021, eq. 7",
        limits="any rate; all channels together; 120 dB at most. Loud parts decide. A wrong phase, a lag or a gain "
        "counts as noise: sound that is brought back with another phase lowers it, however good it sounds.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Compare the reference's energy with the error's, over all channels; undefined for a silent reference."""
    signal = noise = 0.0
    for clean, dirty in comparison.blocks():
        error = clean - dirty
        signal += dot(clean, clean)
        noise += dot(error, error)
    return {"snr_db": ratio_db(signal, noise) if signal > 0.0 else SILENT_REFERENCE}
