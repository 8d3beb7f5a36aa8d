"""Vorbis and Opus through libsndfile and back: a bit rate is searched and reported, and everything keeps its place."""

import numpy as np
import pytest
from in_memory import apply_chain

from audiorestore.demo.synthesis import render_demo
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.align import measure
from audiorestore.signal.sound import Sound

RATE = 44100


def song() -> np.ndarray:
    return render_demo("voice-01", RATE)[:, : 3 * RATE]


def damaged(chain: str, clean: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, dict]:
    degraded, (reported,) = apply_chain(clean, rate, chain)
    assert degraded.shape == clean.shape
    return degraded, reported


def lag(clean: np.ndarray, degraded: np.ndarray) -> float:
    (channel,) = measure(Sound.of(clean, 1), Sound.of(degraded, 1))
    assert channel is not None
    return abs(channel.lag)


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
@pytest.mark.parametrize("kbps", [48, 64])
def test_a_bit_rate_is_searched_and_reported_as_measured(codec: str, kbps: int) -> None:
    clean = song()
    degraded, reported = damaged(f"{codec}:kbps={kbps}", clean)
    assert reported["bitrate_kbps"] == pytest.approx(kbps, rel=0.1)
    assert lag(clean, degraded) < 0.1


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_more_bits_leave_less_error(codec: str) -> None:
    clean = song()
    errors = [float(np.square(damaged(f"{codec}:kbps={kbps}", clean)[0] - clean).mean()) for kbps in (40, 64, 90)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.7 * errors[0]


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_what_cannot_be_reached_is_refused_in_words(codec: str) -> None:
    with pytest.raises(AudioRestoreError, match="kbit/s"):
        damaged(f"{codec}:kbps=500", song()[:, :RATE])


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_any_rate_keeps_its_place(codec: str, rate: int) -> None:
    clean = render_demo("voice-01", rate)[:, : 2 * rate]
    degraded, _ = damaged(codec, clean, rate)
    assert lag(clean, degraded) < 0.1 * max(1, rate / 16000)
