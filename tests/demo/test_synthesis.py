"""The demo audio lasts a minute, is the same each time, and gives a codec something to damage."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from audiorestore.demo.synthesis import DEMO_PIECES, render_demo, room
from audiorestore.signal.level import decibels

RATES = (16000, 22050, 44100)
OCTAVES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 7000.0)

rendered = cache(render_demo)


def power(waveform: NDArray[np.floating], sample_rate: int, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(waveform)) ** 2
    frequency_hz = np.fft.rfftfreq(waveform.size, 1.0 / sample_rate)
    return float(spectrum[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def test_a_room_decays_in_its_decay_time() -> None:
    clap = np.zeros(22050)
    clap[0] = 1.0
    tail = room(clap, 22050, np.random.default_rng(7), decay_seconds=0.6, wet=1.0)[300:]
    early, late = (power(tail[start : start + 2205], 22050, 100, 800) for start in (0, 6615))
    assert decibels(early / late) == pytest.approx(30.0, abs=5.0)  # 0.3 s later, half the decay time
    assert np.sum(tail**2) == pytest.approx(1.0, rel=0.5)


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
    assert decibels(float(np.mean(piece**2))) > -30.0  # and it is not silent


@pytest.mark.parametrize("name", ["plucked-01", "drums-01", "voice-01", "bells-01", "organ-01", "mix-01"])
def test_a_piece_is_the_same_each_time(name: str) -> None:
    assert render_demo(name).tobytes() == rendered(name).tobytes()


def test_pieces_differ() -> None:
    together = np.corrcoef(np.concatenate([rendered(name) for name in DEMO_PIECES]))
    assert np.abs(together - np.eye(len(DEMO_PIECES))).max() < 0.2


@pytest.mark.parametrize("name", ["plucked-02", "mix-02"])  # a mix has drums and a voice
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
    with pytest.raises(ValueError, match=r"'kazoo-01' is not a demo piece.*plucked-01, .*mix-02"):
        render_demo("kazoo-01")
    with pytest.raises(ValueError, match="4000 Hz is too low"):
        render_demo("drums-01", 4000)
