"""What every model family promises, tested over the whole registry: a new family is included automatically."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from audiorestore.models._restorer import Restorer, RestorerConfig
from audiorestore.models._segments import overlap_save
from audiorestore.signal.sound import BLOCK_FRAMES, Sound, joined

BUDGET = 3_000  # parameters, in families with a budget: a small network shows the same as a large one


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def model(family: str) -> Restorer:
    """Build the family's smallest form with randomised parameters and buffers, none at its neutral initial value."""
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


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def batch(model: Restorer, frames: int, size: int = 1, seed: int = 0) -> np.ndarray:
    return noise(size * model.config.channels, frames, seed).reshape(size, -1, frames)


def draw(model: Restorer) -> Any:
    return model.draw(np.random.default_rng(5)) if isinstance(model, NetworkRestorer) else None


# The module.


def test_a_family_has_docstrings(family: str) -> None:
    module = FAMILIES.load(family)
    first = module.__doc__.splitlines()[0]
    assert first.endswith((".", ":"))
    assert len(first) <= 120
    assert module.Config.__doc__
    assert module.Model.__doc__


def test_a_config_is_frozen_and_all_fields_have_defaults_and_can_be_set_from_the_shell(family: str) -> None:
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


def test_presets_set_existing_settings_to_possible_values(family: str) -> None:
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


def test_a_model_is_built_from_its_config_alone(family: str) -> None:
    module = FAMILIES.load(family)
    with torch.device("meta"):
        made = module.Model(module.Config())
    assert isinstance(made, Restorer)
    assert made.config == module.Config()
    assert made.context >= 0
    assert made.stride >= 1


# Restoring.


def in_blocks(waveform: np.ndarray, cut: Callable[[], int]) -> Iterator[np.ndarray]:
    start = 0
    while start < waveform.shape[-1]:
        stop = start + cut()
        yield waveform[..., start:stop]
        start = stop


def restored(model: Restorer, waveform: np.ndarray, cut: Callable[[], int] = lambda: BLOCK_FRAMES) -> np.ndarray:
    """Restore (channels, time) in blocks whose lengths ``cut`` returns, always with the same seed."""
    sound = Sound(model.config.sample_rate or 22050, *waveform.shape, lambda: in_blocks(waveform, cut))
    return joined(model.restored(sound, np.random.default_rng(5)), len(waveform))


def by_overlap_save(model: Restorer) -> bool:
    return isinstance(model, NetworkRestorer) and type(model).pieces is NetworkRestorer.pieces


@pytest.mark.parametrize("frames", [1, 2, 3, 201, 255, 1_000])
def test_any_length_keeps_its_shape(model: Restorer, frames: int) -> None:
    for channels in (1, 3):
        waveform = noise(channels, frames)
        before = waveform.copy()
        after = restored(model, waveform)
        assert after.shape == waveform.shape
        assert after.dtype == np.float32
        assert np.isfinite(after).all()
        np.testing.assert_array_equal(waveform, before)  # the argument is not changed in place


def test_silence_and_loud_noise_are_restored_to_finite_samples(model: Restorer) -> None:
    for waveform in (0.0 * noise(1, 500), 1_000 * noise(1, 500)):
        assert np.isfinite(restored(model, waveform)).all()


def test_a_mono_model_restores_each_channel_separately(model: Restorer) -> None:
    waveform = noise(3, 400)
    together = restored(model, waveform)
    for index in range(3 if model.config.channels == 1 else 0):
        alone = restored(model, waveform[index : index + 1])
        np.testing.assert_allclose(together[index : index + 1], alone, atol=1e-5)


