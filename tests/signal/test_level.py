"""Decibels, and the gains that lay one recording's level over another's."""

import numpy as np
import pytest
from oracles import active_power, mean_power

from audiorestore.signal.level import apparent_gain, decibels, dot, from_decibels

RATE = 16000


def noise(frames: int = RATE, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def test_ten_decibels_are_ten_times_the_power_and_twenty_ten_times_the_amplitude() -> None:
    assert decibels(10.0) == pytest.approx(10.0)
    assert decibels(0.5) == pytest.approx(-3.0103, abs=1e-4)
    assert from_decibels(20.0) == pytest.approx(10.0)
    assert from_decibels(-6.0206) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("gain_db", [-90.0, -0.446, 0.0, 3.0, 60.0])
def test_a_gain_in_decibels_comes_back_from_its_power(gain_db: float) -> None:
    assert decibels(from_decibels(gain_db) ** 2) == pytest.approx(gain_db, abs=1e-9)


def test_dot_sums_over_all_channels_in_double_precision() -> None:
    assert dot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])) == 70.0
    # A single-precision sum stops at 2**24; a long recording of ones would come out too short.
    ones = np.ones(2**24 + 1, np.float32)
    assert dot(ones, ones) == 2**24 + 1


def test_mean_power_of_a_full_scale_sine_is_a_half() -> None:
    sine = np.sin(2 * np.pi * 10 * np.arange(1000) / 1000)[None]
    assert mean_power(sine) == pytest.approx(0.5)
    assert mean_power(np.zeros((2, 0))) == 0.0


def test_noise_does_not_change_the_apparent_gain() -> None:
    reference = noise(frames=10 * RATE)
    noisy = 0.5 * reference + 0.5 * noise(frames=10 * RATE, seed=1)  # as much noise as sound
    assert apparent_gain(reference, noisy) == pytest.approx(0.5, abs=0.005)


def test_silence_has_no_level_to_match() -> None:
    assert apparent_gain(np.zeros((1, RATE), np.float32), noise()) == 1.0


def test_pauses_do_not_lower_the_active_power() -> None:
    sound = noise()
    with_pauses = np.concatenate([sound, np.zeros((1, 9 * RATE), np.float32)], axis=-1)
    assert mean_power(with_pauses) == pytest.approx(mean_power(sound) / 10)
    assert active_power(with_pauses, RATE) == pytest.approx(active_power(sound, RATE), rel=1e-6)
    assert active_power(sound, RATE) == pytest.approx(1.0, rel=0.05)


def test_a_part_counts_down_to_forty_decibels_below_the_loudest() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)[None]
    for soft_db, counts in ((-39.0, True), (-41.0, False)):
        both = np.concatenate([tone, from_decibels(soft_db) * tone], axis=-1)
        expected = (0.5 + 0.5 * from_decibels(soft_db) ** 2) / 2 if counts else 0.5
        assert active_power(both, RATE) == pytest.approx(expected, rel=1e-6)


def test_a_channel_that_sounds_keeps_the_other_active() -> None:
    left = noise()
    stereo = np.concatenate([left, np.zeros_like(left)])
    assert active_power(stereo, RATE) == pytest.approx(active_power(left, RATE) / 2, rel=1e-6)


def test_less_than_fifty_milliseconds_are_one_part() -> None:
    assert active_power(np.array([[0.5]]), RATE) == 0.25
    assert active_power(np.zeros((1, 7 * RATE)), RATE) == 0.0


def test_a_sound_at_the_very_end_is_heard() -> None:
    # Whole parts of 800 samples, then 400 that fill none: they are all the sound there is.
    late = np.zeros((1, 10 * 800 + 400))
    late[0, -400:] = 0.5
    assert active_power(late, RATE) > 0.0
