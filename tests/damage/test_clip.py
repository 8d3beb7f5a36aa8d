"""Clipping: where it begins, what shape it has, and how large the damage is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from in_memory import apply_damage, in_blocks

from audiorestore.damage import clip
from audiorestore.damage._damage import Run
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.sound import joined

RATE = 44100


def parameters(**settings: Any) -> clip.Config:
    return clip.Config(**({"threshold_db": -6.0206, "kind": "hard"} | settings))


def noise(channels: int = 2, frames: int = 100_000, scale: float = 0.2) -> np.ndarray:
    return scale * np.random.default_rng(0).standard_normal((channels, frames)).astype(np.float32)


def sdr_db(clean: np.ndarray, degraded: np.ndarray) -> float:
    clean = clean.astype(np.float64)
    return float(10 * np.log10((clean**2).sum() / ((clean - degraded) ** 2).sum()))


@pytest.mark.parametrize("scale", [0.001, 0.2, 3.0])
def test_hard_clipping_cuts_at_the_threshold_below_the_peak_and_changes_nothing_else(scale: float) -> None:
    clean = noise(scale=scale)
    before = clean.copy()
    degraded, reported = apply_damage(clip, clean, RATE, parameters())
    threshold = np.abs(clean).max() / 2
    np.testing.assert_array_equal(clean, before)
    np.testing.assert_allclose(degraded, np.clip(clean, -threshold, threshold), rtol=1e-5)
    quiet = np.abs(clean) < 0.999 * threshold
    np.testing.assert_array_equal(degraded[quiet], clean[quiet])
    assert reported["threshold_dbfs"] == pytest.approx(20 * np.log10(threshold), abs=0.01)
    assert reported["over_threshold"] == pytest.approx(np.count_nonzero(np.abs(clean) > threshold), abs=2)
    assert reported["over_threshold_percent"] == pytest.approx(100 * reported["over_threshold"] / clean.size, abs=1e-3)
    assert reported["reached_sdr_db"] == pytest.approx(sdr_db(clean, degraded), abs=0.01)


def test_the_peak_is_that_of_all_channels_and_wherever_it_lies() -> None:
    clean = np.full((2, 300_000), 0.1, np.float32)
    clean[1, 299_999] = -0.8
    degraded, reported = apply_damage(clip, clean, RATE, parameters(threshold_db=-20 * np.log10(4)))
    assert degraded[1, -1] == pytest.approx(-0.2, abs=1e-6)
    assert reported["over_threshold"] == 1


def test_full_scale_is_one_whatever_the_peak() -> None:
    clean = noise(scale=0.5)
    degraded, reported = apply_damage(clip, clean, RATE, parameters(relative_to="full_scale", threshold_db=0.0))
    np.testing.assert_array_equal(degraded, np.clip(clean, -1, 1))
    assert reported["threshold_dbfs"] == 0.0
    assert reported["over_threshold"] == np.count_nonzero(np.abs(clean) > 1) > 0
    untouched, reported = apply_damage(clip, 0.1 * clean, RATE, parameters(relative_to="full_scale", threshold_db=0.0))
    np.testing.assert_array_equal(untouched, np.float32(0.1) * clean)
    assert reported == {
        "threshold_dbfs": 0.0,
        "over_threshold": 0,
        "over_threshold_percent": 0.0,
        "reached_sdr_db": None,
    }


def test_soft_clipping_is_the_curve_that_is_written_down() -> None:
    clean = np.array([[0.0, 0.1, 0.25, 0.5, -0.75, 0.9, -1.0, 1e-3]], np.float32)
    degraded, reported = apply_damage(clip, clean, RATE, parameters(kind="soft"))
    # T is 0.5, so x − 4/27 · x³ / T² is x − 16/27 · x³, and everything from 0.75 on is 0.5.
    by_hand = [0.0, 0.1 - 16 / 27000, 0.25 - 1 / 108, 0.5 - 2 / 27, -0.5, 0.5, -0.5, 1e-3 - 16e-9 / 27]
    np.testing.assert_allclose(degraded[0], by_hand, rtol=1e-4)
    assert reported["over_threshold"] == 3  # above 0.5, not at it


def test_soft_clipping_has_no_corner_and_never_exceeds_the_threshold() -> None:
    clean = np.linspace(-1.0, 1.0, 200_001)[None]
    degraded = apply_damage(clip, clean, RATE, parameters(kind="soft"))[0][0].astype(np.float64)
    slope = np.diff(degraded[::100]) / 1e-3
    assert np.abs(np.diff(slope)).max() < 0.006  # a second derivative of at most 2.7
    assert slope.max() == pytest.approx(1.0, abs=1e-3)
    assert slope.min() > -1e-3
    assert np.abs(degraded).max() <= 0.5 + 1e-6
    np.testing.assert_allclose(degraded, -degraded[::-1], atol=1e-7)  # odd, so no even harmonics


def test_harmonics_of_a_soft_clipped_tone_are_those_of_a_cube() -> None:
    """Below the knee A·sin gives a third harmonic of A³/27T² and none above it; hard clipping has them all."""
    clean = 0.75 * np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE))[None]
    soft, hard = (
        np.abs(np.fft.rfft(apply_damage(clip, clean, RATE, parameters(kind=kind))[0][0])) / (RATE / 2)
        for kind in ("soft", "hard")
    )
    threshold = 0.375
    np.testing.assert_array_less(soft[[2000, 4000, 6000]], 1e-6)
    assert hard[5000] > 1e-3
    gentle = 0.3 * clean
    loud = np.concatenate([gentle, [[0.75]]], axis=1)
    bent = apply_damage(clip, loud, RATE, parameters(kind="soft"))[0][0, :-1]
    third = np.abs(np.fft.rfft(bent)) / (RATE / 2)
    assert third[3000] == pytest.approx((0.3 * 0.75) ** 3 / 27 / threshold**2, rel=1e-3)
    assert third[5000] < 1e-6


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("sort", ["noise", "tone", "speechlike", "click"])
def test_the_sdr_is_the_one_asked_for(kind: str, sort: str) -> None:
    clean = noise(frames=20_000)
    if sort == "tone":
        clean = 0.3 * np.sin(0.1 * np.arange(20_000))[None].astype(np.float32)
    elif sort == "speechlike":
        clean = np.sign(clean) * np.abs(clean) ** 3
    elif sort == "click":
        clean = 0.001 * clean
        clean[0, 7] = 5.0
    for wanted in (0.1, 1.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 40.0, 60.0):
        degraded, reported = apply_damage(clip, clean, RATE, parameters(kind=kind, sdr_db=wanted, threshold_db=-1.0))
        assert sdr_db(clean, degraded) == pytest.approx(wanted, abs=0.02), wanted
        assert reported["reached_sdr_db"] == pytest.approx(wanted, abs=0.03), wanted


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_an_sdr_of_silence_is_refused_and_silence_is_clipped_to_silence(kind: str) -> None:
    silence = np.zeros((2, 1000), np.float32)
    with pytest.raises(AudioRestoreError, match="silent"):
        apply_damage(clip, silence, RATE, parameters(kind=kind, sdr_db=10.0))
    degraded, reported = apply_damage(clip, silence, RATE, parameters(kind=kind))
    assert not degraded.any()
    assert reported == {
        "threshold_dbfs": None,
        "over_threshold": 0,
        "over_threshold_percent": 0.0,
        "reached_sdr_db": None,
    }


@pytest.mark.parametrize("lengths", [[1], [7, 1000], [100000]])
@pytest.mark.parametrize("settings", [{"kind": "soft"}, {"sdr_db": 5.0}, {"kind": "soft", "sdr_db": 5.0}])
def test_blocks_of_any_length_give_the_same(lengths: list[int], settings: dict[str, Any]) -> None:
    clean = noise(2, 300 if lengths == [1] else 100_000)
    drawn = parameters(**settings)
    run = Run(clip.apply(in_blocks(clean, RATE, lengths), drawn))
    whole, reported = apply_damage(clip, clean, RATE, drawn)
    np.testing.assert_allclose(joined(run, 2), whole, atol=1e-6)
    assert run.result.measured == reported


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_speech_is_clipped_to_the_sdrs_of_the_survey(corpus: Path, kind: str) -> None:
    rows, sample_rate = soundfile.read(corpus / "ljspeech" / "LJ001-0002.flac", dtype="float32", always_2d=True)
    thresholds = []
    for wanted in (1.0, 7.0, 20.0):
        degraded, reported = apply_damage(clip, rows.T, sample_rate, parameters(kind=kind, sdr_db=wanted))
        assert sdr_db(rows.T, degraded) == pytest.approx(wanted, abs=0.01)
        thresholds.append(reported["threshold_dbfs"])
    assert thresholds == sorted(thresholds)
