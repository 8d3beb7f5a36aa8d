"""What every model family promises, over the whole registry: a new file is tested the moment it is there."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from audiorestore.engine.checkpoint import load_model, make_model
from audiorestore.engine.settings import build, describe
from audiorestore.engine.training.loop import TrainConfig
from audiorestore.errors import UsageError
from audiorestore.models import FAMILIES
from audiorestore.models._network import NetworkRestorer, count_parameters, solve_width
from audiorestore.models._restorer import OverlapSave, Restorer, RestorerConfig

BUDGET = 3_000  # parameters, where a family has such a budget: the smallest net shows what a large one would


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def model(family: str) -> Restorer:
    """The family's smallest form, with random numbers wherever it keeps any: nothing is at its neutral start."""
    module = FAMILIES.load(family)
    names = {field.name for field in dataclasses.fields(module.Config)}
    settings = {**module.PRESETS["small"], **({"parameters": BUDGET} if "parameters" in names else {})}
    torch.manual_seed(0)
    made = make_model(family, settings)
    rng = np.random.default_rng(0)
    made.load_state({name: _shaken(name, array, rng) for name, array in made.state().items()})
    return made


def _shaken(name: str, array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    if name.endswith("running_var"):
        return rng.uniform(0.5, 2.0, array.shape).astype(array.dtype)
    return (array + rng.uniform(-0.2, 0.2, array.shape)).astype(array.dtype)


def sound(model: Restorer, frames: int, batch: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.2 * rng.standard_normal((batch, model.config.channels, frames))).astype(np.float32)


def draw(model: Restorer) -> Any:
    return model.draw(np.random.default_rng(5))


def streamed(stream: Any, waveform: np.ndarray, sizes: Iterator[int] | Callable[[], int]) -> np.ndarray:
    take = sizes if callable(sizes) else lambda: next(sizes)
    parts, start = [], 0
    while start < waveform.shape[-1]:
        stop = start + take()
        parts.append(stream.push(waveform[..., start:stop]))
        start = stop
    return np.concatenate([*parts, stream.flush()], axis=-1)


# The module.


def test_a_family_says_what_it_is(family: str) -> None:
    module = FAMILIES.load(family)
    first = module.__doc__.splitlines()[0]
    assert first.endswith((".", ":"))
    assert len(first) <= 120
    assert module.Config.__doc__
    assert module.Model.__doc__


def test_a_config_is_frozen_and_every_field_has_a_default_and_can_be_set_from_the_shell(family: str) -> None:
    config = FAMILIES.load(family).Config
    assert issubclass(config, RestorerConfig)
    assert config.__dataclass_params__.frozen
    for field in dataclasses.fields(config):
        assert (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        assert not describe(field.type).startswith("<class")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().sample_rate = 1


@pytest.mark.parametrize("settings", [{"sample_rate": -1}, {"channels": 0}, {"channels": 3}, {"channels": -1}], ids=str)
def test_impossible_rates_and_channels_are_refused(family: str, settings: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        make_model(family, settings)


def test_presets_change_settings_that_exist_to_values_that_are_possible(family: str) -> None:
    module = FAMILIES.load(family)
    assert {"paper", "small"} <= module.PRESETS.keys()
    known = {field.name for holder in (module.Config, TrainConfig) for field in dataclasses.fields(holder)}
    for settings in module.PRESETS.values():
        assert settings.keys() <= known
        build(module.Config, settings)
        build(TrainConfig, settings)


def test_the_paper_s_values_are_the_defaults(family: str) -> None:
    module = FAMILIES.load(family)
    assert build(module.Config, module.PRESETS["paper"]) == module.Config()


def test_a_model_is_built_of_its_config_alone(family: str) -> None:
    module = FAMILIES.load(family)
    with torch.device("meta"):
        made = module.Model(module.Config())
    assert isinstance(made, Restorer)
    assert made.config == module.Config()
    assert made.context >= 0
    assert made.stride >= 1


# Restoring.


@pytest.mark.parametrize("frames", [1, 2, 3, 201, 255, 1_000])
def test_any_length_comes_back_in_its_own_shape(model: Restorer, frames: int) -> None:
    for batch in (1, 3):
        waveform = sound(model, frames, batch)
        before = waveform.copy()
        restored = model.restore(waveform, draw(model))
        assert restored.shape == waveform.shape
        assert restored.dtype == np.float32
        assert np.isfinite(restored).all()
        np.testing.assert_array_equal(waveform, before)  # the argument is not changed in place


def test_silence_and_a_loud_click_come_back_finite(model: Restorer) -> None:
    for waveform in (np.zeros_like(sound(model, 500)), 1_000 * sound(model, 500)):
        assert np.isfinite(model.restore(waveform, draw(model))).all()


def test_each_recording_of_a_batch_is_restored_alone(model: Restorer) -> None:
    waveform = sound(model, 400, batch=3)
    together = model.restore(waveform, draw(model))
    for index in range(3):
        alone = model.restore(waveform[index : index + 1], draw(model))
        np.testing.assert_allclose(together[index : index + 1], alone, atol=1e-5)


def test_restoring_twice_gives_the_same_and_leaves_the_model_as_it_was(model: Restorer) -> None:
    waveform = sound(model, 400)
    before = model.state()
    before = {name: array.copy() for name, array in before.items()}
    first = model.restore(waveform, draw(model))
    if isinstance(model, nn.Module):
        model.train()  # as the training loop may leave it
    np.testing.assert_array_equal(model.restore(waveform, draw(model)), first)
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_sample_depends_on_no_more_than_the_context_around_it(model: Restorer) -> None:
    if type(model).stream is not Restorer.stream:
        pytest.skip("this family streams in its own way, and promises no context")
    middle, reach = 2_000, model.context + model.stride
    waveform = sound(model, 4_000)
    changed = waveform.copy()
    changed[..., middle] += 0.5
    difference = np.abs(model.restore(changed, draw(model)) - model.restore(waveform, draw(model))).max(axis=(0, 1))
    touched = np.flatnonzero(difference > 1e-6)
    assert len(touched) > 0
    assert touched.min() >= middle - reach
    assert touched.max() <= middle + reach


# Streaming.


@pytest.mark.parametrize("frames", [1, 2, 99, 1_000, 2_345])
def test_the_family_s_own_stream_gives_what_the_whole_file_gives(model: Restorer, frames: int) -> None:
    waveform = sound(model, frames)
    drawn = draw(model)
    cuts = [streamed(model.stream(drawn), waveform, lambda size=size: size) for size in (7, 333, frames)]
    for cut in cuts:
        np.testing.assert_array_equal(cut, cuts[0])
    if type(model).stream is Restorer.stream:
        np.testing.assert_allclose(cuts[0], model.restore(waveform, drawn), atol=1e-5)


def test_a_recording_longer_than_a_block_streams_without_a_seam(model: Restorer) -> None:
    if type(model).stream is not Restorer.stream:
        pytest.skip("this family streams in its own way")
    waveform = sound(model, (1 << 16) + model.context + 3)
    drawn = draw(model)
    rng = np.random.default_rng(1)
    one = streamed(model.stream(drawn), waveform, lambda: int(rng.integers(1, 30_000)))
    other = streamed(model.stream(drawn), waveform, lambda: waveform.shape[-1])
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, model.restore(waveform, drawn), atol=1e-5)


@pytest.mark.parametrize("block", [1, 64, 500])
def test_overlap_save_is_seamless_for_lengths_around_its_block_edges(model: Restorer, block: int) -> None:
    if type(model).stream is not Restorer.stream:
        pytest.skip("this family streams in its own way")
    drawn = draw(model)
    edges = [1, 2, block, 2 * block, block + model.context, 2 * (block + model.context)]
    lengths = [3] if block == 1 else [edge + step for edge in edges for step in (-1, 0, 1) if edge + step > 0]
    rng = np.random.default_rng(2)
    for frames in sorted(set(lengths)):
        waveform = sound(model, frames, seed=frames)
        whole = model.restore(waveform, drawn)
        ways: list[Callable[[], int]] = [lambda: 1 << 20, lambda: 37, lambda: int(rng.integers(0, 2 * block))]
        if frames < 100:
            ways.append(lambda: 1)
        cuts = [streamed(OverlapSave(model, drawn, block), waveform, sizes) for sizes in ways]
        for cut in cuts:
            np.testing.assert_array_equal(cut, cuts[0])
        np.testing.assert_allclose(cuts[0], whole, atol=1e-5)


class Grid(Restorer):
    """Its answer depends on where the grid of its stride lies, and on its context: a seam would show."""

    context = 5
    stride = 4

    def restore(self, waveform: np.ndarray, draw: Any = None) -> np.ndarray:
        padded = np.pad(waveform, ((0, 0), (0, 0), (5, 5)))
        around = sum(padded[..., shift : shift + waveform.shape[-1]] for shift in range(11))
        phase: np.ndarray = np.arange(waveform.shape[-1]) % 4
        return (around * (1 + phase)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 3, 4, 8, 9])
def test_blocks_lie_on_the_model_s_grid_and_carry_its_context(block: int) -> None:
    model = Grid(RestorerConfig())
    for frames in range(1, 60):
        waveform = np.arange(1, frames + 1, dtype=np.float32)[None, None]
        for size in (1, 2, 5, 100):
            cut = streamed(OverlapSave(model, None, block), waveform, lambda size=size: size)
            np.testing.assert_array_equal(cut, model.restore(waveform))


def test_overlap_save_holds_no_more_than_a_block_and_its_context() -> None:
    stream = OverlapSave(Grid(RestorerConfig()), None, 100)
    for _ in range(1_000):
        stream.push(np.zeros((1, 1, 30), np.float32))
        assert sum(part.shape[-1] for part in stream._held) <= 100 + 2 * 8 + 30


def test_a_stream_that_got_nothing_cannot_end() -> None:
    with pytest.raises(ValueError, match="nothing was pushed"):
        OverlapSave(Grid(RestorerConfig())).flush()


# What a checkpoint stores.


def test_state_goes_into_a_new_model_and_the_sound_is_the_same(family: str, model: Restorer) -> None:
    other = FAMILIES.load(family).Model(model.config)
    other.load_state(model.state())
    waveform = sound(model, 500)
    np.testing.assert_array_equal(other.restore(waveform, draw(other)), model.restore(waveform, draw(model)))
    for name, array in other.state().items():
        np.testing.assert_array_equal(array, model.state()[name])


def test_state_that_is_not_the_model_s_own_is_refused(family: str, model: Restorer) -> None:
    state = model.state()
    wrong = [{**state, "surplus": np.zeros(3, np.float32)}]
    if state:
        name = next(iter(state))
        wrong += [{}, {key: array for key, array in state.items() if key != name}]
        wrong += [{**state, name: np.zeros((*state[name].shape, 2), state[name].dtype)}]
    for numbers in wrong:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - any sentence will do, but there has to be one
            FAMILIES.load(family).Model(model.config).load_state(numbers)
        assert str(refused.value)


def test_a_family_that_learns_is_refused_by_its_bare_name_and_any_other_is_ready(family: str) -> None:
    module = FAMILIES.load(family)
    with torch.device("meta"):
        learns = module.Model(module.Config()).learns
    if learns != "nothing":
        with pytest.raises(UsageError, match=f"'{family}' has to be trained first"):
            load_model(family)
    else:
        assert load_model(family).family == family


# Learning.


def test_players_learn_by_finite_losses_that_reach_all_their_parameters(model: Restorer) -> None:
    if not isinstance(model, NetworkRestorer):
        assert model.players() == []
        return
    model.train()
    frames = 512 + 2 * model.context
    degraded, reference = (torch.from_numpy(sound(model, frames, 2, seed)) for seed in (1, 2))
    everyone = []
    for player in model.players():
        assert player.name
        assert player.steps >= 1
        losses = player.objective(degraded, reference, np.random.default_rng(0))
        assert losses
        for loss in losses.values():
            assert loss.shape == ()
            assert torch.isfinite(loss)
        gradients = torch.autograd.grad(sum(losses.values()), player.parameters)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        everyone += player.parameters
    assert {id(parameter) for parameter in everyone} == {id(parameter) for parameter in model.parameters()}


def test_the_objective_draws_from_its_generator_alone(model: Restorer) -> None:
    if not isinstance(model, NetworkRestorer):
        pytest.skip("nobody learns by gradient here")
    model.eval()
    degraded, reference = (torch.from_numpy(sound(model, 512 + 2 * model.context, 2, seed)) for seed in (1, 2))
    once, twice = (
        {name: loss.item() for name, loss in model.objective(degraded, reference, np.random.default_rng(0)).items()}
        for _ in range(2)
    )
    assert once == twice


def test_fitting_one_gain_finds_the_least_squared_error_over_all_pairs() -> None:
    model = make_model("level", {})
    rng = np.random.default_rng(0)
    pairs = [(rng.standard_normal((1, 500)), rng.standard_normal((1, 500))) for _ in range(3)]
    pairs = [(degraded, 0.7 * degraded + 0.1 * other) for degraded, other in pairs]
    model.fit(pairs)

    def error(gain: float) -> float:
        return sum(float(np.square(reference - gain * degraded).sum()) for degraded, reference in pairs)

    best = float(model.state()["gain"][0])
    assert error(best) < min(error(best - 1e-4), error(best + 1e-4))
    model.fit([(np.zeros((1, 10)), np.ones((1, 10)))])
    assert model.state()["gain"][0] == 1.0  # silence tells nothing about a level


@pytest.mark.parametrize("budget", [1, 12, 13, 100, 12_345])
def test_the_width_solved_for_is_the_one_closest_to_the_budget(budget: int) -> None:
    def layer(width: int) -> nn.Module:
        return nn.Linear(10, width)  # 11 parameters for each unit

    width = solve_width(layer, budget)
    assert abs(11 * width - budget) <= min(abs(11 * max(1, width + step) - budget) for step in (-1, 1))
    assert count_parameters(layer(width)) == 11 * width
