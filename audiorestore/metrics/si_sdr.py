"""Scale-invariant signal-to-distortion ratio: the SNR of what is left once level no longer counts."""

from ..signal.level import dot
from ._comparison import Comparison, Number, ratio_db

NUMBERS = {
    "si_sdr_db": Number(
        "dB", True, "signal-to-distortion ratio whatever the level", "Le Roux et al., ICASSP 2019, eq. 4–5"
    )
}


def measure(comparison: Comparison) -> dict[str, float | None]:
    """Compare the part of the estimate that is the reference, scaled, with the rest of it.

    All channels share one scale, and no mean is taken off. Undefined where either is silent.
    """
    reference, estimate = comparison.reference.waveform, comparison.estimate.waveform
    power = dot(reference, reference)
    if power == 0.0 or not estimate.any():
        return {"si_sdr_db": None}
    target = dot(estimate, reference) / power * reference
    distortion = estimate - target
    return {"si_sdr_db": ratio_db(dot(target, target), dot(distortion, distortion))}
