"""The ear, the patterns and the net of PEAQ against the standard's formulas, taken literally, and printed numbers."""

import math

import numpy as np
import pytest

from audiorestore.metrics.peaq import ear, movs, network
from audiorestore.metrics.peaq.patterns import Adaptation, Modulation, loudness

BANDS = np.arange(109)


def tone(frequency: float, level_db: float = 0.0, frames: int = 2048) -> np.ndarray:
    """A sine in steps of 16 bit, its level relative to full scale."""
    return 32768.0 * 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * np.arange(frames) / 48000)


def test_a_full_scale_tone_has_92_db() -> None:
    for level_db in (0.0, -40.0):
        highest = ear.power_spectra(tone(1019.5, level_db)).max()
        assert 10 * math.log10(highest) == pytest.approx(92.0 + level_db, abs=0.01)


def test_bands_are_those_of_the_printed_table() -> None:
    assert len(ear.CENTRES) == 109
    for band, centre in {0: 91.708, 1: 115.216, 31: 1038.511, 70: 4533.963, 107: 17077.504, 108: 17690.045}.items():
        assert ear.CENTRES[band] == pytest.approx(centre, abs=0.005)


def test_each_power_between_80_hz_and_18_khz_belongs_to_bands_once() -> None:
    flat = ear.grouped(np.ones(1025))
    assert flat.sum() == pytest.approx((18000 - 80) / (48000 / 2048))
    # A bin in the middle of a band is its own; 1 kHz is bin 42⅔, between edges at 974.3 and 1016.8 Hz.
    one = np.zeros(1025)
    one[42] = 5.0
    assert ear.grouped(one)[30] == pytest.approx(5.0 * (984.375 + 11.71875 - 974.336) / 23.4375, rel=1e-3)
    assert ear.grouped(one)[29] == pytest.approx(5.0 * (974.336 - 984.375 + 11.71875) / 23.4375, rel=1e-3)


@pytest.mark.parametrize("bin_number", [0, 43, 141, 800])
def test_the_outer_ear_lets_through_what_the_formula_says(bin_number: int) -> None:
    khz = bin_number * 24 / 1024
    weight_db = -np.inf
    if khz:
        weight_db = -2.184 * khz**-0.8 + 6.5 * math.exp(-0.6 * (khz - 3.3) ** 2) - 0.001 * khz**3.6
    assert ear.weighted(np.ones(1025))[bin_number] == pytest.approx(10 ** (weight_db / 10))


def literal_spreading(pattern: np.ndarray) -> np.ndarray:
    """BS.1387-1, Annex 2, 2.1.7: slopes in dB per Bark, each band's spread sums up to its power, added to the 0.4."""
    total = np.zeros(109)
    for source, power in enumerate(pattern):
        up = 24.0 + 230.0 / ear.CENTRES[source] - 2.0 * math.log10(power)
        spread_db = np.where(source > BANDS, 27.0 * (BANDS - source), -up * (BANDS - source)) * 0.25
        shape = 10 ** (spread_db / 10)
        total += (power * shape / shape.sum()) ** 0.4
    return total**2.5


def test_spreading_is_the_literal_sum() -> None:
    rng = np.random.default_rng(0)
    power = 10 ** rng.uniform(-1, 9, (2, 1025))
    pitch = ear.grouped(power) + ear.INTERNAL_NOISE
    expected = [literal_spreading(row) / literal_spreading(np.ones(109)) for row in pitch]
    np.testing.assert_allclose(ear.excited(power), expected, rtol=1e-9)


def test_smoothing_goes_on_from_block_to_block() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((50, 2, 109))
    keep = np.exp(-1024 / 48000 / (0.008 + 100 / ear.CENTRES * (0.030 - 0.008)))
    expected, memory = [], np.zeros((2, 109))
    for frame in values:
        memory = keep * memory + (1 - keep) * frame
        expected.append(memory)
    smoother = ear.Smoother(0.030, (2, 109))
    blocks = [smoother(part) for part in (values[:1], values[1:20], values[20:])]
    np.testing.assert_allclose(np.concatenate(blocks), expected, rtol=1e-12)


def test_what_ends_fades_and_what_starts_is_there_at_once() -> None:
    excitation = np.ones((20, 2, 1, 109))
    excitation[10:] = 1e-6
    smeared = ear.Ear(1).smeared(excitation)
    np.testing.assert_array_equal(smeared[:10], 1.0)
    fading = smeared[10:, 0, 0]
    assert np.all(np.diff(fading, axis=0) <= 0.0)
    assert fading[3, 0] > 0.05  # 32 ms in the lowest band
    assert fading[3, 108] < 1e-3  # 8 ms in the highest


def test_ten_decibels_are_twice_as_loud() -> None:
    tones = np.stack([ear.power_spectra(tone(1019.5, level_db)) for level_db in range(-40, 1, 10)])
    sones = loudness(ear.excited(ear.weighted(tones)))
    np.testing.assert_allclose(sones[1:] / sones[:-1], 2.0, atol=0.15)
    assert loudness(np.zeros(109)) == 0.0


