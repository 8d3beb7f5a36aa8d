"""Making a model smaller: what becomes int8, what is computed in int8 and why, and what is reported about it."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audiorestore.data.audio_file import write_audio
from audiorestore.engine import quantize as module
from audiorestore.engine.checkpoint import LoadedModel, load_model, make_model, read_arrays, save_arrays, save_model
from audiorestore.engine.evaluate import evaluate_record
from audiorestore.engine.int8 import bounds_of, hold, linear_maps_of, uses_of
from audiorestore.engine.quantize import (
    Patience,
    compare_records,
    compare_speed,
    coverage,
    left_in_float32,
    means,
    quantize,
    save_quantized,
)
from audiorestore.engine.restoring.restore import RestoreConfig, restore_record, restore_waveform
from audiorestore.errors import AudioFileError, CheckpointError, UsageError
from audiorestore.quantization import operators
from audiorestore.quantization.study import SHARED

TINY: dict[str, dict[str, Any]] = {
    "mlp": {"window": 21, "parameters": 1_000},
    "cnn": {"window": 21, "parameters": 1_000, "kernel_sizes": (5, 3), "dilation": 1},
    "unet": {"window": 16, "levels": 2, "parameters": 1_000},
}

BRIEF = Patience(turns=1, least_seconds=0.0, excerpt_frames=256)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", BRIEF)


def clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let each model take as long as is stated, in turns: in float, in int8."""
    turns = itertools.cycle(seconds)

    def measured(work: Callable[[], object]) -> float:
        work()
        return next(turns)

    monkeypatch.setattr(module, "_seconds", measured)


def race(monkeypatch: pytest.MonkeyPatch, each: dict[str, float], whole: float = 2.0) -> list[list[str]]:
    """Let each layer, and the whole model, be so many times as fast in int8; get which layers ran in each race."""
    ran: list[list[str]] = []

    def measured(*arguments: Any) -> Any:
        ran.append(list(arguments[-1]))
        return {"": (whole, 1.0)} | {name: (each[name], 1.0) for name in arguments[-1]}

    monkeypatch.setattr(module, "_race", measured)
    return ran


