"""The codecs of the papers on real speech and music: in their place, of the same length, at the gain that is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import apply_chain

from audiorestore.data.audio_file import AudioReader
from audiorestore.signal.align import measure
from audiorestore.signal.level import decibels, dot
from audiorestore.signal.sound import Sound

SPEECH = [
    "ljspeech/LJ001-0002.flac",  # 22,050 Hz, mono
    "speech/librispeech_1034-121119-0000.flac",  # 16 kHz, mono
    "speech/vctk48k_p234_003.flac",  # 48 kHz, mono
]
MUSIC = [
    "music-rendered/freedoom_e1m1.flac",  # 44.1 kHz, stereo
    "music-rendered/mutopia_bwv1055_mov2_larghetto.flac",  # 44.1 kHz, stereo
    "music/pdx_acoustic_guitar.flac",  # 44.1 kHz, mono
]
EXCERPT_SECONDS = 2


def excerpt(path: Path) -> tuple[np.ndarray, int]:
    """Its middle, where there is sound."""
    with AudioReader(path) as reader:
        whole = reader.read()
        rate = reader.info.sample_rate
    start = max(0, whole.shape[-1] - EXCERPT_SECONDS * rate) // 2
    return whole[:, start : start + EXCERPT_SECONDS * rate], rate


def damaged(chain: str, clean: np.ndarray, rate: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Through a chain and back, in its place."""
    degraded, reported = apply_chain(clean, rate, chain)
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    for channel in measure(Sound.of(clean, 1), Sound.of(degraded, 1)):
        assert channel is not None
        assert channel.lag == 0.0
    return degraded, reported


def unexplained(clean: np.ndarray, degraded: np.ndarray) -> float:
    """Share of the degraded sound's energy that the clean one does not explain."""
    return 1.0 - dot(clean, degraded) ** 2 / (dot(clean, clean) * dot(degraded, degraded))


def check_gain(gain_db: float, expected: float, lost: float) -> None:
    """A share of the sound that is lost takes away as much of the gain, and at most that."""
    assert decibels((expected * (1.0 - lost)) ** 2) - 0.05 < gain_db < decibels(expected**2) + 0.05


@pytest.mark.parametrize("name", [*SPEECH, *MUSIC])
def test_mp3_at_the_bit_rates_of_the_papers(corpus: Path, name: str) -> None:
    clean, rate = excerpt(corpus / name)
    errors = []
    for kbps in (16, 32, 64, 96, 128):
        degraded, (reported,) = damaged(f"mp3:kbps={kbps}", clean, rate)
        assert reported["bitrate_kbps"] == kbps
        assert reported["delay"] == 1105
        errors.append(unexplained(clean, degraded))
        check_gain(reported["gain_db"], 0.95, errors[-1])
    assert errors[:4] == sorted(errors[:4], reverse=True)
    assert errors[4] < 0.2 * errors[0]


@pytest.mark.parametrize(("kbps", "factor"), [(160, 0.95), (192, 0.97), (224, 0.98), (256, 1.0)])
def test_the_gain_of_mp3_rises_with_the_bit_rate(corpus: Path, kbps: int, factor: float) -> None:
    clean, rate = excerpt(corpus / MUSIC[0])
    degraded, (reported,) = damaged(f"mp3:kbps={kbps}", clean, rate)
    check_gain(reported["gain_db"], factor, unexplained(clean, degraded))


@pytest.mark.parametrize("name", [SPEECH[0], MUSIC[0]])
def test_a_cascade_of_128_and_32_kbits(corpus: Path, name: str) -> None:
    """Two encoders turn the sound down twice; what 32 kbit/s loses is hardly less where 128 went before."""
    clean, rate = excerpt(corpus / name)
    degraded, reported = damaged("mp3:kbps=128|mp3:kbps=32", clean, rate)
    at_once, _ = damaged("mp3:kbps=32", clean, rate)
    assert [link["bitrate_kbps"] for link in reported] == [128, 32]
    check_gain(decibels((dot(clean, degraded) / dot(clean, clean)) ** 2), 0.95**2, unexplained(clean, degraded))
    assert 0.98 < unexplained(clean, degraded) / unexplained(clean, at_once) < 1.3


@pytest.mark.parametrize("name", MUSIC)
def test_vorbis_at_96_kbits(corpus: Path, name: str) -> None:
    clean, rate = excerpt(corpus / name)
    degraded, (reported,) = damaged("vorbis:kbps=96", clean, rate)
    assert reported["coded_rate"] == rate
    assert reported["bitrate_kbps"] == pytest.approx(96, rel=0.05)
    assert unexplained(clean, degraded) < 0.05
    check_gain(reported["gain_db"], 1.0, unexplained(clean, degraded))


@pytest.mark.parametrize("name", [*SPEECH, *MUSIC])
def test_opus_at_64_kbits(corpus: Path, name: str) -> None:
    """Of the LibriSpeech excerpt a quarter is rumble below 60 Hz, of which Opus keeps little."""
    clean, rate = excerpt(corpus / name)
    degraded, (reported,) = damaged("opus:kbps=64", clean, rate)
    assert reported["coded_rate"] == 48000
    assert reported["delay"] == 0
    assert reported["bitrate_kbps"] == pytest.approx(64, rel=0.05)
    assert unexplained(clean, degraded) < 0.2
    check_gain(reported["gain_db"], 1.0, unexplained(clean, degraded))
