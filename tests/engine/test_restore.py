"""Same in, same out: rate, channels, length and depth; and the way a recording is cut makes no difference."""

import dataclasses
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lameenc
import numpy as np
import pytest
import torch
from oracles import find_lag

from audiorestore.data.audio_file import AudioInfo, audio_info, read_audio, write_audio
from audiorestore.demo.synthesis import render_demo
from audiorestore.engine.checkpoint import LoadedModel, load_model, make_model, save_model
from audiorestore.engine.int8 import bounds_of, hold, linear_maps_of, uses_of
from audiorestore.engine.restoring.restore import RestoreConfig, restore_record, restore_waveform, restored_pairs
from audiorestore.errors import AudioFileError, AudioRestoreError, RecordError
from audiorestore.models._channels import fold, unfold
from audiorestore.models._restorer import Restorer, RestorerConfig
from audiorestore.signal.loudness import integrated_loudness
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Block, Sound


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Swapping(RestorerConfig):
    """A stereo model at a given rate."""

    channels: int = 2


class Simple(Restorer):
    """Map each block by itself."""

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        return (self.mapped(block) for block in sound.blocks())

    def mapped(self, block: Block) -> Block:
        raise NotImplementedError


class Half(Simple):
    """Halve everything; at any rate, for one channel or for two, which change places."""

    def mapped(self, block: Block) -> Block:
        return unfold(np.float32(0.5) * fold(block, self.config.channels)[:, ::-1], len(block))


class Nothing(Simple):
    """Change nothing, at a rate of its own."""

    def mapped(self, block: Block) -> Block:
        return block


class Times(Simple):
    """Multiply by a number."""

    factor = 2.0

    def mapped(self, block: Block) -> Block:
        return block * np.float32(self.factor)


class Broken(Times):
    """Return NaN."""

    factor = math.nan


class Noisy(Restorer):
    """Add what was drawn for the file."""

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        drawn = np.float32(rng.uniform(0.01, 0.1))
        return (block + drawn for block in sound.blocks())


def loaded(model: Restorer) -> LoadedModel:
    return LoadedModel("test", "test", model, {}, "test")


def tiny_mlp(sample_rate: int = 22050, **options: Any) -> LoadedModel:
    torch.manual_seed(0)
    options = {"window": 31, "parameters": 1_000, "sample_rate": sample_rate, **options}
    return loaded(make_model("mlp", options))


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def restored_in_blocks(
    model: LoadedModel, waveform: np.ndarray, rate: int, sizes: Callable[[], int], mix: float = 1.0
) -> np.ndarray:
    def blocks() -> Iterator[np.ndarray]:
        start = 0
        for size in cuts:
            yield waveform[:, start : start + size]
            start += size

    cuts: list[int] = []
    while sum(cuts) < waveform.shape[1]:
        cuts.append(sizes())
    sound = Sound(rate, *waveform.shape, blocks)
    pairs = [*restored_pairs(model.model, sound, np.random.default_rng(0), mix)]
    np.testing.assert_array_equal(np.concatenate([original for original, _ in pairs], axis=-1), waveform)
    return np.concatenate([restored for _, restored in pairs], axis=-1)


# A recording in memory.


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_mono_model_restores_every_channel_alone(channels: int) -> None:
    model = tiny_mlp()
    waveform = noise(channels, 1_000)
    together = restore_waveform(model, waveform, 22050)
    assert together.shape == waveform.shape
    for channel in range(channels):
        alone = restore_waveform(model, waveform[channel : channel + 1], 22050)
        np.testing.assert_allclose(together[channel], alone[0], atol=1e-6)


def test_a_stereo_model_restores_channels_in_pairs() -> None:
    model = loaded(Half(Swapping(sample_rate=0)))
    waveform = noise(6, 100)
    np.testing.assert_allclose(restore_waveform(model, waveform, 8000), 0.5 * waveform[[1, 0, 3, 2, 5, 4]], atol=1e-7)
    np.testing.assert_allclose(restore_waveform(model, waveform[:1], 8000), 0.5 * waveform[:1], atol=1e-7)
    np.testing.assert_allclose(restore_waveform(model, waveform[:3], 8000), 0.5 * waveform[[1, 0, 2]], atol=1e-7)


