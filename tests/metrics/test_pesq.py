"""PESQ against the package called by hand; segments, silence and channels; and C code that must not end the program."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from in_memory import apply_chain
from singing import hiss, voice

from audiorestore.data.audio_file import read_audio
from audiorestore.metrics import METRICS
from audiorestore.metrics._comparison import Comparison, Signal, Undefined
from audiorestore.metrics.pesq import LONGEST_SECONDS, measure
from audiorestore.signal.resample import resample
from audiorestore.signal.sound import Sound

pesq = pytest.importorskip("pesq", reason="the package pesq is not installed: PESQ is not tested")

RATE = 16000


def opinions(clean: np.ndarray, dirty: np.ndarray, rate: int = RATE) -> dict[str, float]:
    measured = measure(Comparison.of(clean, dirty, rate))
    assert all(isinstance(value, float) for value in measured.values()), measured
    return measured  # type: ignore[return-value]


def reason(clean: np.ndarray, dirty: np.ndarray) -> str:
    """Why wide band has no number, which narrow band does not have for the same reason."""
    wide, narrow = measure(Comparison.of(clean, dirty, RATE)).values()
    assert isinstance(wide, Undefined)
    assert narrow == wide
    return wide.reason


def by_hand(clean: np.ndarray, dirty: np.ndarray) -> dict[str, float]:
    """The package itself on one row, at 16 kHz and brought to 8 kHz."""
    low = [resample(row[None], RATE, 8000)[0] for row in (clean, dirty)]
    return {"pesq_wb": pesq.pesq(RATE, clean, dirty, "wb"), "pesq_nb": pesq.pesq(8000, *low, "nb")}


@pytest.mark.parametrize("snr_db", [40, 15])
def test_up_to_19_seconds_it_is_the_packages_own_number(snr_db: float) -> None:
    clean = voice()
    dirty = hiss(clean, snr_db)
    assert opinions(clean, dirty) == pytest.approx(by_hand(clean[0], dirty[0]), abs=1e-3)


def test_the_same_twice_has_the_highest_opinion_there_is() -> None:
    # P.862 ends at 4.5; P.862.2 and P.862.1 map that to opinions with these curves.
    wide = 0.999 + 4 / (1 + np.exp(-1.3669 * 4.5 + 3.8224))
    narrow = 0.999 + 4 / (1 + np.exp(-1.4945 * 4.5 + 4.6607))
    assert opinions(voice(), voice()) == pytest.approx({"pesq_wb": wide, "pesq_nb": narrow}, abs=1e-4)


def test_more_noise_is_worse() -> None:
    found = [opinions(voice(), hiss(voice(), snr_db)) for snr_db in (50, 35, 20, 5)]
    for key in ("pesq_wb", "pesq_nb"):
        falling = [each[key] for each in found]
        assert falling == sorted(falling, reverse=True)
        assert falling[0] > 4.0
        assert falling[-1] < 2.1


@pytest.mark.parametrize("gain", [1e-6, 0.1, 30.0, -1.0])
def test_level_and_polarity_do_not_count(gain: float) -> None:
    dirty = hiss(voice(), 25)
    assert opinions(voice(), np.float32(gain) * dirty) == pytest.approx(opinions(voice(), dirty), abs=1e-3)
    assert METRICS.load("pesq").ANY_LEVEL


def test_a_longer_recording_is_the_mean_of_its_even_segments() -> None:
    clean = voice(21.0)
    dirty = clean.copy()
    dirty[:, 12 * RATE :] = hiss(clean, 10)[:, 12 * RATE :]
    half = clean.shape[-1] // 2
    first, second = by_hand(clean[0, :half], dirty[0, :half]), by_hand(clean[0, half:], dirty[0, half:])
    assert first["pesq_wb"] - second["pesq_wb"] > 0.5
    expected = {key: (first[key] + second[key]) / 2 for key in first}
    assert opinions(clean, dirty) == pytest.approx(expected, abs=1e-3)


def test_a_segment_in_which_the_reference_says_nothing_is_left_out() -> None:
    speech = voice(3.0)
    rest = np.zeros((1, int(2 * LONGEST_SECONDS - 3) * RATE), np.float32)
    dirty = hiss(np.concatenate([speech, rest], axis=-1), 20)
    clean = np.concatenate([speech, rest], axis=-1)
    half = clean.shape[-1] // 2
    assert opinions(clean, dirty)["pesq_wb"] == pytest.approx(
        pesq.pesq(RATE, clean[0, :half], dirty[0, :half]), abs=1e-3
    )


def test_silence_in_place_of_speech_is_not_left_out() -> None:
    clean = voice(21.0)
    dirty = clean.copy()
    dirty[:, 10 * RATE :] = 0.0
    assert reason(clean, dirty) == "no utterance is found in the measured audio from 10.5 s on"
    assert reason(voice(), 0 * voice()) == "no utterance is found in the measured audio"


def test_where_there_is_no_speech_there_is_no_number() -> None:
    silence = np.zeros((1, RATE), np.float32)
    click = silence.copy()
    click[:, 8000:8100] = 0.5
    for estimate in (silence, click, voice()[:, :RATE]):
        assert reason(silence, estimate) == "no utterance is found in the reference"


@pytest.mark.parametrize("frames", [1, 2, 100, RATE // 4 - 2])
def test_less_than_a_quarter_of_a_second_is_too_short(frames: int) -> None:
    assert reason(voice()[:, :frames], voice()[:, :frames]) == "it is shorter than a quarter of a second"


def test_channels_are_measured_by_themselves_and_a_silent_one_not_at_all() -> None:
    left, right = voice(), voice()[:, ::-1]
    dirty_left, dirty_right = hiss(left, 30), hiss(right, 10)
    both = opinions(np.concatenate([left, right]), np.concatenate([dirty_left, dirty_right]))
    alone = [opinions(left, dirty_left), opinions(right, dirty_right)]
    assert both == pytest.approx({key: (alone[0][key] + alone[1][key]) / 2 for key in both}, abs=1e-3)
    assert opinions(np.concatenate([left, 0 * left]), np.concatenate([dirty_left, right])) == pytest.approx(alone[0])


@pytest.mark.parametrize("rate", [11025, 44100, 192000])
def test_any_rate_is_brought_to_sixteen_kilohertz(rate: int) -> None:
    """Against the package, on what SciPy resamples through one long FFT; nothing lies where the two filters differ."""
    ends = np.minimum(1.0, 10 * np.sin(np.pi * np.arange(rate * 3 // 2) / (rate * 3 // 2)))
    clean = voice(1.5, rate)[:, : ends.size] * ends.astype(np.float32)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(ends.size))
    spectrum[np.fft.rfftfreq(ends.size, 1 / rate) > 3500] = 0.0
    noise = ends * np.fft.irfft(spectrum, ends.size)
    dirty = clean + (0.02 * noise / noise.std()).astype(np.float32)
    brought = [scipy.signal.resample(row[0], RATE * 3 // 2) for row in (clean, dirty)]
    assert opinions(clean, dirty, rate) == pytest.approx(by_hand(*brought), abs=0.02)


def test_how_it_comes_cut_and_how_many_work_at_once_change_nothing() -> None:
    clean, dirty = voice(), hiss(voice(), 25)
    cut = Comparison(*(Signal(Sound.of(each, RATE, block_frames=777)) for each in (clean, dirty)))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(measure, [cut, Comparison.of(clean, dirty, RATE), cut]))
    assert found == [measure(cut)] * 3


def test_bursts_for_which_the_package_has_no_room_are_measured_all_the_same() -> None:
    """75 utterances: given to the package at once they are written over its stack."""
    seconds = np.arange(30 * RATE) / RATE
    bursts = np.where(seconds % 0.4 < 0.19, np.random.default_rng(0).standard_normal((1, seconds.size)), 0.0)
    assert opinions(bursts, hiss(bursts, 30))["pesq_wb"] > 1.0


class Deadly:
    """Crashes the process that receives it."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return os.abort, ()