def int8_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine pass for one that computes in int8, whether it does or not."""
    monkeypatch.setattr(operators, "int8_operators_work", lambda: True)
    monkeypatch.setattr(operators, "usable", lambda codes, scale: False)


def saved(folder: Path, family: str, name: str = "float.safetensors", **metadata: Any) -> LoadedModel:
    """Put an untrained model on the disk, in which no layer is zero."""
    torch.manual_seed(1)
    path = folder / name
    save_model(path, family, make_model(family, TINY.get(family, {})), metadata)
    return load_model(str(path))


def shrunk(
    loaded: LoadedModel, folder: Path, name: str = "small.safetensors", dtype: module.Dtype = "int8"
) -> LoadedModel:
    model, layers = quantize(loaded, dtype)
    save_quantized(folder / name, loaded, model, layers, False, dtype)
    return load_model(str(folder / name))


def sound(frames: int = 3_000, channels: int = 1) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal((channels, frames))).astype(np.float32)


# Which layers.


@pytest.mark.parametrize("family", TINY)
def test_every_linear_map_is_stored_in_int8_and_the_float_model_stays(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    before = {name: array.copy() for name, array in loaded.model.state().items()}
    seen: list[tuple[int, int]] = []
    model, layers = quantize(loaded, "int8", lambda done, total: seen.append((done, total)))
    assert [layer.name for layer in layers] == list(linear_maps_of(loaded.model))
    assert all(0 <= done < total for done, total in seen)
    for layer in layers:
        weight = before[f"{layer.name}.weight"]
        assert model.state()[f"{layer.name}.weight"].dtype == np.int8
        assert (layer.weights, layer.stored) == (weight.size, "int8")
        assert ("smaller" in layer.stored_reason) == (weight.size > 4 / 3 * weight.shape[0])
        assert layer.multiply_adds > 0
    assert loaded.model.state().keys() == before.keys()
    for name, array in loaded.model.state().items():
        np.testing.assert_array_equal(array, before[name])


MLP = [f"network.{place}" for place in (0, 3, 6, 9)]


def test_each_layer_is_computed_in_what_was_faster_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    int8_works(monkeypatch)
    gains = dict(zip(MLP, [2.0, 0.5, 1.01, 0.99], strict=True))
    ran = race(monkeypatch, gains)
    model, layers = quantize(saved(tmp_path, "mlp"))
    assert [layer.arithmetic for layer in layers] == ["int8", "float", "int8", "float"]
    assert [layer.reason for layer in layers] == [module.FASTER, module.SLOWER] * 2
    assert [layer.gain for layer in layers] == list(gains.values())
    for layer in layers:
        assert linear_maps_of(model)[layer.name].arithmetic == layer.arithmetic  # type: ignore[union-attr]
    assert ran == [MLP, [MLP[0], MLP[2]]]  # all that can be; then the chosen ones together


@pytest.mark.parametrize(("whole", "arithmetic"), [(0.99, "float"), (1.0, "float"), (1.01, "int8")])
def test_layers_stay_in_int8_only_where_the_model_gains_by_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: float, arithmetic: str
) -> None:
    int8_works(monkeypatch)
    race(monkeypatch, dict.fromkeys(MLP, 1.5), whole)
    model, layers = quantize(saved(tmp_path, "mlp"))
    assert {layer.arithmetic for layer in layers} == {arithmetic}
    assert {layer.arithmetic for layer in linear_maps_of(model).values()} == {arithmetic}  # type: ignore[union-attr]
    assert {layer.reason for layer in layers} == {module.FASTER if arithmetic == "int8" else module.NO_GAIN}


@pytest.mark.parametrize("family", [*TINY, "tfilm"])
def test_a_race_times_every_layer_in_both_forms(tmp_path: Path, family: str) -> None:
    model = make_model(family, TINY.get(family, {"hidden_channels": 2, "kernel_sizes": (5,)}))
    uses = uses_of(model)
    possible = bounds_of(uses)
    held = hold(model, {name: "int8" if name in possible else "float" for name in uses}, possible)
    layers = {name: layer for name, layer in held.items() if name in possible}
    seen: list[tuple[int, int]] = []
    each = module._race(model, 1.0, BRIEF, lambda done, total: seen.append((done, total)), layers)
    whole = each.pop("")
    assert each.keys() == layers.keys()
    modules = {name.split(".lstm.")[0]: times for name, times in each.items()}  # an LSTM's maps are timed together
    for arithmetic in (0, 1):
        assert all(times[arithmetic] > 0 for times in each.values())
        assert sum(times[arithmetic] for times in modules.values()) < 2 * whole[arithmetic]  # none counts twice
    assert {layer.arithmetic for layer in layers.values()} == {"int8"}
    assert len(seen) == 2  # two turns at least


def test_turns_go_on_until_they_took_long_enough_but_not_too_long() -> None:
    def turns(**patience: Any) -> int:
        return sum(1 for _ in Patience(**patience).rounds())

    assert turns(turns=5, least_seconds=0.0) == 5
    assert turns(turns=5, least_seconds=0.0, most_seconds=0.0) == 2
    assert turns(turns=1, least_seconds=0.01) > 100


def test_a_layer_without_a_bound_is_not_tried_where_windows_share_what_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    int8_works(monkeypatch)
    race(monkeypatch, {f"network.{place}": 2.0 for place in range(20)})
    _, (first, *others) = quantize(saved(tmp_path, "cnn"))
    assert (first.arithmetic, first.reason, first.gain) == ("float", SHARED, None)
    assert {layer.arithmetic for layer in others} == {"int8"}


def test_where_int8_does_not_work_all_is_computed_in_float_and_still_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = saved(tmp_path, "unet")
    monkeypatch.setattr(operators, "int8_operators_work", lambda: False)
    small = shrunk(loaded, tmp_path)
    assert set(small.metadata["quantized"]["arithmetic"].values()) == {"float"}
    assert {layer.reason for layer in quantize(loaded)[1]} == {module.NO_OPERATORS}


@pytest.mark.parametrize("family", ["level", "identity"])
def test_a_family_without_a_network_comes_back_as_it_is(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    model, layers = quantize(loaded)
    assert layers == []
    save_quantized(tmp_path / "copy.safetensors", loaded, model, layers, False)
    copy = load_model(str(tmp_path / "copy.safetensors"))
    assert "quantized" not in copy.metadata
    restored, wanted = (restore_waveform(each, sound(), 22_050) for each in (copy, loaded))
    np.testing.assert_array_equal(restored, wanted)
    assert coverage(model, layers) == {"stored": 0.0, "computed": 0.0}


# What cannot be shrunk.


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_a_model_is_shrunk_once(tmp_path: Path, dtype: Any) -> None:
    small = shrunk(saved(tmp_path, "mlp"), tmp_path, dtype=dtype)
    for again in ("int8", "float16"):
        with pytest.raises(UsageError, match=f"is {dtype} already; give the float model"):
            quantize(small, again)  # type: ignore[arg-type]


def test_numbers_that_are_not_finite_are_refused_rather_than_rounded_to_something(tmp_path: Path) -> None:
    loaded = saved(tmp_path, "mlp")
    state = loaded.model.state()
    for value in (np.nan, np.inf):
        loaded.model.load_state({**state, "network.3.weight": np.full_like(state["network.3.weight"], value)})
        with pytest.raises(CheckpointError, match=r"NaN or infinite numbers in network\.3\.weight"):
            quantize(loaded)


# The file.


def test_an_int8_file_of_an_older_version_has_its_bounds_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    int8_works(monkeypatch)
    race(monkeypatch, {f"network.{place}": 2.0 for place in range(20)})
    small = shrunk(saved(tmp_path, "cnn"), tmp_path)
    arrays, metadata = read_arrays(tmp_path / "small.safetensors")
    quantized = metadata["quantized"]
    assert set(quantized.pop("bounds").values()) == {1.0}
    save_arrays(tmp_path / "older.safetensors", arrays, metadata)
    older = load_model(str(tmp_path / "older.safetensors"))
    np.testing.assert_array_equal(older.model.restore(sound()[None]), small.model.restore(sound()[None]))
    for bounds in ([], {"network.0": "1"}, {"no.such.layer": 1.0}, {}):
        save_arrays(tmp_path / "wrong.safetensors", arrays, {**metadata, "quantized": {**quantized, "bounds": bounds}})
        with pytest.raises(CheckpointError, match="does not fit its own description"):
            load_model(str(tmp_path / "wrong.safetensors"))


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_metadata_of_the_float_checkpoint_is_kept_and_what_it_scored_is_called_its_score(
    tmp_path: Path, dtype: Any
) -> None:
    metadata = {"step": 7, "validation": {"loss": 0.1}, "title": "Größe"}
    loaded = saved(tmp_path, "mlp", **metadata)
    small = shrunk(loaded, tmp_path, dtype=dtype)
    expected = {**loaded.metadata, "quantized": None, "validation_of_float_form": {"loss": 0.1}}
    assert {**small.metadata, "quantized": None, "validation": {"loss": 0.1}} == expected
    assert "validation" not in small.metadata


def test_the_digest_is_another_so_that_nothing_is_taken_for_done(tmp_path: Path) -> None:
    loaded = saved(tmp_path, "mlp")
    small = shrunk(loaded, tmp_path)
    assert small.digest != loaded.digest
    write_audio(tmp_path / "in.wav", sound(), 22050)
    record = {"id": "in", "degraded": str(tmp_path / "in.wav")}
    config = RestoreConfig(tmp_path / "out")
    restore_record(record, loaded, config)
    with pytest.raises(AudioFileError, match="made from something else"):
        restore_record(record, small, config)
    assert restore_record(record, loaded, config)["restored"]  # this one is done already


# What is reported.


def test_coverage_counts_numbers_and_multiply_adds(tmp_path: Path) -> None:
    model, layers = quantize(saved(tmp_path, "mlp"))
    outputs = [model.state()[f"{layer.name}.bias"].size for layer in layers]
    weights = sum(layer.weights for layer in layers)
    first = replace(layers[0], multiply_adds=300.0, arithmetic="int8")
    rest = [replace(layer, multiply_adds=100.0, arithmetic="float") for layer in layers[1:]]
    metadata = coverage(model, [first, *rest])
    assert metadata["stored"] == pytest.approx(weights / (weights + 2 * sum(outputs)))  # a scale and a bias for each
    assert metadata["computed"] == pytest.approx(300 / (300 + 100 * len(rest)))


def test_what_stays_in_float32_is_counted_by_its_names(tmp_path: Path) -> None:
    model, layers = quantize(saved(tmp_path, "mlp"))
    assert left_in_float32(model, layers) == {}
    assert left_in_float32(model, layers[1:]) == {
        f"network.0.{part}": model.state()[f"network.0.{part}"].size for part in ("weight", "scale", "bias")
    }


# float16.


@pytest.mark.parametrize("family", TINY)
def test_float16_rounds_every_number_to_16_bits_and_restores_as_before(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    model, layers = quantize(loaded, "float16")
    save_quantized(tmp_path / "small.safetensors", loaded, model, layers, False, "float16")
    small = load_model(str(tmp_path / "small.safetensors"))
    arrays, _ = read_arrays(tmp_path / "small.safetensors")
    for name, array in loaded.model.state().items():
        assert arrays[name].dtype == (np.float16 if array.dtype == np.float32 else array.dtype)
        np.testing.assert_allclose(small.model.state()[name], array, rtol=2**-11, atol=2**-25)
    assert {(layer.stored, layer.arithmetic) for layer in layers} == {("float16", "float")}
    assert coverage(model, layers, "float16")["stored"] > 0.98  # the rest are counters
    restored = small.model.restore(sound()[None])
    np.testing.assert_array_equal(restored, model.restore(sound()[None]))
    before = loaded.model.restore(sound()[None])
    assert np.square(restored - before).mean() < 1e-4 * np.square(before).mean()


def test_numbers_that_float16_cannot_hold_stay_in_float32(tmp_path: Path) -> None:
    loaded = saved(tmp_path, "mlp")
    state = loaded.model.state()
    large, tiny = 1e6 * state["network.3.weight"], 1e-9 * state["network.6.bias"]
    loaded.model.load_state({**state, "network.3.weight": large, "network.6.bias": tiny})
    small = shrunk(loaded, tmp_path, dtype="float16")
    np.testing.assert_array_equal(small.model.state()["network.3.weight"], large)
    np.testing.assert_array_equal(small.model.state()["network.6.bias"], tiny)
    model, layers = quantize(loaded, "float16")
    assert [layer.stored for layer in layers] == ["float16", "float32", "float16", "float16"]
    assert left_in_float32(model, layers, "float16") == {"network.3.weight": large.size, "network.6.bias": tiny.size}


def test_what_a_float16_checkpoint_says_of_its_layers_has_to_be_true(tmp_path: Path) -> None:
    shrunk(saved(tmp_path, "mlp"), tmp_path, dtype="float16")
    arrays, metadata = read_arrays(tmp_path / "small.safetensors")
    wrong: list[Any] = [None, {}, {"network.0": "float"}, dict.fromkeys(MLP, "int8")]
    for arithmetic in wrong:
        quantized = {"dtype": "float16", "arithmetic": arithmetic}
        save_arrays(tmp_path / "wrong.safetensors", arrays, {**metadata, "quantized": quantized})
        with pytest.raises(CheckpointError, match="does not fit its own description"):
            load_model(str(tmp_path / "wrong.safetensors"))


# Parts that do not restore.


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_only_the_part_that_restores_is_timed_counted_and_written(tmp_path: Path, dtype: Any) -> None:
    loaded = saved(tmp_path, "two_players")  # a generator, and a critic beside it
    model, layers = quantize(loaded, dtype)
    assert [layer.name for layer in layers] == ["generator.0", "generator.2"]
    assert sum(layer.multiply_adds for layer in layers) == sum(layer.weights for layer in layers)
    assert coverage(model, layers, dtype)["stored"] > 0.7
    assert left_in_float32(model, layers, dtype) == {}
    small = shrunk(loaded, tmp_path, dtype=dtype)
    arrays, _ = read_arrays(tmp_path / "small.safetensors")
    assert all(name.startswith("generator.") for name in arrays)
    drawn = model.draw(np.random.default_rng(0))  # type: ignore[attr-defined]
    restored, wanted = (each.restore(sound()[None], drawn) for each in (small.model, loaded.model))  # type: ignore[attr-defined]
    assert np.square(restored - wanted).mean() < 1e-3 * np.square(wanted).mean()


# Speeds and other numbers.


def test_speed_is_in_multiples_of_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model("identity")
    clock(monkeypatch, 0.1, 0.02)
    speeds = compare_speed({"float": loaded, "int8": loaded}, sound(11_025), 22050)
    assert speeds == {"float": pytest.approx(5.0), "int8": pytest.approx(25.0)}


def test_speed_is_measured_on_the_start_of_a_long_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 1.0)
    long = np.zeros((1, 200 * module._TIMED_SECONDS), np.float32)
    assert compare_speed({"float": load_model("identity")}, long, 100) == {"float": module._TIMED_SECONDS}


def pair(folder: Path, reference: np.ndarray, degraded: np.ndarray) -> dict[str, str]:
    for role, waveform in (("reference", reference), ("degraded", degraded)):
        write_audio(folder / f"{role}.wav", waveform, 22050, subtype="FLOAT")
    return {"id": "a", **{role: str(folder / f"{role}.wav") for role in ("reference", "degraded")}}


@pytest.mark.parametrize("channels", [1, 2])
def test_a_record_s_numbers_are_those_that_restoring_and_measuring_it_give(tmp_path: Path, channels: int) -> None:
    loaded = saved(tmp_path, "mlp")
    models = {"float": loaded, "int8": shrunk(loaded, tmp_path)}
    reference = 0.5 * sound(12_000, channels)
    record = pair(tmp_path, reference, reference + 0.01 * sound(12_000, channels)[:, ::-1])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (compared,) = compare_records([record], models)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before  # nothing is left behind
    rows = compared["compared"]
    assert list(rows) == ["degraded", "float", "int8"]
    for name, each in models.items():
        made = restore_record(record, each, RestoreConfig(tmp_path / name, bits="float"))
        measured = evaluate_record(made, ["snr", "lsd"])["metrics"]
        assert rows[name] == measured["restored"]
        assert rows["degraded"] == measured["degraded"]


def test_a_record_that_cannot_be_measured_says_so_and_a_silent_reference_has_no_ratio(tmp_path: Path) -> None:
    identity, silence = {"float": load_model("identity")}, np.zeros((1, 3_000), np.float32)
    wrong = {"id": "gone", "reference": str(tmp_path / "gone.wav"), "degraded": str(tmp_path / "gone.wav")}
    bad, silent = compare_records([wrong, pair(tmp_path, silence, sound())], identity)
    assert "does not exist" in bad["error"]["message"]
    assert silent["compared"]["float"]["snr_db"] is None
    json.dumps(silent, allow_nan=False)


def test_means_leave_out_what_is_undefined() -> None:
    rows: list[Any] = [{name: {"snr_db": number} for name in ("degraded", "int8")} for number in (1.0, None, 2.0)]
    assert means(rows) == {"snr_db": {"degraded": 1.5, "int8": 1.5}}
    assert means(rows[1:2]) == {"snr_db": {"degraded": None, "int8": None}}
    assert means([]) == {}
