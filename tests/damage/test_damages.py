"""What every damage promises, over the whole registry: a new file is tested the moment it exists."""

import dataclasses
import inspect
import io
import json
import math
import tracemalloc
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from in_memory import apply_damage
from oracles import find_lag
from rich.console import Console

from audiorestore.damage import DAMAGES
from audiorestore.damage._chain import missing
from audiorestore.damage._damage import REQUIRED, DamageConfig, Domain, Run
from audiorestore.data.audio_file import write_audio
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.randomness import generator
from audiorestore.report.damages import damage_listing, explained
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Sound, joined

NAMES = DAMAGES.names()
CORNERS = ((8000, 1), (22050, 3), (44100, 2), (48000, 8), (192000, 1))
# Every length with every level, and each of them with the lowest and the highest rate.
LITTLE = [
    (frames, level, (8000, 192000)[(place + number) % 2])
    for place, frames in enumerate((1, 2, 100, 1153))
    for number, level in enumerate((0.0, 0.25, 1.5))
]


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


def draw(name: str, folder: Path, seed: int = 0) -> DamageConfig:
    return open_config(name, folder).draw(generator(seed, "test", name))


def first_possible(
    name: str, waveform: np.ndarray, sample_rate: int, folder: Path, seeds: int = 20
) -> tuple[DamageConfig, np.ndarray, dict[str, Any]]:
    """Apply the first draw that is possible here and changes something: a rate may lack the drawn bit rate."""
    refused = ""
    for seed in range(seeds):
        drawn = draw(name, folder, seed)
        try:
            degraded, measured = apply_damage(DAMAGES.load(name), waveform, sample_rate, drawn)
        except AudioRestoreError as error:
            refused = str(error)
            continue
        if not np.array_equal(degraded, waveform):
            return drawn, degraded, measured
    pytest.fail(f"{name} refuses {waveform.shape} at {sample_rate} Hz, or leaves it, whatever is drawn: {refused}")


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
def test_drawn_values_have_their_types_and_can_be_written_in_a_chain_and_in_a_record(name: str, folder: Path) -> None:
    config = DAMAGES.load(name).Config
    types = get_type_hints(config)
    for seed in range(5):
        drawn = draw(name, folder, seed)
        assert drawn == draw(name, folder, seed)
        values = dataclasses.asdict(drawn)
        assert list(values) == list(config.domains())
        for key, value in values.items():
            possible = get_args(types[key]) or (types[key],)
            assert value in possible or type(value) in possible or any(value in get_args(each) for each in possible), (
                f"{key}={value!r} is not a {types[key]}"
            )
        entry = json.loads(json.dumps(drawn.record(name), allow_nan=False))
        assert entry == {"name": name, **values}
        assert config.from_record(entry) == drawn
        parsed = config.parse({key: str(value) for key, value in values.items() if value != ""})
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
    clean = sound(channels, sample_rate, sample_rate // 4)
    before = clean.copy()
    drawn, degraded, measured = first_possible(name, clean, sample_rate, folder)
    np.testing.assert_array_equal(clean, before)
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    assert np.isfinite(degraded).all()
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    module = DAMAGES.load(name)
    if hasattr(module, "warp"):
        clean = joined(module.warp(Sound.of(clean, sample_rate), drawn), channels)
    # Below 4 kHz, which is what the hardest damage leaves: a tenth of a sample there.
    for left, right in zip(resample(clean, sample_rate, 8000), resample(degraded, sample_rate, 8000), strict=True):
        assert abs(find_lag(left, right)) < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_neither_the_blocks_nor_the_run_change_what_comes_out(name: str, sample_rate: int, folder: Path) -> None:
    clean = sound(2, sample_rate, 30000)
    drawn, whole, measured = first_possible(name, clean, sample_rate, folder)
    for block_frames in (70000, 4096, 777):
        again, measured_again = apply_damage(DAMAGES.load(name), clean, sample_rate, drawn, block_frames)
        np.testing.assert_allclose(again, whole, atol=1e-6)
        assert measured_again == pytest.approx(measured, rel=1e-4, abs=0.02)


def peak_bytes(name: str, sound: Sound, drawn: DamageConfig) -> int:
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
def test_little_loud_and_no_sound_is_damaged_or_refused_in_words(name: str, folder: Path) -> None:
    for seed, (frames, level, sample_rate) in enumerate(LITTLE):
        case = f"{frames} samples of {level} at {sample_rate} Hz"
        clean = np.full((2, frames), level, np.float32)
        try:
            degraded, measured = apply_damage(DAMAGES.load(name), clean, sample_rate, draw(name, folder, seed % 3))
        except AudioRestoreError:
            continue
        assert degraded.shape == clean.shape, case
        assert degraded.dtype == np.float32, case
        assert np.isfinite(degraded).all(), case
        assert all(not isinstance(value, float) or math.isfinite(value) for value in measured.values()), case


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
