"""Mean squared error of the samples: the loss of panchenko-2025."""

from ..signal.level import mean_power
from ._comparison import Comparison, Number

NUMBERS = {
    "mse": Number("", False, "mean squared error of the samples", "Panchenko et al., ProfiT AI 2025", ".2e"),
}


def measure(comparison: Comparison) -> dict[str, float | None]:
    """Average the squared differences over all channels and samples."""
    return {"mse": mean_power(comparison.reference.waveform - comparison.estimate.waveform)}
