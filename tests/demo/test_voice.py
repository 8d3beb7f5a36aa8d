"""Facts about the voice: its pitch, its formants, and its hisses."""

import numpy as np
import pytest
from pitch import cents, peak_hz, power, rng

from audiorestore.demo.voice import VOWELS_HZ, Syllable, glottal_pulses, sing, vocal_tract
from audiorestore.signal.level import decibels

RATES = (16000, 22050, 44100)


def test_vocal_folds_buzz_at_their_pitch_with_falling_harmonics() -> None:
    buzz = glottal_pulses(np.full(22050, 110.0), 22050)
    assert abs(cents(peak_hz(buzz, 22050, 110.0, 0.2), 110.0)) < 1.0
    harmonics = [power(buzz, 22050, 110.0 * k - 20, 110.0 * k + 20) for k in (1, 10, 50)]
    assert harmonics[0] > 10.0 * harmonics[1] > 100.0 * harmonics[2]
    between = power(buzz, 22050, 4000.0 + 20, 4000.0 + 50)  # 4000 Hz lies between harmonics 36 and 37
    assert decibels(between / power(buzz, 22050, 3960 - 20, 3960 + 20)) < -30.0  # no aliases


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("vowel", sorted(VOWELS_HZ))
def test_a_mouth_resonates_at_the_formants_of_its_vowel(vowel: str, sample_rate: int) -> None:
    tap = np.zeros(sample_rate // 2)
    tap[sample_rate // 20] = 1.0
    ring = vocal_tract(tap, np.tile(VOWELS_HZ[vowel], (50, 1)), sample_rate)
    level = np.abs(np.fft.rfft(ring, 1 << 16))
    frequency_hz = np.fft.rfftfreq(1 << 16, 1.0 / sample_rate)
    tops_hz = frequency_hz[1:-1][(level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])]
    for formant_hz in VOWELS_HZ[vowel][:3]:
        assert np.abs(tops_hz / formant_hz - 1.0).min() < 0.04


def test_a_mouth_is_causal() -> None:
    tap = np.zeros(22050)
    tap[5000] = 1.0
    ring = vocal_tract(tap, np.tile(VOWELS_HZ["a"], (100, 1)), 22050)
    assert np.abs(ring[:4990]).max() < 0.02 * np.abs(ring).max()
    assert 5000 <= np.argmax(np.abs(ring)) < 5030


def test_a_sung_vowel_is_in_tune_and_shows_its_formants() -> None:
    voice = sing([Syllable("", "i", (110.0, 110.0), 1.5)], 22050, rng(), vibrato_cents=0.0)
    steady = voice[4410:28665]
    assert abs(cents(peak_hz(steady, 22050, 110.0, 0.2), 110.0)) < 10.0
    valley = power(steady, 22050, 1000, 1400)
    assert decibels(power(steady, 22050, 150, 400) / valley) > 15.0
    assert decibels(power(steady, 22050, 2100, 2500) / valley) > 10.0


def test_a_hiss_comes_before_its_vowel_and_is_higher() -> None:
    voice = sing([Syllable("s", "a", (120.0, 120.0), 0.6)], 44100, rng())
    hiss, vowel = voice[2205:5292], voice[13230:22050]
    assert power(hiss, 44100, 5000, 22050) > 0.9 * power(hiss, 44100, 0, 22050)
    assert power(vowel, 44100, 0, 4000) > 0.9 * power(vowel, 44100, 0, 22050)
