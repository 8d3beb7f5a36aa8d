"""STOI and ESTOI: how much of speech is understood, by the similarity of envelopes in bands for 0.4 s at a time.

STOI correlates the envelopes band by band, and so cannot distinguish a steady noise from one with gaps; ESTOI
correlates whole spectra and can. Neither measures quality: whatever is well understood is near 1.

Source:
    Taal, Hendriks, Heusdens and Jensen, "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy
    Speech", IEEE Transactions on Audio, Speech, and Language Processing 19(7), 2011. Jensen and Taal, "An Algorithm for
    Predicting the Intelligibility of Speech Masked by Modulated Noise Maskers", IEEE/ACM Transactions on Audio, Speech,
    and Language Processing 24(11), 2016. Computed by the package ``pystoi``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ._comparison import Comparison, Measured, Number, Undefined, missing_package
from ._segments import Row, mean_over_segments, to_peak

ON_REQUEST = True
ANY_LEVEL = True  # every envelope is divided by its own norm

LONGEST_SECONDS = 30.0  # keeps memory flat; up to here the numbers are pystoi's own

SAMPLE_RATE = 10000  # Hz, at which both are defined
N_FRAME = 256
ACTIVE_DB = 40.0  # a frame further under the reference's loudest one is left out
FRAMES_AT_ONCE = 30  # what is correlated, 384 ms

_LIMITS = (
    "Brought to 10,000 Hz from its true rate: values measured at a wrongly stated rate cannot be compared. "
    "For speech; bands from 134 to 4276 Hz. Frames where the reference is 40 dB under its loudest are left out. "
    "Each channel by itself, then averaged; over 30 s in even segments, averaged over those where the reference speaks."
)

NUMBERS = {
    "stoi": Number(
        "",
        True,
        "short-time objective intelligibility, 1: all is understood",
        "Taal et al., IEEE TASLP 19(7), 2011, eq. 1–6",
        ".3f",
        _LIMITS,
    ),
    "estoi": Number(
        "",
        True,
        "extended short-time objective intelligibility, which uses the gaps of the noise",
        "Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
        ".3f",
        _LIMITS,
    ),
}

_TOO_LITTLE = Undefined("the reference has less than 0.4 s of sound in it")

_one_at_a_time = threading.Lock()


def missing() -> str:
    """Say what has to be installed first; empty if nothing is missing."""
    return missing_package("pystoi")


def measure(comparison: Comparison) -> Measured:
    """Correlate the envelopes of reference and estimate in third-octave bands, over segments and channels.

    Segments with less than 0.4 s of sound in the reference are left out. Undefined if none is left. Silence instead of
    speech scores 0: nothing is understood.
    """
    reference, estimate = comparison.reference.sound, comparison.estimate.sound  # as they are: gains do not count

    def score(clean: Row, dirty: Row) -> tuple[float, float] | None:
        return _score(clean, dirty, comparison.sample_rate)

    means = mean_over_segments(reference, estimate, LONGEST_SECONDS, score, _TOO_LITTLE)
    return {key: means if isinstance(means, Undefined) else means[place] for place, key in enumerate(NUMBERS)}


def _score(clean: Row, dirty: Row, sample_rate: int) -> tuple[float, float] | None:
    """Measure STOI and ESTOI of one channel; None where pystoi would warn and return 1e-5."""
    from pystoi import stoi
    from pystoi.utils import resample_oct

    if not clean.any():
        return None
    reference, estimate = (to_peak(row).astype(np.float64) for row in (clean, dirty))
    if sample_rate != SAMPLE_RATE:  # as stoi does it, but once for both numbers
        reference, estimate = (resample_oct(row, SAMPLE_RATE, sample_rate) for row in (reference, estimate))
    if active_frames(reference) <= FRAMES_AT_ONCE:
        return None
    if not dirty.any():
        return 0.0, 0.0
    plain = float(stoi(reference, estimate, SAMPLE_RATE))
    with _same_draws():
        return plain, float(stoi(reference, estimate, SAMPLE_RATE, extended=True))


def active_frames(waveform: NDArray[np.float64]) -> int:
    """Count the frames less than 40 dB under the loudest one, at 10,000 Hz: those that STOI uses, and one more.

    >>> active_frames(np.ones(10000))
    77
    """
    if waveform.size <= N_FRAME:
        return 0
    frames = sliding_window_view(waveform, N_FRAME)[: waveform.size - N_FRAME : N_FRAME // 2]
    powers = np.sum((frames * np.hanning(N_FRAME + 2)[1:-1]) ** 2, axis=-1)
    return int(np.sum(powers > powers.max() * 10.0 ** (-ACTIVE_DB / 10.0)))


@contextmanager
def _same_draws() -> Iterator[None]:
    """Seed NumPy's global generator, and restore its state afterwards.

    pystoi adds noise from it, at 1e-16, before ESTOI normalises. If a band is silent there is only that noise, so the
    number would be different each time.
    """
    with _one_at_a_time:
        state = np.random.get_state()
        np.random.seed(0)
        try:
            yield
        finally:
            np.random.set_state(state)
