"""STOI and ESTOI against a literal reading of both papers and against the package; segments, silence and channels."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import singing
from in_memory import apply_chain
from singing import hiss

from audiorestore.data.audio_file import read_audio
from audiorestore.metrics import METRICS
from audiorestore.metrics._comparison import Comparison, Signal, Undefined
from audiorestore.metrics.stoi import measure
from audiorestore.signal.sound import Sound

pystoi = pytest.importorskip("pystoi", reason="the package pystoi is not installed: STOI is not tested")

RATE = 10000


def voice(seconds: float = 3.0, rate: int = RATE) -> np.ndarray:
    return singing.voice(seconds, rate)


def understood(clean: np.ndarray, dirty: np.ndarray, rate: int = RATE) -> dict[str, float]:
    measured = measure(Comparison.of(clean, dirty, rate))
    assert all(isinstance(value, float) for value in measured.values()), measured
    return measured  # type: ignore[return-value]


def by_hand(clean: np.ndarray, dirty: np.ndarray, rate: int = RATE) -> dict[str, float]:
    return {"stoi": pystoi.stoi(clean, dirty, rate), "estoi": pystoi.stoi(clean, dirty, rate, extended=True)}


def without_pauses(clean: np.ndarray, dirty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames 40 dB under the clean one's loudest are cut out, and what is left is overlapped and added again."""
    window = np.hanning(258)[1:257]
    starts = range(0, len(clean) - 256, 128)
    energies = [20 * np.log10(np.linalg.norm(window * clean[start : start + 256])) for start in starts]
    kept = [start for start, energy in zip(starts, energies, strict=True) if energy > max(energies) - 40]
    rows = np.zeros((2, 128 * len(kept) + 128))
    for place, start in enumerate(kept):
        for row, waveform in zip(rows, (clean, dirty), strict=True):
            row[128 * place : 128 * place + 256] += window * waveform[start : start + 256]
    return rows[0], rows[1]


def envelopes(waveform: np.ndarray) -> np.ndarray:
    """Taal et al. 2011, eq. 1: the norm of the bins of each of 15 third octaves from 150 Hz, shape (bands, frames)."""
    window = np.hanning(258)[1:257]
    frames = [np.fft.rfft(window * waveform[start : start + 256], 512) for start in range(0, len(waveform) - 256, 128)]
    bins_hz = np.arange(257) * 10000 / 512
    bands = []
    for band in range(15):
        low, high = (np.argmin(np.abs(bins_hz - 150 * 2 ** (band / 3 + side / 6))) for side in (-1, 1))
        bands.append([np.sqrt(np.sum(np.abs(frame[low:high]) ** 2)) for frame in frames])
    return np.array(bands)


def literal(clean: np.ndarray, dirty: np.ndarray) -> dict[str, float]:
    """Taal et al. 2011, eq. 2–6, and Jensen and Taal 2016, eq. 3–10, one stretch of 30 frames after the other."""
    first, second = (envelopes(row) for row in without_pauses(clean.astype(float), dirty.astype(float)))
    plain, extended = [], []
    for end in range(30, first.shape[1] + 1):
        x_stretch, y_stretch = first[:, end - 30 : end], second[:, end - 30 : end]
        for x, y in zip(x_stretch, y_stretch, strict=True):
            clipped = np.minimum(y * np.linalg.norm(x) / np.linalg.norm(y), x * (1 + 10 ** (15 / 20)))
            plain.append(np.corrcoef(x, clipped)[0, 1])
        columns = []
        for stretch in (x_stretch, y_stretch):
            rows = stretch - stretch.mean(axis=1, keepdims=True)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            rows -= rows.mean(axis=0)
            columns.append(rows / np.linalg.norm(rows, axis=0))
        extended.append(np.sum(columns[0] * columns[1]) / 30)
    return {"stoi": float(np.mean(plain)), "estoi": float(np.mean(extended))}


