"""What every damage promises, over the whole registry: a new file is tested the moment it exists."""

import dataclasses
import inspect
import io
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import find_lag
from rich.console import Console

from audiorestore.damage import DAMAGES
from audiorestore.damage._chain import missing
from audiorestore.damage._damage import REQUIRED, DamageConfig, Domain, Run, hurt
from audiorestore.data.audio_file import write_audio
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.randomness import generator
from audiorestore.report.damages import damage_listing, explained
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Sound, joined

NAMES = DAMAGES.names()
CORNERS = ((8000, 1), (11025, 3), (16000, 2), (22050, 1), (32000, 2), (44100, 8), (48000, 2), (96000, 1), (192000, 2))


def sound(channels: int, sample_rate: int, frames: int) -> np.ndarray:
    """Noise heavy in the bass that swells and fades, another in every channel."""
    rng = np.random.default_rng(channels)
    frequency_hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    rows = np.fft.irfft(spectrum / np.maximum(frequency_hz, 100.0) ** 0.8, frames)
    rows *= np.interp(np.linspace(0, 9, frames), np.arange(10), rng.uniform(0.1, 1.0, 10))
    return np.asarray(0.5 * rows / max(np.abs(rows).max(), 1e-9), np.float32)


@pytest.fixture(scope="session", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of the user's own, for damages that want some."""
    place: Path = tmp_path_factory.mktemp("noises")
    write_audio(place / "a.wav", 0.1 * sound(1, 16000, 8000), 16000)
    write_audio(place / "b.wav", 0.1 * sound(2, 44100, 5000), 44100)
    return place


def open_config(name: str, folder: Path) -> DamageConfig:
    """The Config as it is by default, with a folder where one has to be given."""
    reason = missing(name)
    if reason:
        pytest.skip(f"{name}: {reason}")
    config = DAMAGES.load(name).Config
    wanted = {field.name: str(folder) for field in dataclasses.fields(config) if field.default == REQUIRED}
    made: DamageConfig = config.parse(wanted)
    return made


def draw(name: str, folder: Path, seed: int = 0) -> dict[str, Any]:
    return dict(open_config(name, folder).draw(generator(seed, "test", name)))


def first_possible(
    name: str, waveform: np.ndarray, sample_rate: int, folder: Path, seeds: int = 20
) -> tuple[dict[str, Any], np.ndarray, dict[str, Any]]:
    """Apply the first draw that is possible here and hurts: not every bit rate exists at every sample rate."""
    refused = ""
    for seed in range(seeds):
        drawn = draw(name, folder, seed)
        try:
            degraded, told = hurt(DAMAGES.load(name), waveform, sample_rate, drawn)
        except AudioRestoreError as error:
            refused = str(error)
            continue
        if not np.array_equal(degraded, waveform):
            return drawn, degraded, told
    pytest.fail(f"{name} refuses {waveform.shape} at {sample_rate} Hz, or leaves it, whatever is drawn: {refused}")


def test_the_registry_holds_what_the_documents_name() -> None:
    assert {"mp3", "hiss"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_damage_explains_itself(name: str) -> None:
    module = DAMAGES.load(name)
    what, source = explained(module.__doc__)
    assert len(what) > 20
    assert len(source) > 20, "the docstring's last paragraph is Source: …"
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
def test_what_is_drawn_is_plain_and_the_same_each_time(name: str, seed: int, folder: Path) -> None:
    drawn = draw(name, folder, seed)
    assert drawn == draw(name, folder, seed)
    assert list(drawn) == list(DAMAGES.load(name).Config.domains())
    assert all(type(value) in (int, float, str) for value in drawn.values())
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_can_be_written_in_a_chain(name: str, folder: Path) -> None:
    config = DAMAGES.load(name).Config
    for seed in range(5):
        drawn = draw(name, folder, seed)
        parsed = config.parse({key: str(value) for key, value in drawn.items() if value != ""})
        assert parsed.draw(generator(99)) == drawn


@pytest.mark.parametrize("name", NAMES)
def test_unknown_keys_are_refused_with_those_there_are(name: str) -> None:
    config = DAMAGES.load(name).Config
    with pytest.raises(UsageError) as caught:
        config.parse({"no_such_key": "1"})
    assert all(key in str(caught.value) for key in config.domains())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("sample_rate", "channels"), CORNERS)
def test_shape_type_and_place_are_kept(name: str, sample_rate: int, channels: int, folder: Path) -> None:
    clean = sound(channels, sample_rate, sample_rate // 2)
    before = clean.copy()
    drawn, degraded, told = first_possible(name, clean, sample_rate, folder)
    np.testing.assert_array_equal(clean, before)
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    assert np.isfinite(degraded).all()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    module = DAMAGES.load(name)
    if hasattr(module, "warp"):
        clean = module.warp(clean, sample_rate, drawn)
    # Below 4 kHz, which is what the hardest damage leaves: a tenth of a sample there.
    for left, right in zip(resample(clean, sample_rate, 8000), resample(degraded, sample_rate, 8000), strict=True):
        assert abs(find_lag(left, right)) < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_neither_the_blocks_nor_the_run_change_what_comes_out(name: str, sample_rate: int, folder: Path) -> None:
    clean = sound(2, sample_rate, 30000)
    drawn, whole, told = first_possible(name, clean, sample_rate, folder)
    for block_frames in (70000, 4096, 777):
        run = Run(DAMAGES.load(name).apply(Sound.of(clean, sample_rate, block_frames), drawn))
        again = joined(run, 2)
        run.result.close()
        np.testing.assert_allclose(again, whole, atol=1e-6)
        assert run.result.measured == pytest.approx(told, rel=1e-4, abs=0.02)


def peak_bytes(name: str, sound: Sound, drawn: dict[str, Any]) -> int:
    tracemalloc.start()
    run = Run(DAMAGES.load(name).apply(sound, drawn))
    for _ in run:
        pass
    run.result.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_the_length(name: str, folder: Path) -> None:
    beat = sound(1, 8000, 30000)

    def repeated(times: int) -> Sound:
        return Sound(8000, 1, times * 30000, lambda: (beat.copy() for _ in range(times)))

    drawn = first_possible(name, beat, 8000, folder)[0]
    short, long = (peak_bytes(name, repeated(times), drawn) for times in (12, 36))
    assert long - short < 0.35 * 4 * 24 * 30000, "one copy of what is longer would be 4 bytes a sample"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [1, 2, 100, 1153])
@pytest.mark.parametrize("sample_rate", [8000, 192000])
@pytest.mark.parametrize("level", [0.0, 0.25, 1.5])
def test_little_loud_and_no_sound_are_hurt_or_refused_in_words(
    name: str, frames: int, sample_rate: int, level: float, folder: Path
) -> None:
    clean = np.full((2, frames), level, np.float32)
    for seed in range(3):
        try:
            degraded, told = hurt(DAMAGES.load(name), clean, sample_rate, draw(name, folder, seed))
        except AudioRestoreError:
            continue
        assert degraded.shape == clean.shape
        assert degraded.dtype == np.float32
        assert np.isfinite(degraded).all()
        assert all(not isinstance(value, float) or math.isfinite(value) for value in told.values())


def test_the_listing_shows_every_parameter_with_unit_range_and_source() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(damage_listing())
    shown = " ".join(console.export_text().split())
    for name in NAMES:
        module = DAMAGES.load(name)
        assert explained(module.__doc__)[1][:60] in shown
        for key, domain in module.Config.domains().items():
            assert key in shown
            assert f"({domain.unit})" in shown or not domain.unit
