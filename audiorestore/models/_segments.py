"""Run models that restore a whole waveform over long recordings, piece by piece, in bounded memory.

Both functions cut a recording on a fixed grid that depends only on its length, so the result does not depend on the
blocks in which the recording arrives.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..signal.sound import BLOCK_FRAMES, windows

Restore = Callable[[np.ndarray], np.ndarray]


def overlap_save(
    restore: Restore, blocks: Iterable[np.ndarray], context: int, stride: int = 1, block_frames: int = BLOCK_FRAMES
) -> Iterator[np.ndarray]:
    """Restore overlapping pieces and keep only the inner part of each, so that there is no seam.

    Piece k gives the samples [k·B, (k+1)·B) and is computed from [k·B − c, (k+1)·B + c), c ≥ the context, clipped to
    the recording: at both ends the model pads as it does on a whole file. B and c are multiples of the stride, so every
    piece is aligned with the model's grid.

    Args:
        restore: Restores one piece: float32 (batch, channels, time) to the same shape, for any time ≥ 1.
        blocks: The recording, shape (batch, channels, time) each.
        context: Samples on each side that an output sample depends on.
        stride: The model's grid in samples.
        block_frames: About how many samples to restore at once.

    Returns:
        The restored recording in blocks of the length B; the last may be shorter.
    """
    context, size = -(-context // stride) * stride, max(1, -(-block_frames // stride)) * stride
    pieces = windows(blocks, size + 2 * context, size, before=context, after=context)
    for number, piece in enumerate(pieces):
        start = min(number * size, context)
        yield restore(piece)[..., start : start + size]


def cross_fade(
    restore: Restore, blocks: Iterable[np.ndarray], segment: int, overlap: int, margin: int = 0
) -> Iterator[np.ndarray]:
    """Restore long segments, and cross-fade each with the end of the previous one.

    The output of a recurrent or attention model at one time depends on the whole past, or on the whole recording, so
    no context is long enough for `overlap_save`. Segment k begins at sample k · (segment − overlap), and the last one
    ends with the recording. Near either end of an overlap one of the two segments lacks context on one side: there, for
    the length of the margin, only the other one is used. A recording no longer than a segment is restored in one go.

    Args:
        restore: Restores one segment, as in `overlap_save`.
        blocks: The recording, as there.
        segment: Length of a segment in samples.
        overlap: Samples that neighbouring segments share, at most half a segment.
        margin: Samples at either end of the overlap that are taken from one segment only.

    Raises:
        ValueError: The overlap does not fit in the segment, or the margins do not fit in the overlap.
    """
    if not (0 <= 2 * overlap <= segment and segment >= 1 and 0 <= 2 * margin <= overlap):
        raise ValueError(f"an overlap of {overlap} with margins of {margin} does not fit in segments of {segment}")
    step, share = segment - overlap, rise(overlap, margin)
    fading: np.ndarray | None = None  # the end of the previous segment, over which the next one fades in
    for samples in windows(blocks, segment, step):
        restored = restore(samples)
        if fading is not None:
            head = fading + (restored[..., :overlap] - fading) * share
            restored = np.concatenate([head, restored[..., overlap:]], axis=-1)
        yield restored[..., :step]
        fading = restored[..., step:]
    if fading is not None:
        yield fading


def rise(overlap: int, margin: int) -> np.ndarray:
    """Compute the later segment's weight at each sample of an overlap: 0, then a linear rise, then 1.

    >>> rise(6, 1).tolist()
    [0.0, 0.125, 0.375, 0.625, 0.875, 1.0]
    """
    line = (np.arange(overlap) + 0.5 - margin) / max(1, overlap - 2 * margin)
    return np.clip(line, 0.0, 1.0).astype(np.float32)
