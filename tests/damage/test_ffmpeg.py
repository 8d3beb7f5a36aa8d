"""Codecs of the ffmpeg program: each is late by what is known of it, lies in its place, and says what is wrong."""

import contextlib
import dataclasses
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from in_memory import apply_damage
from oracles import closest_gain, find_lag

from audiorestore.damage import _ffmpeg_program, ffmpeg
from audiorestore.damage._chain import Chains
from audiorestore.damage._chain_language import parse_chain
from audiorestore.damage._damage import Outcome, Run
from audiorestore.damage.ffmpeg import CODECS
from audiorestore.demo.synthesis import render_demo
from audiorestore.errors import AudioRestoreError, UsageError
from audiorestore.signal.level import dot
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Sound, joined

with_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg program is not installed: none of its codecs can be tested"
)

# Samples at the coded rate by which each comes back late, when nothing is undone.
LATE = {
    **dict.fromkeys(("aac", "adpcm_ima", "adpcm_ms", "alaw", "g726", "gsm", "mulaw"), 0),
    **{
        "ac3": 256,
        "eac3": 256,
        "amr_nb": 40,
        "amr_wb": 95,
        "g722": 22,
        "g723_1": 60,
        "mp2": 481,
        "sbc": 73,
        "speex": 80,
    },
    "wma": -2048,  # less at lower rates
}
VOICE_CODERS = ("amr_nb", "amr_wb", "g723_1", "gsm", "speex")  # they model a voice rather than follow its waveform


def parameters(codec: str, kbps: float | str = "auto", coded_rate: int | str = "auto") -> ffmpeg.Config:
    return ffmpeg.Config(**({"codec": codec, "kbps": kbps, "coded_rate": coded_rate}))


def need(codec: str) -> None:
    encoder = CODECS[codec].encoder
    if encoder not in _ffmpeg_program.encoders():
        pytest.skip(f"this ffmpeg was built without the encoder {encoder} for {codec}")


@cache
def voice(sample_rate: int, channels: int = 1) -> np.ndarray:
    """A second from the middle of a song, louder in each next channel: it starts and ends in full sound."""
    mono = resample(song()[:, 22050:66150], 44100, sample_rate)
    return np.concatenate([mono * (0.5 + 0.5 * index / channels) for index in range(1, channels + 1)])


@cache
def song() -> np.ndarray:
    return render_demo("voice-01", 44100)


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    return dot(left, right) / float(np.sqrt(dot(left, left) * dot(right, right)))


