"""Long recordings through models that hear a whole recording at once: in long segments that fade into each other.

A recurrent or attending model's answer at one moment hangs on everything before, or all around, so no context is long
enough for `_restorer.OverlapSave`. Such a model restores segments on a fixed grid instead: segment k begins at sample
k · (segment − overlap), and the last one ends with the recording. Where two of them overlap, the later fades in over
the earlier; a margin at either end of the overlap, where one of the two knows only half of its surroundings, is left
to the other. The grid hangs on nothing but the recording, so the result is the same however it was cut on its way in;
and it is what the model makes of the whole recording at once where that is no longer than a segment.
"""

from collections.abc import Callable

import numpy as np


class SegmentStream:
    """Stream by cross-faded segments.

    Args:
        restore: Restores one segment: float32 (batch, channels, time) to the same shape, for any time ≥ 1.
        segment: Length of a segment in samples.
        overlap: Samples that neighbours share, at most half of a segment.
        margin: How many samples at either end of the overlap belong to one of the two alone.

    Raises:
        ValueError: The overlap does not fit into the segment, or the margins not into the overlap.
    """

    def __init__(
        self, restore: Callable[[np.ndarray], np.ndarray], segment: int, overlap: int, margin: int = 0
    ) -> None:
        if not (0 <= 2 * overlap <= segment and segment >= 1 and 0 <= 2 * margin <= overlap):
            raise ValueError(f"an overlap of {overlap} with margins of {margin} does not fit segments of {segment}")
        self._restore = restore
        self._segment, self._overlap = segment, overlap
        self._rise = rise(overlap, margin)
        self._held: list[np.ndarray] = []  # from the next segment's first sample on
        self._frames = 0
        self._fading: np.ndarray | None = None  # the last segment's end, which the next one fades in over

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples and return those of all segments that are whole, but for their last overlap."""
        self._held.append(block)
        self._frames += block.shape[-1]
        ready = [block[..., :0]]
        while self._frames >= self._segment:
            samples = np.concatenate(self._held, axis=-1)
            restored = self._faded(samples[..., : self._segment])
            step = self._segment - self._overlap
            self._held, self._frames = [samples[..., step:]], samples.shape[-1] - step
            self._fading = restored[..., step:]
            ready.append(restored[..., :step])
        return np.concatenate(ready, axis=-1)

    def flush(self) -> np.ndarray:
        """Restore the last, shorter segment, and return the rest."""
        if not self._held:
            raise ValueError("nothing was pushed")
        samples = np.concatenate(self._held, axis=-1)
        if self._fading is not None and samples.shape[-1] == self._overlap:
            return self._fading  # the recording ended where the last segment did
        return self._faded(samples) if samples.shape[-1] else samples

    def _faded(self, samples: np.ndarray) -> np.ndarray:
        restored = self._restore(samples)
        if self._fading is None:
            return restored
        head = self._fading + (restored[..., : self._overlap] - self._fading) * self._rise
        return np.concatenate([head, restored[..., self._overlap :]], axis=-1)


def rise(overlap: int, margin: int) -> np.ndarray:
    """Make the later segment's share of an overlap, sample by sample: 0, a straight line up, and 1.

    >>> rise(6, 1).tolist()
    [0.0, 0.125, 0.375, 0.625, 0.875, 1.0]
    """
    line = (np.arange(overlap) + 0.5 - margin) / max(1, overlap - 2 * margin)
    return np.clip(line, 0.0, 1.0).astype(np.float32)
