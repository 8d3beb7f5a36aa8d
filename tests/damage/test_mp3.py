"""MP3 through LAME and back: the facts about delay, gain, rate and bit rate that the damage rests on, measured."""

from functools import cache
from io import BytesIO
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from in_memory import apply_damage
from oracles import closest_gain, find_lag, mean_power

from audiorestore.damage import mp3
from audiorestore.damage._damage import Run
from audiorestore.damage.mp3 import BITRATES_KBPS, DELAY
from audiorestore.data.mpeg_frames import scan_mpeg
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.level import decibels, dot
from audiorestore.signal.sound import Sound, joined

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 37800, 44100, 48000, 88200, 96000, 176400, 192000)


def parameters(
    kbps: int, coded_rate: int | str = "auto", quality: int = 7, mode: str = "cbr", vbr_quality: int = 4
) -> mp3.Config:
    """The fastest quality that still has a psychoacoustic model: lags, gains and rates do not depend on it."""
    return mp3.Config(kbps, mode, vbr_quality, coded_rate, quality)  # type: ignore[arg-type]


def encode(waveform: np.ndarray, sample_rate: int, settings: mp3.Config) -> bytes:
    return b"".join(mp3.encode(Sound.of(waveform, sample_rate), settings, [0]))


@cache
def sound(sample_rate: int, channels: int = 1, seconds: float = 0.7) -> np.ndarray:
    """Coloured noise that swells and fades, another in every channel."""
    rng = np.random.default_rng(sample_rate)
    frames = int(sample_rate * seconds)
    frequency_hz = np.fft.rfftfreq(frames, 1 / sample_rate)
    shape = np.maximum(frequency_hz, 100.0) ** -0.8
    rows = np.fft.irfft(np.fft.rfft(rng.standard_normal((channels, frames))) * shape, frames)
    knots = rng.uniform(0.0, 1.0, (channels, 20)) ** 2
    knot_times = np.linspace(0, 19, frames)
    rows *= np.stack([np.interp(knot_times, np.arange(20), row) for row in knots])
    return np.asarray(0.5 * rows / np.abs(rows).max(), np.float32)


def worst_lag(reference: np.ndarray, degraded: np.ndarray) -> float:
    return max((find_lag(clean, dirty) for clean, dirty in zip(reference, degraded, strict=True)), key=abs)


# 1. Delay.


@pytest.mark.parametrize(
    ("sample_rate", "kbps"),
    [
        (8000, 8),
        (8000, 32),
        (16000, 16),
        (16000, 64),
        (22050, 32),
        (22050, 128),
        (44100, 96),
        (44100, 320),
        (48000, 64),
    ],
)
def test_untagged_mp3_is_1105_samples_late_at_the_coded_rate(sample_rate: int, kbps: int) -> None:
    clean = sound(sample_rate)
    encoded = encode(clean, sample_rate, parameters(kbps, sample_rate if kbps != 8 else 8000))
    decoded, coded_rate = soundfile.read(BytesIO(encoded), dtype="float32")
    assert coded_rate == sample_rate
    assert find_lag(clean[0], decoded) == pytest.approx(DELAY, abs=0.1)
    assert DELAY == 576 + 528 + 1
    assert 1105 < len(decoded) - clean.shape[-1] < 2400  # what a decoder gives is too long as well
    assert not scan_mpeg(encoded).tagged


@pytest.mark.parametrize(
    ("sample_rate", "kbps", "channels"),
    [(rate, *stream) for rate, stream in zip(RATES, cycle([(16, 1), (32, 2), (64, 1), (64, 6)]), strict=False)],
)
def test_degraded_audio_has_lag_0_and_the_exact_length(sample_rate: int, kbps: int, channels: int) -> None:
    clean = sound(sample_rate, channels)
    degraded, reported = apply_damage(mp3, clean, sample_rate, parameters(kbps))
    assert degraded.shape == clean.shape
    assert degraded.dtype == np.float32
    assert abs(worst_lag(clean, degraded)) < 0.1 * sample_rate / reported["coded_rate"]  # a tenth of a coded sample


@pytest.mark.parametrize(("sample_rate", "kbps"), [(8000, 16), (22050, 32), (44100, 16), (96000, 128)])
def test_the_length_is_exact_down_to_one_sample(sample_rate: int, kbps: int) -> None:
    for frames in (1, 2, 575, 576, 577, 1151, 1152, 1153):
        clean = np.full((2, frames), 0.25, np.float32)
        degraded, _ = apply_damage(mp3, clean, sample_rate, parameters(kbps))
        assert degraded.shape == clean.shape
        assert np.isfinite(degraded).all(), frames