def lag_below_4_khz(clean: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """In samples of 8 kHz, for a row: what a telephone leaves is compared, and no more."""
    return find_lag(resample(clean[None], sample_rate, 8000)[0], resample(degraded[None], sample_rate, 8000)[0])


# 1. Delay.


def test_all_codecs_are_tested() -> None:
    assert set(CODECS) == set(LATE)


@with_ffmpeg
@pytest.mark.parametrize(
    ("codec", "rate", "late"),
    [
        *((codec, max(CODECS[codec].rates, default=44100), late) for codec, late in LATE.items() if codec != "wma"),
        ("wma", 16000, -512),
        ("wma", 22050, -1024),
        ("wma", 44100, -2048),
    ],
)
def test_a_codec_is_late_by_its_own_number_of_samples(codec: str, rate: int, late: int, tmp_path: Path) -> None:
    """Measured with the program itself, as a user would run it, and nothing of ours in between."""
    need(codec)
    clean = voice(rate)
    soundfile.write(tmp_path / "clean.wav", clean.T, rate, subtype="FLOAT")
    coded, back = tmp_path / f"coded{CODECS[codec].suffix}", tmp_path / "back.wav"
    for source, options, target in (
        ("clean.wav", ["-c:a", CODECS[codec].encoder], coded),
        (coded.name, ["-c:a", "pcm_f32le"], back),
    ):
        command = ["ffmpeg", "-nostdin", "-v", "error", "-i", source, *options, target.name]
        subprocess.run(command, cwd=tmp_path, check=True)
    decoded, coded_rate = soundfile.read(back, dtype="float32")
    assert coded_rate == rate
    assert find_lag(clean[0], decoded) == pytest.approx(late, abs=0.5 if codec in VOICE_CODERS else 0.2)


@with_ffmpeg
@pytest.mark.parametrize("codec", LATE)
@pytest.mark.parametrize(("sample_rate", "channels"), [(8000, 2), (44100, 1)])
def test_what_comes_back_lies_in_its_place_to_its_ends(codec: str, sample_rate: int, channels: int) -> None:
    need(codec)
    clean = voice(sample_rate, channels)
    before = clean.copy()
    degraded, reported = apply_damage(ffmpeg, clean, sample_rate, parameters(codec))
    np.testing.assert_array_equal(clean, before)
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    short = sample_rate // 50  # a word's first and last fiftieth of a second
    for there, back in zip(clean, degraded, strict=True):
        assert abs(lag_below_4_khz(there, back, sample_rate)) < (0.4 if codec in VOICE_CODERS else 0.1)
        assert correlation(there[:short], back[:short]) > (0.6 if codec in VOICE_CODERS else 0.75)
        assert correlation(there[-short:], back[-short:]) > (0.8 if codec in VOICE_CODERS else 0.85)
    assert reported["gain_db"] == pytest.approx(0.0, abs=2.0 if codec in VOICE_CODERS else 0.5)
    assert reported["clipped"] == 0
    assert reported.get("streams", 1) == (channels if CODECS[codec].channels == 1 else 1)


@with_ffmpeg
@pytest.mark.parametrize(
    ("codec", "sample_rate", "channels"), [("aac", 96000, 1), ("aac", 22050, 3), ("mp2", 192000, 2)]
)
def test_any_rate_and_number_of_channels(codec: str, sample_rate: int, channels: int) -> None:
    need(codec)
    clean = voice(sample_rate, channels)
    degraded, reported = apply_damage(ffmpeg, clean, sample_rate, parameters(codec))
    assert degraded.shape == clean.shape
    assert reported.get("streams", 1) == (1 if channels < 3 else 3)
    for there, back in zip(clean, degraded, strict=True):
        assert abs(lag_below_4_khz(there, back, sample_rate)) < 0.1
        assert closest_gain(back[None], there[None]) == pytest.approx(1.0, abs=0.06), "no channel took another's place"


@with_ffmpeg
@pytest.mark.parametrize("codec", LATE)
def test_a_single_sample_is_a_single_sample(codec: str) -> None:
    need(codec)
    degraded, _ = apply_damage(ffmpeg, np.full((1, 1), 0.25, np.float32), 22050, parameters(codec))
    assert degraded.shape == (1, 1)
    assert np.isfinite(degraded).all()


@with_ffmpeg
@pytest.mark.parametrize("codec", ["aac", "adpcm_ima", "mp2"])
def test_silence_stays_silent(codec: str) -> None:
    degraded, reported = apply_damage(ffmpeg, np.zeros((2, 20000), np.float32), 44100, parameters(codec))
    assert np.abs(degraded).max() < 1e-4
    assert reported["gain_db"] == 0.0


@with_ffmpeg
@pytest.mark.parametrize(
    ("codec", "off"), [("aac", 1), ("aac", -50), ("mp2", 5), ("ac3", -5), ("g726", 1), ("gsm", 50), ("g723_1", 1)]
)
def test_a_version_with_another_delay_would_be_refused(codec: str, off: int, monkeypatch: pytest.MonkeyPatch) -> None:
    need(codec)
    known = CODECS[codec]
    monkeypatch.setitem(CODECS, codec, known._replace(delay=known.delay + off))
    with pytest.raises(AudioRestoreError) as caught:
        apply_damage(ffmpeg, voice(22050), 22050, parameters(codec))
    words = str(caught.value)
    assert f"(expected {known.delay + off})" in words
    late = float(words.split(" samples;")[0].rsplit(" ", 1)[1])
    assert late == pytest.approx(known.delay, abs=0.6)
    assert "try another version" in words


# 2. What is in the file.


@with_ffmpeg
@pytest.mark.parametrize(
    ("codec", "kbps"), [("aac", (24, 128)), ("mp2", (32, 160)), ("ac3", (48, 192)), ("wma", (24, 96))]
)
def test_more_bits_leave_less_error(codec: str, kbps: tuple[int, int]) -> None:
    clean = voice(44100)
    errors, bitrates_kbps = [], []
    for each in kbps:
        degraded, reported = apply_damage(ffmpeg, clean, 44100, parameters(codec, each))
        errors.append(float(np.square(clean - degraded).mean()))
        bitrates_kbps.append(reported["bitrate_kbps"])
    assert errors[1] < 0.5 * errors[0]
    assert bitrates_kbps[1] == pytest.approx(kbps[1], rel=0.25), "silence and container are counted with it"
    assert bitrates_kbps[0] < 0.6 * bitrates_kbps[1]


@with_ffmpeg
def test_mulaw_is_what_g711_says() -> None:
    """Of μ-law's 14 bits the loudest eighth has steps of 1/32 of full scale, the quietest of 1/4096."""
    levels = np.array([[0.9, 0.3, 0.03, 0.003, -0.9, -0.003]], np.float32)
    clean = np.repeat(levels, 200, axis=-1)
    degraded, reported = apply_damage(ffmpeg, clean, 8000, parameters("mulaw"))
    np.testing.assert_array_less(np.abs(degraded - clean), np.abs(clean) / 32 + 1 / 8192)
    assert reported["coded_rate"] == 8000
    assert reported["delay"] == 0
    assert len(np.unique(degraded)) == 6


@with_ffmpeg
def test_a_telephone_takes_away_what_lies_above_4_khz() -> None:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((1, 44100)).astype(np.float32)
    degraded, reported = apply_damage(ffmpeg, noise, 44100, parameters("adpcm_ima", coded_rate=8000))
    power = np.square(np.abs(np.fft.rfft(degraded[0] * np.hanning(44100))))
    assert reported["coded_rate"] == 8000
    assert power[4200:].sum() < 1e-4 * power.sum()
    assert power[100:3800].sum() > 0.9 * power.sum()


@with_ffmpeg
@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_samples_over_full_scale_are_clipped_and_counted(codec: str) -> None:
    loud = (1.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100))[None].astype(np.float32)
    clipped = np.clip(loud, -1.0, 1.0)
    degraded, reported = apply_damage(ffmpeg, loud, 44100, parameters(codec, 128))
    assert reported["clipped"] == np.count_nonzero(np.abs(loud) > 1.0) > 0
    np.testing.assert_array_equal(degraded, apply_damage(ffmpeg, clipped, 44100, parameters(codec, 128))[0])
    assert correlation(clipped, degraded) > 0.98


