"""Lost packets: as many and as clustered as asked for, on their grid, and filled as said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from in_memory import apply_damage, in_blocks

from audiorestore.damage import dropout
from audiorestore.damage._damage import Run
from audiorestore.errors import AudioRestoreError
from audiorestore.signal.sound import joined

RATE = 8000


def parameters(**settings: Any) -> dropout.Config:
    return replace(dropout.Config(20.0, 10.0, 3.0, 0.0, 100.0, "zero", 7), **settings)


def noise(channels: int = 1, frames: int = 4 * RATE) -> np.ndarray:
    """Noise without a single zero."""
    draws = np.random.default_rng(1).uniform(0.1, 0.9, (channels, frames))
    return np.asarray(draws, np.float32)


def lost_packets(packets: int, packet_frames: int = 8, **settings: float | str | int) -> np.ndarray:
    """Which packets of a long recording are lost, read from the sound itself."""
    clean = np.ones((1, packets * packet_frames), np.float32)
    drawn = parameters(packet_ms=1000 * packet_frames / RATE, **settings)
    degraded, reported = apply_damage(dropout, clean, RATE, drawn)
    grid = degraded.reshape(packets, packet_frames)
    lost = (grid == 0).all(axis=1)
    assert (lost | (grid == 1).all(axis=1)).all()  # whole packets, on their grid
    assert reported["packets"] == packets
    assert reported["lost_packets"] == lost.sum()
    assert reported["lost_percent"] == pytest.approx(100 * lost.mean(), abs=1e-3)
    return lost


def bursts(lost: np.ndarray) -> np.ndarray:
    """Lengths of the runs of lost packets."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(int)))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize("loss_percent", [1.0, 10.0, 40.0])
@pytest.mark.parametrize("burst_packets", [1.0, 2.5, 20.0])
def test_share_and_bursts_are_those_asked_for(loss_percent: float, burst_packets: float) -> None:
    lost = lost_packets(300_000, loss_percent=loss_percent, burst_packets=burst_packets)
    lengths = bursts(lost)
    # A mean over n bursts strays by its deviation over √n: 5 of those, and bursts of one do not stray at all.
    tolerance = 5 / np.sqrt(len(lengths))
    assert 100 * lost.mean() == pytest.approx(loss_percent, rel=1.5 * tolerance)
    assert lengths.mean() == pytest.approx(burst_packets, rel=tolerance * np.sqrt(1 - 1 / burst_packets) + 1e-9)


def test_bursts_have_no_memory_of_their_length() -> None:
    """Geometric: of the bursts that last n packets, the same share goes on."""
    lengths = bursts(lost_packets(400_000, loss_percent=20.0, burst_packets=4.0))
    for length in (1, 2, 4, 8):
        assert (lengths > length).sum() / (lengths >= length).sum() == pytest.approx(0.75, abs=0.03)


def test_losses_without_clusters_are_independent() -> None:
    """Where the bad state is left as often as it would be missed by chance, packets know nothing of each other."""
    lost = lost_packets(200_000, loss_percent=20.0, burst_packets=1.25)
    assert np.corrcoef(lost[1:], lost[:-1])[0, 1] == pytest.approx(0.0, abs=0.015)


def test_elliotts_channel_loses_in_both_states() -> None:
    settings = {"loss_percent": 8.0, "burst_packets": 10.0, "good_loss_percent": 2.0, "bad_loss_percent": 50.0}
    lost = lost_packets(400_000, **settings)
    assert 100 * lost.mean() == pytest.approx(8.0, rel=0.06)
    # An eighth of the time is bad, 1 − 1/10 − 1/70 of what it is remains from packet to packet: Elliott's covariance.
    memory, bad_share = 1 - 1 / 10 - 1 / 70, 1 / 8
    for lag in (1, 5):
        covariance = np.mean(lost[lag:] & lost[:-lag]) - lost.mean() ** 2
        wanted = bad_share * (1 - bad_share) * 0.48**2 * memory**lag
        assert covariance == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss_percent": 80.0, "burst_packets": 1.0}, r"burst_packets=4(\.01)? or more"),
        ({"loss_percent": 60.0, "bad_loss_percent": 50.0}, "must lie between good_loss_percent"),
        ({"loss_percent": 5.0, "good_loss_percent": 10.0}, "good_loss_percent=10"),
    ],
)
def test_what_no_network_does_is_refused_in_words(settings: dict[str, float], words: str) -> None:
    with pytest.raises(AudioRestoreError, match=words):
        apply_damage(dropout, noise(), RATE, parameters(**settings))


def test_the_first_packet_always_arrives() -> None:
    for seed in range(50):
        degraded, _ = apply_damage(
            dropout, noise(frames=320), RATE, parameters(loss_percent=90.0, burst_packets=9.0, loss_seed=seed)
        )
        np.testing.assert_array_equal(degraded[:, :160], noise(frames=320)[:, :160])


def test_the_second_packet_is_lost_as_often_as_any_other() -> None:
    """The network did not begin to work when the recording began."""
    lost = np.array([lost_packets(12, loss_percent=20.0, burst_packets=6.0, loss_seed=seed) for seed in range(4000)])
    assert 100 * lost[:, 1].mean() == pytest.approx(20.0, abs=2.5)
    assert 100 * lost[:, 11].mean() == pytest.approx(20.0, abs=2.5)