def test_the_end_of_the_sound_is_there() -> None:
    """A click 20 samples before the end comes back where it was, and so does one 20 after the start."""
    clean = np.zeros((1, 44100), np.float32)
    clean[0, 20] = clean[0, -20] = 0.9
    degraded, _ = apply_damage(mp3, clean, 44100, parameters(320))
    assert np.argmax(np.abs(degraded[0, :1000])) == 20
    assert np.argmax(np.abs(degraded[0, -1000:])) == 980


def test_silence_stays_silent() -> None:
    degraded, reported = apply_damage(mp3, np.zeros((2, 20000), np.float32), 44100, parameters(64))
    assert not degraded.any()
    assert reported["gain_db"] == 0.0
    assert reported["clipped"] == 0


# 2. Gain.


def tone(sample_rate: int = 44100, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 1000 * np.arange(sample_rate) / sample_rate))[None].astype(np.float32)


@pytest.mark.parametrize(
    ("kbps", "factor"),
    [(32, 0.95), (64, 0.95), (96, 0.95), (128, 0.95), (160, 0.95), (192, 0.97), (224, 0.98), (256, 1.0), (320, 1.0)],
)
def test_lame_turns_its_input_down(kbps: int, factor: float) -> None:
    degraded, reported = apply_damage(mp3, tone(), 44100, parameters(kbps, quality=3))
    assert reported["gain_db"] == pytest.approx(20 * np.log10(factor), abs=0.02)
    loudness = float(np.std(degraded[0, 5000:-5000])) / (0.5 / np.sqrt(2))
    assert loudness == pytest.approx(factor, abs=0.003)


# 3. Rate.


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (1, {16: 16000, 24: 16000, 32: 22050, 48: 32000, 64: 44100, 96: 44100, 128: 44100}),
        (2, {16: 8000, 24: 8000, 32: 16000, 48: 22050, 64: 24000, 96: 32000, 112: 44100, 128: 44100}),
    ],
)
def test_lame_chooses_the_coded_rate(channels: int, expected: dict[int, int]) -> None:
    clean = sound(44100, channels, 0.2)
    found = {kbps: apply_damage(mp3, clean, 44100, parameters(kbps))[1]["coded_rate"] for kbps in expected}
    assert found == expected


@pytest.mark.parametrize(("coded_rate", "kbps"), [(8000, 16), (16000, 32), (22050, 64), (32000, 96), (48000, 128)])
def test_the_coded_rate_asked_for_is_the_one_reported_and_audible(coded_rate: int, kbps: int) -> None:
    frames = 44100
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, frames)).astype(np.float32)
    degraded, reported = apply_damage(mp3, noise, 44100, parameters(kbps, coded_rate))
    assert reported["coded_rate"] == coded_rate
    power = np.abs(np.fft.rfft(degraded[0] * np.hanning(frames))) ** 2
    nyquist = int(coded_rate / 2 / 44100 * frames)
    if coded_rate < 44100:
        assert power[int(1.05 * nyquist) :].sum() < 1e-6 * power.sum()


# 4. Silent substitution.


@pytest.mark.parametrize(
    ("sample_rate", "kbps", "coded_rate", "got"),
    [
        (8000, 96, "auto", "64 kbit/s at 8000 Hz"),
        (44100, 16, 44100, "32 kbit/s at 44100 Hz"),
        (44100, 192, 22050, "160 kbit/s at 22050 Hz"),
        (22050, 320, "auto", "160 kbit/s at 22050 Hz"),
        (44100, 144, "auto", "128 kbit/s at 44100 Hz"),
    ],
)
def test_what_was_not_asked_for_is_refused(sample_rate: int, kbps: int, coded_rate: int | str, got: str) -> None:
    with pytest.raises(AudioRestoreError) as caught:
        apply_damage(mp3, sound(sample_rate), sample_rate, parameters(kbps, coded_rate))
    words = str(caught.value)
    assert got in words
    assert f"kbps={kbps}" in words
    assert f"coded_rate={coded_rate}" in words


@pytest.mark.parametrize(("kbps", "channels"), list(zip(BITRATES_KBPS, cycle([1, 2]), strict=False)))
def test_the_bit_rate_in_the_frames_is_the_one_asked_for(kbps: int, channels: int) -> None:
    coded_rate = 48000 if kbps > 160 else 24000
    encoded = encode(sound(coded_rate, channels, 0.3), coded_rate, parameters(kbps, coded_rate))
    stream = scan_mpeg(encoded)
    assert (stream.bitrate_kbps, stream.constant, stream.channels) == (kbps, True, channels)
    assert (stream.sample_rate, stream.layer, stream.complete) == (coded_rate, 3, True)
    assert len(encoded) * 8 / (stream.samples / coded_rate) == pytest.approx(kbps * 1000, rel=0.01)


# 5. Sixteen bits.


