"""Lag and gain are measured before anything else, and a lag is removed where that is asked for."""

import numpy as np
import pytest

from audiorestore.engine.lag_check import align_for_measuring
from audiorestore.errors import RecordError
from audiorestore.signal.lag import shift
from audiorestore.signal.sound import BLOCK_FRAMES, Sound

RATE = 16000


def music(frames: int = 16_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal((channels, frames + 64))
    return 0.05 * np.stack([np.convolve(row, 0.9 ** np.arange(64), "valid")[:frames] for row in white])


def sound(waveform: np.ndarray) -> Sound:
    return Sound.of(waveform, RATE)


def late(waveform: np.ndarray, lag: float, more: int = 0) -> np.ndarray:
    """Move a waveform; what comes in is silence."""
    return shift(waveform, -lag, waveform.shape[-1] + more)


@pytest.mark.parametrize(("lag", "more"), [(7, 0), (-7, 0), (1105, 1400), (-300, -300), (33.37, 100), (-12.25, 0)])
def test_a_lag_is_removed_and_reported(lag: float, more: int) -> None:
    reference = music()
    estimate = 0.5 * late(reference, lag, more)
    pair = align_for_measuring(sound(reference), sound(estimate), align=True)
    assert pair.report["lag"] == pytest.approx(lag, abs=0.05)
    assert pair.report["gain_db"] == pytest.approx(-6.02, abs=0.1)
    assert pair.report["aligned"] is True
    assert pair.report["residual_lag"] == 0.0
    assert "warning" not in pair.report
    clean, done = pair.reference.whole(), pair.estimate.whole()
    assert clean.shape == done.shape
    assert clean.shape[1] == pair.report.get("frames", 16_000)
    error = (0.5 * clean - done)[:, 100:-100]  # of a fraction, the ends depend on what is beyond them
    assert np.mean(error**2) < (1e-3 if lag % 1 else 1e-12) * np.mean(done**2)


def test_only_the_common_part_is_compared() -> None:
    reference = music()
    pair = align_for_measuring(sound(reference), sound(reference[:, 500:]), align=True)
    assert pair.report["frames"] == 15_500
    assert np.array_equal(pair.reference.whole(), pair.estimate.whole())
    longer = np.concatenate([reference, 0.01 * music(300, seed=5)], axis=1)
    pair = align_for_measuring(sound(reference), sound(longer), align=True)
    assert pair.report == {"lag": 0.0, "gain_db": 0.0, "frames": 16_000}
    assert np.array_equal(pair.estimate.whole(), reference.astype(np.float32))


def test_without_being_asked_nothing_is_moved() -> None:
    reference = music()
    estimate = sound(late(reference, 5))
    pair = align_for_measuring(sound(reference), estimate)
    assert pair.estimate is estimate
    assert pair.report["warning"] == "it is delayed by 5 samples, so the numbers are not reliable"


def test_an_aligned_recording_is_left_alone() -> None:
    reference, estimate = sound(music()), sound(0.7 * music())
    pair = align_for_measuring(reference, estimate, align=True)
    assert (pair.reference, pair.estimate) == (reference, estimate)
    assert "aligned" not in pair.report


def test_each_channel_s_own_lag_is_removed() -> None:
    reference = music(channels=2)
    estimate = np.stack([late(reference[:1], 4)[0], late(reference[1:], 9)[0]])
    pair = align_for_measuring(sound(reference), sound(estimate), align=True)
    assert pair.report["lag"] == pytest.approx(9, abs=0.02)
    assert pair.report["frames"] == 15_991
    assert np.allclose(pair.estimate.whole(), pair.reference.whole(), rtol=0, atol=1e-6)


def test_other_sound_is_reported_and_not_moved() -> None:
    clean = music()
    pair = align_for_measuring(sound(clean), sound(music(clean.shape[-1], seed=9)), align=True)
    assert "do not look like the same recording" in pair.report["warning"]
    assert "aligned" not in pair.report
    assert pair.reference.frames == pair.estimate.frames == clean.shape[-1]


def test_other_sound_of_another_length_is_refused() -> None:
    with pytest.raises(RecordError, match=r"lengths differ.* do not look like the same recording"):
        align_for_measuring(sound(music()), sound(music(15_000, seed=9)), align=True)


def test_silence_and_single_samples_are_no_trouble() -> None:
    for reference, estimate in ((np.zeros((2, 900)), music(800, 2)), (np.ones((1, 1)), np.ones((1, 3)))):
        pair = align_for_measuring(sound(reference), sound(estimate), align=True)
        assert pair.reference.frames == pair.estimate.frames == min(reference.shape[1], estimate.shape[1])


@pytest.mark.parametrize("estimate", [-music(50), np.array([[-0.5]])])
def test_where_nothing_of_a_short_reference_is_left_the_gain_is_unknown(estimate: np.ndarray) -> None:
    pair = align_for_measuring(sound(-estimate), sound(estimate))
    assert pair.report == {"lag": 0.0, "gain_db": None, "warning": "nothing of the reference is found in it"}


@pytest.mark.parametrize("lag", [0, 40, -40.5])
def test_the_lag_of_a_recording_of_several_blocks_is_removed(lag: float) -> None:
    reference = music(5 * BLOCK_FRAMES, 2)
    pair = align_for_measuring(sound(reference), sound(late(reference, lag)), align=True)
    assert pair.report["lag"] == pytest.approx(lag, abs=0.05)
    assert ("aligned" in pair.report) == bool(lag)


def test_a_recording_that_jumps_in_the_middle_is_reported() -> None:
    reference = music(6 * BLOCK_FRAMES)
    middle = 3 * BLOCK_FRAMES
    jumped = np.concatenate([reference[:, :middle], late(reference[:, middle:], 25)], axis=1)
    pair = align_for_measuring(sound(reference), sound(jumped), align=True)
    assert pair.report["warning"].startswith("the lag is not the same everywhere")
    assert "25 samples are too many" in pair.report["warning"]
    assert "aligned" not in pair.report
