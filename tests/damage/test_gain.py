"""Gain and polarity: every sample times one factor, and nothing else."""

import numpy as np
import pytest
from in_memory import apply_chain, apply_damage

from audiorestore.damage import gain
from audiorestore.damage._chain_language import parse_chain
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.signal.loudness import integrated_loudness
from audiorestore.signal.sound import Sound


def noise(channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((channels, 5000)).astype(np.float32)


@pytest.mark.parametrize(("gain_db", "factor"), [(0.0, 1.0), (20.0, 10.0), (-20.0, 0.1), (6.0206, 2.0), (-100.0, 1e-5)])
@pytest.mark.parametrize(("polarity", "sign"), [("keep", 1.0), ("turn", -1.0)])
def test_every_sample_is_multiplied(gain_db: float, factor: float, polarity: str, sign: float) -> None:
    clean = noise()
    before = clean.copy()
    degraded, _ = apply_damage(gain, clean, 44100, gain.Config(gain_db, polarity))
    np.testing.assert_allclose(degraded, sign * factor * clean, rtol=1e-5)
    np.testing.assert_array_equal(clean, before)


def test_no_gain_is_no_change() -> None:
    clean = noise()
    np.testing.assert_array_equal(apply_damage(gain, clean, 44100, gain.Config(0.0, "keep"))[0], clean)


def test_it_can_be_taken_back() -> None:
    clean = noise()
    there, _ = apply_damage(gain, clean, 44100, gain.Config(7.3, "turn"))
    back, _ = apply_damage(gain, there, 44100, gain.Config(-7.3, "turn"))
    np.testing.assert_allclose(back, clean, rtol=1e-6)


def test_nothing_is_clipped_but_reported() -> None:
    clean = np.array([[0.1, 0.4, -0.6, 0.5], [-1.5, 0.0, 0.51, -0.2]], np.float32)
    degraded, reported = apply_damage(gain, clean, 44100, gain.Config(20 * np.log10(2), "keep"))
    np.testing.assert_allclose(degraded, 2 * clean, rtol=1e-6)
    assert reported == {"over_full_scale": 3}  # 1.2, 3 and 1.02; a sample at full scale is not over it


def test_the_error_counts_as_the_docstring_says() -> None:
    """What makes gain worth having as a damage: SNR sees it, and by how much."""
    clean = noise().astype(np.float64)
    for gain_db, polarity, snr_db in ((-6.0206, "keep", 6.02), (6.0206, "keep", 0.0), (0.0, "turn", -6.02)):
        degraded, _ = apply_damage(gain, clean, 44100, gain.Config(gain_db, polarity))
        error = degraded - clean
        assert 10 * np.log10((clean**2).sum() / (error**2).sum()) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("lufs", [-23.0, -10.5])
def test_a_loudness_is_reached_and_the_gain_recorded(lufs: float) -> None:
    clean = 0.1 * np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    degraded, (entry,) = apply_chain(clean, 44100, f"gain:lufs={lufs},polarity=turn")
    assert integrated_loudness(Sound.of(degraded, 44100)) == pytest.approx(lufs, abs=1e-3)
    assert entry["lufs"] == lufs
    np.testing.assert_allclose(degraded, -(10.0 ** (entry["gain_db"] / 20.0)) * clean, rtol=1e-3)


def test_a_loudness_and_a_gain_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="gain_db and lufs cannot be combined"):
        parse_chain("gain:lufs=-23,gain_db=3")


@pytest.mark.parametrize("waveform", [np.zeros((1, 44100)), np.ones((1, 4410))])
def test_what_has_no_loudness_is_refused_in_words(waveform: np.ndarray) -> None:
    with pytest.raises(AudioRestoreError, match="it has no loudness; use gain_db"):
        apply_chain(waveform, 44100, "gain:lufs=-23")
