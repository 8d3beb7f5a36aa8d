"""Signal-to-noise ratio: how far the reference lies over everything that differs from it."""

from ..signal.level import dot
from ._comparison import Comparison, Number, ratio_db

NUMBERS = {
    "snr_db": Number("dB", True, "signal-to-noise ratio of the waveform", "Lattner and Nistal, Electronics 2021, eq. 7")
}


def measure(comparison: Comparison) -> dict[str, float | None]:
    """Compare the reference's energy with the error's, over all channels; undefined for a silent reference."""
    reference = comparison.reference.waveform
    error = reference - comparison.estimate.waveform
    return {"snr_db": ratio_db(dot(reference, reference), dot(error, error))}
