"""A lag is undone block by block just as in one go, and parts are read where they lie."""

import numpy as np
import pytest

from audiorestore.signal.lag import shift
from audiorestore.signal.sound import BLOCK_FRAMES, Sound
from audiorestore.signal.undo_lag import without_lag

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
