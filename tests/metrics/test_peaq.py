"""What PEAQ's numbers do with recordings of any kind: identical, silent, short, long, and at any rate."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from audiorestore.metrics import peaq
from audiorestore.metrics._comparison import Comparison, Measured, Signal, Undefined
from audiorestore.signal.sound import Sound

RATE = 48000


def sound(frames: int = RATE, channels: int = 1, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise in bursts, falling by 6 dB per octave from 500 Hz on and gone above 20 kHz, rounded to 16 bit."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    frequency = np.arange(spectrum.shape[-1]) * rate / frames
    waveform = np.fft.irfft(spectrum * (frequency < 20000) / np.maximum(frequency, 500.0), frames)
    waveform *= 1.0 + np.sin(2 * np.pi * 3.0 * np.arange(frames) / rate)
    return np.rint(32768 * 0.4 * waveform / np.abs(waveform).max()) / 32768


def hiss(waveform: np.ndarray, level: float, seed: int = 1) -> np.ndarray:
    return waveform + level * np.random.default_rng(seed).standard_normal(waveform.shape)


def measure(reference: np.ndarray, estimate: np.ndarray, rate: int = RATE) -> Measured:
    return peaq.measure(Comparison.of(reference, estimate, rate))


def value(measured: Measured, key: str) -> float:
    number = measured[f"peaq_{key}"]
    assert isinstance(number, float), number
    return number


def test_identical_is_the_best_grade() -> None:
    measured = measure(sound(), sound())
    assert 0.1 < value(measured, "odg") < 0.22
    assert value(measured, "bandwidth_ref") == value(measured, "bandwidth_test")
    assert value(measured, "total_nmr_db") < -100
    for key in peaq.VARIABLES[3:]:
        assert value(measured, key) == 0.0


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_more_hiss_is_a_worse_grade(channels: int) -> None:
    clean = sound(channels=channels)
    grades = [value(measure(clean, hiss(clean, level)), "odg") for level in (0, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2)]
    assert grades == sorted(grades, reverse=True)
    assert grades[0] - grades[-1] > 3.0


def test_a_cut_off_is_found_where_it_is() -> None:
    spectrum = np.fft.rfft(sound())
    spectrum[:, 16000:] = 0.0  # a second: bins of 1 Hz
    measured = measure(sound(), np.fft.irfft(spectrum, RATE))
    assert value(measured, "bandwidth_test") * RATE / 2048 == pytest.approx(
        16000, abs=200
    )  # with the skirts of a Hann window
    assert value(measured, "bandwidth_ref") * RATE / 2048 == pytest.approx(20000, abs=200)


def test_rounding_to_16_bit_comes_first() -> None:
    clean, dirty = sound(), hiss(sound(), 1e-3).astype(np.float32)
    assert measure(clean, dirty) == measure(clean, np.rint(dirty * 32768) / 32768)
    assert measure(clean, clean + 2.0**-18) == measure(clean, clean)


def test_a_change_of_level_is_no_noise() -> None:
    """The noise loudness adapts to levels: 1 dB less counts less than hiss 40 dB under the sound."""
    clean = sound(2 * RATE)
    softer = value(measure(clean, clean * 10 ** (-1 / 20)), "rms_noise_loud")
    hissing = value(measure(clean, hiss(clean, 0.01 * float(np.std(clean)))), "rms_noise_loud")
    assert softer < 0.1 * hissing


def test_channels_may_change_places() -> None:
    clean = sound(channels=2)
    dirty = hiss(clean, 1e-3)
    dirty[1] = hiss(clean[1], 1e-4)
    swapped = measure(clean[::-1], dirty[::-1])
    assert swapped == pytest.approx(measure(clean, dirty), rel=1e-9)


def test_channels_are_averaged_and_detection_takes_the_greater() -> None:
    clean = sound(channels=2)
    dirty = np.stack([hiss(clean[0], 1e-3), hiss(clean[1], 5e-5)])
    both, first, second = (measure(clean[part], dirty[part]) for part in (slice(0, 2), slice(0, 1), slice(1, 2)))
    averaged = [key for key in peaq.VARIABLES if key not in ("adb", "mfpd", "ehs")]
    for key in averaged:
        assert value(both, key) == pytest.approx((value(first, key) + value(second, key)) / 2, rel=1e-9), key
    assert value(both, "mfpd") >= max(value(first, "mfpd"), value(second, "mfpd"))


@pytest.mark.parametrize("hop_frames", [1, 3, 200])
def test_how_many_frames_are_taken_at_once_changes_nothing(hop_frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = sound(RATE + 777, channels=2)
    clean[:, :5000] = 0.0
    clean[:, -9000:] = 0.0
    whole = measure(clean, hiss(clean, 1e-3))
    monkeypatch.setattr(peaq, "_FRAMES", hop_frames * 1024)
    assert measure(clean, hiss(clean, 1e-3)) == pytest.approx(whole, rel=1e-9)


def test_rest_after_the_last_sound_does_not_count() -> None:
    clean, dirty = sound(), hiss(sound(), 1e-3)
    graded = [
        measure(
            np.pad(clean, [(0, 0), (0, rest)]), hiss(np.pad(dirty, [(0, 0), (0, rest)]), 1e-2 if rest > RATE else 0)
        )
        for rest in (4096, RATE)
    ]
    assert graded[0] == pytest.approx(graded[1], rel=1e-9)
    # But a pause does: what is in it counts.
    paused = np.concatenate([clean, np.zeros_like(clean), clean], axis=-1)
    noisy = paused.copy()
    noisy[:, RATE : 2 * RATE] = hiss(noisy[:, RATE : 2 * RATE], 1e-3)
    assert value(measure(paused, noisy), "odg") < value(measure(paused, paused), "odg") - 1.0


def test_silence_and_short_recordings_have_no_grade() -> None:
    clean = sound()
    silence = np.zeros_like(clean)
    for reference, estimate, reason in (
        (silence, silence, "silent"),
        (silence, clean, "silent"),
        (clean, silence, "never audible at the same time"),
        (clean[:, :2047], clean[:, :2047], "43 ms"),
        (clean[:, :0], clean[:, :0], "43 ms"),
        (clean[:, :29695], clean[:, :29695], "half second"),
    ):
        for key in ("peaq_odg", "peaq_di"):
            undefined = measure(reference, estimate)[key]
            assert isinstance(undefined, Undefined)
            assert reason in undefined.reason
    assert value(measure(clean[:, :29696], clean[:, :29696]), "odg") > 0.0  # 24 + 4 frames


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000, 192000])
def test_any_rate_has_a_grade(rate: int) -> None:
    clean = sound(rate, rate=rate)
    grades = [value(measure(clean, hiss(clean, level), rate), "odg") for level in (0.0, 1e-3, 1e-2)]
    assert grades == sorted(grades, reverse=True)


def test_the_same_sound_at_44100_has_nearly_the_same_grade() -> None:
    """Below 20 kHz both rates hold the same: noise that ends at 15 kHz, and a second layer of it."""
    grades = []
    for rate in (48000, 44100):
        layers = []
        for seed in (0, 1):
            spectrum = np.zeros((1, rate // 2 + 1), np.complex128)
            rng = np.random.default_rng(seed)
            phases = 2j * np.pi * rng.random(15000)
            spectrum[0, 1:15001] = rate * 2e-4 * np.exp(phases) / np.maximum(np.arange(1, 15001) / 1000.0, 1.0)
            layers.append(np.fft.irfft(spectrum, rate))
        noise = 1e-4 * np.random.default_rng(2).standard_normal((1, rate))
        grades.append(value(measure(layers[0] + noise, layers[0] + 0.01 * layers[1] + noise, rate), "odg"))
    assert grades[0] == pytest.approx(grades[1], abs=0.15)


def test_memory_does_not_grow_with_the_recording() -> None:
    second = sound(channels=2).astype(np.float32)

    def lasting(seconds: int, level: float) -> Signal:
        def blocks() -> Iterator[np.ndarray]:
            for _ in range(seconds):
                yield hiss(second, level).astype(np.float32)

        return Signal(Sound(RATE, 2, seconds * RATE, blocks))

    def peak(seconds: int) -> int:
        tracemalloc.start()
        peaq.measure(Comparison(lasting(seconds, 0.0), lasting(seconds, 1e-3)))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(3)
    assert peak(24) < 1.1 * peak(6)


def test_it_is_measured_on_request() -> None:
    assert peaq.ON_REQUEST
    assert len(peaq.NUMBERS) == 2 + 11
