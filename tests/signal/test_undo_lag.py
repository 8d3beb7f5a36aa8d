"""A lag is undone block by block just as in one go, and parts are read where they lie."""

import numpy as np
import pytest

from audiorestore.signal.lag import shift
from audiorestore.signal.sound import BLOCK_FRAMES, Sound
from audiorestore.signal.undo_lag import excerpts, loudest_parts, without_lag

FRAMES = 2 * BLOCK_FRAMES + 777


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, FRAMES)).astype(np.float32)


@pytest.mark.parametrize("lag", [0, 5, -5, 1105, -BLOCK_FRAMES - 3, BLOCK_FRAMES + 9, 0.25, -1104.6])
@pytest.mark.parametrize("block_frames", [1000, BLOCK_FRAMES])
def test_blocks_give_what_the_whole_gives(waveform: np.ndarray, lag: float, block_frames: int) -> None:
    late = Sound.of(waveform, 8000, block_frames)
    done = without_lag(late, [lag, lag], FRAMES - 10)
    assert np.allclose(done.whole(), shift(waveform, lag, FRAMES - 10), rtol=0, atol=2e-5)
    assert done.whole().shape == (2, FRAMES - 10)
    assert np.array_equal(done.whole(), done.whole())


def test_each_channel_has_its_own_lag(waveform: np.ndarray) -> None:
    done = without_lag(Sound.of(waveform, 8000), [3, -700], 5000).whole()
    assert np.array_equal(done[0], waveform[0, 3:5003])
    assert np.array_equal(done[1, 700:], waveform[1, :4300])
    assert not done[1, :700].any()


def test_a_fraction_is_undone_as_an_interpolation_would() -> None:
    times = np.arange(4000)
    tone = np.sin(0.3 * (times - 0.4))[None]
    done = without_lag(Sound.of(tone, 8000), [0.4], 4000).whole()[0]
    assert np.allclose(done[200:-200], np.sin(0.3 * times)[200:-200], rtol=0, atol=1e-4)


def test_parts_are_read_where_they_lie(waveform: np.ndarray) -> None:
    starts = [0, BLOCK_FRAMES - 5, FRAMES - 10, FRAMES + 5]
    parts = excerpts(Sound.of(waveform, 8000), starts, 100)
    assert [part.shape[1] for part in parts] == [100, 100, 10, 0]
    for part, start in zip(parts, starts, strict=True):
        assert np.array_equal(part, waveform[:, start : start + 100])


def test_the_loudest_part_of_each_stretch_is_found() -> None:
    waveform = np.full((1, 12 * BLOCK_FRAMES), 0.01, np.float32)
    for block in (1, 7, 10):
        waveform[:, block * BLOCK_FRAMES : (block + 1) * BLOCK_FRAMES] = 0.5
    found = loudest_parts(Sound.of(waveform, 8000), 3, BLOCK_FRAMES)
    assert [place // BLOCK_FRAMES for place in found] == [1, 7, 10]


@pytest.mark.parametrize("frames", [1, BLOCK_FRAMES, 3 * BLOCK_FRAMES])
def test_a_short_recording_is_one_part(frames: int) -> None:
    assert loudest_parts(Sound.of(np.ones((1, frames)), 8000), 3, 4 * BLOCK_FRAMES) == [0]
