"""Few bits: the grid, what dither does to the error, and what is clipped."""

import numpy as np
import pytest
from in_memory import apply_damage, in_blocks

from audiorestore.damage import bits
from audiorestore.damage._damage import Run
from audiorestore.signal.sound import joined

RATE = 44100


def quantize(waveform: np.ndarray, count: int, dither: str = "none", noise_seed: int = 3) -> np.ndarray:
    degraded, _ = apply_damage(bits, waveform, RATE, bits.Config(count, dither, noise_seed))
    assert degraded.dtype == np.float32
    return degraded


def noise(channels: int = 1, frames: int = 200_000) -> np.ndarray:
    """Even noise over many steps, far from full scale."""
    return np.random.default_rng(0).uniform(-0.7, 0.7, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize("dither", ["none", "rectangular", "triangular"])
@pytest.mark.parametrize("count", [2, 3, 8, 16, 24])
def test_there_are_as_many_levels_as_bits_say(count: int, dither: str) -> None:
    ramp = np.linspace(-1.2, 1.2, 100_001)[None]
    levels = quantize(ramp, count, dither).astype(np.float64) * 2 ** (count - 1)
    np.testing.assert_array_equal(levels, np.rint(levels))
    assert (levels.min(), levels.max()) == (-(2 ** (count - 1)), 2 ** (count - 1) - 1)
    if count <= 8:
        assert len(np.unique(levels)) == 2**count


def test_the_grid_has_a_level_at_zero_and_rounds_to_the_nearest() -> None:
    samples = np.array([[0.0, 0.12, 0.13, -0.12, -0.13, 0.37, 0.38, -0.63]], np.float32)
    np.testing.assert_array_equal(quantize(samples, 3), [[0.0, 0.0, 0.25, 0.0, -0.25, 0.25, 0.5, -0.75]])


@pytest.mark.parametrize("count", [3, 8, 16])
def test_a_recording_of_that_depth_passes_unchanged(count: int) -> None:
    levels = np.arange(-(2 ** (count - 1)), 2 ** (count - 1))[None] / 2 ** (count - 1)
    np.testing.assert_array_equal(quantize(levels, count), levels.astype(np.float32))


@pytest.mark.parametrize(("dither", "twelfths"), [("none", 1), ("rectangular", 2), ("triangular", 3)])
@pytest.mark.parametrize("count", [6, 12, 16])
def test_the_error_is_so_many_twelfths_of_a_squared_step(count: int, dither: str, twelfths: int) -> None:
    clean = noise()
    error = (quantize(clean, count, dither).astype(np.float64) - clean) * 2 ** (count - 1)
    assert np.mean(error**2) == pytest.approx(twelfths / 12, rel=0.02)
    assert np.mean(error) == pytest.approx(0.0, abs=0.01)
    assert np.abs(error).max() <= (1 + DITHER_REACH[dither]) / 2 + 1e-3


DITHER_REACH = {"none": 0, "rectangular": 1, "triangular": 2}


@pytest.mark.parametrize("place", [0.0, 0.1, 0.25, 0.4, 0.5])
def test_with_dither_the_error_does_not_depend_on_the_sound(place: float) -> None:
    """A constant, somewhere between two levels: its mean is kept, and by triangular dither the error's power too."""
    step = 2.0**-7
    constant = np.full((1, 100_000), place * step)
    errors = {name: (quantize(constant, 8, name) - constant) / step for name in DITHER_REACH}
    assert errors["none"].mean() == pytest.approx(np.rint(place) - place, abs=1e-6)
    assert errors["rectangular"].mean() == pytest.approx(0.0, abs=0.01)
    assert errors["triangular"].mean() == pytest.approx(0.0, abs=0.01)
    assert np.mean(errors["triangular"] ** 2) == pytest.approx(0.25, rel=0.03)
    # By rectangular dither it breathes: none at a level, a quarter of a squared step in the middle.
    assert np.mean(errors["rectangular"] ** 2) == pytest.approx(place * (1 - place), abs=0.005)


def test_a_tone_under_half_a_step_vanishes_without_dither_and_lives_with_it() -> None:
    step = 2.0**-7
    tone = 0.4 * step * np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE))[None]
    assert not quantize(tone, 8).any()
    for dither in ("rectangular", "triangular"):
        spectrum = np.abs(np.fft.rfft(quantize(tone, 8, dither)[0])) / (RATE / 2)
        assert spectrum[1000] == pytest.approx(0.4 * step, rel=0.05)
        others = np.delete(spectrum, [0, 1000])
        assert others.max() < 0.2 * spectrum[1000]


def test_without_dither_a_soft_tone_grates_and_triangular_dither_stops_that() -> None:
    tone = 1.3 * 2.0**-7 * np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE))[None]
    harmonics = np.arange(3000, 20000, 2000)
    plain, dithered = (np.abs(np.fft.rfft(quantize(tone, 8, name)[0]))[harmonics] for name in ("none", "triangular"))
    fundamental = 1.3 * 2.0**-7 * RATE / 2
    assert plain.max() > 0.1 * fundamental
    assert dithered.max() < 0.02 * fundamental


def test_channels_and_seeds_have_dither_of_their_own() -> None:
    silence = np.zeros((2, 50_000), np.float32)
    left, right = quantize(silence, 8, "triangular")
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    np.testing.assert_array_equal(quantize(silence, 8, "triangular")[0], left)
    assert abs(np.corrcoef(quantize(silence, 8, "triangular", noise_seed=4)[0], left)[0, 1]) < 0.02
    assert abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 0.02


def test_beyond_the_last_level_it_saturates_and_tells() -> None:
    samples = np.array([[-1.5, -1.2, -1.0, -0.9, 0.7, 0.8, 1.0, 7.0]], np.float32)
    degraded, reported = apply_damage(bits, samples, RATE, bits.Config(3, "none", 0))
    np.testing.assert_array_equal(degraded, [[-1.0, -1.0, -1.0, -1.0, 0.75, 0.75, 0.75, 0.75]])
    assert reported == {"clipped": 4}  # -1.5, -1.2, 1 and 7: the last level is 0.75, and nearest to 0.8


@pytest.mark.parametrize("lengths", [[1], [7, 1000], [100000]])
@pytest.mark.parametrize("dither", ["rectangular", "triangular"])
def test_blocks_of_any_length_give_the_same(lengths: list[int], dither: str) -> None:
    clean = noise(2, 3000 if lengths == [1] else 100_000)
    drawn = bits.Config(8, dither, 5)
    run = Run(bits.apply(in_blocks(clean, RATE, lengths), drawn))
    np.testing.assert_array_equal(joined(run, 2), apply_damage(bits, clean, RATE, drawn)[0])