def test_samples_over_full_scale_are_counted_and_do_not_wrap() -> None:
    loud = tone(level=1.5)
    degraded, reported = apply_damage(mp3, loud, 44100, parameters(320))
    assert reported["clipped"] == np.count_nonzero(np.abs(loud) > 1.0) > 0
    assert apply_damage(mp3, tone(level=0.99), 44100, parameters(320))[1]["clipped"] == 0
    assert dot(loud, degraded) / np.sqrt(dot(loud, loud) * dot(degraded, degraded)) > 0.98  # wrapped: about 0.3


def test_full_scale_is_no_clipping() -> None:
    square = np.where(tone() >= 0, np.float32(1.0), np.float32(-1.0))
    degraded, reported = apply_damage(mp3, square, 44100, parameters(320))
    assert reported["clipped"] == 0
    assert dot(square, degraded) / np.sqrt(dot(square, square) * dot(degraded, degraded)) > 0.98


# 6. Bit rates that vary.


@pytest.mark.parametrize(("kbps", "channels"), [(48, 1), (96, 1), (128, 2)])
def test_an_average_bit_rate_is_kept_on_average(kbps: int, channels: int) -> None:
    clean = sound(44100, channels, 4.0)
    degraded, reported = apply_damage(mp3, clean, 44100, parameters(kbps, mode="abr"))
    assert reported["bitrate_kbps"] == pytest.approx(kbps, rel=0.1)
    assert abs(worst_lag(clean, degraded)) < 0.1 * 44100 / reported["coded_rate"]
    assert not scan_mpeg(encode(clean, 44100, parameters(kbps, mode="abr"))).constant


def test_a_better_vbr_quality_takes_more_bits_and_leaves_less_error() -> None:
    clean = sound(44100, 1, 2.0)
    bitrates_kbps, errors = [], []
    for vbr_quality in (0, 4, 9):
        degraded, reported = apply_damage(mp3, clean, 44100, parameters(64, 44100, mode="vbr", vbr_quality=vbr_quality))
        bitrates_kbps.append(reported["bitrate_kbps"])
        error = clean - closest_gain(clean, degraded) * degraded
        errors.append(dot(error, error))
    assert bitrates_kbps == sorted(bitrates_kbps, reverse=True)
    assert bitrates_kbps[0] > 2 * bitrates_kbps[2]
    assert errors == sorted(errors)
    assert errors[2] > 3 * errors[0]


def test_vbr_does_not_look_at_kbps() -> None:
    clean = sound(22050)
    settings = [parameters(kbps, mode="vbr") for kbps in (16, 320)]
    assert encode(clean, 22050, settings[0]) == encode(clean, 22050, settings[1])


