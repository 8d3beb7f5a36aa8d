"""Shrinking a model: what becomes int8, what is computed in int8 and why, and what is told about it."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audiorestore.data.audio_file import write_audio
from audiorestore.engine import quantize as module
from audiorestore.engine.checkpoint import LoadedModel, load_model, make_model, save_model
from audiorestore.engine.evaluate import evaluate_record
from audiorestore.engine.quantize import (
    Layer,
    compare_record,
    compare_speed,
    coverage,
    quantize,
    save_quantized,
)
from audiorestore.engine.restore import RestoreConfig, restore_record
from audiorestore.errors import AudioFileError, CheckpointError, RecordError, UsageError
from audiorestore.models import _int8

TINY: dict[str, dict[str, Any]] = {
    "mlp": {"window": 21, "parameters": 1_000},
    "cnn": {"window": 21, "parameters": 1_000, "kernel_sizes": (5, 3), "dilation": 1},
    "unet": {"window": 16, "levels": 2, "parameters": 1_000},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXCERPT_FRAMES", 256)
    monkeypatch.setattr(module, "_TURNS", 1)


def clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let each model take as long as is said, in turns: in float, in int8."""
    turns = itertools.cycle(seconds)

    def told(work: Callable[[], object]) -> float:
        work()
        return next(turns)

    monkeypatch.setattr(module, "_seconds", told)


