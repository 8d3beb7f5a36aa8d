"""Integrated loudness: how loud each recording is to people, and how far apart the two are."""

from ..signal.loudness import integrated_loudness
from ._comparison import Comparison, Measured, Number, Undefined

ON_REQUEST = True  # it imports SciPy, which takes longer than all metrics that are measured by default

_SOURCE = "ITU-R BS.1770-4 and EBU R 128, K-weighting of pyloudnorm"
_LIMITS = (
    "any rate; at least 0.4 s. The channels' powers are added, surrounds with a weight of 1.41, so the same sound in "
    "both channels of stereo is 3 LU louder than in mono. Parts under −70 LUFS, or 10 LU under the rest, do not count."
)

NUMBERS = {
    "loudness_lufs": Number("LUFS", True, "integrated loudness", _SOURCE, ".1f", _LIMITS, "loudness_difference_lu"),
    "loudness_reference_lufs": Number(
        "LUFS", True, "integrated loudness of the reference", _SOURCE, ".1f", _LIMITS, "loudness_difference_lu"
    ),
    "loudness_difference_lu": Number(
        "LU", False, "difference between both integrated loudnesses, louder or softer", _SOURCE, limits=_LIMITS
    ),
}

_NO_REFERENCE = Undefined("the reference is silent (under −70 LUFS), or shorter than 0.4 s")
_NO_ESTIMATE = Undefined("the measured audio is silent (under −70 LUFS), or shorter than 0.4 s")


def measure(comparison: Comparison) -> Measured:
    """Measure both recordings and compare them; undefined where either has no loudness."""
    clean, measured = (integrated_loudness(sound) for sound in comparison.resampled(comparison.sample_rate))
    missing = _NO_REFERENCE if clean is None else _NO_ESTIMATE
    return {
        "loudness_lufs": _NO_ESTIMATE if measured is None else measured,
        "loudness_reference_lufs": _NO_REFERENCE if clean is None else clean,
        "loudness_difference_lu": missing if clean is None or measured is None else abs(measured - clean),
    }