@pytest.mark.parametrize("mode", ["abr", "vbr"])
@pytest.mark.parametrize(("sample_rate", "channels"), [(22050, 3), (44100, 2), (96000, 1)])
def test_all_of_a_stream_that_varies_comes_back_in_its_place(mode: str, sample_rate: int, channels: int) -> None:
    clean = sound(sample_rate, channels, 3.0)
    degraded, reported = apply_damage(mp3, clean, sample_rate, parameters(64, mode=mode))
    assert degraded.shape == clean.shape
    assert abs(worst_lag(clean, degraded)) < 0.1 * sample_rate / reported["coded_rate"]
    last = slice(-sample_rate // 2, None)
    for there, back in zip(clean[:, last], degraded[:, last], strict=True):
        assert dot(there, back) / np.sqrt(dot(there, there) * dot(back, back)) > 0.9


def test_libsndfile_alone_would_cut_a_stream_that_varies_short() -> None:
    """It takes the first frame's bit rate, here of full sound, for that of all; so every frame is walked first."""
    part = sound(44100, 1, 2.0)
    clean = np.concatenate([part, np.zeros((1, 4 * 44100), np.float32), part], axis=-1)
    settings = parameters(64, mode="vbr", vbr_quality=2)
    encoded = encode(clean, 44100, settings)
    assert scan_mpeg(encoded).samples > clean.shape[-1]
    assert len(soundfile.read(BytesIO(encoded))[0]) < 0.8 * clean.shape[-1]
    degraded, _ = apply_damage(mp3, clean, 44100, settings)
    end = degraded[:, -part.shape[-1] :]
    assert dot(part, end) / np.sqrt(dot(part, part) * dot(end, end)) > 0.95


@pytest.mark.parametrize("mode", ["cbr", "abr", "vbr"])
def test_the_codec_file_does_not_depend_on_how_the_sound_is_cut(mode: str) -> None:
    clean = sound(44100, 2, 2.0)
    files, outputs = [], []
    for block_frames in (88200, 777, 4096):
        run = Run(mp3.apply(Sound.of(clean, 44100, block_frames), parameters(96, mode=mode)))
        outputs.append(joined(run, 2))
        files.append(run.result.encoded[0].file.read())
        run.result.close()
        np.testing.assert_array_equal(outputs[-1], outputs[0])
    assert files[0] == files[1] == files[2]
    assert len(files[0]) > 1000


@pytest.mark.parametrize(
    ("kbps", "coded_rate", "words"), [(320, 22050, "at 22050 Hz where kbps=320"), (16, 44100, "44100 Hz where kbps=16")]
)
def test_an_average_that_no_frame_holds_is_refused(kbps: int, coded_rate: int, words: str) -> None:
    with pytest.raises(AudioRestoreError) as caught:
        apply_damage(mp3, sound(44100), 44100, parameters(kbps, coded_rate, mode="abr"))
    assert words in str(caught.value)


# What else the record and the user rely on.


def test_more_channels_than_two_are_a_stream_each() -> None:
    clean = sound(22050, 6)
    degraded, reported = apply_damage(mp3, clean, 22050, parameters(64))
    assert reported["streams"] == 6
    np.testing.assert_array_equal(degraded[4:5], apply_damage(mp3, clean[4:5], 22050, parameters(64))[0])
    assert "streams" not in apply_damage(mp3, clean[:2], 22050, parameters(64))[1]


def test_fewer_bits_leave_more_error() -> None:
    clean = sound(44100, 1)
    errors = []
    for kbps in (32, 64, 128, 256):
        degraded, _ = apply_damage(mp3, clean, 44100, parameters(kbps, 44100, quality=3))
        error = clean - closest_gain(clean, degraded) * degraded
        errors.append(decibels(dot(clean, clean) / dot(error, error)))
    assert errors == sorted(errors)
    assert errors[-1] > errors[0] + 10


# On real recordings.

RECORDINGS = [
    "ljspeech/LJ001-0002.flac",
    "speech/librispeech_1034-121119-0000.flac",
    "speech/sms_speech-male.flac",
    "speech/liblast_announcer_02.flac",
    "music-rendered/freedoom_e1m1.flac",
    "music/pdx_acoustic_guitar.flac",
]
EXCERPT_SECONDS = 5


@pytest.mark.parametrize(("name", "kbps"), list(zip(RECORDINGS, cycle([16, 32, 64, 96, 128]), strict=False)))
def test_real_recordings_keep_their_place(corpus: Path, name: str, kbps: int) -> None:
    rows, sample_rate = soundfile.read(corpus / name, dtype="float32", always_2d=True)
    clean = np.ascontiguousarray(rows[: EXCERPT_SECONDS * sample_rate].T)
    degraded, reported = apply_damage(mp3, clean, sample_rate, parameters(kbps, quality=3))
    assert degraded.shape == clean.shape
    assert abs(worst_lag(clean, degraded)) < 0.1 * sample_rate / reported["coded_rate"]


# LAME's -q and kbit/s: SNR of the decoded MP3 in dB, the same after one constant gain, and the MSE, on 25 clips of
# LJ Speech. Quality 2 is lameenc's default, 3 is LAME's. The better the quality, the *lower* the SNR: more of the
# noise is shaped to where it is inaudible.
GAIN_TABLE = {
    (2, 32): (14.6, 14.8, 3.2e-4),
    (2, 96): (22.9, 26.0, 4.4e-5),
    (2, 128): (24.1, 29.3, 3.3e-5),
    (3, 32): (14.6, 14.8, 3.2e-4),
    (3, 96): (24.1, 29.3, 3.3e-5),
    (3, 128): (24.3, 30.2, 3.2e-5),
}


@pytest.mark.parametrize(("quality", "kbps"), GAIN_TABLE)
def test_undoing_the_encoders_gain_wins_decibels(corpus: Path, quality: int, kbps: int) -> None:
    clips = sorted((corpus / "ljspeech").glob("LJ001-*.flac"))
    assert len(clips) == 25
    raw, leveled, squared = [], [], []
    for clip in clips:
        rows, sample_rate = soundfile.read(clip, dtype="float32", always_2d=True)
        clean = np.ascontiguousarray(rows.T)
        degraded, _ = apply_damage(mp3, clean, sample_rate, parameters(kbps, quality=quality))
        for gain, snrs_db in ((1.0, raw), (1 / 0.95, leveled)):
            error = clean - np.float32(gain) * degraded
            snrs_db.append(decibels(dot(clean, clean) / dot(error, error)))
        squared.append(mean_power(clean - degraded))
    snr_db, leveled_db, mse = GAIN_TABLE[quality, kbps]
    assert (np.mean(raw), np.mean(leveled)) == pytest.approx((snr_db, leveled_db), abs=0.3)
    assert np.mean(squared) == pytest.approx(mse, rel=0.05)
