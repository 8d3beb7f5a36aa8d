from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from audiorestore.signal.instruments import (
    VOWELS_HZ,
    Mono,
    Syllable,
    bell,
    glottal_pulses,
    hi_hat,
    kick,
    noise,
    organ,
    pluck,
    sing,
    snare,
    vocal_tract,
)
from audiorestore.signal.level import decibels
from audiorestore.signal.synthesis import DEMO_PIECES, note_hz, render_demo, room

RATES = (16000, 22050, 44100)
OCTAVES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 7000.0)

rendered = cache(render_demo)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def power(waveform: NDArray[np.floating], sample_rate: int, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    frequency_hz = np.fft.rfftfreq(waveform.size, 1.0 / sample_rate)
    return float(spectrum[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def peak_hz(waveform: Mono, sample_rate: int, near_hz: float, within: float) -> float:
    """The strongest frequency near one, to a small part of a bin: a parabola through the logarithms around the peak."""
    n_fft = 4 * waveform.size
    level = np.log(np.abs(np.fft.rfft(waveform * np.hanning(waveform.size), n_fft)) + 1e-30)
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    level[np.abs(frequency_hz - near_hz) > within * near_hz] = -np.inf
    top = int(np.argmax(level))
    below, at, above = level[top - 1 : top + 2]
    return float((top + 0.5 * (below - above) / (below - 2.0 * at + above)) * sample_rate / n_fft)


def cents(heard_hz: float, meant_hz: float) -> float:
    return float(1200.0 * np.log2(heard_hz / meant_hz))


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("name", ["E2", "G3", "A4", "B5"])
def test_a_plucked_string_is_in_tune(name: str, sample_rate: int) -> None:
    meant_hz = note_hz(name)
    string = pluck(meant_hz, 1.5, sample_rate, rng())
    for harmonic in (1, 2, 3):
        assert abs(cents(peak_hz(string, sample_rate, harmonic * meant_hz, 0.1), harmonic * meant_hz)) < 1.0


def test_a_plucked_string_dies_away_in_its_decay_time_and_its_overtones_sooner() -> None:
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


def test_noise_keeps_to_its_band() -> None:
    band = noise(1.0, 44100, rng(), 2000.0, 4000.0)
    inside = power(band, 44100, 2000, 4000)
    assert decibels(power(band, 44100, 0, 500) / inside) < -30.0
    assert decibels(power(band, 44100, 16000, 22050) / inside) < -30.0


def test_drums_lie_where_drums_lie() -> None:
    low, wide, high = kick(44100, rng()), snare(44100, rng()), hi_hat(44100, rng())
    assert power(low, 44100, 30, 150) > 0.8 * power(low, 44100, 0, 22050)
    assert power(wide, 44100, 150, 400) > 0.1 * power(wide, 44100, 0, 22050)
    assert power(wide, 44100, 2000, 22050) > 0.1 * power(wide, 44100, 0, 22050)
    assert power(high, 44100, 5000, 22050) > 0.99 * power(high, 44100, 0, 22050)
    assert power(high, 44100, 16000, 22050) > 0.1 * power(high, 44100, 0, 22050)


def test_a_bell_has_a_hum_and_partials_that_are_no_harmonics() -> None:
    stroke = bell(440.0, 3.0, 22050, rng())
    assert peak_hz(stroke, 22050, 1.19 * 440.0, 0.05) == pytest.approx(1.19 * 440.0, abs=1.0)
    tail = stroke[-22050:]
    assert power(tail, 22050, 0.5 * 440.0, 0.6 * 440.0) > 0.5 * power(tail, 22050, 0, 11025)


def test_an_organ_holds_its_note() -> None:
    note = organ(220.0, 2.0, 22050, rng())
    assert abs(cents(peak_hz(note, 22050, 220.0, 0.1), 220.0)) < 5.0
    assert np.std(note[11025:22050]) == pytest.approx(np.std(note[22050:33075]), rel=0.2)  # its pipes beat


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


def test_a_mouth_answers_in_time_and_not_before() -> None:
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


def test_a_hiss_comes_before_its_vowel_and_lies_above_it() -> None:
    voice = sing([Syllable("s", "a", (120.0, 120.0), 0.6)], 44100, rng())
    hiss, vowel = voice[2205:5292], voice[13230:22050]
    assert power(hiss, 44100, 5000, 22050) > 0.9 * power(hiss, 44100, 0, 22050)
    assert power(vowel, 44100, 0, 4000) > 0.9 * power(vowel, 44100, 0, 22050)


def test_a_room_rings_on_after_the_sound_and_dies_in_its_decay_time() -> None:
    clap = np.zeros(22050)
    clap[0] = 1.0
    tail = room(clap, 22050, rng(), decay_seconds=0.6, wet=1.0)[300:]
    early, late = (power(tail[start : start + 2205], 22050, 100, 800) for start in (0, 6615))
    assert decibels(early / late) == pytest.approx(30.0, abs=5.0)  # 0.3 s later, half the decay time
    assert np.sum(tail**2) == pytest.approx(1.0, rel=0.5)


def test_notes_have_names() -> None:
    assert note_hz("A4") == 440.0
    assert note_hz("C4") == pytest.approx(261.6256, abs=1e-4)
    assert note_hz("Bb3") == note_hz("A#3")
    with pytest.raises(ValueError, match="not a note"):
        note_hz("H4")


def test_there_are_a_dozen_pieces_that_last_a_minute() -> None:
    assert len(DEMO_PIECES) == len(set(DEMO_PIECES)) == 12
    assert {name.split("-")[0] for name in DEMO_PIECES} >= {"plucked", "drums", "voice", "bells", "organ", "mix"}
    assert sum(rendered(name).shape[1] for name in DEMO_PIECES) == 60 * 22050


@pytest.mark.parametrize("name", DEMO_PIECES)
def test_a_piece_is_level_centred_and_silent_at_its_ends(name: str) -> None:
    piece = rendered(name)
    assert piece.shape == (1, 110250)
    assert piece.dtype == np.float32
    peak_db = decibels(float(np.abs(piece).max()) ** 2)
    assert -3.01 < peak_db <= -3.0
    assert abs(float(np.mean(piece, dtype=np.float64))) < 1e-7
    assert np.abs(piece[0, :2]).max() < 1e-4
    assert np.abs(piece[0, -22:]).max() < 1e-4
    assert decibels(float(np.mean(piece**2))) > -30.0  # and there is something to hear


@pytest.mark.parametrize("name", DEMO_PIECES)
def test_a_piece_is_the_same_each_time(name: str) -> None:
    assert render_demo(name).tobytes() == rendered(name).tobytes()


def test_pieces_differ() -> None:
    together = np.corrcoef(np.concatenate([rendered(name) for name in DEMO_PIECES]))
    assert np.abs(together - np.eye(len(DEMO_PIECES))).max() < 0.2


@pytest.mark.parametrize("name", ["plucked-02", "drums-01", "voice-03", "mix-02"])
def test_a_higher_sample_rate_only_adds_highs(name: str) -> None:
    shares = [_octave_shares_db(rendered(name, sample_rate)[0], sample_rate) for sample_rate in RATES]
    for share in shares[:2]:
        np.testing.assert_allclose(share, shares[2], atol=1.0)
    high = rendered(name, 44100)[0]
    assert high.size == 220500
    assert decibels(power(high, 44100, 11025, 22050) / power(high, 44100, 0, 22050)) > -40.0


def _octave_shares_db(waveform: NDArray[np.float32], sample_rate: int) -> list[float]:
    whole = power(waveform, sample_rate, 0.0, OCTAVES_HZ[-1])
    edges = pairwise(OCTAVES_HZ)
    return [decibels(power(waveform, sample_rate, low, high) / whole) for low, high in edges]


@pytest.mark.parametrize("name", ["drums-01", "drums-02", "plucked-02", "voice-02", "voice-03", "mix-01"])
def test_there_is_sound_up_to_nyquist_for_a_codec_to_damage(name: str) -> None:
    piece = rendered(name)[0]
    whole = power(piece, 22050, 0, 11026)
    assert decibels(power(piece, 22050, 8000, 11026) / whole) > -30.0
    assert decibels(power(piece, 22050, 10500, 11026) / whole) > -40.0


@pytest.mark.parametrize("name", ["drums-01", "voice-02", "voice-03"])
def test_there_are_pauses(name: str) -> None:
    tenths = rendered(name)[0].reshape(-1, 2205)[:45]  # the final fade does not count
    level = np.sqrt(np.mean(tenths**2, axis=1))
    assert level.min() < 0.03 * level.max()


def test_an_unknown_piece_is_an_error_that_lists_the_pieces() -> None:
    with pytest.raises(ValueError, match=r"'kazoo-01'.*plucked-01, .*mix-02"):
        render_demo("kazoo-01")
    with pytest.raises(ValueError, match="4000 Hz is too low"):
        render_demo("drums-01", 4000)
