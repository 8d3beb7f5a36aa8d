"""Cutting long recordings into even segments, and the mean over those that can be measured."""

import numpy as np
import pytest

from audiorestore.metrics._comparison import Undefined
from audiorestore.metrics._segments import mean_over_segments, segments
from audiorestore.signal.sound import Sound

RATE = 100
NOTHING = Undefined("nothing was said")


def ramp(frames: int, channels: int = 1, block_frames: int = 7) -> Sound:
    return Sound.of(np.arange(channels * frames).reshape(channels, frames), RATE, block_frames)


@pytest.mark.parametrize("frames", [1, 2, 999, 1000, 1001, 1999, 2001, 12_345])
def test_segments_are_the_recording_again_even_and_none_too_long_or_short(frames: int) -> None:
    pairs = list(segments(ramp(frames), ramp(frames, block_frames=500), 10.0))
    lengths = [clean.shape[-1] for clean, _ in pairs]
    assert max(lengths) <= 1000
    assert len(lengths) == np.ceil(frames / 1000)
    assert len(lengths) == 1 or min(lengths) >= 490
    assert max(lengths) - min(lengths) < len(lengths)
    for side in zip(*pairs, strict=True):
        np.testing.assert_array_equal(np.concatenate(side, axis=-1), ramp(frames).whole())


def mean(reference: Sound, estimate: Sound) -> list[float] | Undefined:
    """The sums of both; nothing is said in segments of zeros, and to be negative is not allowed."""

    def score(clean: np.ndarray, dirty: np.ndarray) -> tuple[float, float] | Undefined | None:
        if not clean.any():
            return None
        return Undefined("it is negative") if dirty.min() < 0 else (float(clean.sum()), float(dirty.sum()))

    return mean_over_segments(reference, estimate, 10.0, score, NOTHING)


def steps(*values: float) -> np.ndarray:
    """Ten seconds of each value."""
    return np.repeat(np.array(values), 10 * RATE)[None]


def test_channels_and_segments_count_alike() -> None:
    reference, estimate = np.concatenate([steps(1, 2), steps(3, 6)]), np.concatenate([steps(1, 1), steps(1, 5)])
    assert mean(Sound.of(reference, RATE), Sound.of(estimate, RATE)) == [3000.0, 2000.0]


def test_what_the_reference_has_nothing_in_is_left_out_whatever_the_estimate_has_there() -> None:
    for noise in (-1, 0, 9):
        assert mean(Sound.of(steps(1, 0, 3), RATE), Sound.of(steps(1, noise, 1), RATE)) == [2000.0, 1000.0]
    assert mean(Sound.of(steps(0, 0), RATE), Sound.of(steps(1, 1), RATE)) == NOTHING


def test_what_the_estimate_is_at_fault_for_leaves_no_mean_and_says_where() -> None:
    found = mean(Sound.of(steps(1, 1, 1), RATE), Sound.of(steps(1, -1, 1), RATE))
    assert found == Undefined("it is negative from 10 s on")
    assert mean(Sound.of(steps(1), RATE), Sound.of(steps(-1), RATE)) == Undefined("it is negative")
