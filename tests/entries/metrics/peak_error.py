"""The greatest error of any sample, whatever happens elsewhere."""

import numpy as np

from audiorestore.metrics._comparison import Comparison, Measured, Number

NUMBERS = {"peak_error": Number("", False, "greatest difference of any two samples", "a maximum norm", ".4f")}


def measure(comparison: Comparison) -> Measured:
    """Search both recordings side by side."""
    return {
        "peak_error": max((float(np.abs(clean - dirty).max()) for clean, dirty in comparison.blocks()), default=0.0)
    }
