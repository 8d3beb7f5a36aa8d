"""Pictures of pairs: each side in its panel, the level of the difference, and text about damage and alignment."""

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image as matplotlib_image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audiorestore.data.audio_file import AudioReader, write_audio
from audiorestore.errors import AudioFileError, RecordError
from audiorestore.report._canvas import RANGE_DB
from audiorestore.report.pair_pictures import PairSketch, draw, plot_pair, sketch_pair
from audiorestore.report.pair_words import pair_lines, residual_lags

RATE = 16000
ALIGNMENT = {"lag": 160.0, "gain_db": -3.2, "residual_lag": 0.0, "level": "keep", "windows": [0.0, None, 0.02]}


def noise(seed: int, frames: int = RATE, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def tone(frequency_hz: float, frames: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / RATE))[np.newaxis].astype(np.float32)


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    """Write both sides of a pair and make its record."""

    def make(reference: np.ndarray, degraded: np.ndarray, **fields: Any) -> dict[str, Any]:
        made = {"id": "song", "sample_rate": RATE, **fields}
        for role, waveform in (("reference", reference), ("degraded", degraded)):
            made[role] = str(tmp_path / f"{role}.wav")
            write_audio(made[role], waveform, RATE, subtype="FLOAT", overwrite=True)
        return made

    return make


def sketch_of(record: dict[str, Any]) -> PairSketch:
    with AudioReader(record["reference"]) as reference, AudioReader(record["degraded"]) as degraded:
        return sketch_pair(reference, degraded)


def figure_of(record: dict[str, Any]) -> Figure:
    return draw(sketch_of(record), "song", pair_lines(record), residual_lags(record))


def panel(figure: Figure, title: str) -> Axes:
    (found,) = (axes for axes in figure.axes if title in (axes.get_title(), axes.get_title("left")))
    return found


def shown(axes: Axes) -> np.ndarray:
    """Get what a spectrogram shows in decibels, shape (bins, columns), away from the ends."""
    return np.asarray(axes.images[0].get_array())[:, 4:-4]


def extent(axes: Axes, label: str) -> tuple[float, float]:
    """Get how low and how high an envelope reaches."""
    (drawn,) = (each for each in axes.collections if each.get_label() == label)
    heights = drawn.get_paths()[0].vertices[:, 1]
    return heights.min(), heights.max()


def test_each_spectrogram_is_in_its_panel(pair: Any) -> None:
    figure = figure_of(pair(tone(1000.0), tone(1000.0) + tone(3000.0)))
    clean, dirty = panel(figure, "reference, −6.0 dB"), panel(figure, "degraded, −3.0 dB")
    difference = panel(figure, "degraded − reference")
    assert set(shown(clean).argmax(axis=0) * RATE / 512) == {1000.0}
    assert shown(dirty)[[32, 96]] == pytest.approx(-6.02, abs=0.1)
    assert set(shown(difference).argmax(axis=0) * RATE / 512) == {3000.0}
    (scale,) = {axes.images[0].get_clim() for axes in (clean, dirty, difference)}
    assert scale == (-5.0 - RANGE_DB, -5.0)


def test_the_difference_has_its_level_relative_to_the_reference(pair: Any) -> None:
    figure = figure_of(pair(tone(1000.0), tone(1000.0) + tone(3000.0, amplitude=0.05)))
    axes = panel(figure, "difference: −26.0 dB, 20.0 dB below the reference")
    assert extent(axes, "difference") == pytest.approx((-0.05, 0.05), rel=0.02)
    above = figure_of(pair(tone(1000.0, amplitude=0.05), tone(1000.0, amplitude=0.55)))
    assert panel(above, "difference: −6.0 dB, 20.0 dB above the reference")


@pytest.mark.parametrize(
    ("reference", "degraded", "title"),
    [(0.1, 0.1, "none"), (0.0, 0.0, "none"), (0.0, 0.5, "−6.0 dB, of a silent reference")],
)
def test_silence_on_either_side_is_reported(pair: Any, reference: float, degraded: float, title: str) -> None:
    figure = figure_of(pair(tone(1000.0, amplitude=reference), tone(1000.0, amplitude=degraded)))
    assert panel(figure, f"difference: {title}")


