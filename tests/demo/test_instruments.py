"""Facts about the instruments: pitch, decay times, and where in the spectrum they are."""

import numpy as np
import pytest
from pitch import cents, peak_hz, power, rng

from audiorestore.demo.instruments import Mono, bell, hi_hat, kick, noise, organ, pluck, snare
from audiorestore.demo.score import note_hz
from audiorestore.signal.level import decibels

RATES = (16000, 22050, 44100)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("name", ["E2", "G3", "A4", "B5"])
def test_a_plucked_string_is_in_tune(name: str, sample_rate: int) -> None:
    meant_hz = note_hz(name)
    string = pluck(meant_hz, 1.5, sample_rate, rng())
    for harmonic in (1, 2, 3):
        assert abs(cents(peak_hz(string, sample_rate, harmonic * meant_hz, 0.1), harmonic * meant_hz)) < 1.0


def test_a_plucked_string_decays_in_its_decay_time_and_its_overtones_faster() -> None:
    string = pluck(220.0, 2.0, 22050, rng(), decay_seconds=2.0)
    early, late = string[2205:6615], string[13230:17640]  # half a second, 15 dB, apart
    assert fallen_db(early, late, 220.0) == pytest.approx(15.0, abs=0.5)
    assert fallen_db(early, late, 2640.0) > 20.0


def fallen_db(early: Mono, late: Mono, near_hz: float) -> float:
    return decibels(power(early, 22050, near_hz - 50, near_hz + 50) / power(late, 22050, near_hz - 50, near_hz + 50))


def test_where_a_string_is_plucked_mutes_the_harmonics_with_a_node_there() -> None:
    string = pluck(200.0, 1.0, 22050, rng(), position=0.2)
    neighbours = power(string, 22050, 750, 850) + power(string, 22050, 1150, 1250)
    assert decibels(power(string, 22050, 950, 1050) / neighbours) < -30.0


def test_noise_is_the_same_noise_at_every_sample_rate() -> None:
    low, high = (np.fft.rfft(noise(1.0, sample_rate, rng())) / sample_rate for sample_rate in (16000, 44100))
    np.testing.assert_allclose(high[:8000], low[:8000], atol=1e-12)
    assert np.mean(noise(1.0, 22050, rng()) ** 2) == pytest.approx(1.0, abs=0.05)


def test_noise_is_in_its_band() -> None:
    band = noise(1.0, 44100, rng(), 2000.0, 4000.0)
    inside = power(band, 44100, 2000, 4000)
    assert decibels(power(band, 44100, 0, 500) / inside) < -30.0
    assert decibels(power(band, 44100, 16000, 22050) / inside) < -30.0


def test_drums_are_in_their_bands() -> None:
    low, wide, high = kick(44100, rng()), snare(44100, rng()), hi_hat(44100, rng())
    assert power(low, 44100, 30, 150) > 0.8 * power(low, 44100, 0, 22050)
    assert power(wide, 44100, 150, 400) > 0.1 * power(wide, 44100, 0, 22050)
    assert power(wide, 44100, 2000, 22050) > 0.1 * power(wide, 44100, 0, 22050)
    assert power(high, 44100, 5000, 22050) > 0.99 * power(high, 44100, 0, 22050)
    assert power(high, 44100, 16000, 22050) > 0.1 * power(high, 44100, 0, 22050)


def test_a_bell_has_a_hum_and_partials_that_are_not_harmonics() -> None:
    stroke = bell(440.0, 3.0, 22050, rng())
    assert peak_hz(stroke, 22050, 1.19 * 440.0, 0.05) == pytest.approx(1.19 * 440.0, abs=1.0)
    tail = stroke[-22050:]
    assert power(tail, 22050, 0.5 * 440.0, 0.6 * 440.0) > 0.5 * power(tail, 22050, 0, 11025)


def test_an_organ_holds_its_note() -> None:
    note = organ(220.0, 2.0, 22050, rng())
    assert abs(cents(peak_hz(note, 22050, 220.0, 0.1), 220.0)) < 5.0
    assert np.std(note[11025:22050]) == pytest.approx(np.std(note[22050:33075]), rel=0.2)  # its pipes beat
