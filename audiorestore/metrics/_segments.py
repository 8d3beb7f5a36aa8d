"""Long recordings in segments: what is defined for some seconds of sound becomes a mean over all of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import Block, Sound, regrid
from ._comparison import Undefined

Row = NDArray[np.float32]  # one channel of one segment, shape (time,)
Score = Callable[[Row, Row], Sequence[float] | Undefined | None]


def segments(reference: Sound, estimate: Sound, longest_seconds: float) -> Iterator[tuple[Block, Block]]:
    """Cut both at the same places into the fewest segments of even length of which none is too long.

    So no short rest is left at the end: what does not fit into one segment makes segments over half as long as one
    may be.

    Args:
        reference: A recording.
        estimate: Another, of the same rate, channels and length.
        longest_seconds: How long a segment may be.

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
    """Measure each channel of each segment by itself, and average.

    Args:
        reference: The clean recording.
        estimate: What is measured, of the same rate, channels and length.
        longest_seconds: How long a segment may be.
        score: Measures one channel of one segment, reference first. None says that the reference has nothing there
            that can be measured: it is left out, as it is for any other estimate of the same reference. `Undefined`
            says that the estimate is at fault: to leave that out would flatter it, so that no mean is given at all.
        nothing: What to return where all was left out.

    Returns:
        The mean of each number that ``score`` gives.
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
    """Scale a waveform to a peak of 1, so that rounding is the same at any level; silence stays as it is."""
    peak = np.abs(row).max(initial=0.0)
    return np.asarray(row / peak, np.float32) if peak > 0.0 else row