@pytest.mark.parametrize("fill", ["zero", "repeat", "fade"])
def test_what_arrives_is_untouched_and_all_channels_lose_the_same(fill: str) -> None:
    clean = noise(3)
    before = clean.copy()
    degraded, reported = apply_damage(dropout, clean, RATE, parameters(fill=fill, loss_percent=40.0))
    np.testing.assert_array_equal(clean, before)
    changed = (degraded != clean).reshape(3, -1, 160).any(axis=2)
    assert (changed == changed[0]).all()
    assert changed[0].sum() == reported["lost_packets"] > 20


def test_the_fill_does_not_decide_what_is_lost() -> None:
    clean = noise()
    fills = ("zero", "repeat", "fade")
    lost = [(apply_damage(dropout, clean, RATE, parameters(fill=fill))[0] != clean) for fill in fills]
    assert lost[0].any()
    np.testing.assert_array_equal(lost[0], lost[1])
    np.testing.assert_array_equal(lost[0], lost[2])
    other, _ = apply_damage(dropout, clean, RATE, parameters(loss_seed=8))
    assert (other != clean).any(axis=0).tolist() != lost[0][0].tolist()


def test_a_lost_packet_is_the_last_one_again_through_the_burst() -> None:
    clean = noise(2)
    degraded, _ = apply_damage(dropout, clean, RATE, parameters(fill="repeat", burst_packets=4.0, loss_percent=30.0))
    packets, wanted = degraded.reshape(2, -1, 160), clean.reshape(2, -1, 160)
    last, longest, run = 0, 0, 0
    for index in range(packets.shape[1]):
        if np.array_equal(packets[:, index], wanted[:, index]):
            last, run = index, 0
        else:
            run += 1
            longest = max(longest, run)
            np.testing.assert_array_equal(packets[:, index], wanted[:, last])
    assert longest > 5


@pytest.mark.parametrize("packet_ms", [5.0, 20.0, 100.0])
def test_fading_is_whole_for_ten_milliseconds_and_gone_after_sixty(packet_ms: float) -> None:
    clean = np.ones((1, 20 * RATE), np.float32)
    settings = {"packet_ms": packet_ms, "burst_packets": 30.0, "loss_percent": 30.0}
    degraded, _ = apply_damage(dropout, clean, RATE, parameters(fill="fade", **settings))
    gone, _ = apply_damage(dropout, clean, RATE, parameters(fill="zero", **settings))
    starts = np.flatnonzero(np.diff(gone[0]) < 0) + 1
    stops = np.flatnonzero(np.diff(gone[0]) > 0) + 1
    long = [start for start, stop in zip(starts, stops, strict=False) if stop - start > RATE // 10]
    assert long
    for start in long:
        level = degraded[0, start : start + RATE // 10]
        assert (level[:81] == 1.0).all()
        np.testing.assert_allclose(np.diff(level[80:481]), -1 / 400, atol=1e-6)
        assert level[280] == pytest.approx(0.5, abs=1e-6)  # half of it at 35 ms
        assert np.abs(level[480:]).max() < 1e-6


@pytest.mark.parametrize("sample_rate", [8000, 11025, 44100, 192000])
@pytest.mark.parametrize("packet_ms", [1.0, 20.0, 500.0])
def test_packets_are_as_long_as_asked_for(sample_rate: int, packet_ms: float) -> None:
    size = round(packet_ms * sample_rate / 1000)
    clean = np.ones((1, 40 * size + size // 2), np.float32)
    degraded, reported = apply_damage(dropout, clean, sample_rate, parameters(packet_ms=packet_ms, loss_percent=40.0))
    assert reported["packets"] == 41
    edges = np.flatnonzero(np.diff(degraded[0])) + 1
    assert len(edges) > 4
    assert not (edges % size).any()


@pytest.mark.parametrize("lengths", [[1], [7, 1000], [160], [100000]])
@pytest.mark.parametrize("fill", ["repeat", "fade"])
def test_blocks_of_any_length_give_the_same(lengths: list[int], fill: str) -> None:
    clean = noise(2, 70001 if lengths != [1] else 8001)
    drawn = parameters(fill=fill, loss_percent=50.0)
    run = Run(dropout.apply(in_blocks(clean, RATE, lengths), drawn))
    whole, reported = apply_damage(dropout, clean, RATE, drawn)
    np.testing.assert_array_equal(joined(run, 2), whole)
    assert run.result.measured == reported


def test_a_burst_over_the_edge_of_what_is_read_at_once_goes_on() -> None:
    clean = noise(1, 200_000)
    drawn = parameters(fill="repeat", loss_percent=90.0, burst_packets=1000.0, loss_seed=3)
    degraded, _ = apply_damage(dropout, clean, RATE, drawn)
    changed = np.flatnonzero((degraded != clean)[0])
    first = int(changed[0])
    until = first + int(np.flatnonzero(degraded[0, first:] == clean[0, first:])[0])
    assert until - first > 70_000
    held = clean[0, first - 160 : first]
    np.testing.assert_array_equal(degraded[0, first:until], np.resize(held, until - first))


def test_speech_over_a_network_keeps_its_place(corpus: Path) -> None:
    rows, sample_rate = soundfile.read(corpus / "ljspeech" / "LJ001-0002.flac", dtype="float32", always_2d=True)
    for fill in ("zero", "repeat", "fade"):
        degraded, reported = apply_damage(dropout, rows.T, sample_rate, parameters(fill=fill, loss_percent=20.0))
        size = sample_rate // 50
        kept = [
            np.array_equal(degraded[:, at : at + size], rows.T[:, at : at + size]) for at in range(0, len(rows), size)
        ]
        assert reported["packets"] == len(kept)
        assert reported["lost_packets"] > 0
        assert sum(kept) >= reported["packets"] - reported["lost_packets"]  # of two equal silences none can tell
