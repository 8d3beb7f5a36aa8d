"""Long recordings in segments: a number that is defined for some seconds of sound is averaged over all of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import Block, Sound, regrid
from ._comparison import Undefined

Row = NDArray[np.float32]  # one channel of one segment, shape (time,)
Score = Callable[[Row, Row], Sequence[float] | Undefined | None]


def segments(reference: Sound, estimate: Sound, longest_seconds: float) -> Iterator[tuple[Block, Block]]:
    """Cut two recordings of the same shape at the same places into the fewest segments of even length.

    So there is no short rest at the end: if there are several, each is over half as long as ``longest_seconds``.

    >>> recording = Sound.of(np.zeros((1, 25)), sample_rate=1)
    >>> [clean.shape[1] for clean, _ in segments(recording, recording, 10)]
    [9, 9, 7]
    """
    count = max(1, -(-reference.frames // int(longest_seconds * reference.sample_rate)))
    size = max(1, -(-reference.frames // count))
    return zip(
        *(regrid(each.blocks(), each.channels, each.frames, size) for each in (reference, estimate)), strict=True
    )


def mean_over_segments(
    reference: Sound, estimate: Sound, longest_seconds: float, score: Score, nothing: Undefined
) -> list[float] | Undefined:
    """Measure each channel of each segment separately, and average each number.

    Args:
        reference: The clean recording.
        estimate: The measured recording, of the same rate, channels and length.
        longest_seconds: How long a segment may be.
        score: Measures one channel of one segment, reference first. None if there is nothing in the reference that can
            be measured: it is left out, as for any other estimate of the same reference. `Undefined` if the estimate is
            at fault: leaving that out would flatter it, so there is no mean.
        nothing: What to return if everything was left out.
    """
    scores: list[Sequence[float]] = []
    seconds = 0.0
    for clean_block, dirty_block in segments(reference, estimate, longest_seconds):
        for clean, dirty in zip(clean_block, dirty_block, strict=True):
            found = score(clean, dirty)
            if isinstance(found, Undefined):
                whole = clean.size == reference.frames
                return found if whole else Undefined(f"{found.reason} from {seconds:.3g} s on")
            if found is not None:
                scores.append(found)
        seconds += clean_block.shape[-1] / reference.sample_rate
    return [float(mean) for mean in np.mean(scores, axis=0)] if scores else nothing


def to_peak(row: Row) -> Row:
    """Scale a waveform to a peak of 1, so that rounding is the same at any level; silence is unchanged."""
    peak = np.abs(row).max(initial=0.0)
    return np.asarray(row / peak, np.float32) if peak > 0.0 else row
