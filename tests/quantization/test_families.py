"""Every family that learns can be made small: quantized, saved, loaded, restored with, by blocks or in one piece."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audiorestore.engine import quantize as engine
from audiorestore.engine.checkpoint import LoadedModel, load_model, make_model, read_arrays
from audiorestore.models import FAMILIES
from audiorestore.models._network import NetworkRestorer
from audiorestore.models._restorer import OverlapSave, Restorer

SMALLER = 0.52  # of the float form, as the paper of the autoencoder has it
BUDGET = 3_000  # parameters, where a family has such a budget


def with_networks() -> list[str]:
    return [name for name in FAMILIES.names() if issubclass(FAMILIES.load(name).Model, NetworkRestorer)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=with_networks())
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def loaded(family: str) -> LoadedModel:
    """The family's small form; no number is at its neutral start."""
    module = FAMILIES.load(family)
    names = {field.name for field in dataclasses.fields(module.Config)}
    settings = {**module.PRESETS["small"], **({"parameters": BUDGET} if "parameters" in names else {})}
    torch.manual_seed(0)
    model, rng = make_model(family, settings), np.random.default_rng(0)
    model.load_state({name: moved(name, array, rng) for name, array in model.state().items()})
    return LoadedModel(family, family, model, {"step": 3, "validation": {"mse": 0.1}}, "")


def moved(name: str, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    if name.endswith("running_var"):
        return rng.uniform(0.5, 2.0, array.shape).astype(array.dtype)
    return (array + rng.uniform(-0.1, 0.1, array.shape)).astype(array.dtype)


@pytest.fixture
def _all_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let int8 be faster everywhere, and no time be lost on finding out."""

    def race(model: Any, layers: dict[str, Any], progress: Any) -> Any:
        return (2.0, 1.0), dict.fromkeys(layers, (2.0, 1.0))

    monkeypatch.setattr(engine, "_race", race)


def sound(model: Restorer, frames: int) -> np.ndarray:
    noise = 0.2 * np.random.default_rng(1).standard_normal((2, model.config.channels, frames))
    return (noise * np.linspace(0.05, 2.0, frames)).astype(np.float32)


def snr_db(ours: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.square(wanted).sum() / np.square(ours - wanted).sum()))


def bytes_of(model: NetworkRestorer) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def test_the_paper_s_size_shrinks_by_more_than_half(family: str) -> None:
    with torch.device("meta"):  # nothing is allocated or computed
        model = FAMILIES.load(family).Model(FAMILIES.load(family).Config())
        before, layers = bytes_of(model), model.linear_maps()
        model.hold_in_int8(dict.fromkeys(layers, "float"))
    assert bytes_of(model) <= (1.0 - SMALLER) * before
    assert sum(layer.weight.numel() for layer in layers.values()) > 0.9 * before / 4


@pytest.mark.usefixtures("_all_in_int8")
@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_what_is_saved_restores_like_what_was_made(loaded: LoadedModel, tmp_path: Path, dtype: Any) -> None:
    model, layers = engine.quantize(loaded, dtype)
    path = tmp_path / "small.safetensors"
    engine.save_quantized(path, loaded, model, layers, False, dtype)
    small, waveform = load_model(str(path)), sound(model, 3_000)
    np.testing.assert_array_equal(small.model.restore(waveform), model.restore(waveform))
    assert small.metadata["quantized"]["arithmetic"] == {layer.name: layer.arithmetic for layer in layers}
    assert small.metadata["validation_of_float_form"] == {"mse": 0.1}
    arrays, _ = read_arrays(path)
    for layer in layers:
        assert arrays[f"{layer.name}.weight"].dtype == dtype if dtype == "int8" else layer.stored == dtype
    # It sounds like the float model, to 8 or to 11 bits in each layer.
    restored, before = model.restore(waveform), loaded.model.restore(waveform)
    assert np.isfinite(restored).all()
    assert snr_db(restored, before) > {"int8": 20.0, "float16": 50.0}[dtype]
    if dtype == "int8":
        share = engine.coverage(model, layers)
        assert share["stored"] > 0.5
        assert share["computed"] > 0.9 or not any(layer.arithmetic == "int8" for layer in layers)


@pytest.mark.usefixtures("_all_in_int8")
def test_by_blocks_it_restores_what_it_restores_in_one_piece(loaded: LoadedModel) -> None:
    model, _ = engine.quantize(loaded)
    waveform = sound(model, 9_000)
    whole = model.restore(waveform)
    ways = [(model.stream(), 1_111), (model.stream(), 9_000)]
    if type(model).stream is Restorer.stream:
        ways += [(OverlapSave(model, None, block), 700) for block in (1_000, 2_600)]
    for stream, size in ways:
        parts = [stream.push(waveform[..., start : start + size]) for start in range(0, 9_000, size)]
        np.testing.assert_allclose(np.concatenate([*parts, stream.flush()], axis=-1), whole, atol=1e-5)
