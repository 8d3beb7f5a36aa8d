"""What every metric promises, over the whole registry: a new file is tested the moment it exists."""

import inspect
import math

import numpy as np
import pytest
from oracles import closest_gain

from audiorestore.metrics import METRICS, chosen, missing
from audiorestore.metrics._comparison import IDENTICAL_DB, Comparison, Measured, Number, Signal, Undefined
from audiorestore.signal.sound import Sound

RATE = 16000
NUMBERS = [(name, key) for name in METRICS.names() for key in METRICS.load(name).NUMBERS]
GRADES = [(name, key) for name, key in NUMBERS if not METRICS.load(name).NUMBERS[key].part_of]


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Skip what an extra is missing for."""
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    if name and (words := missing(name)):
        pytest.skip(words)


def sound(channels: int = 1, frames: int = RATE, seed: int = 0) -> np.ndarray:
    """Coloured noise with pauses."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    rows = np.fft.irfft(spectrum / np.maximum(np.arange(spectrum.shape[-1]), 20.0) ** 0.5, frames)
    rows *= np.maximum(0.0, np.sin(2 * np.pi * 3 * np.arange(frames) / frames))
    return np.asarray(0.3 * rows / np.abs(rows).max(), np.float32)


def hiss(waveform: np.ndarray, level: float, seed: int = 1) -> np.ndarray:
    return waveform + np.float32(level) * np.random.default_rng(seed).standard_normal(waveform.shape, dtype=np.float32)


def measure(name: str, reference: np.ndarray, estimate: np.ndarray) -> Measured:
    measured = METRICS.load(name).measure(Comparison.of(reference, estimate, RATE))
    assert isinstance(measured, dict)
    return measured


def assert_alike(measured: Measured, expected: Measured, rel: float) -> None:
    assert measured.keys() == expected.keys()
    for key, value in expected.items():
        assert measured[key] == (value if isinstance(value, Undefined) else pytest.approx(value, rel=rel)), key


def value_of(measured: Measured, key: str) -> float:
    value = measured[key]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("name", METRICS.names())
def test_a_metric_gives_the_numbers_it_declares_and_says_what_they_mean(name: str) -> None:
    module = METRICS.load(name)
    assert set(measure(name, sound(), hiss(sound(), 0.01))) == set(module.NUMBERS)
    assert inspect.getdoc(module)
    for key, number in module.NUMBERS.items():
        assert isinstance(number, Number)
        assert number.meaning
        assert number.source
        assert (number.unit == "dB") == key.endswith("_db")
        assert format(1.0, number.style)


def test_no_two_metrics_give_a_number_of_the_same_name() -> None:
    keys = [key for _, key in NUMBERS]
    assert len(set(keys)) == len(keys)
    assert {"mse", "snr_db", "si_sdr_db", "lsd_db"} <= set(keys)


@pytest.mark.parametrize(("name", "key"), GRADES)
@pytest.mark.parametrize("channels", [1, 2])
def test_identical_signals_have_the_best_value(name: str, key: str, channels: int) -> None:
    number = METRICS.load(name).NUMBERS[key]
    clean = sound(channels)
    value = measure(name, clean, clean.copy())[key]
    assert isinstance(value, float)
    if not number.higher_is_better:
        assert value == pytest.approx(0.0, abs=1e-9)
    elif number.unit == "dB":
        assert value == IDENTICAL_DB
    worse = measure(name, clean, hiss(clean, 0.1))[key]
    assert isinstance(worse, float)
    assert (worse < value) if number.higher_is_better else (worse > value)


@pytest.mark.parametrize(("name", "key"), GRADES)
@pytest.mark.parametrize("channels", [1, 2])
def test_more_noise_is_never_better(name: str, key: str, channels: int) -> None:
    number = METRICS.load(name).NUMBERS[key]
    clean = sound(channels)
    values = [measure(name, clean, hiss(clean, level))[key] for level in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert all(isinstance(value, float) and math.isfinite(value) for value in values)
    assert values == sorted(values, reverse=number.higher_is_better)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", METRICS.names())
@pytest.mark.parametrize("frames", [1, 2, 100, RATE])
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_gives_none_or_a_finite_number(name: str, frames: int, channels: int) -> None:
    silence = np.zeros((channels, frames), np.float32)
    loud = np.full((channels, frames), 0.5, np.float32)
    for reference, estimate in ((silence, silence), (silence, loud), (loud, silence), (loud, loud)):
        for value in measure(name, reference, estimate).values():
            assert isinstance(value, Undefined) or (type(value) is float and math.isfinite(value))


@pytest.mark.parametrize("name", METRICS.names())
def test_the_same_in_both_channels_is_the_same_as_mono(name: str) -> None:
    clean = sound()
    noisy = hiss(clean, 0.02)
    mono = measure(name, clean, noisy)
    stereo = measure(name, np.tile(clean, (2, 1)), np.tile(noisy, (2, 1)))
    for key, number in METRICS.load(name).NUMBERS.items():
        if number.unit == "LUFS":  # loudness adds up over channels
            mono[key] = value_of(mono, key) + 10.0 * math.log10(2.0)
    assert_alike(stereo, mono, 1e-4)


@pytest.mark.parametrize("name", METRICS.names())
def test_measuring_changes_nothing_and_the_second_time_says_the_same(name: str) -> None:
    clean, noisy = sound(2), hiss(sound(2), 0.02)
    before = clean.copy(), noisy.copy()
    comparison = Comparison.of(clean, noisy, RATE)
    first = METRICS.load(name).measure(comparison)
    assert METRICS.load(name).measure(comparison) == first
    np.testing.assert_array_equal((clean, noisy), before)


@pytest.mark.parametrize("name", METRICS.names())
def test_levelled_is_measured_as_if_the_samples_had_been_multiplied(name: str) -> None:
    clean, noisy = sound(2), 0.4 * hiss(sound(2), 0.02)
    comparison = Comparison.of(clean, noisy, RATE)
    METRICS.load(name).measure(comparison)  # spectra that are there already are scaled along
    gain = closest_gain(clean, noisy)
    multiplied = measure(name, clean, np.float32(gain) * noisy)
    assert_alike(METRICS.load(name).measure(comparison.leveled()), multiplied, 1e-3)


def test_levelling_undoes_a_gain() -> None:
    clean = sound()
    comparison = Comparison.of(clean, np.float32(0.95) * clean, RATE)
    assert METRICS.load("snr").measure(comparison)["snr_db"] == pytest.approx(26.02, abs=0.01)
    assert METRICS.load("snr").measure(comparison.leveled())["snr_db"] == 120.0


def test_spectra_are_computed_once_while_they_are_few() -> None:
    signal = Signal.of(sound(), RATE)
    once, again = list(signal.power(512, 128)), list(signal.power(512, 128))
    assert all(first is second for first, second in zip(once, again, strict=True))
    for first, second in zip(once, signal.scaled(0.5).power(512, 128), strict=True):
        np.testing.assert_allclose(second, 0.25 * first, rtol=1e-6)


@pytest.mark.parametrize("name", chosen())
def test_how_a_recording_comes_cut_changes_nothing(name: str) -> None:
    clean, noisy = sound(2), hiss(sound(2), 0.02)
    whole = METRICS.load(name).measure(Comparison.of(clean, noisy, RATE))
    cut = Comparison(*(Signal(Sound.of(each, RATE, block_frames=777)) for each in (clean, noisy)))
    assert_alike(METRICS.load(name).measure(cut), whole, 1e-6)
