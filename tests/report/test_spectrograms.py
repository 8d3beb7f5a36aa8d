"""Pictures of a record's sounds and of their differences: each in its panel, and always the same."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image as matplotlib_image
from matplotlib import rcParams
from matplotlib.figure import Figure

from audiorestore.data.audio_file import write_audio
from audiorestore.errors import AudioFileError, RecordError
from audiorestore.report import spectrograms
from audiorestore.report._canvas import RANGE_DB, name_apart, title_of
from audiorestore.report.phase_grid import phase_grid
from audiorestore.report.power_grid import power_grid
from audiorestore.report.spectrograms import draw, plot_record

RATE = 16000


def noise(seed: int, frames: int = RATE, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def tone(frequency_hz: float, frames: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / RATE)[np.newaxis].astype(np.float32)


@pytest.fixture
def record(tmp_path: Path) -> Any:
    """Write waveforms by role and make their record."""

    def make(id: str = "song", **waveforms: np.ndarray) -> dict[str, Any]:
        made: dict[str, Any] = {"id": id}
        for role, waveform in waveforms.items():
            made[role] = str(tmp_path / f"{role}.wav")
            write_audio(made[role], waveform, RATE, subtype="FLOAT", overwrite=True)
        return made

    return make


def figure_of(snr_db: dict[str, float] | None = None, title: str = "song", **waveforms: np.ndarray) -> Figure:
    grids = {role: power_grid(waveform, RATE) for role, waveform in waveforms.items()}
    residuals = {
        role: power_grid(waveforms[role] - waveforms["reference"], RATE) for role in grids if role != "reference"
    }
    phases = {role: phase_grid(waveforms["reference"], waveforms[role], RATE, 1e-9) for role in residuals}
    return draw(grids, residuals, phases, RATE, title, snr_db or {})


def panels(figure: Figure, phases: bool = False) -> dict[str, np.ndarray]:
    """Get what each spectrogram of a figure shows in decibels, or in radians, shape (bins, columns), by its title."""
    pictures = [axes for axes in figure.axes if axes.images and axes.get_title().startswith("phase") == phases]
    return {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in pictures}


def test_each_sound_is_in_its_panel() -> None:
    frequencies = {"reference": 1000.0, "degraded": 2000.0, "restored": 3000.0}
    shown = panels(figure_of(**{role: tone(each) for role, each in frequencies.items()}))
    assert list(shown) == ["degraded", "restored", "reference", "degraded − reference", "restored − reference"]
    rows = {title: set(decibels[:, 4:-4].argmax(axis=0) * RATE / 512) for title, decibels in shown.items()}
    for role, frequency in frequencies.items():
        assert rows[role] == {frequency}
    for role in ("degraded", "restored"):
        residual = shown[f"{role} − reference"][:, 4:-4]
        for frequency in (1000.0, frequencies[role]):  # both the lost tone and the added one are wrong
            assert residual[int(frequency * 512 / RATE)] == pytest.approx(-6.02, abs=0.1)


def test_the_left_is_degraded_the_right_reference_and_residuals_are_below() -> None:
    figure = figure_of(reference=noise(0), degraded=noise(1), restored=noise(2))
    places = {axes.get_title(): axes.get_subplotspec() for axes in figure.axes if axes.get_title()}
    spans = {title: (place.rowspan.start, place.colspan.start) for title, place in places.items() if place}
    assert spans == {
        "degraded": (0, 0),
        "restored": (0, 1),
        "reference": (0, 2),
        "degraded − reference": (1, 0),
        "restored − reference": (1, 1),
        "mean over time (dB)": (1, 2),
        "phase: degraded − reference": (2, 0),
        "phase: restored − reference": (2, 1),
        "frequency profiles: mean over time (dB)": (2, 2),
    }


@pytest.mark.parametrize("role", ["degraded", "restored"])
def test_without_the_other_one_there_are_two_columns(role: str) -> None:
    figure = figure_of(reference=noise(0), **{role: noise(1)})
    assert list(panels(figure)) == [role, "reference", f"{role} − reference"]


def test_all_have_one_colour_scale_with_the_peak_near_its_top() -> None:
    figure = figure_of(reference=tone(1000.0), degraded=0.1 * noise(1), restored=0.01 * noise(2))
    scales = {axes.images[0].get_clim() for axes in figure.axes if axes.get_title() in panels(figure)}
    (scale,) = scales
    assert scale == (-5.0 - RANGE_DB, -5.0)  # half of full scale is −6 dB


def test_axes_are_in_seconds_and_kilohertz() -> None:
    figure = figure_of(reference=noise(0, 2 * RATE), degraded=noise(1, 2 * RATE))
    for axes in figure.axes:
        if axes.images:
            assert axes.get_xlim() == (0.0, 2.0)
            assert axes.get_ylim() == (0.0, 8.0)
    assert figure.axes[0].get_ylabel() == "frequency (kHz)"
    assert [figure.axes[index].get_xlabel() for index in (1, 4)] == ["time (s)"] * 2
    assert ["dB" in axes.get_ylabel() for axes in figure.axes[-2:]] == [True, False]
    assert "phase" in figure.axes[-1].get_ylabel()


def test_no_difference_is_drawn_empty_and_named() -> None:
    same = noise(0)
    figure = figure_of(reference=same, restored=same)
    shown = panels(figure)["restored − reference: no difference"]
    lowest, _ = figure.axes[0].images[0].get_clim()
    assert shown.max() < lowest
    means = next(axes for axes in figure.axes if axes.lines)
    assert [line.get_label() for line in means.lines] == ["reference"]


def test_the_mean_spectra_are_of_the_reference_and_of_both_residuals() -> None:
    figure = figure_of(reference=tone(1000.0), degraded=tone(1000.0) + tone(2000.0), restored=1.1 * tone(1000.0))
    means = next(axes for axes in figure.axes if axes.lines)
    curves = {line.get_label(): np.asarray(line.get_data()) for line in means.lines}
    peaks = {label: curve[0][curve[1].argmax()] for label, curve in curves.items()}
    assert peaks == {"reference": 1.0, "degraded − reference": 2.0, "restored − reference": 1.0}
    lowest, highest = means.get_ylim()
    for curve in curves.values():
        assert lowest < curve[1].max() < highest


def test_the_profiles_are_of_all_three_sounds_and_end_where_the_sound_does() -> None:
    spectrum = np.fft.rfft(noise(0))
    spectrum[:, RATE // 4 :] = 0.0  # nothing from 4 kHz on
    half = np.fft.irfft(spectrum, RATE).astype(np.float32)
    figure = figure_of(reference=noise(0), degraded=half, restored=0.1 * noise(0))
    profiles = next(axes for axes in figure.axes if axes.get_title().startswith("frequency profiles"))
    curves = {line.get_label(): np.asarray(line.get_data()) for line in profiles.lines}
    assert set(curves) == {"reference", "degraded", "restored"}
    hz, reference = curves["reference"]
    low, high = hz < 3.8, (hz > 4.2) & (hz < 7.9)
    np.testing.assert_allclose((reference - curves["restored"][1])[low | high], 20.0, atol=0.01)
    np.testing.assert_allclose(reference[low], curves["degraded"][1][low], atol=0.2)
    assert (reference[high] - curves["degraded"][1][high]).min() > 40.0


def test_phases_are_shown_where_there_are_any() -> None:
    turned = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(RATE) / RATE + np.pi / 2)[np.newaxis].astype(np.float32)
    figure = figure_of(reference=tone(1000.0), degraded=turned, restored=-tone(1000.0))
    shown = panels(figure, phases=True)
    assert list(shown) == ["phase: degraded − reference", "phase: restored − reference"]
    middle = [shown[title][32, 4:-4] for title in shown]  # the bin of 1000 Hz
    np.testing.assert_allclose(middle[0], np.pi / 2, atol=0.01)
    np.testing.assert_allclose(np.abs(middle[1]), np.pi, atol=0.01)
    for axes in figure.axes:
        if axes.get_title() in shown:
            assert axes.images[0].get_clim() == (-np.pi, np.pi)
            drawn = np.ma.asarray(axes.images[0].get_array())
            assert drawn.mask[100:, 4:-4].all(), "far from the tone nothing is drawn"


def test_titles_have_the_snr_where_it_is_known() -> None:
    sounds = {"reference": noise(0), "degraded": noise(1), "restored": noise(2)}
    titles = list(panels(figure_of({"degraded": -3.0103, "restored": 12.0}, **sounds)))
    assert titles[:3] == ["degraded, SNR -3.01 dB", "restored, SNR 12.00 dB", "reference"]


def test_the_snr_is_that_of_the_record(record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(spectrograms, "draw", lambda *args: seen.append(args[4:]) or Figure())
    made = record(reference=noise(0, 99), degraded=noise(1, 99), restored=noise(2, 99)) | {"sample": 2}
    made["metrics"] = {"degraded": {"snr_db": 7.5}, "restored": {"snr_db": None, "mse": 0.1}}
    assert plot_record(made, tmp_path / "plots") == str(tmp_path / "plots" / "song.2.png")
    assert seen == [("song, sample 2", {"degraded": 7.5})]


def pixels(path: str | Path) -> np.ndarray:
    return matplotlib_image.imread(str(path))


def test_the_same_record_gives_the_same_bytes_from_any_thread_and_with_any_settings(
    record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = record(id="album/song", reference=noise(0), degraded=noise(1))
    target = tmp_path / "plots" / "album" / "song.png"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    plot_record(made, tmp_path / "plots")
    assert [path.name for path in (tmp_path / "plots").rglob("*")] == ["album", "song.png"]
    monkeypatch.setitem(rcParams, "font.size", 33.0)
    monkeypatch.setitem(rcParams, "axes.facecolor", "red")
    thread = threading.Thread(target=plot_record, args=(made, tmp_path / "b"))
    thread.start()
    thread.join()
    first = target.read_bytes()
    assert (tmp_path / "b" / "album" / "song.png").read_bytes() == first
    assert pixels(target).shape == (1240, 1040, 4)
    assert b"Software" not in first
    assert b"tIME" not in first
    assert rcParams["font.size"] == 33.0, "own settings are left alone"


@pytest.mark.parametrize("id", ["../song", "/tmp/song", "a/../../song"])
def test_no_picture_is_outside_of_its_folder(record: Any, tmp_path: Path, id: str) -> None:
    made = record(reference=noise(0, 99), degraded=noise(1, 99)) | {"id": id}
    with pytest.raises(RecordError, match="cannot name a picture"):
        plot_record(made, tmp_path / "plots")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    ("id", "title"),
    [
        ("price $5 and $x^{$", "price $5 and $x^{$"),
        ("你/ü", "�/ü"),
        ("tab\there\nline", "tab�here�line"),
        ("\udcff broken", "� broken"),
        ("a" * 50 + "/" + "b" * 99, "…" + "b" * 99),
    ],
)
def test_any_id_can_be_a_title(id: str, title: str) -> None:
    assert title_of({"id": id}) == title


@pytest.mark.parametrize(
    ("frames", "channels", "reference", "restored"),
    [(1, 1, 1e6, 1e3), (1, 6, 0.0, 0.0), (2, 1, 0.0, 1.0), (700, 2, 1e-20, 1e-20), (700, 1, 1.0, 0.0)],
)
def test_short_silent_and_extreme_sounds_are_drawn(
    record: Any, tmp_path: Path, frames: int, channels: int, reference: float, restored: float
) -> None:
    sounds = [np.float32(level) * noise(seed, frames, channels) for seed, level in enumerate((reference, restored))]
    made = record(id="price $5 and $x^{$ 你\udcff", reference=sounds[0], restored=sounds[1])
    assert np.isfinite(pixels(plot_record(made, tmp_path))).all()  # mathematics in the title would be an error


def test_sounds_that_do_not_fit_are_refused(record: Any, tmp_path: Path) -> None:
    made = record(reference=noise(0), degraded=noise(1, 100))
    with pytest.raises(RecordError, match="differ in length, rate or channels"):
        plot_record(made, tmp_path / "plots")
    with pytest.raises(AudioFileError, match="gone"):
        plot_record({**made, "degraded": str(tmp_path / "gone.wav")}, tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_of_two_records_with_one_picture_the_first_has_it() -> None:
    records = [
        {"id": "a", "plot": "old.png", "plot_note": "old"},
        {"id": "a", "mood": "blue"},
        {"id": "a", "sample": 1},
        {"id": "b", "error": {"stage": "pair", "message": "broken"}, "plot": "old.png"},
        {"id": "b"},
    ]
    named = list(name_apart(records, lambda _: Path("plots")))
    assert named == [
        {"id": "a"},
        {"id": "a", "mood": "blue", "plot_note": "plots/a.png shows an earlier record of this id already"},
        {"id": "a", "sample": 1},
        records[3],
        {"id": "b"},
    ]
    assert records[0]["plot"] == "old.png", "records are not changed in place"
