"""Pairs made to mislead: whatever was done to the degraded side, its lag is right, or the pair is refused by name."""

import functools
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from audiorestore.damage import DAMAGES
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.data.manifest import Record
from audiorestore.engine.pairing import pair
from audiorestore.engine.pairing.pair import PairConfig, pair_record
from audiorestore.errors import AlignmentError, AudioFileError, UsageError
from audiorestore.signal import align
from audiorestore.signal.align import ChannelAlignment
from audiorestore.signal.findings import FINDINGS
from audiorestore.signal.sound import Sound

RATE = 22050
FRAMES = 3 * RATE
RNG = np.random.default_rng


def song(seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    return _played(seed, frames).copy()


@functools.cache
def _played(seed: int, frames: int) -> np.ndarray:
    """Play notes of random pitch and length, each with ten partials and a noisy attack, as a melody is played."""
    rng = RNG(seed)
    played = np.zeros(frames + RATE)
    start = 0
    while start < frames:
        length = int(rng.integers(RATE // 8, RATE // 3))
        times = np.arange(2 * length) / RATE
        pitch_hz = 110.0 * 2 ** (rng.integers(0, 25) / 12)
        partials = np.arange(1, 11)[:, None]
        tone = np.sum(
            np.sin(2 * np.pi * pitch_hz * partials * times + rng.uniform(0, 6, (10, 1))) / partials**1.5, axis=0
        )
        attack = rng.standard_normal(len(times)) * np.exp(-times * 60)
        room = min(len(times), len(played) - start)
        played[start : start + room] += ((tone + attack) * np.exp(-times * 6))[:room]
        start += length
    return np.asarray(0.1 * played[:frames], np.float32)


def stereo(width: float, seed: int = 0) -> np.ndarray:
    """Mix two songs: width 1 keeps them apart, 0.01 is nearly mono."""
    middle, side = song(seed), width * song(seed + 50)
    return np.stack([middle + side, middle - side])


def late(waveform: np.ndarray, lag: float) -> np.ndarray:
    """The same length, later by any fraction, by turning phases; what goes over an end is lost."""
    frames = waveform.shape[-1]
    n_fft = 1 << (2 * frames).bit_length()
    turned = np.fft.rfft(waveform, n_fft) * np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) * lag / n_fft)
    return np.asarray(np.fft.irfft(turned, n_fft)[..., :frames], np.float32)


def hissing(waveform: np.ndarray, snr_db: float = 0.0) -> np.ndarray:
    level = np.sqrt(np.mean(np.square(waveform))) * 10 ** (-snr_db / 20)
    return np.asarray(waveform + level * RNG(7).standard_normal(waveform.shape), np.float32)


def coded(waveform: np.ndarray, container: str, subtype: str, level: float, rate: int = RATE) -> np.ndarray:
    """Through a lossy codec of libsndfile and back, its delay left in."""
    file = io.BytesIO()
    options = {} if container == "OGG" else {"bitrate_mode": "CONSTANT"}
    soundfile.write(file, waveform.T, rate, subtype, format=container, compression_level=level, **options)
    file.seek(0)
    return np.ascontiguousarray(soundfile.read(file, dtype="float32", always_2d=True)[0].T)


def mp3(waveform: np.ndarray) -> np.ndarray:
    return coded(waveform, "MP3", "MPEG_LAYER_III", 0.95)  # 16 kbit/s


def vorbis(waveform: np.ndarray) -> np.ndarray:
    return coded(waveform, "OGG", "VORBIS", 1.0)


def lowpassed(waveform: np.ndarray, cutoff_hz: float = 2000.0) -> np.ndarray:
    spectrum = np.fft.rfft(waveform)
    frequencies = np.fft.rfftfreq(waveform.shape[-1], 1 / RATE)
    return np.asarray(np.fft.irfft(spectrum / (1 + (frequencies / cutoff_hz) ** 8), waveform.shape[-1]), np.float32)


def clipped(waveform: np.ndarray) -> np.ndarray:
    limit = 0.5 * np.sqrt(np.mean(np.square(waveform)))
    return np.clip(waveform, -limit, limit)


def crackling(waveform: np.ndarray) -> np.ndarray:
    damaged = waveform.copy()
    places = RNG(3).integers(0, waveform.shape[-1], 100)
    damaged[..., places] += RNG(4).standard_normal(100).astype(np.float32)
    return damaged


def dropping_out(waveform: np.ndarray) -> np.ndarray:
    """Mute a twentieth of the time, in pieces of 20 ms."""
    damaged, length = waveform.copy(), RATE // 50
    for start in RNG(5).integers(0, waveform.shape[-1] - length, waveform.shape[-1] // (20 * length)):
        damaged[..., start : start + length] = 0.0
    return damaged


def coarse(waveform: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(waveform * 127) / 127, np.float32)


def as_it_is(waveform: np.ndarray) -> np.ndarray:
    return waveform


def at_another_rate(waveform: np.ndarray) -> np.ndarray:
    there = soxr.resample(waveform.T, RATE, 16000, quality="VHQ")
    return np.ascontiguousarray(soxr.resample(there, 16000, RATE, quality="VHQ").T)[..., : waveform.shape[-1]]


MILD: list[Callable[[np.ndarray], np.ndarray]] = [as_it_is, vorbis, at_another_rate, coarse, dropping_out]
HEAVY: list[Callable[[np.ndarray], np.ndarray]] = [hissing, lowpassed, clipped, crackling]
LAGS = [0, 1, -1, -576, 20_000, -20_000, 0.5, -1000.4]


def pairwise(damages: list[Callable[[np.ndarray], np.ndarray]], others: Sequence[Any], count: int) -> list[Any]:
    """List each damage with that number of the others, so that all of them are taken."""
    return [
        (damage, others[(count * index + offset) % len(others)])
        for index, damage in enumerate(damages)
        for offset in range(count)
    ]


@pytest.fixture
def aligned_pair(tmp_path: Path) -> Any:
    """Write a reference and a degraded waveform, and pair them."""

    def run(reference: np.ndarray, degraded: np.ndarray, **options: Any) -> Record:
        record: Record = {"id": "song", "reference": str(tmp_path / "a.wav"), "degraded": str(tmp_path / "b.wav")}
        record |= {"damage": options.pop("damage")} if "damage" in options else {}
        for role, waveform in (("reference", reference), ("degraded", degraded)):
            write_audio(Path(record[role]), np.atleast_2d(waveform), RATE, subtype="FLOAT", overwrite=True)
        folder = options.pop("folder", tmp_path / "aligned")
        return pair_record(record, PairConfig(folder=folder, **options))

    return run


def measure(
    reference: np.ndarray, degraded: np.ndarray, allow: frozenset[str] = frozenset()
) -> list[ChannelAlignment | None]:
    return align.measure(Sound.of(reference, RATE), Sound.of(degraded, RATE), allow)


def lag_of(reference: np.ndarray, degraded: np.ndarray) -> float:
    (channel,) = measure(np.atleast_2d(reference), np.atleast_2d(degraded))
    assert channel is not None
    return channel.lag


def refusal(reference: np.ndarray, degraded: np.ndarray) -> AlignmentError:
    with pytest.raises(AlignmentError) as caught:
        measure(np.atleast_2d(reference), np.atleast_2d(degraded))
    return caught.value


# The lag is right, whatever was done.


@pytest.mark.parametrize(("damaged", "lag"), pairwise(MILD, LAGS, 3))
def test_mild_damage_leaves_the_lag_to_the_sample(damaged: Callable[[np.ndarray], np.ndarray], lag: float) -> None:
    reference = song(1)
    found = lag_of(reference, 0.4 * damaged(late(reference, lag)[None])[0])
    assert found == lag if lag == round(lag) else found == pytest.approx(lag, abs=0.1)


@pytest.mark.parametrize(("damaged", "lag"), pairwise(HEAVY, LAGS, 3))
def test_heavy_damage_leaves_the_lag_to_half_a_sample(damaged: Callable[[np.ndarray], np.ndarray], lag: float) -> None:
    reference = song(2)
    assert lag_of(reference, 0.4 * damaged(late(reference, lag)[None])[0]) == pytest.approx(lag, abs=0.5)


def test_a_codec_s_delay_is_reported_and_removed(aligned_pair: Any) -> None:
    reference = np.stack([song(3), song(4)])
    record = aligned_pair(reference, mp3(reference))
    lag = record["alignment"]["lag"]
    assert lag == round(lag)
    assert record["alignment"]["residual_lag"] == 0.0
    assert set(record["alignment"]["windows"]) == {0.0}
    assert (
        aligned_pair(reference, np.pad(mp3(reference), [(0, 0), (333, 0)]), overwrite=True)["alignment"]["lag"]
        == lag + 333
    )


# What the windows say.


@pytest.mark.parametrize("damaged", [*MILD, *HEAVY])
def test_windows_say_that_nothing_is_left_under_any_damage(
    aligned_pair: Any, damaged: Callable[[np.ndarray], np.ndarray]
) -> None:
    reference = song(5)[None]
    record = aligned_pair(reference, np.pad(damaged(reference), [(0, 0), (44, 0)]))
    assert set(record["alignment"]["windows"]) <= {0.0, None}
    assert 0.0 in record["alignment"]["windows"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_longer_recordings_have_eight_windows_and_few_samples_none(aligned_pair: Any) -> None:
    reference = song(6, 10 * 32768)
    assert aligned_pair(reference, coarse(reference))["alignment"]["windows"] == 8 * [0.0]
    assert aligned_pair(reference[:1000], reference[:1000])["alignment"]["windows"] == []


def test_a_window_without_sound_or_with_a_held_tone_says_nothing(aligned_pair: Any) -> None:
    reference = song(6, 10 * 32768)
    reference[:40_000] = 0.0
    reference[-80_000:] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(80_000) / RATE)
    windows = aligned_pair(reference, hissing(reference, 30.0))["alignment"]["windows"]
    assert windows[0] is None
    assert windows[-1] is None
    assert windows[2:6] == 4 * [0.0]


def test_windows_are_reported_for_each_channel_where_they_differ(aligned_pair: Any) -> None:
    reference = np.stack([song(7, 8 * 32768), song(8, 8 * 32768)])
    reference[1, :60_000] = 0.0
    record = aligned_pair(reference, np.pad(reference, [(0, 0), (5, 0)]))
    assert record["alignment"]["windows"] == [8 * [0.0], [None, *7 * [0.0]]]


# Music that repeats itself.


def test_a_loop_late_by_more_than_a_bar_is_found_by_its_ends() -> None:
    bar = song(9, RATE // 2)
    loop = np.tile(bar, 8)
    for lag in (3000, len(bar) + 3000, 2 * len(bar), -3000):
        whole = np.pad(loop, (10_000 + lag, 10_000 - lag)) if abs(lag) <= 10_000 else np.pad(loop, (lag, 0))
        assert lag_of(np.pad(loop, (10_000, 10_000)) if abs(lag) <= 10_000 else loop, whole) == lag
    cut = np.concatenate([np.zeros(len(bar) + 3000, np.float32), loop])[: len(loop)]
    assert lag_of(loop, cut) == len(bar) + 3000
    assert lag_of(loop, hissing(cut, 10.0)) == len(bar) + 3000


def test_where_repeats_leave_it_open_the_nearest_to_no_lag_is_taken() -> None:
    bar = song(9, RATE // 2)
    loop = np.tile(bar, 8)
    assert lag_of(loop, loop[len(bar) :]) == 0  # any bar would do
    assert lag_of(loop, loop[len(bar) + 3000 :]) == -3000
    assert lag_of(loop, hissing(loop[3 * len(bar) :], 10.0)) == 0


# What is refused, by name.


@pytest.mark.parametrize("seed", [1, 2])
def test_another_song_of_the_same_spectrum_is_a_wrong_partner(seed: int) -> None:
    error = refusal(song(0), song(seed))
    assert error.kind == "content"
    assert "do not look like the same recording" in str(error)
    assert refusal(song(0), hissing(late(song(seed), 500), 20.0)).kind == "content"
    loud = song(0) + np.where(
        np.arange(FRAMES) < 8000, 10 * song(40), 0
    )  # the loudest part is missing on the other side
    assert refusal(loud, song(seed)).kind == "content"
    assert lag_of(loud, song(0)[8000:]) == -8000


def test_silence_is_refused_as_a_partner() -> None:
    assert refusal(song(), np.zeros(FRAMES)).kind == "content"


@pytest.mark.parametrize(("damaged", "lag"), pairwise([as_it_is, hissing, mp3, clipped], [0, 333, -20_000], 2))
def test_inverted_polarity_is_named_whatever_else_was_done(
    damaged: Callable[[np.ndarray], np.ndarray], lag: int
) -> None:
    reference = song(11)
    error = refusal(reference, -damaged(late(reference, lag)[None])[0])
    assert error.kind == "polarity"
    assert "polarity is inverted" in str(error)


def test_one_inverted_channel_is_named() -> None:
    both = stereo(0.5)
    error = refusal(both, both * np.float32([[1], [-1]]))
    assert error.kind == "polarity"
    assert "(in channel 2)" in str(error)


@pytest.mark.parametrize(("damaged", "width"), pairwise([as_it_is, vorbis, mp3], [1.0, 0.3, 0.1], 2))
def test_swapped_channels_are_named(damaged: Callable[[np.ndarray], np.ndarray], width: float) -> None:
    both = stereo(width)
    error = refusal(both, np.pad(damaged(both[::-1].copy()), [(0, 0), (123, 0)]))
    assert error.kind == "channels"
    assert "channel 1 holds the reference's channel 2" in str(error)
    assert refusal(both, both[::-1] * np.float32([[0.2], [1.0]])).kind == "channels"


@pytest.mark.parametrize(
    ("damaged", "mix"), pairwise([vorbis, mp3, hissing, clipped], [(1.0, 0.1), (0.1, 1.0), (0.01, 0.1), (0.0, 1.0)], 3)
)
def test_channels_in_place_are_never_called_swapped(
    damaged: Callable[[np.ndarray], np.ndarray], mix: tuple[float, float]
) -> None:
    width, balance = mix
    both = stereo(width)
    found = measure(both, damaged(both) * np.float32([[balance], [1.0]]))
    assert all(channel is not None and channel.correlation > 0.5 for channel in found)
    middle = np.stack([both.mean(axis=0)] * 2)  # what joint stereo comes to where bits are few
    if width <= 0.1:
        measure(both, hissing(middle, 20.0))


def test_a_silent_channel_on_the_wrong_side_is_swapped() -> None:
    left = np.stack([song(1), 0 * song(1)])
    assert refusal(left, late(left[::-1], 30)).kind == "channels"


def test_channels_of_many_are_matched() -> None:
    four = np.stack([song(seed) for seed in range(20, 24)])
    assert [channel is not None for channel in measure(four, 0.5 * four)] == 4 * [True]
    error = refusal(four, four[[0, 2, 1, 3]])
    assert error.kind == "channels"
    assert "channel 2 holds the reference's channel 3" in str(error)


def test_swapped_and_inverted_is_reported_in_one_sentence() -> None:
    both = stereo(0.5)
    error = refusal(both, -both[::-1])
    assert error.kind == "channels"
    assert "swapped" in str(error)
    assert "polarity is inverted" in str(error)
    with pytest.raises(AlignmentError, match="polarity") as caught:
        measure(both, -both[::-1], frozenset({"channels"}))
    assert caught.value.kind == "polarity"


@pytest.mark.parametrize(
    ("percent", "said"), [(0.05, "slower"), (0.1, "slower"), (-0.1, "faster"), (1.0, "slower"), (-5.0, "faster")]
)
def test_a_wrong_speed_is_reported_in_per_cent(percent: float, said: str) -> None:
    reference = song(12, 8 * RATE)
    played = soxr.resample(reference, 100_000, round(100_000 + 1000 * percent), quality="VHQ")
    error = refusal(reference, played)
    assert error.kind == "drift"
    found = re.search(rf"another speed: it is {said} by ([0-9.]+) %", str(error))
    assert found
    assert float(found[1]) == pytest.approx(abs(percent), rel=0.06)


@pytest.mark.parametrize("frames", [300, 1105])
def test_a_cut_and_a_gap_are_distinguished(frames: int) -> None:
    reference = song(13, 8 * RATE)
    middle = 4 * RATE
    cut = refusal(reference, np.delete(reference, slice(middle, middle + frames)))
    assert cut.kind == "drift"
    assert f"a cut: {frames} samples are missing" in str(cut)
    gap = refusal(reference, np.insert(reference, middle, np.zeros(frames, np.float32)))
    assert gap.kind == "drift"
    assert f"a gap: {frames} samples are too many" in str(gap)


def wow(waveform: np.ndarray, depth: float, frequency_hz: float = 0.6) -> np.ndarray:
    times = np.arange(waveform.shape[-1])
    swing = depth * RATE / (2 * np.pi * frequency_hz) * np.sin(2 * np.pi * frequency_hz * times / RATE)
    return np.stack([np.interp(times + swing, times, row) for row in np.atleast_2d(waveform)]).astype(np.float32)


@pytest.mark.parametrize("depth", [0.002, 0.004, 0.01])
def test_wow_is_called_wow(depth: float) -> None:
    reference = song(14, 8 * RATE)
    error = refusal(reference, wow(reference, depth))
    assert error.kind == "drift"
    assert "back and forth" in str(error)


# What may be let through.


def test_findings_that_are_allowed_are_noted_in_the_record(aligned_pair: Any) -> None:
    both = stereo(0.5)
    for kind, degraded in (("polarity", -0.5 * both), ("channels", 0.5 * both[::-1])):
        with pytest.raises(AlignmentError, match=rf"\(--allow {kind} accepts the pair as it is\)"):
            aligned_pair(both, degraded, folder=None)
        record = aligned_pair(both, degraded, folder=None, allow=frozenset([kind]))
        assert record["alignment"]["found"] == [kind]
        assert record["alignment"]["gain_db"] == -6.02
        assert record["alignment"]["lag"] == record["alignment"]["residual_lag"] == 0.0
    record = aligned_pair(both, -both[::-1], folder=None, allow=frozenset(["polarity", "channels"]))
    assert record["alignment"]["found"] == ["channels", "polarity"]


def test_what_is_let_through_is_aligned_and_otherwise_left_as_it_is(aligned_pair: Any) -> None:
    both = stereo(0.5)
    record = aligned_pair(both, np.pad(-both[::-1], [(0, 0), (90, 0)]), allow=frozenset(FINDINGS))
    assert record["alignment"]["lag"] == 90.0
    assert record["alignment"]["residual_lag"] == 0.0
    np.testing.assert_array_equal(read_audio(record["degraded"])[0], -both[::-1])


def test_other_content_that_is_allowed_has_no_lag_and_no_gain(aligned_pair: Any) -> None:
    record = aligned_pair(song(1), song(2), level="match", allow=frozenset(["content"]))
    assert record["alignment"]["found"] == ["content"]
    assert record["alignment"]["lag"] == 0.0
    assert record["alignment"]["gain_db"] is None
    assert record["alignment"]["residual_lag"] is None
    assert "aligned" not in record["degraded"]


def test_drift_that_is_allowed_is_seen_to_grow_from_window_to_window(aligned_pair: Any) -> None:
    reference = song(15, 12 * RATE)
    slow = soxr.resample(reference, 100_000, 100_010, quality="VHQ")
    record = aligned_pair(reference, slow, allow=frozenset(["drift"]))
    windows = [window for window in record["alignment"]["windows"] if window is not None]
    assert record["alignment"]["found"] == ["drift"]
    assert len(windows) >= 6
    assert all(np.diff(windows) > 0)
    assert windows[-1] - windows[0] == pytest.approx(1e-4 * 12 * RATE * 7 / 8, rel=0.2)


def test_only_findings_can_be_allowed() -> None:
    with pytest.raises(UsageError, match="there are: channels, polarity, content, drift"):
        PairConfig(allow=frozenset(["noise"]))


def test_an_earlier_copy_is_not_taken_where_its_finding_is_allowed_no_longer(aligned_pair: Any) -> None:
    reference = song(16)
    degraded = -np.pad(reference, (50, 0))
    first = aligned_pair(reference, degraded, allow=frozenset(["polarity"]))
    assert aligned_pair(reference, degraded, allow=frozenset(["polarity", "drift"])) == first
    with pytest.raises(AlignmentError, match="polarity"):
        aligned_pair(reference, degraded)


# Damage that warps time on purpose.


@pytest.fixture
def warping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make wow a damage, as if its file were there."""
    module = SimpleNamespace(
        warp=lambda sound, config: iter([wow(sound.whole(), config["depth"])]),
        Config=SimpleNamespace(from_record=lambda parameters: parameters),
    )
    registry = SimpleNamespace(names=lambda: [*DAMAGES.names(), "lurch"], load=lambda name: module)
    monkeypatch.setattr(pair, "DAMAGES", registry)


LURCH: list[dict[str, Any]] = [{"name": "somebody's own"}, {"name": "lurch", "depth": 0.004}]


@pytest.mark.usefixtures("warping")
def test_a_reference_follows_its_damage_s_time_map(aligned_pair: Any) -> None:
    reference = song(17)
    damaged = hissing(wow(reference, 0.004), 20.0)
    record = aligned_pair(reference, damaged, damage=LURCH)
    assert record["alignment"]["warped"] is True
    assert record["alignment"]["lag"] == 0.0
    np.testing.assert_array_equal(read_audio(record["reference"])[0], wow(reference, 0.004))
    np.testing.assert_array_equal(read_audio(record["degraded"])[0], damaged)
    assert aligned_pair(reference, damaged, damage=LURCH) == record
    with pytest.raises(AudioFileError, match="made from something else"):
        aligned_pair(reference, damaged, damage=[{"name": "lurch", "depth": 0.002}])


@pytest.mark.usefixtures("warping")
def test_a_time_map_needs_a_folder(aligned_pair: Any) -> None:
    with pytest.raises(AlignmentError, match=r"follow the time warp of lurch; give -o FOLDER"):
        aligned_pair(song(17), song(17), damage=LURCH, folder=None)


# Real recordings.


@pytest.mark.parametrize("folder", ["ljspeech", "music", "music-rendered", "speech"])
def test_real_recordings_are_aligned_and_wrong_partners_are_named(corpus: Path, folder: str) -> None:
    sounds = []
    for path in sorted((corpus / folder).rglob("*.flac"))[::7]:
        waveform, rate = soundfile.read(path, dtype="float32", always_2d=True, frames=120_000)
        if len(waveform) == 120_000:
            sounds.append((rate, np.ascontiguousarray(waveform.T)))
    for index, (rate, waveform) in enumerate(sounds[:3]):
        lag = [77, -576, 1105][index]
        moved = np.pad(waveform, [(0, 0), (lag, 0)]) if lag > 0 else waveform[:, -lag:]
        for damaged in (coded(moved, "OGG", "VORBIS", 0.8, rate), hissing(moved, 20.0)):
            assert {channel.lag for channel in measure(waveform, damaged) if channel} == {lag}
        assert refusal(waveform, -moved).kind == "polarity"
        other = sounds[index + 1][1] if index + 1 < len(sounds) else waveform[:, :0]
        if other.shape == waveform.shape:
            assert refusal(waveform, other).kind == "content"
