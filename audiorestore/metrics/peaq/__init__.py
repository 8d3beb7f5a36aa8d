"""PEAQ basic: how much worse than its reference a listener would grade a sound, from a model of the ear.

Sources: Recommendation ITU-R BS.1387-1 (2001), Method for objective measurements of perceived audio quality, Annex 2;
read with P. Kabal, An Examination and Interpretation of ITU-R BS.1387: Perceptual Evaluation of Audio Quality, McGill
University, 2002.

It agrees with two implementations that read the standard the same way, gstpeaq 0.6.1 and PyEvalAudio, which does not
prove conformance: the grades of 64 synthetic pairs are within 0.02 of both, and every variable is that of gstpeaq. On
the Recommendation's own recordings gstpeaq misses the distortion index by 0.10 on average; 0.02 is required.

Where the standard is ambiguous, the choices are:

- Only whole frames count: none is padded with zeros at the end.
- Frames in which the reference is silent count between its first and its last sound, not before or after.
- The bands are computed; their printed table is rounded, and has misprints. All filters start at zero.
- The log spectrum of the error harmonic structure is 0 at 0 Hz, which is inaudible; a frame with a bin of digital
  silence has no harmonics. Its peak is the highest bin that is higher than the one before it.
- Steps over the threshold of detection are rounded towards zero.
- A frame of digital silence in the estimate has bandwidth 0; to the letter of the standard it would have the
  reference's.
- If the reference never stands out above 8.1 kHz, the standard has no bandwidths. They are undefined here, too, and the
  network gets 0 for both, as in PQevalAudio and peaqb: a rough grade for dull or hissy recordings is better than none.
- A channel of digital silence in both reference and estimate is left out. All others are averaged as in stereo, however
  many there are; for detection the channel with the larger difference counts, in each band.

Two more are not from the standard:

- Everything is resampled to 48 kHz, and rounded to 16 bit without clipping: bandwidths are relative to the noise above
  21.6 kHz, and with the exact zeros of decoded floating-point audio a cut-off at 16 kHz would go unnoticed.
- Full scale is played back at 92 dB.
"""

from collections.abc import Iterator

import numpy as np

from ...signal.sound import Sound, regrid, windows
from .._comparison import Comparison, Measured, Number, Undefined
from .averages import NO_BANDWIDTH, Averages
from .ear import FRAME, FULL_SCALE, HOP, SAMPLE_RATE, Array
from .network import VARIABLES, difference_grade, distortion_index

ON_REQUEST = True  # it reads and resamples both, and models the ear: slower than all that is measured by default

_SOURCE = "ITU-R BS.1387-1, basic version; choices in the documentation of the module"
_LIMITS = "at 48 kHz and 16 bit; channels are averaged; made for codecs at full bandwidth, at least 0.62 s"


def _variable(meaning: str, unit: str = "", higher_is_better: bool = False, style: str = ".3f") -> Number:
    return Number(unit, higher_is_better, f"PEAQ: {meaning}", _SOURCE, style, _LIMITS, "peaq_odg")


NUMBERS = {
    "peaq_odg": Number(
        "", True, "PEAQ: grade, from 0 (indistinguishable) to −4 (very annoying)", _SOURCE, limits=_LIMITS
    ),
    "peaq_di": Number("", True, "PEAQ: distortion index, the grade before it is squeezed", _SOURCE, limits=_LIMITS),
    "peaq_bandwidth_ref": _variable("bandwidth of the reference, in bins of 23.4 Hz", "", True, ".1f"),
    "peaq_bandwidth_test": _variable("bandwidth of the estimate, in bins of 23.4 Hz", "", True, ".1f"),
    "peaq_total_nmr_db": _variable("error over what the reference masks", "dB", style=".2f"),
    "peaq_win_mod_diff_1": _variable("difference of envelopes, over windows of 0.1 s"),
    "peaq_adb": _variable("log of just noticeable steps in frames with an audible difference"),
    "peaq_ehs": _variable("harmonic structure of the error"),
    "peaq_avg_mod_diff_1": _variable("difference of envelopes"),
    "peaq_avg_mod_diff_2": _variable("difference of envelopes, mostly of what was added"),
    "peaq_rms_noise_loud": _variable("loudness of what was added, in sone"),
    "peaq_mfpd": _variable("highest probability that a difference is audible, smoothed over frames"),
    "peaq_rel_dist_frames": _variable("part of the frames whose error is over the mask"),
}

_FRAMES = 64  # graded at once


def measure(comparison: Comparison) -> Measured:
    """Grade the estimate, and return the eleven variables that the grade is made of.

    Undefined for a silent reference, under 0.62 s, and if both are never loud at once (a silent estimate).
    """
    averages = Averages(comparison.channels)
    for samples in _blocks(*comparison.resampled(SAMPLE_RATE)):
        averages.add(samples)
    variables = averages.variables()
    index, grade = _graded({name: 0.0 if value is NO_BANDWIDTH else value for name, value in variables.items()})
    return {"peaq_odg": grade, "peaq_di": index} | {f"peaq_{name}": variables[name] for name in VARIABLES}


def _graded(variables: Measured) -> tuple[float | Undefined, float | Undefined]:
    """Get the network's distortion index and grade."""
    for value in variables.values():
        if isinstance(value, Undefined):
            return value, value
    index = distortion_index({name: value for name, value in variables.items() if not isinstance(value, Undefined)})
    return index, difference_grade(index)


def _blocks(reference: Sound, estimate: Sound) -> Iterator[Array]:
    """Read whole frames of both in steps of 16 bit, shape (2, channels, time), each block from its first frame on."""
    both = zip(*(regrid(sound.blocks(), sound.channels, sound.frames) for sound in (reference, estimate)), strict=True)
    steps = (np.rint(np.stack(blocks).astype(np.float64) * FULL_SCALE) for blocks in both)
    for window in windows(steps, (_FRAMES - 1) * HOP + FRAME, _FRAMES * HOP):
        if window.shape[-1] >= FRAME:
            yield window[..., : (window.shape[-1] - FRAME) // HOP * HOP + FRAME]