def test_restoring_is_repeatable_and_does_not_change_the_model(model: Restorer) -> None:
    waveform = noise(1, 400)
    before = {name: array.copy() for name, array in model.state().items()}
    first = restored(model, waveform)
    if isinstance(model, nn.Module):
        model.train()  # as the training loop may leave it
    np.testing.assert_array_equal(restored(model, waveform), first)
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_several_threads_can_restore_with_one_model(model: Restorer) -> None:
    if isinstance(model, nn.Module):
        model.eval()  # as a model is loaded
    waveforms = [noise(1, 700, seed) for seed in range(6)]
    expected = [restored(model, waveform) for waveform in waveforms]
    with ThreadPoolExecutor(3) as pool:
        for one, other in zip(pool.map(lambda waveform: restored(model, waveform), waveforms), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_sample_depends_on_no_more_than_the_context_around_it(model: Restorer) -> None:
    if not by_overlap_save(model):
        pytest.skip("this family has no fixed context")
    middle, reach = 2_000, model.context + model.stride
    waveform = noise(1, 4_000)
    changed = waveform.copy()
    changed[..., middle] += 0.5
    touched = np.flatnonzero(np.abs(restored(model, changed) - restored(model, waveform))[0] > 1e-6)
    assert len(touched) > 0
    assert touched.min() >= middle - reach
    assert touched.max() <= middle + reach


@pytest.mark.parametrize("frames", [1, 99, 2_345])
def test_the_result_does_not_depend_on_the_blocks(model: Restorer, frames: int) -> None:
    waveform, rng = noise(1, frames), np.random.default_rng(2)
    whole = restored(model, waveform)
    for cut in (lambda: 7, lambda: 333, lambda: int(rng.integers(0, 900))):
        np.testing.assert_array_equal(restored(model, waveform, cut), whole)
    if by_overlap_save(model):
        np.testing.assert_allclose(whole[None], model.restore(waveform[None], draw(model)), atol=1e-5)


def test_a_recording_longer_than_a_block_has_no_seam(model: Restorer) -> None:
    waveform, rng = noise(1, BLOCK_FRAMES + model.context + 3), np.random.default_rng(1)
    whole = restored(model, waveform)
    np.testing.assert_array_equal(restored(model, waveform, lambda: int(rng.integers(1, 30_000))), whole)
    if by_overlap_save(model):
        np.testing.assert_allclose(whole[None], model.restore(waveform[None], draw(model)), atol=1e-5)


def test_restoring_reads_little_ahead(model: Restorer) -> None:
    if model.learns == "by steps":
        pytest.skip("networks share overlap_save and cross_fade, which have their own tests")
    read = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(50):
            read += 10_000
            yield np.full((2, 10_000), 0.1, np.float32)

    done = 0
    sound = Sound(model.config.sample_rate or 44_100, 2, 500_000, blocks)
    for block in model.restored(sound, np.random.default_rng(0)):
        done += block.shape[-1]
        assert min(read, 500_000) - done < 1 << 17
    assert done == 500_000


# Long recordings, piece by piece.


@pytest.mark.parametrize("block", [1, 64, 500])
def test_overlap_save_is_seamless_for_lengths_around_its_block_edges(model: Restorer, block: int) -> None:
    if not by_overlap_save(model):
        pytest.skip("this family restores in another way")
    drawn = draw(model)
    edges = [1, block, 2 * block, 2 * (block + model.context)]
    lengths = [3] if block == 1 else [edge + step for edge in edges for step in (-1, 0, 1) if edge + step > 0]
    for frames in sorted(set(lengths)):
        waveform = batch(model, frames, seed=frames)
        pieces = overlap_save(lambda piece: model.restore(piece, drawn), [waveform], model.context, model.stride, block)
        np.testing.assert_allclose(np.concatenate([*pieces], -1), model.restore(waveform, drawn), atol=1e-5)


def on_a_grid(waveform: np.ndarray) -> np.ndarray:
    """Depend on five samples on each side, and on the position in a grid of four samples, which makes seams visible."""
    padded = np.pad(waveform, ((0, 0), (0, 0), (5, 5)))
    around = sum(padded[..., shift : shift + waveform.shape[-1]] for shift in range(11))
    phase: np.ndarray = np.arange(waveform.shape[-1]) % 4
    return (around * (1 + phase)).astype(np.float32)


@pytest.mark.parametrize("block", [1, 3, 4, 8, 9])
def test_pieces_are_aligned_with_the_model_s_grid_and_have_its_context(block: int) -> None:
    for frames in range(1, 60):
        waveform = np.arange(1, frames + 1, dtype=np.float32)[None, None]
        for size in (1, 2, 5, 100):
            pieces = overlap_save(on_a_grid, in_blocks(waveform, lambda size=size: size), 5, 4, block)
            np.testing.assert_array_equal(np.concatenate([*pieces], axis=-1), on_a_grid(waveform))


def test_overlap_save_reads_no_more_than_a_block_and_its_context_ahead() -> None:
    read = done = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(1_000):
            read += 30
            yield np.zeros((1, 1, 30), np.float32)

    for piece in overlap_save(on_a_grid, blocks(), 5, 4, 100):
        done += piece.shape[-1]
        assert read - done <= 8 + 30
    assert read == done == 30_000
    assert [*overlap_save(on_a_grid, [], 5, 4)] == []


# What a checkpoint stores.


def test_a_new_model_with_the_same_state_restores_the_same(family: str, model: Restorer) -> None:
    other = FAMILIES.load(family).Model(model.config)
    other.load_state(model.state())
    waveform = noise(1, 500)
    np.testing.assert_array_equal(restored(other, waveform), restored(model, waveform))
    for name, array in other.state().items():
        np.testing.assert_array_equal(array, model.state()[name])


def test_state_of_another_model_is_refused(family: str, model: Restorer) -> None:
    state = model.state()
    wrong = [{**state, "surplus": np.zeros(3, np.float32)}]
    if state:
        name = next(iter(state))
        wrong += [{}, {key: array for key, array in state.items() if key != name}]
        wrong += [{**state, name: np.zeros((*state[name].shape, 2), state[name].dtype)}]
    for numbers in wrong:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is free, but not empty
            FAMILIES.load(family).Model(model.config).load_state(numbers)
        assert str(refused.value)


def test_a_family_that_learns_needs_a_checkpoint_and_any_other_is_ready(family: str) -> None:
    module = FAMILIES.load(family)
    with torch.device("meta"):
        learns = module.Model(module.Config()).learns
    if learns != "nothing":
        with pytest.raises(UsageError, match=f"'{family}' has to be trained first"):
            load_model(family)
    else:
        assert load_model(family).family == family


# Learning.


def test_players_have_finite_losses_and_gradients_for_all_parameters(model: Restorer) -> None:
    if not isinstance(model, NetworkRestorer):
        assert model.players() == []
        return
    model.train()
    frames = 512 + 2 * model.context
    degraded, reference = (torch.from_numpy(batch(model, frames, 2, seed)) for seed in (1, 2))
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


def test_the_objective_draws_only_from_its_generator(model: Restorer) -> None:
    if not isinstance(model, NetworkRestorer):
        pytest.skip("this family is not trained by gradient")
    model.eval()
    degraded, reference = (torch.from_numpy(batch(model, 512 + 2 * model.context, 2, seed)) for seed in (1, 2))
    once, twice = (
        {name: loss.item() for name, loss in model.objective(degraded, reference, np.random.default_rng(0)).items()}
        for _ in range(2)
    )
    assert once == twice


def test_the_fitted_gain_minimises_the_squared_error_over_all_pairs() -> None:
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
    assert model.state()["gain"][0] == 1.0  # silence has no level


@pytest.mark.parametrize("budget", [1, 12, 13, 100, 12_345])
def test_the_width_is_the_one_closest_to_the_budget(budget: int) -> None:
    def layer(width: int) -> nn.Module:
        return nn.Linear(10, width)  # 11 parameters for each unit

    width = solve_width(layer, budget)
    assert abs(11 * width - budget) <= min(abs(11 * max(1, width + step) - budget) for step in (-1, 1))
    assert count_parameters(layer(width)) == 11 * width
