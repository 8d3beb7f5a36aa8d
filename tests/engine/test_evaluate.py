"""What a restorer did is measured beside doing nothing, and what cannot be measured says so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.engine.evaluate import evaluate_record
from audiorestore.errors import AudioFileError, RecordError
from audiorestore.metrics import METRICS, chosen

RATE = 16000
ROWS = ["degraded", "degraded_leveled", "restored", "restored_leveled"]


def music(frames: int = 16_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal((channels, frames + 64))
    return (0.05 * np.stack([np.convolve(row, 0.9 ** np.arange(64), "valid")[:frames] for row in white])).astype(
        np.float32
    )


def hiss(waveform: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    """Add white noise of this share of the power."""
    noise = np.random.default_rng(seed).standard_normal(waveform.shape)
    return (waveform + np.sqrt(share * np.mean(waveform**2)) * noise).astype(np.float32)


@pytest.fixture
def measure(tmp_path: Path) -> Any:
    """Write waveforms by role and evaluate their record."""

    def evaluate(
        rate: int = RATE, metrics: list[str] | None = None, align: bool = False, **waveforms: np.ndarray
    ) -> dict[str, Any]:
        record: dict[str, Any] = {"id": "song", "mood": "blue"}
        for role, waveform in waveforms.items():
            record[role] = str(tmp_path / f"{role}.wav")
            own_rate = RATE if role == "reference" else rate
            write_audio(record[role], waveform, own_rate, subtype="FLOAT", overwrite=True)
        return evaluate_record(record, metrics, align)

    return evaluate


def test_four_rows_stand_side_by_side_each_with_every_number(measure: Any) -> None:
    reference = music()
    record = measure(reference=reference, degraded=hiss(reference, 0.1), restored=hiss(reference, 0.01))
    assert list(record["metrics"]) == ROWS
    names = {number for metric in chosen() for number in METRICS.load(metric).NUMBERS}
    for row in ROWS:
        assert record["metrics"][row].keys() == names
    assert record["metrics"]["degraded"]["snr_db"] == pytest.approx(10, abs=0.2)
    assert record["metrics"]["restored"]["snr_db"] == pytest.approx(20, abs=0.2)
    assert record["mood"] == "blue"
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_rows_are_there_as_far_as_the_audio_is(measure: Any) -> None:
    reference = music()
    assert list(measure(reference=reference, restored=reference)["metrics"]) == ROWS[2:]
    assert list(measure(reference=reference, degraded=reference)["metrics"]) == ROWS[:2]
    with pytest.raises(RecordError, match="neither degraded nor restored"):
        measure(reference=reference)
    with pytest.raises(RecordError, match="no reference"):
        measure(degraded=reference)


def test_identical_sound_is_120_db_over_its_error(measure: Any) -> None:
    reference = music(channels=2)
    row = measure(reference=reference, restored=reference)["metrics"]["restored"]
    assert (row["snr_db"], row["si_sdr_db"], row["mse"], row["lsd_db"]) == (120.0, 120.0, 0.0, 0.0)


def test_leveled_rows_do_not_change_with_gain_and_raw_ones_do(measure: Any) -> None:
    reference = music()
    degraded = hiss(reference, 0.1)
    loud, quiet = (measure(reference=reference, degraded=np.float32(gain) * degraded)["metrics"] for gain in (1.0, 0.3))
    assert quiet["degraded_leveled"] == pytest.approx(loud["degraded_leveled"], rel=1e-4)
    assert quiet["degraded"]["snr_db"] < loud["degraded"]["snr_db"] - 3
    for row in (loud, quiet):  # one gain can only help against squared error
        assert row["degraded_leveled"]["mse"] <= row["degraded"]["mse"]
        assert row["degraded_leveled"]["si_sdr_db"] == pytest.approx(row["degraded"]["si_sdr_db"], abs=1e-3)


@pytest.mark.parametrize(("lag", "side"), [(3, "delayed"), (-40, "advanced")])
def test_a_lag_is_reported_with_a_warning(measure: Any, lag: int, side: str) -> None:
    reference = music()
    degraded = np.roll(0.5 * reference, lag, axis=1)
    check = measure(reference=reference, degraded=degraded, restored=reference)["check"]
    assert check["degraded"]["lag"] == pytest.approx(lag, abs=0.02)
    assert check["degraded"]["gain_db"] == pytest.approx(-6.02, abs=0.05)
    assert check["degraded"]["warning"] == f"it is {side} by {abs(lag)} samples, so the numbers are not reliable"
    assert check["restored"] == {"lag": 0.0, "gain_db": 0.0}


def test_the_channel_that_lags_most_is_told(measure: Any) -> None:
    reference = music(channels=2)
    degraded = np.stack([reference[0], np.roll(reference[1], 9)])
    assert measure(reference=reference, degraded=degraded)["check"]["degraded"]["lag"] == pytest.approx(9, abs=0.02)


def test_other_content_and_turned_polarity_are_measured_with_a_warning(measure: Any) -> None:
    reference = music()
    other = measure(reference=reference, degraded=music(seed=7))
    assert "do not look like the same recording" in other["check"]["degraded"]["warning"]
    assert other["metrics"]["degraded"]["snr_db"] == pytest.approx(-3, abs=0.5)
    turned = measure(reference=reference, degraded=-reference)
    assert "polarity" in turned["check"]["degraded"]["warning"]
    assert turned["metrics"]["degraded"]["snr_db"] == pytest.approx(-6.02, abs=0.01)
    assert turned["metrics"]["degraded_leveled"]["snr_db"] == 120.0


def test_a_silent_reference_leaves_ratios_undefined_with_a_note(measure: Any) -> None:
    reference = np.zeros((1, 8_000), np.float32)
    record = measure(metrics=["mse", "si_sdr", "snr"], reference=reference, degraded=music(8_000))
    row = record["metrics"]["degraded"]
    assert row["snr_db"] is None
    assert row["si_sdr_db"] is None
    assert row["mse"] > 0
    assert record["metrics_note"] == "si_sdr_db, snr_db undefined: the reference is silent"
    assert record["check"]["degraded"] == {"lag": None, "gain_db": None}


def test_silent_output_leaves_the_scale_invariant_ratio_undefined(measure: Any) -> None:
    reference = music(8_000)
    record = measure(metrics=["si_sdr", "snr"], reference=reference, restored=0 * reference)
    assert record["metrics"]["restored"]["si_sdr_db"] is None
    assert record["metrics"]["restored"]["snr_db"] == pytest.approx(0, abs=1e-6)
    assert record["metrics_note"].startswith("si_sdr_db undefined: ")
    assert "silent" in record["check"]["restored"]["warning"]


def test_wrong_length_channels_and_rate_are_named(measure: Any, tmp_path: Path) -> None:
    reference = music()
    with pytest.raises(RecordError) as refused:
        measure(reference=reference, degraded=reference[:, :-1])
    assert "1 channel(s) of 15999 samples" in str(refused.value)
    assert str(tmp_path / "degraded.wav") in str(refused.value)
    assert "1 of 16000; 'ar pair'" in str(refused.value)
    with pytest.raises(RecordError, match="2 channel"):
        measure(reference=reference, degraded=np.concatenate([reference, reference]))
    with pytest.raises(RecordError, match=r"degraded\.wav is at 8000 Hz and .*reference\.wav at 16000 Hz"):
        measure(reference=reference, degraded=reference, rate=8000)


def test_nan_is_named_with_its_place(measure: Any, tmp_path: Path) -> None:
    import soundfile

    reference = music()
    broken = reference[0].copy()
    broken[8_000] = np.nan
    path = tmp_path / "broken.wav"
    soundfile.write(path, broken, RATE, subtype="FLOAT")
    write_audio(tmp_path / "clean.wav", reference, RATE)
    with pytest.raises(AudioFileError, match=r"broken\.wav holds NaN or infinite samples, the first at 0\.500 s"):
        evaluate_record({"id": "a", "reference": str(tmp_path / "clean.wav"), "restored": str(path)})


def test_sound_shorter_than_any_frame_is_measured(measure: Any) -> None:
    for frames in (1, 2, 100):
        reference = music(frames)
        record = measure(reference=reference, degraded=hiss(reference, 0.1))
        assert record["metrics"]["degraded"]["mse"] > 0
        json.dumps(record, allow_nan=False)


def test_chosen_metrics_are_measured_in_their_order(measure: Any, tmp_path: Path) -> None:
    reference = music()
    whole = measure(reference=reference, degraded=hiss(reference, 0.1))
    part = evaluate_record(whole, ["snr", "mse"])
    assert list(part["metrics"]) == ROWS[:2]
    for row, numbers in part["metrics"].items():
        assert list(numbers) == ["snr_db", "mse"]
        assert numbers.items() <= whole["metrics"][row].items()


def test_what_is_undefined_is_noted_among_the_chosen_only(measure: Any) -> None:
    silent = measure(reference=np.zeros((1, 8_000), np.float32), degraded=music(8_000))
    assert evaluate_record(silent, ["snr"])["metrics_note"] == "snr_db undefined: the reference is silent"
    assert "metrics_note" not in evaluate_record(silent, ["mse"])


def test_a_lag_is_undone_before_measuring_if_asked(measure: Any) -> None:
    reference = music()
    late = np.concatenate(
        [np.zeros((1, 1105), np.float32), hiss(reference, 0.01), hiss(reference, 1.0)[:, :300]], axis=1
    )
    with pytest.raises(RecordError, match="--align measures where they overlap"):
        measure(metrics=["snr"], reference=reference, degraded=late)
    record = measure(metrics=["snr"], align=True, reference=reference, degraded=late, restored=reference)
    assert record["metrics"]["degraded"]["snr_db"] == pytest.approx(20, abs=0.3)
    assert record["metrics"]["restored"]["snr_db"] == 120.0
    assert record["check"]["degraded"] == {
        "lag": 1105.0,
        "gain_db": pytest.approx(0.0, abs=0.05),
        "aligned": True,
        "residual_lag": 0.0,
    }
    assert record["check"]["restored"] == {"lag": 0.0, "gain_db": 0.0}


def test_a_fraction_of_a_sample_is_undone_too(measure: Any) -> None:
    from audiorestore.signal.lag import shift

    # What lies just under half the rate cannot be moved by a fraction.
    reference = np.stack([np.convolve(row, np.hanning(9) / 4.0, "same") for row in music()]).astype(np.float32)
    late = shift(reference, -10.4, reference.shape[1])
    without, undone = (
        measure(metrics=["snr"], align=align, reference=reference, degraded=late)["metrics"]["degraded"]["snr_db"]
        for align in (False, True)
    )
    assert without < 3
    assert undone > 25


def test_rates_and_channels_have_to_agree_even_where_a_lag_is_undone(measure: Any) -> None:
    reference = music()
    with pytest.raises(RecordError, match="Hz"):
        measure(align=True, rate=8000, reference=reference, degraded=reference)
    with pytest.raises(RecordError, match="2 channel"):
        measure(align=True, reference=reference, degraded=np.concatenate([reference, reference]))


def test_degraded_audio_that_several_systems_started_from_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiorestore.metrics import snr

    reference = music()
    for name, share in (("reference", 0.0), ("degraded", 0.1), ("one", 0.01), ("two", 0.02)):
        write_audio(tmp_path / f"{name}.wav", hiss(reference, share), RATE, subtype="FLOAT")
    record = {"id": "song", **{role: str(tmp_path / f"{role}.wav") for role in ("reference", "degraded")}}
    records = [{**record, "restored": str(tmp_path / f"{name}.wav")} for name in ("one", "two")]
    alone = [evaluate_record(each, ["snr"]) for each in records]
    calls = []
    plain = snr.measure
    monkeypatch.setattr(snr, "measure", lambda comparison: calls.append(1) or plain(comparison))
    known: dict = {}
    assert [evaluate_record(each, ["snr"], known=known) for each in records] == alone
    assert len(calls) == 2 + 2 + 2  # degraded, one, two; each raw and levelled
