"""PESQ: how good listeners on a telephone would find transmitted speech, on their scale from 1, bad, to 5.

It compares loudness in critical bands over time, and has been fitted to listening tests with speech. It levels both
recordings and removes the lag of each utterance itself, so neither of them counts.

Source:
    ITU-T Recommendations P.862 (2001), with the mapping of P.862.1 (2003), and P.862.2 (2005, wide band). Rix,
    Beerends, Hollier and Hekstra, "Perceptual evaluation of speech quality (PESQ)", ICASSP 2001. Computed by the
    ITU's own code, in the package ``pesq``.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ._comparison import Comparison, Measured, Number, Undefined, missing_package
from ._segments import Row, Score, mean_over_segments, to_peak

ON_REQUEST = True
ANY_LEVEL = True  # both are brought to one power between 350 and 3250 Hz

# P.862.3 asks for 8 to 30 s. The ITU's code has room for 50 utterances and writes past it without an error: of the
# shortest ones, 0.2 s with 0.2 s between them, more would fit into 20 s. Longer recordings get segments over 9.5 s.
LONGEST_SECONDS = 19.0
SHORTEST_SECONDS = 0.25  # what the ITU's code takes

_LIMITS = (
    "Brought to {rate} Hz; {band}. For speech: for music it is not validated. Each channel separately, then "
    "averaged; over 19 s in even segments, each levelled by itself, averaged over those where the reference speaks."
)
_WIDE = _LIMITS.format(rate="16,000", band="at most 4.64")
_NARROW = _LIMITS.format(rate="8,000", band="a telephone's 300 to 3400 Hz; at most 4.55")

NUMBERS = {
    "pesq_wb": Number(
        "", True, "PESQ in wide band, a predicted mean opinion from 1 to 4.64", "ITU-T P.862.2, 2005", limits=_WIDE
    ),
    "pesq_nb": Number(
        "",
        True,
        "PESQ in narrow band, a predicted mean opinion from 1 to 4.55",
        "ITU-T P.862, 2001, mapped by P.862.1, 2003",
        limits=_NARROW,
    ),
}

_TOO_SHORT = Undefined("it is shorter than a quarter of a second")
_NOTHING_SAID = Undefined("no utterance is found in the reference")
_NOTHING_FOUND = Undefined("no utterance is found in the measured audio")
_CRASHED = Undefined("the pesq package crashed")


def missing() -> str:
    """Say what has to be installed first; empty if nothing is missing."""
    return missing_package("pesq")


def measure(comparison: Comparison) -> Measured:
    """Predict the mean opinion in wide band and in narrow band, over segments and channels.

    Segments without an utterance in the reference are left out. Undefined if none is left, and if the estimate is
    silent or has no utterance while the reference speaks.
    """
    with _process() as process:
        return {
            "pesq_wb": _mean(comparison, 16000, _scorer(process, 16000, "wb")),
            "pesq_nb": _mean(comparison, 8000, _scorer(process, 8000, "nb")),
        }


def _mean(comparison: Comparison, sample_rate: int, score: Score) -> float | Undefined:
    sounds = (comparison.reference.sound, comparison.estimate.sound)  # as they are: gains do not count
    reference, estimate = (sound.resampled(sample_rate) for sound in sounds)
    if reference.frames < SHORTEST_SECONDS * sample_rate:
        return _TOO_SHORT
    means = mean_over_segments(reference, estimate, LONGEST_SECONDS, score, _NOTHING_SAID)
    return means if isinstance(means, Undefined) else means[0]


def _scorer(process: ProcessPoolExecutor, sample_rate: int, mode: str) -> Score:
    def opinion(reference: Row, estimate: Row) -> float:
        return process.submit(_opinion, sample_rate, reference, estimate, mode).result()

    def score(clean: Row, dirty: Row) -> tuple[float] | Undefined | None:
        if not clean.any():
            return None
        reference, estimate = to_peak(clean), to_peak(dirty)
        try:
            if dirty.any() and (found := opinion(reference, estimate)) > 0.0:
                return (found,)
            # Comparing the reference with itself shows which of the two has no utterance.
            return _NOTHING_FOUND if opinion(reference, reference) > 0.0 else None
        except BrokenProcessPool:
            return _CRASHED

    return score


@contextlib.contextmanager
def _process() -> Iterator[ProcessPoolExecutor]:
    """Run a process for the package, whose C code reads past its arrays if speech seems to be seconds apart.

    A crash ends that process only. It also frees the memory that the C code leaks, and does not hold the interpreter
    lock here.
    """
    context = multiprocessing.get_context("spawn")  # the program may have threads, so it cannot fork
    with ProcessPoolExecutor(1, mp_context=context, initializer=_begin) as process:
        yield process


def _begin() -> None:
    """Prepare the process: keep what the C code prints off stdout, and leave Ctrl-C to the parent."""
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _opinion(sample_rate: int, reference: Row, estimate: Row, mode: str) -> float:
    """Let the package measure one pair, a quarter of a second to 19 s long; not above 0 if it finds no number."""
    import pesq

    return float(pesq.pesq(sample_rate, reference, estimate, mode, on_error=pesq.PesqError.RETURN_VALUES))