@pytest.mark.parametrize("frames", [1, 2, 15, 201, 4_097])
def test_what_comes_out_is_the_model_s_own_answer_at_its_own_rate(frames: int) -> None:
    model = tiny_mlp()
    waveform = noise(2, frames)
    direct = model.model.restore(waveform[:, None])[:, 0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(restore_waveform(model, waveform, 22050), direct, atol=1e-6)


@pytest.mark.parametrize(("rate", "model_rate"), [(44100, 22050), (22050, 44100), (48000, 44100), (8000, 96000)])
@pytest.mark.parametrize("frames", [1, 2, 7, 1_001, 20_001])
def test_a_model_that_changes_nothing_gives_back_every_sample_at_any_rate(
    rate: int, model_rate: int, frames: int
) -> None:
    model = loaded(Nothing(RestorerConfig(sample_rate=model_rate)))
    waveform = noise(2, frames)
    np.testing.assert_array_equal(restore_waveform(model, waveform, rate), waveform)


@pytest.mark.parametrize(("rate", "model_rate"), [(44100, 22050), (22050, 44100), (48000, 22050), (44100, 16000)])
@pytest.mark.parametrize("frames", [1, 100, 3_001, 44_100])
def test_length_is_exact_and_lag_is_none_through_another_rate(rate: int, model_rate: int, frames: int) -> None:
    # The sound lies below both Nyquist frequencies, so halving it at the model's rate halves it altogether.
    rng = np.random.default_rng(0)
    spectrum = rng.standard_normal((2, frames // 2 + 1)) * np.exp(2j * np.pi * rng.random((2, frames // 2 + 1)))
    spectrum *= np.arange(frames // 2 + 1) < 6_000 * frames / rate
    waveform = (np.fft.irfft(spectrum, frames) * np.hanning(frames + 2)[1:-1]).astype(np.float32)
    restored = restore_waveform(loaded(Half(Swapping(sample_rate=model_rate))), waveform, rate)
    assert restored.shape == waveform.shape
    if frames > 3_000:
        np.testing.assert_allclose(restored, 0.5 * waveform[::-1], atol=2e-4 * np.abs(waveform).max())
        assert abs(find_lag(waveform[0], restored[1])) < 0.001


def test_sound_over_the_model_s_band_passes_untouched() -> None:
    times = np.arange(44_100) / 44_100
    high = np.sin(2 * np.pi * 15_000 * times).astype(np.float32)[None]  # a model at 22,050 Hz cannot hear it
    restored = restore_waveform(loaded(Half(RestorerConfig(sample_rate=22050))), high, 44100)
    np.testing.assert_allclose(restored[:, 1_000:-1_000], high[:, 1_000:-1_000], atol=1e-4)


@pytest.mark.parametrize("rate", [22050, 44100, 16000])
@pytest.mark.parametrize("frames", [1, 777, 70_001])
def test_the_result_does_not_depend_on_how_the_recording_was_cut(rate: int, frames: int) -> None:
    model = tiny_mlp()
    waveform = noise(2, frames)
    whole = restore_waveform(model, waveform, rate)
    rng = np.random.default_rng(3)
    cuts: list[Callable[[], int]] = [lambda: 4_999, lambda: 65_536, lambda: int(rng.integers(1, 9_000))]
    if frames < 1_000:
        cuts.append(lambda: 1)
    for sizes in cuts:
        cut = restored_in_blocks(model, waveform, rate, sizes)
        assert cut.shape == waveform.shape
        np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_blocks_of_one_sample_and_of_none_are_taken() -> None:
    model = tiny_mlp()
    waveform = noise(1, 200)
    sizes = iter([0, 1, 0, 0, 3, *[1] * 300])
    cut = restored_in_blocks(model, waveform, 44100, lambda: next(sizes))
    np.testing.assert_allclose(cut, restore_waveform(model, waveform, 44100), atol=1e-6)


@pytest.mark.parametrize("rate", [22050, 44100])
def test_mix_blends_between_the_input_and_the_restored_sound(rate: int) -> None:
    model = tiny_mlp()
    waveform = noise(2, 3_000)

    def mixed(mix: float) -> np.ndarray:
        return restored_in_blocks(model, waveform, rate, lambda: 1_000, mix)

    np.testing.assert_array_equal(mixed(0.0), waveform)
    np.testing.assert_allclose(mixed(0.5), (waveform + mixed(1.0)) / 2, atol=1e-6)
    assert np.abs(mixed(1.0) - waveform).max() > 0.01


@pytest.mark.parametrize(("rate", "model_rate"), [(22050, 0), (22050, 22050), (44100, 22050)])
@pytest.mark.parametrize("kind", ["nothing", "mlp"])
def test_minutes_pass_through_in_the_memory_of_a_few_blocks(rate: int, model_rate: int, kind: str) -> None:
    model = (
        tiny_mlp(model_rate, window=3, parameters=20, layers=1)
        if kind == "mlp"
        else loaded(Nothing(RestorerConfig(sample_rate=model_rate)))
    )
    alive = held = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal alive

        def gone(count: int) -> None:
            nonlocal alive
            alive -= count

        for _ in range(120 * rate >> 15):
            block = noise(1, 1 << 15)
            alive += block.size
            weakref.finalize(block, gone, block.size)
            yield block

    sound = Sound(rate, 1, (120 * rate >> 15) << 15, blocks)
    done = 0
    for _, restored in restored_pairs(model.model, sound, np.random.default_rng(0)):
        done += restored.shape[-1]
        held = max(held, alive)
    assert done == sound.frames
    # For the model's block, the blocks read, and the delay of the resamplers.
    assert held < 4 * ((1 << 16) + (1 << 15))


def test_a_model_may_read_the_recording_several_times_and_the_next_reader_only_follows_the_last_time() -> None:
    class Loudest(Restorer):
        def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
            peak = max(float(np.abs(block).max()) for block in sound.blocks())
            return (block / np.float32(peak) for block in sound.blocks())

    passes = 0
    waveform = noise(2, 300_000)

    def blocks() -> Iterator[np.ndarray]:
        nonlocal passes
        passes += 1
        return Sound.of(waveform, 44100).blocks()

    model = Loudest(RestorerConfig(sample_rate=0))
    pairs = restored_pairs(model, Sound(44100, 2, 300_000, blocks), np.random.default_rng(0))
    joined = np.concatenate([restored for _, restored in pairs], axis=-1)
    np.testing.assert_allclose(joined, waveform / np.abs(waveform).max(), atol=1e-6)
    assert passes == 2


def test_a_model_gets_the_rate_and_the_files_of_the_sound(tmp_path: Path) -> None:
    sounds: list[Sound] = []

    class Asking(Nothing):
        def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
            sounds.append(sound)
            return super().restored(sound, rng)

    mp3_of(tmp_path / "a.mp3")
    write_audio(tmp_path / "b.wav", noise(1, 900), 16000)
    for record in ({"degraded": "a.mp3"}, {"degraded": "b.wav"}, {"degraded": "b.wav", "encoded": "a.mp3"}):
        paths = {key: str(tmp_path / name) for key, name in record.items()}
        for rate in (0, 22050):
            model = loaded(Asking(RestorerConfig(sample_rate=rate)))
            restore_record({"id": "x", **paths}, model, RestoreConfig(tmp_path / "out.wav", overwrite=True))
    mp3, wav = tmp_path / "a.mp3", tmp_path / "b.wav"
    files = [(mp3, mp3), (mp3, mp3), (wav, None), (wav, None), (wav, mp3), (wav, mp3)]
    assert [(sound.path, sound.encoded) for sound in sounds] == files
    assert [sound.sample_rate for sound in sounds] == [44100, 22050, 16000, 22050, 16000, 22050]


# Files.


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A second and a bit of stereo music in 16 bit."""
    left = render_demo("voice-01", 22050)[0, 22050:47051]
    path = tmp_path / "in" / "song.wav"
    path.parent.mkdir()
    write_audio(path, np.stack([left, 0.5 * left[::-1]]), 22050, subtype="PCM_16")
    return path


def record_of(path: Path, **fields: Any) -> dict[str, Any]:
    return {"id": path.stem, "degraded": str(path), **fields}


def test_a_record_gets_what_was_restored_and_by_which_model(song: Path, tmp_path: Path) -> None:
    record = record_of(song, mood="blue")
    restored = restore_record(record, load_model("identity"), RestoreConfig(tmp_path / "out"))
    assert restored == {**record, "restored": str(tmp_path / "out" / "song.wav"), "model": "identity"}
    assert record == record_of(song, mood="blue")  # the argument is left as it was
    np.testing.assert_array_equal(read_audio(restored["restored"])[0], read_audio(song)[0])


def test_the_file_holds_what_the_restoration_of_its_waveform_gives(song: Path, tmp_path: Path) -> None:
    for rate in (22050, 44100):
        model = tiny_mlp(rate)
        restored = restore_record(record_of(song), model, RestoreConfig(tmp_path / f"{rate}.wav", bits="float"))
        waveform, _ = read_audio(song)
        np.testing.assert_allclose(
            read_audio(restored["restored"])[0], restore_waveform(model, waveform, 22050), atol=1e-6
        )


@pytest.mark.parametrize(("suffix", "subtype"), [(".wav", "PCM_16"), (".wav", "PCM_24"), (".wav", "FLOAT")])
@pytest.mark.parametrize("model_rate", [0, 8000, 44100])
def test_doing_nothing_at_any_rate_gives_back_the_file_to_the_bit(
    tmp_path: Path, suffix: str, subtype: str, model_rate: int
) -> None:
    source = tmp_path / f"source{suffix}"
    write_audio(source, noise(2, 70_001), 22050, subtype=subtype)
    model = loaded(Nothing(RestorerConfig(sample_rate=model_rate)))
    restored = restore_record(record_of(source), model, RestoreConfig(tmp_path / "out"))["restored"]
    np.testing.assert_array_equal(read_audio(restored)[0], read_audio(source)[0])
    assert audio_info(restored).subtype == subtype


@pytest.mark.parametrize(
    ("name", "subtype", "expected"),
    [
        ("a.wav", "PCM_16", ("WAV", "PCM_16")),
        ("a.wav", "PCM_24", ("WAV", "PCM_24")),
        ("a.wav", "PCM_32", ("WAV", "PCM_32")),
        ("a.wav", "FLOAT", ("WAV", "FLOAT")),
        ("a.wav", "DOUBLE", ("WAV", "DOUBLE")),
        ("a.flac", "PCM_16", ("FLAC", "PCM_16")),
        ("a.flac", "PCM_24", ("FLAC", "PCM_24")),
        ("a.aiff", "PCM_24", ("AIFF", "PCM_24")),
        ("a.aiff", "FLOAT", ("AIFF", "FLOAT")),
        ("a.caf", "PCM_16", ("CAF", "PCM_16")),
        ("a.w64", "FLOAT", ("WAV", "FLOAT")),
    ],
)
def test_container_depth_rate_and_length_stay_as_they_were(
    tmp_path: Path, name: str, subtype: str, expected: tuple[str, str]
) -> None:
    source = tmp_path / name
    write_audio(source, noise(3, 5_003), 32000, subtype=subtype)
    restored = restore_record(record_of(source), load_model("identity"), RestoreConfig(tmp_path / "out"))["restored"]
    info = audio_info(restored)
    assert (info.container, info.subtype) == expected
    assert (info.sample_rate, info.channels, info.frames) == (32000, 3, 5_003)
    assert Path(restored).suffix == Path(name).suffix.replace("w64", "wav")


def mp3_of(path: Path, seconds: float = 1.0) -> AudioInfo:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(2)
    encoder.set_in_sample_rate(44100)
    encoder.set_bit_rate(128)
    pcm = (noise(2, int(44100 * seconds)).T * 32767).astype("<i2")
    path.write_bytes(bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush()))
    return audio_info(path)


def test_an_mp3_becomes_flac_of_16_bit_and_of_the_same_length(tmp_path: Path) -> None:
    source = tmp_path / "song.mp3"
    before = mp3_of(source)
    restored = restore_record(record_of(source), load_model("identity"), RestoreConfig(tmp_path / "out"))["restored"]
    info = audio_info(restored)
    assert (info.container, info.subtype, info.frames) == ("FLAC", "PCM_16", before.frames)
    assert Path(restored).name == "song.flac"
    np.testing.assert_allclose(read_audio(restored)[0], read_audio(source)[0], atol=0.51 / 32768)


@pytest.mark.parametrize(("bits", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("float", "FLOAT")])
def test_another_depth_can_be_asked_for(song: Path, tmp_path: Path, bits: str, subtype: str) -> None:
    config = RestoreConfig(tmp_path / "out.wav", bits=bits)
    assert audio_info(restore_record(record_of(song), load_model("identity"), config)["restored"]).subtype == subtype


def test_floats_do_not_fit_into_flac(song: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioRestoreError, match="FLAC holds 16 or 24 bit, not float"):
        restore_record(record_of(song), load_model("identity"), RestoreConfig(tmp_path / "out.flac", bits="float"))


def test_tags_are_kept(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        write_audio(tmp_path / name, noise(1, 2_000), 8000, tags={"title": "Größe", "artist": "Nobody"})
        config = RestoreConfig(tmp_path / "out")
        restored = restore_record(record_of(tmp_path / name), load_model("identity"), config)["restored"]
        tags = audio_info(restored).tags
        assert (tags["title"], tags["artist"]) == ("Größe", "Nobody")


@pytest.mark.parametrize("mix", [1.0, 0.3])
@pytest.mark.parametrize("model_rate", [22050, 16000])
def test_residual_and_restored_sum_up_to_the_input(song: Path, tmp_path: Path, mix: float, model_rate: int) -> None:
    config = RestoreConfig(tmp_path / "out", residual=tmp_path / "removed", mix=mix, bits="float")
    record = restore_record(record_of(song), tiny_mlp(model_rate), config)
    assert record["residual"] == str(tmp_path / "removed" / "song.wav")
    restored, removed = (read_audio(record[role])[0] for role in ("restored", "residual"))
    np.testing.assert_allclose(restored + removed, read_audio(song)[0], atol=1e-6)
    assert np.abs(removed).max() > 1e-3


def test_samples_over_full_scale_are_counted_and_can_be_refused(tmp_path: Path) -> None:
    source = tmp_path / "loud.wav"
    ramp = np.linspace(-0.99, 0.99, 1_000, dtype=np.float32)[None]
    write_audio(source, ramp, 8000)
    model = loaded(Times(RestorerConfig(sample_rate=0)))
    over = int(np.count_nonzero(np.abs(2 * read_audio(source)[0]) > 1))
    record = restore_record(record_of(source), model, RestoreConfig(tmp_path / "out.wav"))
    assert record["clipped"] == over > 400
    assert np.abs(read_audio(record["restored"])[0]).max() <= 1.0
    with pytest.raises(AudioFileError, match="would be clipped"):
        restore_record(record_of(source), model, RestoreConfig(tmp_path / "never.wav", clip="refuse"))
    assert not (tmp_path / "never.wav").exists()
    kept = restore_record(record_of(source), model, RestoreConfig(tmp_path / "float.wav", bits="float"))
    assert kept["over_full_scale"] == over
    assert np.abs(read_audio(kept["restored"])[0]).max() == pytest.approx(1.98, abs=0.001)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.caf", "a.w64"])
def test_a_batch_that_is_run_again_skips_what_is_done(tmp_path: Path, name: str) -> None:
    write_audio(tmp_path / name, noise(1, 2_000), 8000)
    config = RestoreConfig(tmp_path / "out", residual=tmp_path / "removed")
    first = restore_record(record_of(tmp_path / name), load_model("identity"), config)

    def written() -> list[tuple[int, int]]:
        files = [Path(first[role]).stat() for role in ("restored", "residual")]
        return [(file.st_mtime_ns, file.st_ino) for file in files]

    before = written()
    assert restore_record(record_of(tmp_path / name), load_model("identity"), config) == first
    assert written() == before


@pytest.mark.parametrize("changed", ["model", "mix", "bits", "seed", "loudness", "input"])
def test_an_output_made_from_something_else_is_not_replaced_unasked(song: Path, tmp_path: Path, changed: str) -> None:
    config = RestoreConfig(tmp_path / "out")
    made = Path(restore_record(record_of(song), load_model("identity"), config)["restored"])
    before = made.read_bytes()
    model = load_model("identity")
    if changed == "model":
        model = tiny_mlp()
    elif changed == "input":
        write_audio(song, noise(2, 900), 22050, overwrite=True)
    else:
        config = dataclasses.replace(
            config, **{changed: {"mix": 0.5, "bits": "24", "seed": 1, "loudness": "keep"}[changed]}
        )
    with pytest.raises(AudioFileError, match="exists already, made from something else; give -f"):
        restore_record(record_of(song), model, config)
    assert made.read_bytes() == before
    restore_record(record_of(song), model, dataclasses.replace(config, overwrite=True))
    assert made.read_bytes() != before


def test_a_retrained_model_of_the_same_name_is_another_model(song: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_model(path, "mlp", make_model("mlp", {"window": 31, "parameters": 1_000}), {})
        config = RestoreConfig(tmp_path / "out")
        if seed == 0:
            restore_record(record_of(song), load_model(str(path)), config)
        else:
            with pytest.raises(AudioFileError, match="made from something else"):
                restore_record(record_of(song), load_model(str(path)), config)


@pytest.mark.parametrize("overwrite", [False, True])
def test_neither_output_nor_residual_overwrites_the_input(song: Path, tmp_path: Path, overwrite: bool) -> None:
    before = song.read_bytes()
    for target in (song, song.parent, song.parent / ".." / "in" / "song.wav"):
        for places in ({"target": target}, {"target": tmp_path / "out", "residual": target}):
            with pytest.raises(AudioFileError, match="would overwrite its own input"):
                restore_record(record_of(song), load_model("identity"), RestoreConfig(**places, overwrite=overwrite))
    assert song.read_bytes() == before


def test_a_repeated_run_reports_again_what_was_clipped(tmp_path: Path) -> None:
    write_audio(tmp_path / "loud.wav", np.full((1, 100), 1.5, np.float32), 8000, subtype="FLOAT")
    config = RestoreConfig(tmp_path / "out", bits="16")
    first = restore_record(record_of(tmp_path / "loud.wav"), load_model("identity"), config)
    assert first["clipped"] == 100
    assert restore_record(record_of(tmp_path / "loud.wav"), load_model("identity"), config) == first


def test_what_is_drawn_depends_on_seed_and_id_alone(song: Path, tmp_path: Path) -> None:
    def first_sample(folder: str, seed: int, name: str = "song", **fields: Any) -> float:
        config = RestoreConfig(tmp_path / folder, bits="float", seed=seed)
        record = {**record_of(song, **fields), "id": name}
        restored = restore_record(record, loaded(Noisy(RestorerConfig(sample_rate=0))), config)
        return float(read_audio(restored["restored"])[0][0, 0])

    one = first_sample("one", 0)
    assert first_sample("same", 0) == one
    assert len({one, first_sample("seed", 1), first_sample("name", 0, "other"), first_sample("x", 0, sample=1)}) == 4


def test_a_failing_model_leaves_no_file_behind(song: Path, tmp_path: Path) -> None:
    config = RestoreConfig(tmp_path / "out", residual=tmp_path / "removed")
    with pytest.raises(AudioFileError, match="NaN"):
        restore_record(record_of(song), loaded(Broken(RestorerConfig(sample_rate=0))), config)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [song]


def test_a_record_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no degraded"):
        restore_record({"id": "x"}, load_model("identity"), RestoreConfig(tmp_path / "out"))


def test_progress_is_reported_to_the_last_sample(tmp_path: Path) -> None:
    source = tmp_path / "long.wav"
    write_audio(source, noise(1, 200_000), 8000)
    reports: list[tuple[str, int, int]] = []
    restore_record(
        record_of(source), load_model("identity"), RestoreConfig(tmp_path / "out"), lambda *news: reports.append(news)
    )
    assert {(name, total) for name, _, total in reports} == {("long", 200_000)}
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)
    assert reports[-1][1] == 200_000


def test_the_correction_is_what_the_model_changed_brought_back_to_the_file_s_rate() -> None:
    waveform = noise(1, 30_000)
    model = tiny_mlp(16000)
    sent = resample(waveform, 44100, 16000)
    correction = model.model.restore(sent[None])[0] - sent  # type: ignore[attr-defined]
    expected = waveform + resample(correction, 16000, 44100, 30_000)
    np.testing.assert_allclose(restore_waveform(model, waveform, 44100), expected, atol=1e-5)


# Loudness.


def loudness_of(path: str) -> float:
    waveform, rate = read_audio(path)
    measured = integrated_loudness(Sound.of(waveform, rate))
    assert measured is not None
    return measured


def test_the_output_keeps_the_loudness_of_the_input_by_one_gain(song: Path, tmp_path: Path) -> None:
    model = loaded(Half(RestorerConfig(sample_rate=0)))
    config = RestoreConfig(tmp_path / "out.wav", tmp_path / "removed.wav", bits="float", loudness="keep")
    record = restore_record(record_of(song), model, config)
    assert record["loudness_gain_db"] == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert loudness_of(record["restored"]) == pytest.approx(loudness_of(str(song)), abs=0.001)
    kept, removed, before = (read_audio(path)[0] for path in (record["restored"], record["residual"], song))
    np.testing.assert_allclose(kept, before, atol=1e-4)
    np.testing.assert_allclose(kept + removed, before, atol=1e-6)
    assert restore_record(record_of(song), model, config) == record
    off = restore_record(record_of(song), model, RestoreConfig(tmp_path / "off.wav", bits="float"))
    assert "loudness_gain_db" not in off
    np.testing.assert_array_equal(read_audio(off["restored"])[0], 0.5 * before)


def test_kept_loudness_never_clips_unreported(tmp_path: Path) -> None:
    class Peaky(Simple):
        """Make all but a few samples quiet, so that the same loudness needs larger peaks."""

        def mapped(self, block: Block) -> Block:
            return np.where(np.arange(block.shape[-1]) % 100 == 0, block, 0.1 * block).astype(np.float32)

    write_audio(tmp_path / "a.wav", np.full((1, 16000), 0.9) * np.sin(np.arange(16000)), 16000)
    model = loaded(Peaky(RestorerConfig(sample_rate=0)))
    config = RestoreConfig(tmp_path / "out.wav", loudness="keep")
    assert restore_record(record_of(tmp_path / "a.wav"), model, config)["clipped"] > 10
    with pytest.raises(AudioFileError, match="would be clipped"):
        restore_record(
            record_of(tmp_path / "a.wav"), model, dataclasses.replace(config, clip="refuse", target=tmp_path / "b.wav")
        )


@pytest.mark.parametrize(
    ("frames", "amplitude", "factor", "which"),
    [(3_000, 0.1, 2.0, "degraded"), (9_000, 0.0, 2.0, "degraded"), (9_000, 0.1, 0.0, "restored")],
)
def test_where_there_is_no_loudness_nothing_is_changed_and_the_record_says_so(
    tmp_path: Path, frames: int, amplitude: float, factor: float, which: str
) -> None:
    write_audio(tmp_path / "a.wav", amplitude * noise(1, frames), 8000, subtype="FLOAT")
    model = Times(RestorerConfig(sample_rate=0))
    model.factor = factor
    config = RestoreConfig(tmp_path / "out.wav", loudness="keep")
    record = restore_record(record_of(tmp_path / "a.wav"), loaded(model), config)
    assert record["loudness_gain_db"] == 0.0
    assert f"the {which} audio is silent or shorter than 0.4 s" in record["loudness_note"]
    np.testing.assert_array_equal(
        read_audio(record["restored"])[0], np.float32(factor) * read_audio(tmp_path / "a.wav")[0]
    )


# The command.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five short recordings."""
    for name in "abcde":
        write_audio(tmp_path / "in" / f"{name}.wav", noise(2, 30_000, ord(name)), 44100)
    return tmp_path / "in"


@pytest.mark.parametrize("family", ["mlp", "tfilm", "mlp in int8"])
def test_jobs_change_neither_the_results_nor_their_order(
    ar: Callable[..., Any], tmp_path: Path, folder: Path, family: str
) -> None:
    name, _, int8 = family.partition(" ")
    model: Any = make_model(name, {"parameters": 1_000} if name == "mlp" else {"hidden_channels": 3})
    metadata: dict[str, Any] = {}
    if int8:
        arithmetic = dict.fromkeys(linear_maps_of(model), "int8")
        hold(model, arithmetic, bounds_of(uses_of(model)))
        metadata = {"quantized": {"dtype": "int8", "arithmetic": arithmetic}}
    save_model(tmp_path / "m.safetensors", name, model, metadata)
    ended = {}
    for jobs in ("1", "3"):
        ended[jobs] = ar("restore", folder, "-m", "m.safetensors", "-o", f"out{jobs}", "--jobs", jobs)
        assert ended[jobs].status == 0
    assert [record["id"] for record in ended["3"].records] == list("abcde")
    for one, three in zip(ended["1"].records, ended["3"].records, strict=True):
        assert (tmp_path / one["restored"]).read_bytes() == (tmp_path / three["restored"]).read_bytes()


def test_a_family_is_set_up_by_options_which_are_part_of_what_a_file_was_made_from(
    ar: Callable[..., Any], tmp_path: Path, folder: Path
) -> None:
    command = ("restore", folder / "a.wav", "-m", "spectral_gate", "-o", "out/", "--set", "threshold_db=0")
    (record,) = ar(*command, "--set", "reduction_db=20").records
    assert record["model"] == "spectral_gate:reduction_db=20.0,threshold_db=0.0"
    before = read_audio(folder / "a.wav")[0]
    np.testing.assert_allclose(read_audio(tmp_path / record["restored"])[0], 0.1 * before, atol=1e-4)
    assert ar(*command, "--set", "reduction_db=20").records == [record]
    other = ar(*command, "--set", "reduction_db=6")
    assert other.status == 1
    assert "exists already, made from something else" in other.stderr
    (strong,) = ar(*command, "-f", "--preset", "strong").records
    np.testing.assert_allclose(read_audio(tmp_path / strong["restored"])[0], 0.01 * before, atol=1e-4)


def test_a_classical_family_sizes_its_frames_by_the_rate_of_the_sound(tmp_path: Path) -> None:
    model = load_model("spectral_gate", None, ["threshold_db=-30", "reduction_db=60", "window_ms=10"])
    for rate in (8000, 48000):
        quiet = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
        quiet[rate // 2 :] *= 0.05  # below the threshold from the middle on
        restored = restore_waveform(model, quiet[None], rate)[0]
        changed = np.flatnonzero(np.abs(restored - quiet) > 5e-3) / rate
        assert 0.49 < changed[changed > 0.02].min() < 0.51  # the first frame is gated, too, where the tone begins
        np.testing.assert_allclose(restored[int(0.51 * rate) :], 0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-m", "m.safetensors", "--set", "layers=3"], "--preset and --set do not apply to m.safetensors"),
        (["-m", "m.safetensors", "--preset", "small"], "--preset and --set do not apply to m.safetensors"),
        (["-m", "cnn", "--set", "window=31"], "the family 'cnn' has to be trained first"),
        (["-m", "spectral_gate", "--set", "reduction=3"], "there is no setting 'reduction' (did you mean"),
        (["-m", "spectral_gate", "--set", "reduction_db=-3"], "reduction_db=-3.0 is not possible"),
        (
            ["-m", "spectral_gate", "--preset", "strnog"],
            "spectral_gate has no preset 'strnog' (did you mean 'strong'?)",
        ),
    ],
)
def test_options_that_do_not_apply_are_refused_in_one_sentence(
    ar: Callable[..., Any], tmp_path: Path, folder: Path, options: list[str], sentence: str
) -> None:
    save_model(tmp_path / "m.safetensors", "level", make_model("level", {}), {})
    ended = ar("restore", folder, "-o", "out", *options)
    assert ended.status == 2
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