def int8_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine pass for one that computes in int8, whether it does or not."""
    monkeypatch.setattr(_int8, "int8_operators_work", lambda: True)
    monkeypatch.setattr(_int8, "_fast", lambda codes, scale: False)


def saved(folder: Path, family: str, name: str = "float.safetensors", **told: Any) -> LoadedModel:
    """Put an untrained model on the disk, in which no layer is zero."""
    torch.manual_seed(1)
    path = folder / name
    save_model(path, family, make_model(family, TINY.get(family, {})), told)
    return load_model(str(path))


def shrunk(loaded: LoadedModel, folder: Path, name: str = "int8.safetensors") -> LoadedModel:
    model, layers = quantize(loaded)
    save_quantized(folder / name, loaded, model, layers, False)
    return load_model(str(folder / name))


def sound(frames: int = 3_000, channels: int = 1) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal((channels, frames))).astype(np.float32)


# Which layers.


@pytest.mark.parametrize("family", TINY)
def test_every_linear_map_is_stored_in_int8_and_the_float_model_stays(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    before = {name: array.copy() for name, array in loaded.model.state().items()}
    told: list[tuple[int, int]] = []
    model, layers = quantize(loaded, lambda done, total: told.append((done, total)))
    assert [layer.name for layer in layers] == list(loaded.model.linear_maps())  # type: ignore[attr-defined]
    assert told == [(place, len(layers)) for place in range(len(layers))]
    for layer in layers:
        assert model.state()[f"{layer.name}.weight"].dtype == np.int8
        assert layer.weights == before[f"{layer.name}.weight"].size
        assert layer.multiply_adds > 0
    assert loaded.model.state().keys() == before.keys()
    for name, array in loaded.model.state().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("in_float", "arithmetic", "reason"),
    [
        (2.0, "int8", "100% faster"),
        (0.97, "float", "3% slower"),
        (0.5, "float", "50% slower"),
    ],
)
def test_a_layer_is_computed_in_float_only_where_that_is_clearly_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_float: float, arithmetic: str, reason: str
) -> None:
    int8_works(monkeypatch)
    clock(monkeypatch, in_float, 1.0)
    model, layers = quantize(saved(tmp_path, "mlp"))
    assert {layer.arithmetic for layer in layers} == {arithmetic}
    assert {layer.arithmetic for layer in model.linear_maps().values()} == {arithmetic}  # type: ignore[attr-defined]
    assert all(layer.reason == f"the model is {reason} with it in int8" for layer in layers)


def test_layers_are_tried_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    int8_works(monkeypatch)
    faster, slower = [2.0, 1.0], [0.5, 1.0, 0.5, 1.0]  # one that loses is tried twice
    clock(monkeypatch, *faster, *slower, *faster, *slower, *faster)
    _, layers = quantize(saved(tmp_path, "mlp"))
    assert [layer.arithmetic for layer in layers] == ["int8", "float", "int8", "float"]


@pytest.mark.parametrize(("in_all", "arithmetic"), [(0.99, "float"), (1.0, "float"), (1.01, "int8")])
def test_layers_that_lose_a_little_each_stay_in_int8_only_where_all_of_them_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_all: float, arithmetic: str
) -> None:
    int8_works(monkeypatch)
    clock(monkeypatch, *[0.99, 1.0] * 4, in_all, 1.0)  # four layers, each within the noise; then all of them
    model, layers = quantize(saved(tmp_path, "mlp"))
    assert {layer.arithmetic for layer in layers} == {arithmetic}
    assert {layer.arithmetic for layer in model.linear_maps().values()} == {arithmetic}  # type: ignore[attr-defined]
    why = "1% slower" if arithmetic == "int8" else "with all such layers in int8 the model is no faster"
    assert all(why in layer.reason for layer in layers)


def test_a_layer_without_a_bound_is_not_tried_where_windows_share_what_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    int8_works(monkeypatch)
    clock(monkeypatch, 2.0, 1.0)
    _, (first, *others) = quantize(saved(tmp_path, "cnn"))
    assert first.arithmetic == "float"
    assert "no bound" in first.reason
    assert {layer.arithmetic for layer in others} == {"int8"}


@pytest.mark.parametrize("family", TINY)
def test_where_int8_does_not_work_all_is_computed_in_float_and_still_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    loaded = saved(tmp_path, family)
    monkeypatch.setattr(_int8, "int8_operators_work", lambda: False)
    small = shrunk(loaded, tmp_path)
    assert set(small.metadata["quantized"]["arithmetic"].values()) == {"float"}
    assert {layer.reason for layer in quantize(loaded)[1]} == {"no int8 products in this torch, or on this CPU"}


@pytest.mark.parametrize("family", ["level", "identity"])
def test_a_family_without_a_network_comes_back_as_it_is(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    model, layers = quantize(loaded)
    assert layers == []
    save_quantized(tmp_path / "copy.safetensors", loaded, model, layers, False)
    copy = load_model(str(tmp_path / "copy.safetensors"))
    assert "quantized" not in copy.metadata
    np.testing.assert_array_equal(copy.model.restore(sound()[None]), loaded.model.restore(sound()[None]))
    assert coverage(model, layers) == {"stored": 0.0, "computed": 0.0}


# What cannot be shrunk.


def test_a_model_is_shrunk_once(tmp_path: Path) -> None:
    small = shrunk(saved(tmp_path, "mlp"), tmp_path)
    with pytest.raises(UsageError, match="is int8 already; give the float model"):
        quantize(small)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_rather_than_rounded_to_something(tmp_path: Path, value: float) -> None:
    loaded = saved(tmp_path, "mlp")
    state = loaded.model.state()
    loaded.model.load_state({**state, "network.3.weight": np.full_like(state["network.3.weight"], value)})
    with pytest.raises(CheckpointError, match=r"NaN or infinite numbers in network\.3\.weight"):
        quantize(loaded)


# The file.


@pytest.mark.parametrize("family", TINY)
def test_an_int8_model_comes_back_from_the_disk_bit_for_bit(tmp_path: Path, family: str) -> None:
    loaded = saved(tmp_path, family)
    model, layers = quantize(loaded)
    save_quantized(tmp_path / "int8.safetensors", loaded, model, layers, False)
    small = load_model(str(tmp_path / "int8.safetensors"))
    np.testing.assert_array_equal(small.model.restore(sound()[None]), model.restore(sound()[None]))
    assert small.metadata["quantized"] == {
        "dtype": "int8",
        "arithmetic": {layer.name: layer.arithmetic for layer in layers},
    }


def test_what_the_float_checkpoint_told_is_told_on(tmp_path: Path) -> None:
    told = {"step": 7, "validation": {"loss": 0.1}, "title": "Größe"}
    loaded = saved(tmp_path, "mlp", **told)
    small = shrunk(loaded, tmp_path)
    assert {key: small.metadata[key] for key in told} == told
    assert {**small.metadata, "quantized": None} == {**loaded.metadata, "quantized": None}


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    loaded = saved(tmp_path, "mlp")
    model, layers = quantize(loaded)
    before = (tmp_path / "float.safetensors").read_bytes()
    write = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise error

    monkeypatch.setattr(Path, "write_bytes", half)
    for target, overwrite in (("int8.safetensors", False), ("float.safetensors", True)):
        with pytest.raises(error):
            save_quantized(tmp_path / target, loaded, model, layers, overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["float.safetensors"]
    assert (tmp_path / "float.safetensors").read_bytes() == before


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    loaded = saved(tmp_path, "mlp")
    model, layers = quantize(loaded)
    (tmp_path / "taken.safetensors").write_text("mine")
    with pytest.raises(AudioFileError, match="exists already"):
        save_quantized(tmp_path / "taken.safetensors", loaded, model, layers, False)
    assert (tmp_path / "taken.safetensors").read_text() == "mine"


# What is told.


def test_coverage_counts_numbers_and_multiply_adds(tmp_path: Path) -> None:
    model, layers = quantize(saved(tmp_path, "mlp"))
    outputs = [model.state()[f"{layer.name}.bias"].size for layer in layers]
    weights = sum(layer.weights for layer in layers)
    first = Layer(layers[0].name, layers[0].weights, 300.0, "int8", "")
    rest = [Layer(layer.name, layer.weights, 100.0, "float", "") for layer in layers[1:]]
    told = coverage(model, [first, *rest])
    assert told["stored"] == pytest.approx(weights / (weights + 2 * sum(outputs)))  # a scale and a bias for each
    assert told["computed"] == pytest.approx(300 / (300 + 100 * len(rest)))


def test_speed_is_told_in_multiples_of_real_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model("identity")
    clock(monkeypatch, 0.1, 0.02)
    told = compare_speed({"float": loaded, "int8": loaded}, sound(11_025), 22050)
    assert told == {"float": pytest.approx(5.0), "int8": pytest.approx(25.0)}


def test_speed_is_measured_on_the_start_of_a_long_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 1.0)
    long = np.zeros((1, 200 * module._TIMED_SECONDS), np.float32)
    assert compare_speed({"float": load_model("identity")}, long, 100) == {"float": module._TIMED_SECONDS}


@pytest.mark.parametrize("channels", [1, 2])
def test_a_record_s_numbers_are_those_that_restoring_and_measuring_it_give(tmp_path: Path, channels: int) -> None:
    loaded = saved(tmp_path, "mlp")
    models = {"float": loaded, "int8": shrunk(loaded, tmp_path)}
    reference = 0.5 * sound(30_000, channels)
    for role, waveform in (("reference", reference), ("degraded", reference + 0.01 * sound(30_000, channels)[:, ::-1])):
        write_audio(tmp_path / f"{role}.wav", waveform, 22050, subtype="FLOAT")
    record = {"id": "a", **{role: str(tmp_path / f"{role}.wav") for role in ("reference", "degraded")}}
    compared = compare_record(record, models)
    assert list(compared) == ["degraded", "float", "int8"]
    for name, each in models.items():
        made = restore_record(record, each, RestoreConfig(tmp_path / name, bits="float"))
        measured = evaluate_record(made, ["snr", "lsd"])["metrics"]
        assert compared[name] == pytest.approx(measured["restored"], rel=1e-4)
        assert compared["degraded"] == pytest.approx(measured["degraded"], rel=1e-4)


@pytest.mark.parametrize("change", ["shorter", "rate", "channels"])
def test_audio_that_does_not_lie_on_its_reference_is_refused(tmp_path: Path, change: str) -> None:
    write_audio(tmp_path / "reference.wav", sound(), 22050)
    degraded = sound(3_000 - (change == "shorter"), 1 + (change == "channels"))
    write_audio(tmp_path / "degraded.wav", degraded, 16000 if change == "rate" else 22050)
    record = {"id": "a", **{role: str(tmp_path / f"{role}.wav") for role in ("reference", "degraded")}}
    with pytest.raises(RecordError, match="'ar pair' aligns them"):
        compare_record(record, {"float": load_model("identity")})
    with pytest.raises(RecordError, match="no reference"):
        compare_record({"id": "a", "degraded": record["degraded"]}, {})


def test_a_silent_reference_has_no_ratio(tmp_path: Path) -> None:
    write_audio(tmp_path / "silent.wav", np.zeros((1, 3_000), np.float32), 22050)
    write_audio(tmp_path / "degraded.wav", sound(), 22050)
    record = {"id": "a", "reference": str(tmp_path / "silent.wav"), "degraded": str(tmp_path / "degraded.wav")}
    told = compare_record(record, {"float": load_model("identity")})
    assert told["float"]["snr_db"] is None
    json.dumps(told, allow_nan=False)
