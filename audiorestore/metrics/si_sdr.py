"""Scale-invariant signal-to-distortion ratio: the SNR of what is left once level no longer counts."""

import numpy as np

from ..signal.level import dot
from ._comparison import SILENT_ESTIMATE, SILENT_REFERENCE, Comparison, Measured, Number, Undefined, ratio_db

ANY_LEVEL = True
NUMBERS = {
    "si_sdr_db": Number(
        "dB",
        True,
        "signal-to-distortion ratio whatever the level",
        "Le Roux et al., ICASSP 2019, eq. 4–5",
        limits="any rate; one scale for all channels together; 120 dB at most. Level and polarity do not count, "
        "a constant offset does; a lag or a wrong phase counts as distortion, as for the SNR.",
    )
}

_NOTHING = "nothing of the reference is in what is to be measured"


def measure(comparison: Comparison) -> Measured:
    """Compare the part of the estimate that is the reference, scaled, with the rest of it.

    All channels share one scale, and no mean is taken off. Undefined where either is silent.
    """
    power, estimate_power, product = comparison.energies()
    if power == 0.0 or estimate_power == 0.0:
        return {"si_sdr_db": SILENT_REFERENCE if power == 0.0 else SILENT_ESTIMATE}
    target = distortion = 0.0
    for clean, dirty in comparison.blocks():
        scaled = np.float32(product / power) * clean
        rest = dirty - scaled
        target += dot(scaled, scaled)
        distortion += dot(rest, rest)
    return {"si_sdr_db": ratio_db(target, distortion) if target > 0.0 else Undefined(_NOTHING)}
