"""Mean squared error of the samples: the loss of panchenko-2025."""

from ..signal.level import dot
from ._comparison import Comparison, Measured, Number

NUMBERS = {
    "mse": Number(
        "",
        False,
        "mean squared error of the samples",
        "Panchenko et al., ProfiT AI 2025",
        ".2e",
        limits="any rate; all channels together. Grows with the square of the level: only for comparing estimates of "
        "one reference. A wrong phase, a lag or a gain counts as much as noise.",
    )
}


def measure(comparison: Comparison) -> Measured:
    """Average the squared differences over all channels and samples."""
    errors = (clean - dirty for clean, dirty in comparison.blocks())
    return {"mse": sum(dot(error, error) for error in errors) / (comparison.channels * comparison.frames)}