def test_a_lasting_difference_of_level_and_colour_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    reference = 1e4 * rng.uniform(0.5, 2.0, (200, 1, 109))
    for colour in (np.full(109, 0.5), np.linspace(2.0, 0.5, 109)):
        adapted = Adaptation(1)(np.stack([reference, colour * reference], axis=1))
        ratio_db = 10 * np.log10(adapted[100:, 1] / adapted[100:, 0])
        assert np.abs(ratio_db).max() < 0.5


def test_modulation_is_of_what_moves() -> None:
    steady = np.full((100, 2, 1, 109), 1e4)
    still, mean = Modulation(1)(steady)
    assert still[-1].max() < 1e-6
    np.testing.assert_allclose(mean[-1], 1e4**0.3, rtol=1e-3)
    swinging = steady * np.where(np.arange(100) % 2, 1.0, 0.5)[:, None, None, None]
    moving, _ = Modulation(1)(swinging)
    # (1 − 0.5^0.3) of the loudness, each 21 ms, over 1 + its mean / 0.3
    expected = (1e4**0.3 - 5e3**0.3) * 46.875 / (1 + (1e4**0.3 + 5e3**0.3) / 2 / 0.3)
    assert moving[-10:, 0, 0, 54].mean() == pytest.approx(expected, rel=0.02)


def noticed_step(level: float) -> float:
    """BS.1387-1, Annex 2, 4.8: the just noticeable step at a level in decibels."""
    powers = level * (0.0550197 + level * (-0.00102438 + level * (5.05622e-6 + level * 9.01033e-11)))
    return 5.95072 * (6.39468 / level) ** 1.71332 - 0.198719 + powers


def test_no_difference_is_not_detected_and_a_great_one_is_for_certain() -> None:
    same = np.full((1, 2, 1, 109), 1e5)
    probability, steps = movs.detection(same)
    assert (probability.item(), steps.item()) == (0.0, 0.0)
    other = same.copy()
    other[:, 1, :, 50] *= 10.0
    probability, steps = movs.detection(other)
    assert probability.item() == pytest.approx(1.0)
    assert steps.item() == pytest.approx(10.0 / noticed_step(60.0), rel=1e-9)


def test_one_just_noticed_step_is_detected_half_of_the_time() -> None:
    same = np.full((1, 2, 1, 109), 1e5)
    level, lower = 50.0, 0.0
    for _ in range(50):  # the step that a lower level in one band has to have: 30 % of the way to it counts
        level = 50.0 - 0.7 * lower
        lower = noticed_step(level)
    same[:, 1, :, 50] *= 10 ** (-lower / 10)
    assert movs.detection(same)[0].item() == pytest.approx(0.5, abs=1e-6)


def test_an_error_with_ripples_is_harmonic() -> None:
    rng = np.random.default_rng(0)
    clean = np.abs(rng.standard_normal((1, 1025))) + 0.1
    noisy = clean * np.exp(0.3 * rng.standard_normal((1, 1025)))
    rippled = clean * np.exp(np.cos(2 * np.pi * np.arange(1025) / 8))
    power = [np.stack([clean, damaged])[None] for damaged in (clean, noisy, rippled)]
    none, some, much = (movs.error_harmonics(each).item() for each in power)
    assert none == 0.0
    assert much > 10 * some > 0.0


def test_bandwidth_is_the_last_bin_over_the_noise() -> None:
    power = np.ones((1, 2, 1, 1025))
    power[:, 0, :, :700] = 11.0
    power[:, 1, :, :500] = 4.0
    terms = movs.bandwidths(power)
    assert [terms[f"bandwidth_{part}"].item() for part in ("frames", "ref", "test")] == [1.0, 700.0, 500.0]
    power[:, 0, :, 346:700] = 9.0  # not 10 dB over it above 8.1 kHz: the frame does not count
    assert all(term.item() == 0.0 for term in movs.bandwidths(power).values())


def test_the_net_by_hand() -> None:
    """All inputs at the values that are mapped to 0: what is left are the biases."""
    zeros = (
        393.916656,
        361.965332,
        -24.045116,
        1.110661,
        -0.206623,
        0.074318,
        1.113683,
        0.950345,
        0.029985,
        0.000101,
        0,
    )
    index = network.distortion_index(dict(zip(network.VARIABLES, zeros, strict=True)))
    by_hand = -0.307594
    for bias, weight in ((-2.518254, -3.817048), (0.654841, 4.107138), (-2.207228, 4.629582)):
        by_hand += weight / (1 + math.exp(-bias))
    assert index == pytest.approx(by_hand)
    # The Recommendation's own conformance items: distortion index and grade of three of them.
    for di, odg in ((1.304, -0.676), (-3.029, -3.786), (3.135, 0.045)):
        assert network.difference_grade(di) == pytest.approx(odg, abs=0.001)
    assert network.difference_grade(-1e6) == pytest.approx(-3.98)
    assert network.difference_grade(1e6) == pytest.approx(0.22)
