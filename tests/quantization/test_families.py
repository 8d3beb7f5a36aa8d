"""Every family with a network can be stored in int8: it restores alike, by blocks or in one piece, alone or in a batch,
and comes back from the disk."""

import copy
import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from audiorestore.engine import quantize as engine
from audiorestore.engine.checkpoint import LoadedModel, load_model, make_model, read_arrays
from audiorestore.engine.int8 import bounds_of, hold, linear_maps_of, restoring_state, uses_of
from audiorestore.models import FAMILIES
from audiorestore.models._network import NetworkRestorer
from audiorestore.models._segments import overlap_save
from audiorestore.quantization import operators
from audiorestore.quantization.study import Use
from audiorestore.signal.sound import Sound, joined

SMALLER = 0.52  # of the float form, as the paper of the autoencoder has it
BUDGET = 3_000  # parameters, where a family has such a budget


def with_networks() -> list[str]:
    return [name for name in FAMILIES.names() if FAMILIES.load(name).Model.uses_torch]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=with_networks())
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def model(family: str) -> Any:
    """The family's small form; no number is at its neutral start."""
    return copy.deepcopy(small_form(family))


@cache
def small_form(family: str) -> Any:
    torch.manual_seed(0)
    made: Any = make_model(family, settings(family))
    rng = np.random.default_rng(0)
    made.load_state({name: shaken(name, array, rng) for name, array in made.state().items()})
    return made


@pytest.fixture
def loaded(family: str, model: Any) -> LoadedModel:
    return LoadedModel(family, family, model, {"step": 3, "validation": {"mse": 0.1}}, "")


def settings(family: str) -> dict[str, Any]:
    module = FAMILIES.load(family)
    names = {field.name for field in dataclasses.fields(module.Config)}
    return {**module.PRESETS["small"], **({"parameters": BUDGET} if "parameters" in names else {})}