def test_a_crash_in_the_package_leaves_this_number_out_and_the_next_file_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(METRICS.load("pesq"), "_opinion", Deadly())
        assert reason(voice(), voice()) == "the pesq package crashed"
    assert opinions(voice(), voice())["pesq_wb"] > 4.6


def test_nothing_is_left_running_when_the_program_is_killed(tmp_path: Path) -> None:
    """The parent gets no chance to clean up; its process notices by itself."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time\n"
        "from audiorestore.metrics.pesq import _process\n"
        "if __name__ == '__main__':\n"
        "    with _process() as process:\n"
        "        print(process.submit(os.getpid).result(), flush=True)\n"
        "        time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(600):
        if not is_running(child):
            break
        time.sleep(0.1)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()  # has ended, and nobody has collected it
    except OSError:
        return False


def test_speech_seconds_apart_is_read_past_its_end_by_the_package_and_still_harmless() -> None:
    seconds = np.arange(19 * RATE) / RATE
    rng = np.random.default_rng(0)
    late = np.where(seconds > 18, rng.standard_normal((1, seconds.size)), 0.0)
    bursts = np.where((seconds + 0.1) % 1.5 < 1.0, rng.standard_normal((1, seconds.size)), 0.0)
    for value in measure(Comparison.of(late, bursts, RATE)).values():
        assert isinstance(value, Undefined) or 1.0 <= value <= 4.65


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module = METRICS.load("pesq")
    assert module.missing() == ""
    assert "pesq" not in vars(module), "the package is loaded by its own process alone"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'audiorestore[speech]'" in module.missing()


def test_more_bits_make_better_speech(corpus: Path) -> None:
    clean, rate = read_audio(sorted((corpus / "ljspeech").glob("*.flac"))[0])
    clean = clean[:, : 6 * rate]
    found = []
    for kbps in (16, 32, 64):
        dirty, _ = apply_chain(clean, rate, f"mp3:kbps={kbps}")
        found.append(opinions(clean, dirty, rate))
    for key in ("pesq_wb", "pesq_nb"):
        rising = [each[key] for each in found]
        assert rising == sorted(rising)
        assert rising[-1] - rising[0] > 0.1
