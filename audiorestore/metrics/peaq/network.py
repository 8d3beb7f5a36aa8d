"""From eleven variables to one grade: the small network of PEAQ basic that was trained on listening tests.

Source: Recommendation ITU-R BS.1387-1 (2001), Annex 2, estimation of the perceived quality, basic version; the weights
are the standard's.
"""

from collections.abc import Mapping

import numpy as np

# Variable: what is mapped to 0 and to 1, and the weights into the three hidden nodes.
_INPUTS = {
    "bandwidth_ref": (393.916656, 921.0, (-0.502657, 0.436333, 1.219602)),
    "bandwidth_test": (361.965332, 881.131226, (4.307481, 3.246017, 1.123743)),
    "total_nmr_db": (-24.045116, 16.212030, (4.984241, -2.211189, -0.192096)),
    "win_mod_diff_1": (1.110661, 107.137772, (0.051056, -1.762424, 4.331315)),
    "adb": (-0.206623, 2.886017, (2.321580, 1.789971, -0.754560)),
    "ehs": (0.074318, 13.933351, (-5.303901, -3.452257, -10.814982)),
    "avg_mod_diff_1": (1.113683, 63.257874, (2.730991, -6.111805, 1.519223)),
    "avg_mod_diff_2": (0.950345, 1145.018555, (0.624950, -1.331523, -5.955151)),
    "rms_noise_loud": (0.029985, 14.819740, (3.102889, 0.871260, -5.922878)),
    "mfpd": (0.000101, 1.0, (-1.051468, -0.939882, -0.142913)),
    "rel_dist_frames": (0.0, 1.0, (-1.804679, -0.503610, -0.620456)),
}
_HIDDEN_BIAS = np.array([-2.518254, 0.654841, -2.207228])
_OUTPUT = np.array([-3.817048, 4.107138, 4.629582])
_OUTPUT_BIAS = -0.307594
_WORST_ODG, _BEST_ODG = -3.98, 0.22

VARIABLES = tuple(_INPUTS)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))  # does not overflow


def distortion_index(variables: Mapping[str, float]) -> float:
    """Compute the index from the eleven `VARIABLES`, not clipped to the range of the training; more is better."""
    hidden = _HIDDEN_BIAS.copy()
    for name, (low, high, weights) in _INPUTS.items():
        hidden += (variables[name] - low) / (high - low) * np.array(weights)
    return float(_OUTPUT_BIAS + np.sum(_OUTPUT * _sigmoid(hidden)))


def difference_grade(index: float) -> float:
    """Convert a distortion index to an objective difference grade: −3.98 (very annoying) to 0.22 (inaudible).

    >>> round(difference_grade(0.0), 2), round(difference_grade(-30.0), 2)
    (-1.88, -3.98)
    """
    return float(_WORST_ODG + (_BEST_ODG - _WORST_ODG) * _sigmoid(np.asarray(index)))
