"""Recordings with any number of channels are folded for models of one or two channels, and unfolded in order."""

import numpy as np
import pytest

from audiorestore.models._channels import fold, unfold


def numbered(channels: int, frames: int = 4) -> np.ndarray:
    return np.arange(channels, dtype=np.float32)[:, None] + np.linspace(0, 0.5, frames, dtype=np.float32)


@pytest.mark.parametrize("frames", [0, 1, 5])
@pytest.mark.parametrize("model_channels", [1, 2])
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6])
def test_unfolding_reverses_folding(channels: int, model_channels: int, frames: int) -> None:
    waveform = numbered(channels, frames)
    batch = fold(waveform, model_channels)
    assert batch.shape == (-(-channels // model_channels), model_channels, frames)
    np.testing.assert_array_equal(unfold(batch, channels), waveform)


def test_a_mono_model_gets_each_channel_separately() -> None:
    assert fold(numbered(3), 1)[:, :, 0].tolist() == [[0], [1], [2]]


def test_a_stereo_model_gets_neighbours_and_an_odd_last_channel_twice() -> None:
    assert fold(numbered(6), 2)[:, :, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert fold(numbered(3), 2)[:, :, 0].tolist() == [[0, 1], [2, 2]]
    assert fold(numbered(1), 2)[:, :, 0].tolist() == [[0, 0]]


def test_the_two_outputs_for_a_doubled_channel_are_averaged() -> None:
    batch = np.array([[[1.0], [2.0]], [[3.0], [5.0]]], np.float32)
    assert unfold(batch, 3)[:, 0].tolist() == [1.0, 2.0, 4.0]
    assert unfold(batch[:1], 1)[:, 0].tolist() == [1.5]