def shaken(name: str, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    if name.endswith("running_var"):
        return rng.uniform(0.5, 2.0, array.shape).astype(array.dtype)
    return (array + rng.uniform(-0.1, 0.1, array.shape)).astype(array.dtype)


@cache
def uses(family: str) -> dict[str, Use]:
    return uses_of(make_model(family, settings(family)))


def in_int8(family: str, arithmetic: str) -> Any:
    """Hold the small form in int8: all computed in int8 wherever that is possible, or all in float."""
    made, bounds = copy.deepcopy(small_form(family)), bounds_of(uses(family))
    hold(made, {name: arithmetic if name in bounds else "float" for name in uses(family)}, bounds)
    return made


@pytest.fixture(params=["int8", "float"])
def rounded(request: pytest.FixtureRequest, family: str) -> Any:
    return in_int8(family, request.param)


@pytest.fixture
def _all_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let int8 be faster everywhere, and no time be lost on finding out."""

    def race(*arguments: Any) -> Any:
        return dict.fromkeys(["", *arguments[-1]], (2.0, 1.0))

    monkeypatch.setattr(engine, "_race", race)


def sound(model: Any, frames: int, batch: int = 2) -> np.ndarray:
    noise = 0.2 * np.random.default_rng(1).standard_normal((batch, model.config.channels, frames))
    return (noise * np.linspace(0.05, 2.0, frames)).astype(np.float32)


def draw(model: Any) -> Any:
    return model.draw(np.random.default_rng(5))


def error_db(ours: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.square(ours - wanted).sum() / np.square(wanted).sum() + 1e-20))


def bytes_of(model: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


# Size.


def test_the_paper_s_size_shrinks_by_more_than_half(family: str) -> None:
    with torch.device("meta"):  # nothing is allocated or computed
        model = FAMILIES.load(family).Model(FAMILIES.load(family).Config())
        part = model.restoring_part()
        if any(isinstance(module, nn.MultiheadAttention) for module in part.modules()):
            pytest.skip("torch's fused attention stays in float32")
        before = bytes_of(part)
        layers = hold(model, dict.fromkeys(linear_maps_of(model), "float"), {})
    assert bytes_of(part) <= (1.0 - SMALLER) * before
    assert sum(layer.codes.numel() for layer in layers.values()) > 0.9 * before / 4


def test_all_weights_of_linear_maps_are_integers_and_the_rest_is_as_it_was(model: Any, rounded: Any) -> None:
    state, before = restoring_state(rounded), linear_maps_of(model)
    assert linear_maps_of(rounded).keys() == before.keys()
    for name, layer in before.items():
        assert layer.weight.is_floating_point()
        assert state[f"{name}.weight"].dtype == np.int8
        assert state[f"{name}.weight"].shape == tuple(layer.weight.shape)
    assert not any("running" in name for name in state)  # batch normalisation is folded in
    assert (rounded.context, rounded.stride, rounded.config) == (model.context, model.stride, model.config)


# Work.


def test_multiply_adds_of_all_layers_are_at_most_those_that_torch_counts_in_all(family: str, model: Any) -> None:
    counts = []
    for frames in (20 * model.stride, 40 * model.stride):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.eval().to("meta")(torch.zeros(1, model.config.channels, frames, device="meta"))
        counts.append(counter.get_total_flops() / 2)
    in_all = (counts[1] - counts[0]) / (20 * model.stride)
    assert 0.0 < sum(use.multiply_adds for use in uses(family).values()) <= in_all * (1 + 1e-9)
    assert uses(family).keys() == linear_maps_of(model).keys()


BY_HAND = {  # family, its settings, and a layer's share of the work by what is known of the network
    "mlp": ({"window": 21}, "network.0", lambda weights: weights * (21 + 15) / 21),  # 16 windows share a row
    "cnn": ({"window": 21, "kernel_sizes": (5, 3), "dilation": 1}, "network.0", lambda weights: weights),
    "unet": ({"window": 16, "levels": 2, "overlap": 4}, "network.bottom.0", lambda weights: weights / 4 * 16 / 12),
    "autoencoder": ({"n_fft": 64, "hop_length": 16}, "network.blocks.0.up.dense", lambda weights: weights * 2 / 16),
    "audiounet": ({"hidden_channels": 2}, "down.1.convolution", lambda weights: weights / 4),
    "tfilm": ({"hidden_channels": 2}, "down.1.film.lstm.recurrent_l0", lambda weights: weights / 256),
    "wavenet": ({"hidden_channels": 2, "stacks": 1}, "gated.3.mix", lambda weights: weights),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_multiply_adds_are_those_of_the_network_s_rates(name: str) -> None:
    options, layer, wanted = BY_HAND[name]
    settings = {**options, **({"parameters": BUDGET} if name in ("mlp", "cnn", "unet") else {})}
    model = make_model(name, settings)
    weights = linear_maps_of(model)[layer].weight.numel()
    assert uses_of(model)[layer].multiply_adds == pytest.approx(wanted(weights), rel=1e-9)


def test_bounds_are_those_of_tanh_gates_and_pools() -> None:
    def bounds(name: str, **settings: Any) -> list[float | None]:
        found = bounds_of(uses_of(make_model(name, {"window": 41, "parameters": BUDGET, **settings})))
        return list(found.values())

    assert bounds("mlp") == [None, 1.0, 1.0, 1.0]
    assert bounds("mlp", pooling="lp3", layers=1) == [None, 2 ** (1 / 3)]
    assert bounds("mlp", activation="relu", layers=1) == [None, None]
    assert bounds("cnn", pooling="lp2", kernel_sizes=(5, 3)) == [2**0.5, 2**0.5, 1.0]  # none for the first layer
    assert bounds("cnn", activation="relu", kernel_sizes=(5, 3)) == []
    assert set(bounds("unet", window=64)) == {None}
    found = bounds_of(uses_of(make_model("wavenet", {"hidden_channels": 2, "stacks": 1, "layers": 2})))
    assert {name for name, bound in found.items() if bound == 1.0} == {"gated.0.mix", "gated.1.mix"}


# What is restored.


def test_any_length_comes_back_and_sounds_alike(model: Any, rounded: Any) -> None:
    for frames in (1, 16, 1_000):
        waveform = sound(model, frames, 3)
        restored = rounded.restore(waveform, draw(model))
        assert restored.shape == waveform.shape
        assert restored.dtype == np.float32
        assert error_db(restored, model.restore(waveform, draw(model))) < -20
    for other in (0.0 * waveform, 1_000 * waveform, 1e-30 * waveform):
        assert np.isfinite(rounded.restore(other, draw(model))).all()


def test_by_blocks_it_restores_what_it_restores_in_one_piece(family: str, model: Any) -> None:
    rounded = in_int8(family, "int8")
    frames = 9_000
    waveform = sound(rounded, frames, 1)[0]

    def restored(size: int) -> np.ndarray:
        starts = range(0, frames, size)
        cut = Sound(22_050, len(waveform), frames, lambda: (waveform[:, start : start + size] for start in starts))
        return joined(rounded.restored(cut, np.random.default_rng(5)), len(waveform))

    whole = restored(frames)
    for size in (1_111, 37):
        np.testing.assert_array_equal(restored(size), whole)
    drawn = draw(rounded)
    if type(model).pieces is NetworkRestorer.pieces:  # a family of overlapping blocks
        for block in (1_000, 2_600):
            parts = overlap_save(
                lambda piece: rounded.restore(piece, drawn), [waveform[None]], model.context, model.stride, block
            )
            assert error_db(np.concatenate([*parts], axis=-1)[0], whole) < -100


def test_a_loud_neighbour_in_the_batch_changes_nothing(model: Any, rounded: Any) -> None:
    waveform = sound(rounded, 600, 4) * np.array([1.0, 1_000.0, 0.01, 1.0], np.float32)[:, None, None]
    together = rounded.restore(waveform, draw(rounded))
    for index in range(4):
        alone = rounded.restore(waveform[index : index + 1], draw(rounded))[0]
        np.testing.assert_allclose(together[index], alone, atol=1e-5 * np.abs(alone).max())


def test_layers_that_were_used_take_up_other_arithmetic(family: str, model: Any) -> None:
    forms = {kind: in_int8(family, kind) for kind in ("int8", "float")}
    waveform = sound(model, 500)
    expected = {kind: form.restore(waveform, draw(model)) for kind, form in forms.items()}
    assert not np.array_equal(expected["int8"], expected["float"])
    changing = forms["int8"]
    for kind in ("float", "int8"):
        for name, layer in linear_maps_of(changing).items():
            layer.arithmetic = kind if name in bounds_of(uses(family)) else "float"
        np.testing.assert_array_equal(changing.restore(waveform, draw(model)), expected[kind])


def test_machines_without_the_operators_restore_the_same(
    family: str, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded, waveform = in_int8(family, "int8"), sound(model, 1_000)
    by_operators = rounded.restore(waveform, draw(model))
    monkeypatch.setattr(operators, "usable", lambda codes, scale: False)
    # Now and then a code is the next one.
    assert error_db(rounded.restore(waveform, draw(model)), by_operators) < -60


# On the disk.


@pytest.mark.usefixtures("_all_faster")
@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_what_is_saved_restores_like_what_was_made(loaded: LoadedModel, tmp_path: Path, dtype: Any) -> None:
    model, layers = engine.quantize(loaded, dtype)
    path = tmp_path / "small.safetensors"
    engine.save_quantized(path, loaded, model, layers, False, dtype)
    small, waveform = load_model(str(path)), sound(model, 3_000)
    restored, before = (each.restore(waveform, draw(each)) for each in (model, loaded.model))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(small.model.restore(waveform, draw(model)), restored)  # type: ignore[attr-defined]
    assert small.metadata["quantized"]["arithmetic"] == {layer.name: layer.arithmetic for layer in layers}
    assert small.metadata["validation_of_float_form"] == {"mse": 0.1}
    arrays, _ = read_arrays(path)
    assert arrays.keys() == restoring_state(model).keys()
    for layer in layers:
        assert arrays[f"{layer.name}.weight"].dtype == dtype if dtype == "int8" else layer.stored == dtype
    # It sounds like the float model, to 8 or to 11 bits in each layer.
    assert np.isfinite(restored).all()
    assert error_db(restored, before) < {"int8": -20.0, "float16": -50.0}[dtype]
    if dtype == "int8":
        assert engine.coverage(model, layers)["computed"] > 0.9 or not bounds_of(uses(loaded.family))


def wrong_descriptions(names: list[str], bounds: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    right: dict[str, Any] = dict.fromkeys(names, "float")
    yield {**right, "no.such.layer": "float"}, bounds
    yield {**right, "no.such.layer": "int8"}, bounds
    yield {}, bounds
    yield dict.fromkeys(names[1:], "float"), bounds
    for kind in ("int4", "", None, ["int8"], 8):
        yield {**right, names[0]: kind}, bounds
    yield {**right, names[0]: "int8"}, {name: bound for name, bound in bounds.items() if name != names[0]}
    for bound in (0.0, -1.0, float("nan"), float("inf"), "1", [1.0], 1):
        yield right, {**bounds, names[0]: bound}
    yield right, {**bounds, "no.such.layer": 1.0}


def test_layers_that_are_not_the_model_s_and_arithmetic_that_it_lacks_are_refused(family: str, model: Any) -> None:
    before = model.state()
    for arithmetic, bounds in wrong_descriptions(list(uses(family)), bounds_of(uses(family))):
        with pytest.raises(ValueError, match="these layers cannot compute as stated: "):
            hold(model, arithmetic, bounds)
    assert model.state().keys() == before.keys()  # and nothing has changed