def test_the_waveforms_show_what_only_one_side_reaches(pair: Any) -> None:
    figure = figure_of(pair(tone(440.0, amplitude=0.5), tone(440.0, amplitude=0.2)))
    axes = figure.axes[0]
    assert extent(axes, "reference only") == pytest.approx((-0.5, 0.5), abs=0.01)
    assert extent(axes, "degraded only") == extent(axes, "both") == pytest.approx((-0.2, 0.2), abs=0.01)
    assert axes.get_xlim() == (0.0, 1.0)


@pytest.mark.parametrize("position", [0, 12_345, 70_000, 149_999])
def test_the_close_up_holds_the_peak_of_the_reference_and_the_same_stretch_of_the_other(
    pair: Any, position: int
) -> None:
    reference = 0.1 * noise(0, 150_000, 2)
    reference[1, position] = 0.9
    close_up = sketch_of(pair(reference, -reference)).close_up
    assert len(close_up.reference) == 0.012 * RATE
    start = round(close_up.start_seconds * RATE)
    assert close_up.reference[position - start] == np.float32(0.9)
    np.testing.assert_array_equal(close_up.reference, reference[1, start : start + 192])
    np.testing.assert_array_equal(close_up.degraded, -close_up.reference)
    lines = {line.get_label(): line for line in panel(figure_of(pair(reference, -reference)), "around the peak").lines}
    np.testing.assert_array_equal(lines["degraded"].get_ydata(), close_up.degraded)


def test_windows_are_dots_in_a_row_for_each_channel_and_gaps_stay_gaps(pair: Any) -> None:
    made = pair(noise(0, channels=2), noise(1, channels=2), alignment={"windows": [[0.0, None, 0.5], [0.1, 0.2, 0.3]]})
    axes = panel(figure_of(made), "residual lag in windows from the start to the end")
    first, second = sorted((line for line in axes.lines), key=lambda line: str(line.get_label()))
    np.testing.assert_array_equal(first.get_ydata(), [0.0, math.nan, 0.5])
    np.testing.assert_array_equal(np.round(second.get_xdata()), [1, 2, 3])
    assert [str(line.get_marker()) for line in (first, second)] == ["o", "s"]
    assert axes.get_ylim()[1] > 0.5


def test_a_record_without_alignment_or_damage_has_no_empty_panels(pair: Any) -> None:
    plain, rich = (pair(noise(0), noise(1), **fields) for fields in ({}, {"alignment": ALIGNMENT, "damage": [{}]}))
    assert len(figure_of(rich).axes) == len(figure_of(plain).axes) + 2
    assert figure_of(rich).get_figheight() > figure_of(plain).get_figheight()


def test_the_same_record_gives_the_same_bytes_from_any_thread(pair: Any, tmp_path: Path) -> None:
    made = pair(noise(0), noise(1), alignment=ALIGNMENT, damage=[{"name": "hiss", "snr_db": 20}], sample=2)
    thread = threading.Thread(target=plot_pair, args=(made, tmp_path / "b"))
    thread.start()
    first = Path(plot_pair(made, tmp_path / "a"))
    thread.join()
    assert first.name == "song.2.png"
    assert (tmp_path / "b" / "song.2.png").read_bytes() == first.read_bytes()
    assert b"Software" not in first.read_bytes()
    assert matplotlib_image.imread(first).shape[1] == 1300


@pytest.mark.parametrize(("frames", "channels", "gain"), [(1, 1, 1e6), (2, 6, 0.0), (1199, 2, 1e-20)])
def test_short_silent_and_extreme_sounds_are_drawn(
    pair: Any, tmp_path: Path, frames: int, channels: int, gain: float
) -> None:
    made = pair(noise(0, frames, channels), np.float32(gain) * noise(1, frames, channels), id="price $5 and $x^{$")
    assert np.isfinite(matplotlib_image.imread(plot_pair(made, tmp_path / "plots"))).all()


def test_what_is_not_a_pair_is_refused(pair: Any, tmp_path: Path) -> None:
    made = pair(noise(0), noise(1, 100))
    with pytest.raises(RecordError, match="differ in length, rate or channels"):
        plot_pair(made, tmp_path / "plots")
    with pytest.raises(RecordError, match="no degraded"):
        plot_pair({"id": "a", "reference": made["reference"]}, tmp_path / "plots")
    with pytest.raises(RecordError, match="cannot name a picture"):
        plot_pair({**made, "id": "../song"}, tmp_path / "plots")
    with pytest.raises(AudioFileError, match="gone"):
        plot_pair({**made, "degraded": str(tmp_path / "gone.wav")}, tmp_path / "plots")
    assert not (tmp_path / "plots").exists()