@pytest.mark.parametrize("snr_db", [30, 5, -10])
def test_it_is_the_papers_read_literally(snr_db: float) -> None:
    clean = voice().copy()
    clean[:, 15_000:18_000] *= 1e-4  # a pause
    dirty = hiss(clean, snr_db)
    assert understood(clean, dirty) == pytest.approx(literal(clean[0], dirty[0]), abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_up_to_30_seconds_it_is_the_packages_own_number_at_the_true_rate(rate: int) -> None:
    clean = voice(1.5, rate)
    dirty = hiss(clean, 10)
    assert understood(clean, dirty, rate) == pytest.approx(by_hand(clean[0], dirty[0], rate), abs=1e-6)


def test_of_the_same_twice_all_is_understood() -> None:
    assert understood(voice(), voice()) == pytest.approx({"stoi": 1.0, "estoi": 1.0}, abs=1e-9)


def test_more_noise_is_worse() -> None:
    found = [understood(voice(), hiss(voice(), snr_db)) for snr_db in (40, 25, 10, -5, -20)]
    for key in ("stoi", "estoi"):
        falling = [each[key] for each in found]
        assert falling == sorted(falling, reverse=True)
        assert falling[0] > 0.95
        assert falling[-1] < 0.3


def test_noise_of_the_same_power_that_leaves_gaps_hurts_less() -> None:
    clean = voice(5.0)
    steady = hiss(clean, 0) - clean
    gaps = steady * np.float32(np.sqrt(2)) * (np.arange(clean.size) % 2500 < 1250)
    assert understood(clean, clean + gaps)["estoi"] > understood(clean, clean + steady)["estoi"] + 0.05


@pytest.mark.parametrize("gain", [1e-6, 0.1, 30.0, -1.0])
def test_level_and_polarity_do_not_count(gain: float) -> None:
    dirty = hiss(voice(), 5)
    assert understood(voice(), np.float32(gain) * dirty) == pytest.approx(understood(voice(), dirty), abs=1e-6)
    assert METRICS.load("stoi").ANY_LEVEL


def test_a_longer_recording_is_the_mean_of_its_even_segments() -> None:
    clean = voice(33.0)
    dirty = clean.copy()
    dirty[:, 16 * RATE :] = hiss(clean, 0)[:, 16 * RATE :]
    half = clean.shape[-1] // 2
    first, second = by_hand(clean[0, :half], dirty[0, :half]), by_hand(clean[0, half:], dirty[0, half:])
    assert first["stoi"] - second["stoi"] > 0.3
    assert understood(clean, dirty) == pytest.approx({key: (first[key] + second[key]) / 2 for key in first}, abs=1e-6)


def test_a_segment_in_which_the_reference_says_nothing_is_left_out() -> None:
    clean = np.concatenate([voice(), np.zeros((1, 57 * RATE), np.float32)], axis=-1)
    dirty = hiss(clean, 10)
    expected = by_hand(clean[0, : 30 * RATE], dirty[0, : 30 * RATE])
    assert understood(clean, dirty) == pytest.approx(expected, abs=1e-6)


def test_of_silence_nothing_is_understood() -> None:
    assert understood(voice(), 0 * voice()) == {"stoi": 0.0, "estoi": 0.0}
    clean = voice(33.0)
    dirty = clean.copy()
    dirty[:, 16 * RATE :] = 0.0
    assert understood(clean, dirty)["stoi"] == pytest.approx(0.5, abs=0.02)


def undefined(clean: np.ndarray) -> None:
    for estimate in (clean, 0 * clean, clean + 1):
        for value in measure(Comparison.of(clean, estimate.astype(np.float32), RATE)).values():
            assert value == Undefined("the reference has less than 0.4 s of sound in it")


@pytest.mark.parametrize("frames", [1, 2, 255, 256, 257, 3500])
def test_too_little_has_no_number_and_the_packages_warning_does_not_get_out(frames: int) -> None:
    undefined(voice()[:, 5000 : 5000 + frames])
    undefined(np.zeros((1, frames), np.float32))
    undefined(np.pad(voice()[:, 5000 : 5000 + frames], [(0, 0), (0, 20_000)]))


def test_what_counts_as_too_little_is_where_the_package_gives_up() -> None:
    """It warns and returns 1e-5, and a sample more gives a number."""
    sound = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    least = 256 + 30 * 128 + 1
    with pytest.warns(RuntimeWarning, match="Not enough"):
        assert pystoi.stoi(sound[0, : least - 1], sound[0, : least - 1], RATE) == 1e-5
    undefined(sound[:, : least - 1])
    assert understood(sound[:, :least], sound[:, :least])["stoi"] == pytest.approx(1.0)


def test_channels_are_measured_by_themselves_and_a_silent_one_not_at_all() -> None:
    left, right = voice(), voice()[:, ::-1]
    dirty_left, dirty_right = hiss(left, 20), hiss(right, 0)
    both = understood(np.concatenate([left, right]), np.concatenate([dirty_left, dirty_right]))
    alone = [understood(left, dirty_left), understood(right, dirty_right)]
    assert both == pytest.approx({key: (alone[0][key] + alone[1][key]) / 2 for key in both})
    assert understood(np.concatenate([left, 0 * left]), np.concatenate([dirty_left, right])) == pytest.approx(alone[0])


def test_where_a_dropout_leaves_only_the_packages_own_noise_it_is_the_same_each_time() -> None:
    clean, dirty = voice(), voice().copy()
    dirty[:, 10_000:18_000] = 0.0
    assert pystoi.stoi(clean[0], dirty[0], RATE, True) != pystoi.stoi(clean[0], dirty[0], RATE, True)
    comparisons = [Comparison.of(clean, dirty, RATE)] * 8
    comparisons[1] = Comparison(*(Signal(Sound.of(each, RATE, block_frames=777)) for each in (clean, dirty)))
    state = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(measure, comparisons))
    assert found == [found[0]] * 8
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # no other draws are disturbed


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module = METRICS.load("stoi")
    assert module.missing() == ""
    assert "pystoi" not in vars(module), "the package, which takes a second to load, is loaded when it is needed"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'audiorestore[speech]'" in module.missing()


def test_more_bits_are_better_understood(corpus: Path) -> None:
    clean, rate = read_audio(sorted((corpus / "ljspeech").glob("*.flac"))[0])
    clean = clean[:, : 6 * rate]
    found = []
    for kbps in (16, 32, 64):
        dirty, _ = apply_chain(clean, rate, f"mp3:kbps={kbps}")
        found.append(understood(clean, dirty, rate))
    for key in ("stoi", "estoi"):
        rising = [each[key] for each in found]
        assert rising == sorted(rising)
        assert rising[0] > 0.9
