"""Ogg files as they are kept: sound for every player, and the same bytes each time."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from in_memory import apply_damage
from oracles import find_lag

from audiorestore.damage import opus, vorbis
from audiorestore.damage._damage import Run
from audiorestore.damage._ogg import pages, sound_kbps, sound_packets
from audiorestore.data.audio_file import write_audio
from audiorestore.demo.synthesis import render_demo
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Sound, joined

CODECS = {"vorbis": (vorbis, ".ogg"), "opus": (opus, ".opus")}


def cut_into_pages(data: bytes) -> list[bytes]:
    """By the capture pattern and the segment table alone."""
    found = []
    while data:
        assert data[:5] == b"OggS\x00"
        segments = data[26]
        size = 27 + segments + sum(data[27 : 27 + segments])
        assert size <= len(data), "the last page is whole"
        found.append(data[:size])
        data = data[size:]
    return found


@cache
def clean(sample_rate: int = 24000, channels: int = 2) -> np.ndarray:
    mono = render_demo("voice-01", sample_rate)[:, sample_rate // 2 : 2 * sample_rate]
    return np.concatenate([mono * (1.0 - 0.4 * index) for index in range(channels)])


def encoded(name: str, block_frames: int = 65536) -> bytes:
    module, suffix = CODECS[name]
    run = Run(module.apply(Sound.of(clean(), 24000, block_frames), module.Config(quality=4.0)))
    for _ in run:
        pass
    (kept,) = run.result.encoded
    assert kept.suffix == suffix
    data = kept.file.read()
    run.result.close()
    return data


def without_serials(data: bytes) -> list[bytes]:
    """The pages, without the serial number that is random and the checksum that covers it."""
    return [page[:14] + page[18:22] + page[26:] for page in cut_into_pages(data)]


@pytest.mark.parametrize("name", CODECS)
def test_the_cut_into_blocks_changes_the_serial_number_only(name: str) -> None:
    whole = without_serials(encoded(name))
    assert len(whole) >= 3
    assert without_serials(encoded(name)) == whole
    assert without_serials(encoded(name, 777)) == whole


@pytest.mark.parametrize(("name", "headers"), [("vorbis", 3), ("opus", 2)])
def test_the_bit_rate_is_that_of_the_pages_with_sound(name: str, headers: int, tmp_path: Path) -> None:
    data = encoded(name)
    made = cut_into_pages(data)
    assert [page.length for page in pages(data)] == [len(page) for page in made]
    ends = np.cumsum([sum(size < 255 for size in page[27 : 27 + page[26]]) for page in made])  # packets ended so far
    first = int(np.searchsorted(ends, headers)) + 1
    begin, packets = sound_packets(data)
    assert begin == sum(len(page) for page in made[:first])
    assert len(packets) == ends[-1] - headers
    path = tmp_path / "a.ogg"
    path.write_bytes(data)
    assert sound_kbps(path, 1.5) == pytest.approx(sum(len(page) for page in made[first:]) * 8 / 1500)


@pytest.mark.parametrize("name", CODECS)
def test_samples_over_full_scale_come_back_over_full_scale(name: str) -> None:
    loud = (1.5 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000))[None].astype(np.float32)
    degraded, reported = apply_damage(CODECS[name][0], loud, 24000, CODECS[name][0].Config(quality=5.0))
    assert np.percentile(np.abs(degraded), 99) == pytest.approx(1.5, abs=0.1)
    assert reported["gain_db"] == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("name", CODECS)
def test_more_channels_than_two_are_a_stream_each(name: str) -> None:
    three = clean(24000, 3)
    three = np.stack([three[0], np.zeros_like(three[1]), three[2]])
    degraded, reported = apply_damage(CODECS[name][0], three, 24000, CODECS[name][0].Config(quality=4.0))
    assert reported["streams"] == 3
    assert len(set(reported["bitrate_kbps"])) == 3
    for there, back in zip(three[::2], degraded[::2], strict=True):
        assert abs(find_lag(there, back)) < 0.1
    assert np.abs(degraded[1]).max() < 1e-3 * np.abs(degraded).max(), "nothing leaks into a silent channel"


def test_what_the_speech_half_of_opus_misses_its_place_by_is_undone() -> None:
    voice = clean(24000, 1)
    run = Run(opus.apply(Sound.of(voice, 24000), opus.Config(quality=0.2)))
    degraded = joined(run, 1)
    decoded, rate = soundfile.read(run.result.encoded[0].file.name, dtype="float32")
    run.result.close()
    late = find_lag(resample(voice, 24000, rate)[0], decoded)
    assert late < -1.0, "early, at 48 kHz"
    assert run.result.measured["delay"] == pytest.approx(late, abs=0.75)
    assert abs(find_lag(voice[0], degraded[0])) < 0.5


def decoded_by_ffmpeg(path: Path, rate: int) -> np.ndarray:
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "warning", "-i", str(path), "-f", "f32le", "-ar", str(rate), "pipe:1"],
        capture_output=True,
        check=True,
    )
    assert done.stderr == b"", "a wrong checksum would be reported"
    return np.frombuffer(done.stdout, "<f4")


def test_kept_files_are_the_same_over_runs_and_jobs_and_play_everywhere(ar: Callable[..., Any], tmp_path: Path) -> None:
    for index in range(3):
        write_audio(tmp_path / "songs" / f"{index}.wav", clean(24000, 1)[:, index * 100 :], 24000)
    chains = ("--chain", "vorbis:kbps=48", "--chain", "opus:kbps=40", "--keep-encoded")
    outputs: list[dict[str, list[bytes]]] = []
    for folder, jobs in (("a", "1"), ("b", "1"), ("c", "2")):
        done = ar("degrade", "songs", *chains, "--seed", "3", "-j", jobs, "-o", folder)
        assert done.status == 0, done.stderr
        kept = sorted(path for path in (tmp_path / folder).iterdir() if path.suffix in (".ogg", ".opus"))
        assert len(kept) == 3
        outputs.append({path.name: without_serials(path.read_bytes()) for path in kept})
    assert outputs[0] == outputs[1] == outputs[2]
    assert {Path(name).suffix for name in outputs[0]} == {".ogg", ".opus"}, "both chains were drawn"
    for name in outputs[0]:
        path = tmp_path / "c" / name
        degraded = soundfile.read(path.with_suffix(".wav"), dtype="float32")[0]
        ours, rate = soundfile.read(path, dtype="float32")
        assert len(ours) / rate == pytest.approx(len(degraded) / 24000, abs=1e-3)
        if rate == 24000:
            np.testing.assert_allclose(ours, degraded, atol=1e-6)
        if shutil.which("ffmpeg"):
            theirs = decoded_by_ffmpeg(path, rate)
            assert len(theirs) == pytest.approx(len(ours), abs=1024)
            shared = min(len(theirs), len(ours))
            assert np.corrcoef(theirs[:shared], ours[:shared])[0, 1] > 0.98, "two decoders of Opus are not the same"
