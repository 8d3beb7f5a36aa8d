"""What every damage promises, over the whole registry: a new file is tested the moment it exists."""

import inspect
import json
import math
from typing import Any

import numpy as np
import pytest

from audiorestore.damage import DAMAGES
from audiorestore.damage._damage import DamageConfig, Domain, hurt
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.randomness import generator
from audiorestore.signal.align import find_lag
from audiorestore.signal.resample import resample

NAMES = DAMAGES.names()
RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000)


def sound(channels: int, sample_rate: int, frames: int) -> np.ndarray:
    """Noise heavy in the bass that swells and fades, another in every channel."""
    rng = np.random.default_rng(channels)
    frequency_hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    rows = np.fft.irfft(spectrum / np.maximum(frequency_hz, 100.0) ** 0.8, frames)
    rows *= np.interp(np.linspace(0, 9, frames), np.arange(10), rng.uniform(0.1, 1.0, 10))
    return np.asarray(0.5 * rows / max(np.abs(rows).max(), 1e-9), np.float32)


def draw(name: str, seed: int = 0) -> dict[str, Any]:
    return dict(DAMAGES.load(name).Config().draw(generator(seed, "test", name)))


def first_possible(
    name: str, waveform: np.ndarray, sample_rate: int, seeds: int = 20
) -> tuple[np.ndarray, dict[str, Any]]:
    """Apply the first draw that is possible here: not every bit rate exists at every sample rate."""
    for seed in range(seeds):
        try:
            degraded, told = hurt(DAMAGES.load(name), waveform, sample_rate, draw(name, seed))
        except AudioRestoreError:
            continue
        return degraded, told
    pytest.fail(f"{name} refuses {waveform.shape} at {sample_rate} Hz, whatever is drawn")


def test_the_registry_holds_what_the_documents_name() -> None:
    assert {"mp3", "hiss"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_damage_explains_itself(name: str) -> None:
    module = DAMAGES.load(name)
    assert inspect.getdoc(module)
    assert inspect.getdoc(module.apply)
    assert issubclass(module.Config, DamageConfig)
    domains = module.Config.domains()
    assert domains
    for domain in domains.values():
        assert isinstance(domain, Domain)
        assert domain.meaning
        assert str(domain)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_drawn_is_plain_and_the_same_each_time(name: str, seed: int) -> None:
    drawn = draw(name, seed)
    assert drawn == draw(name, seed)
    assert list(drawn) == list(DAMAGES.load(name).Config.domains())
    assert all(type(value) in (int, float, str) for value in drawn.values())
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_can_be_written_in_a_chain(name: str) -> None:
    config = DAMAGES.load(name).Config
    for seed in range(5):
        drawn = draw(name, seed)
        parsed = config.parse({key: str(value) for key, value in drawn.items()})
        assert parsed.draw(generator(99)) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_unknown_keys_are_refused_with_those_there_are(name: str) -> None:
    config = DAMAGES.load(name).Config
    with pytest.raises(UsageError) as caught:
        config.parse({"no_such_key": "1"})
    assert all(key in str(caught.value) for key in config.domains())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("sample_rate", RATES)
def test_shape_type_and_place_are_kept(name: str, sample_rate: int, channels: int) -> None:
    clean = sound(channels, sample_rate, sample_rate // 2)
    before = clean.copy()
    degraded, told = first_possible(name, clean, sample_rate)
    np.testing.assert_array_equal(clean, before)
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    assert np.isfinite(degraded).all()
    assert not np.array_equal(degraded, clean)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    # Below 4 kHz, which is what the hardest damage leaves: a tenth of a sample there.
    for left, right in zip(resample(clean, sample_rate, 8000), resample(degraded, sample_rate, 8000), strict=True):
        assert abs(find_lag(left, right)) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_same_parameters_hurt_the_same_way(name: str) -> None:
    clean = sound(2, 22050, 11025)
    first, told = first_possible(name, clean, 22050)
    again, told_again = first_possible(name, clean.copy(), 22050)
    np.testing.assert_array_equal(first, again)
    assert told == told_again


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [1, 2, 100, 1153])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
@pytest.mark.parametrize("level", [0.0, 0.25, 1.0, 1.5])
def test_little_loud_and_no_sound_are_hurt_or_refused_in_words(
    name: str, frames: int, sample_rate: int, level: float
) -> None:
    clean = np.full((2, frames), level, np.float32)
    for seed in range(5):
        try:
            degraded, told = hurt(DAMAGES.load(name), clean, sample_rate, draw(name, seed))
        except AudioRestoreError:
            continue
        assert degraded.shape == clean.shape
        assert degraded.dtype == np.float32
        assert np.isfinite(degraded).all()
        assert all(not isinstance(value, float) or math.isfinite(value) for value in told.values())