@with_ffmpeg
@pytest.mark.parametrize("codec", ["aac", "adpcm_ms", "wma"])
def test_the_codec_file_is_the_same_each_time_however_the_sound_is_cut(codec: str) -> None:
    clean = voice(22050, 2)
    files, outputs = [], []
    for block_frames in (65536, 65536, 777):
        run = Run(ffmpeg.apply(Sound.of(clean, 22050, block_frames), parameters(codec)))
        outputs.append(joined(run, 2))
        (encoded,) = run.result.encoded
        assert encoded.suffix == CODECS[codec].suffix
        files.append(encoded.file.read())
        run.result.close()
        np.testing.assert_array_equal(outputs[-1], outputs[0])
    assert files[0] == files[1] == files[2]
    assert len(files[0]) > 1000


# 3. What cannot be done is said.


@with_ffmpeg
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (parameters("aac", 600), "aac has no kbps=600 at 44100 Hz in 1 channel(s); it has 8 to 264.6"),
        (parameters("mp2", 50), "mp2 has no kbps=50 at 44100 Hz in 1 channel(s); it has 32, 48, 56"),
        (parameters("mulaw", 64), "mulaw has a fixed number of bits a sample; ask for kbps=auto, and a coded_rate"),
        (parameters("ac3", coded_rate=8000), "ac3 has no coded_rate=8000; it has 32000, 44100, 48000 Hz"),
        (parameters("sbc", 345), "sbc has no kbps=345 at 44100 Hz in 1 channel(s); it has 64 to 172.5"),
    ],
)
def test_what_a_codec_has_not_is_refused_with_what_it_has(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(AudioRestoreError) as caught:
        apply_damage(ffmpeg, voice(44100), 44100, settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("ffmpeg:codec=acc", "codec=acc is not possible; codec is aac/ac3"),
        ("ffmpeg:kbps=high", "kbps=high is not possible; kbps is auto or a number in 1..640"),
        ("ffmpeg:kbps=0", "kbps=0 is not possible"),
        ("ffmpeg:coded_rate=44000", "coded_rate=44000 is not possible; coded_rate is auto/8000"),
        ("ffmpeg:bitrate=64", "there is no parameter 'bitrate'"),
    ],
)
def test_wrong_words_are_refused_with_the_right_ones(chain: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_chain(chain)
    assert words in str(caught.value)


def program(folder: Path, script: str) -> None:
    """Put a program of this name into a folder."""
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


LISTED = 'case "$*" in *-encoders*) echo " A....D aac AAC (Advanced Audio Coding)"; exit 0;; esac'


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"{LISTED}\necho no space left >&2; exit 1", "ffmpeg cannot make aac: no space left"),
        (f"{LISTED}\nexit 3", "ffmpeg cannot make aac: status 3"),
        ("echo wrong library >&2; exit 127", "ffmpeg cannot list its encoders: wrong library"),
        ('echo " A....D mp2 MP2 (MPEG audio layer 2)"', "without the encoder aac for aac; it has those for mp2"),
        (f'{LISTED}\ncase "$*" in *pipe:1*) head -c 6; exit 1;; *) cat >/dev/null;; esac', "ffmpeg cannot read mp4"),
    ],
)
def test_what_ffmpeg_says_reaches_the_user(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(AudioRestoreError) as caught:
        apply_damage(ffmpeg, np.full((2, 300000), 0.25, np.float32), 44100, parameters("aac"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_program_that_cannot_run_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").write_bytes(b"\x00not a program")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioRestoreError, match="the ffmpeg program cannot be started"):
        apply_damage(ffmpeg, np.zeros((1, 100), np.float32), 44100, parameters("aac"))


def test_a_missing_program_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.missing() == "the ffmpeg program is not installed, or not on PATH; install it"
    with pytest.raises(UsageError, match="damage ffmpeg: the ffmpeg program is not installed"):
        Chains(((1.0, parse_chain("hiss|ffmpeg:codec=gsm")),)).check()
    with pytest.raises(AudioRestoreError, match="the ffmpeg program is not installed"):
        apply_damage(ffmpeg, np.zeros((1, 100), np.float32), 44100, parameters("aac"))


def test_a_missing_program_ends_the_command_in_one_sentence(
    ar: Callable[..., Any], voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = ar("degrade", voice, "--chain", "ffmpeg:codec=aac", "-o", "degraded")
    assert done.status == 2
    assert "the ffmpeg program is not installed, or not on PATH; install it" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "degraded").exists()


# 4. Nothing is left behind.


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every program that is started; temporary files go to an empty folder of the test's own."""
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(subprocess, "Popen", noted)
    return processes


@with_ffmpeg
@pytest.mark.parametrize("leave", ["early", "error", "refused"])
def test_the_program_is_gone_whatever_happens(
    leave: str, started: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = np.tile(voice(8000), 60)  # a minute: far more than a pipe holds
    if leave == "refused":
        monkeypatch.setitem(CODECS, "mulaw", CODECS["mulaw"]._replace(delay=50))
    damaged = ffmpeg.apply(Sound.of(clean, 8000), parameters("mulaw"))
    next(damaged)
    assert started
    assert started[-1].poll() is None, "it decodes while blocks are taken"
    if leave == "early":
        damaged.close()
    elif leave == "error":
        with contextlib.suppress(KeyboardInterrupt):
            damaged.throw(KeyboardInterrupt)
    else:
        with pytest.raises(AudioRestoreError, match="decoded audio is delayed by"):
            list(damaged)
    assert [process.returncode is None for process in started] == [False] * len(started)
    assert list((tmp_path / "scratch").iterdir()) == []


@with_ffmpeg
def test_a_sound_that_breaks_off_stops_the_encoder(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    def broken() -> Any:
        yield voice(8000)
        raise AudioRestoreError("the disk is gone")

    sound = dataclasses.replace(Sound.of(np.tile(voice(8000), 3), 8000), blocks=broken)
    with pytest.raises(AudioRestoreError, match="the disk is gone"):
        list(ffmpeg.apply(sound, parameters("aac")))
    assert all(process.returncode is not None for process in started)
    assert list((tmp_path / "scratch").iterdir()) == []


@with_ffmpeg
def test_codec_files_are_there_until_they_are_let_go(started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    run: Run[Any, Outcome] = Run(ffmpeg.apply(Sound.of(voice(8000, 2), 8000), parameters("g726", 16)))
    for _ in run:
        pass
    assert [path.suffix for path in (tmp_path / "scratch").iterdir()] == [".wav", ".wav"], "a stream a channel"
    run.result.close()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert len(started) >= 4
