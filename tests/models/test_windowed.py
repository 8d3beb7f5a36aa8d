"""The dense forms of mlp and cnn compute the same as the paper's sliding window."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_refused, sound
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.errors import UsageError
from audiorestore.models import cnn, mlp
from audiorestore.models._layers import PoolPairs, pool
from audiorestore.models._network import count_parameters
from audiorestore.models._windowed import MiddleSampleRestorer

POOLINGS = ("none", "max", "avg", "lp2", "lp3")

# Every setting of Tables 1 to 7 of panchenko-2025, in combinations of several at once.
DENSE: list[dict[str, Any]] = [
    {"layers": layers, "activation": activation, "pooling": pooling}
    for layers, activation, pooling in (
        (1, "tanh", "none"),
        (3, "relu", "avg"),
        (5, "silu", "max"),
        (7, "tanh", "lp2"),
        (11, "relu", "lp3"),
        (15, "silu", "none"),
        (19, "tanh", "avg"),
    )
]
CONVOLUTIONS: list[dict[str, Any]] = [
    {"kernel_sizes": sizes, "dilation": dilation, "pooling": pooling, "dense_layers": dense, "activation": activation}
    for sizes, dilation, pooling, dense, activation in (
        ((7, 5, 3), 2, "avg", 1, "tanh"),
        ((3,), 1, "none", 0, "tanh"),
        ((9,), 2, "max", 1, "relu"),
        ((9, 7, 5), 1, "lp2", 3, "silu"),
        ((5, 5), 4, "lp3", 1, "tanh"),
        # With dilations of 8 and more, 201 samples are too short for two poolings and a third convolution.
        ((7, 3), 8, "avg", 5, "relu"),
        ((3, 7), 10, "max", 1, "tanh"),
        ((7, 5, 3), 10, "none", 7, "silu"),
        ((3, 3, 3, 3), 1, "max", 0, "relu"),
        ((7, 5, 3), 6, "avg", 1, "silu"),
    )
]


def randomised(family: Any, residual: bool = False, parameters: int = 5_000, **options: Any) -> MiddleSampleRestorer:
    """Build a model with batch statistics of noise and a random last layer."""
    torch.manual_seed(0)
    model: MiddleSampleRestorer = family.Model(
        family.Config(residual=residual, parameters=parameters, **options)
    ).double()
    nn.init.normal_(model.network[-1].weight)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    with torch.no_grad():
        literally(model.train(), every_window(model, sound(1, 1, 500, seed=3)))
    for norm in norms:  # close to these statistics, so that deep networks do not saturate, but not equal
        norm.momentum = 0.1
        norm.running_mean += 0.2 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4)
    return model.eval()


def every_window(model: MiddleSampleRestorer, waveform: Tensor) -> Tensor:
    """Cut out each window, one around each sample of (batch, channels, time): (windows, window), copied."""
    padded = functional.pad(waveform, (model.context, model.context))
    return padded.unfold(-1, model.config.window, 1).reshape(-1, model.config.window).clone()


def literally(model: MiddleSampleRestorer, windows: Tensor) -> Tensor:
    """Run the paper's network on windows, (count, window) to (count,); a residual adds the middle sample."""
    shaped = windows if isinstance(model, mlp.Model) else windows[:, None]
    restored: Tensor = model.network(shaped)[:, 0]
    return restored if model.gain is None else model.gain * windows[:, model.context] + restored


def name(options: dict[str, Any]) -> str:
    return ",".join(map(str, options.values()))


OPTIONS = [(mlp, options) for options in DENSE] + [(cnn, options) for options in CONVOLUTIONS]
IDS = [f"{family.__name__.rpartition('.')[2]}:{name(options)}" for family, options in OPTIONS]


@pytest.mark.parametrize(("family", "options"), OPTIONS, ids=IDS)
@torch.no_grad()
def test_dense_evaluation_is_the_literal_sliding_window(family: Any, options: dict[str, Any]) -> None:
    model = randomised(family, **options)
    waveform = sound(2, 1, 333)
    dense = model(waveform)
    windows = every_window(model, waveform)
    torch.testing.assert_close(dense.flatten(), literally(model, windows), rtol=0, atol=1e-9)
    for place in (0, 1, 15, 16, 200, 332, 333, 665):  # single windows, at both ends and in both recordings
        alone = literally(model, windows[place : place + 1])
        torch.testing.assert_close(dense.flatten()[place : place + 1], alone, rtol=0, atol=1e-9)
    assert dense.std() > 0.05  # the output is not zero


@pytest.mark.parametrize("family", [mlp, cnn])
@pytest.mark.parametrize("frames", [1, 16, 17, 202])
@torch.no_grad()
def test_recordings_shorter_than_a_window_are_padded_with_silence(family: Any, frames: int) -> None:
    model = randomised(family, residual=True)
    waveform = sound(3, 2, frames)
    literal = literally(model, every_window(model, waveform)).reshape(waveform.shape)
    torch.testing.assert_close(model(waveform), literal, rtol=0, atol=1e-9)


@pytest.mark.parametrize("family", [mlp, cnn])
@torch.no_grad()
def test_single_precision_stays_within_1e_5_of_the_literal_window(family: Any) -> None:
    model = randomised(family, parameters=50_000).float()
    waveform = sound(1, 1, 500).float()
    literal = literally(model, every_window(model, waveform))
    # 1e-5 of full scale: the output of these random weights is several times larger.
    scale = literal.abs().max().clamp_min(1.0)
    torch.testing.assert_close(model(waveform).flatten() / scale, literal / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("window", [1, 3, 31])
@torch.no_grad()
def test_any_odd_window_is_possible(window: int) -> None:
    for model in (
        randomised(mlp, window=window),
        randomised(cnn, window=window, kernel_sizes=(1,), dilation=1, pooling="none"),
    ):
        waveform = sound(1, 1, 50)
        literal = literally(model, every_window(model, waveform))
        torch.testing.assert_close(model(waveform).flatten(), literal, rtol=0, atol=1e-9)


@torch.no_grad()
def test_odd_positions_that_pooling_drops_belong_to_no_window() -> None:
    # 37 samples, kernel 3: 35 positions, 17 pairs and one that is dropped; then 15 positions, 7 pairs.
    model = randomised(cnn, window=37, kernel_sizes=(3, 3), dilation=1, pooling="max")
    assert cnn.flattened_length(model.config) == 7
    waveform = sound(1, 1, 90)
    literal = literally(model, every_window(model, waveform))
    torch.testing.assert_close(model(waveform).flatten(), literal, rtol=0, atol=1e-9)


def assert_trains_alike(model: MiddleSampleRestorer, literal: MiddleSampleRestorer, padded: Tensor) -> None:
    """Compare the dense form with the literal windows in training: results, statistics and gradients."""
    dense = model.inner(padded)
    expected = literally(literal, padded.unfold(-1, model.config.window, 1).reshape(-1, model.config.window).clone())
    torch.testing.assert_close(dense.flatten(), expected, rtol=0, atol=1e-9)
    for ours, theirs in zip(model.buffers(), literal.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)  # the running statistics
    weighting = sound(expected.numel())
    (dense.flatten() * weighting).sum().backward()
    (expected * weighting).sum().backward()
    for ours, theirs in zip(model.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("frames", "pooling"), [(2, "none"), (16, "avg"), (17, "none"), (50, "avg")])
def test_dense_layers_train_on_the_statistics_of_exactly_the_literal_windows(frames: int, pooling: Any) -> None:
    model, literal = (randomised(mlp, pooling=pooling, window=21).train() for _ in range(2))
    assert_trains_alike(model, literal, sound(3, 1, frames + 20))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        (mlp, {"pooling": "avg"}),
        (cnn, {"kernel_sizes": (5, 3), "pooling": "avg"}),
        (cnn, {"kernel_sizes": (5, 3), "pooling": "none", "dense_layers": 0}),
        (cnn, {"kernel_sizes": (4, 3), "pooling": "lp3", "dense_layers": 2, "dilation": 3}),
    ],
    ids=["mlp", "cnn", "cnn without pooling", "cnn with odd positions"],
)
def test_independent_windows_train_as_the_paper_s_network_does(family: Any, options: dict[str, Any]) -> None:
    model, literal = (randomised(family, window=41, residual=True, **options).train() for _ in range(2))
    assert_trains_alike(model, literal, sound(9, 1, 41))


def test_convolutions_train_as_literal_windows_do_if_no_position_counts_twice() -> None:
    # A kernel as long as the window has one position per window: the statistics are over windows, as in the paper.
    options: dict[str, Any] = {"window": 21, "kernel_sizes": (21,), "dilation": 1, "pooling": "none"}
    model, literal = randomised(cnn, **options).train(), randomised(cnn, **options).train()
    assert_trains_alike(model, literal, sound(3, 1, 60))


@pytest.mark.parametrize("family", [mlp, cnn])
def test_the_gradient_of_the_dense_form_is_that_of_the_literal_windows(family: Any) -> None:
    model = randomised(family, residual=True, window=41, **({"kernel_sizes": (5, 3)} if family is cnn else {}))
    waveform = sound(1, 1, 70)
    weighting = sound(70)
    gradients = []
    for restored in (model(waveform).flatten(), literally(model, every_window(model, waveform))):
        gradients.append(torch.autograd.grad((restored * weighting).sum(), list(model.parameters())))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


# One more unit is such a large part of a small budget that no width is within 5 % of it.
TOO_COARSE: dict[int, set[str]] = {
    5_000: {"19,tanh,avg", "(9,),2,max,1,relu", "(5, 5),4,lp3,1,tanh"},
    50_000: set(),
    500_000: set(),
}


@pytest.mark.parametrize(("family", "options"), OPTIONS, ids=IDS)
def test_parameter_budgets_are_met_within_five_percent(family: Any, options: dict[str, Any]) -> None:
    build = mlp._layers if family is mlp else cnn._one_window
    for budget, coarse in TOO_COARSE.items():
        config = family.Config(parameters=budget, **options)
        with torch.device("meta"):
            width = family.Model(config).width
            sizes = [count_parameters(build(config, width + step)) for step in (-2, -1, 0, 1, 2) if width + step > 0]
            chosen = count_parameters(build(config, width))
        assert abs(chosen - budget) == min(abs(size - budget) for size in sizes)  # no other width comes closer
        assert (abs(chosen - budget) <= 0.05 * budget) != (name(options) in coarse), budget


def test_the_paper_s_best_models_have_50_000_parameters() -> None:
    for family in (mlp, cnn):
        assert count_parameters(family.Model(family.Config())) == pytest.approx(50_000, rel=0.05)


def test_the_residual_gain_adds_one_parameter() -> None:
    for family in (mlp, cnn):
        plain, residual = (family.Model(family.Config(parameters=5_000, residual=on)) for on in (False, True))
        assert count_parameters(residual) == count_parameters(plain) + 1


@pytest.mark.parametrize("family", [mlp, cnn])
def test_an_untrained_residual_network_returns_its_input(family: Any) -> None:
    model = family.Model(family.Config(parameters=5_000, residual=True)).eval()
    waveform = sound(2, 1, 300).float()
    assert torch.equal(model(waveform), waveform)
    losses = model.objective(waveform, waveform, np.random.default_rng(0))
    assert losses["mse"].item() == 0.0


@pytest.mark.parametrize("family", [mlp, cnn])
@torch.no_grad()
def test_the_objective_is_the_squared_error_of_samples_with_complete_windows(family: Any) -> None:
    model = randomised(family)
    degraded, reference = sound(2, 1, 260), sound(2, 1, 260, seed=2)
    restored = literally(model, degraded.unfold(-1, 201, 1).reshape(-1, 201).clone())
    expected = (restored - reference[..., 100:-100].flatten()).square().mean()
    torch.testing.assert_close(model.objective(degraded, reference, np.random.default_rng(0))["mse"], expected)


POOLED = torch.tensor([[[-3.0, -4.0, 0.0, 0.0, 2.0, -1.0, 0.5, 7.0]]], dtype=torch.float64)


def test_pooling_pairs_is_torch_s_own_pooling_by_two() -> None:
    values = torch.cat([POOLED, sound(1, 1, 8), -sound(1, 1, 8, seed=2).abs()])
    expected = {
        "max": functional.max_pool1d(values, 2),
        "avg": functional.avg_pool1d(values, 2),
        "lp2": functional.lp_pool1d(values.abs(), 2.0, 2),
        "lp3": functional.lp_pool1d(values.abs(), 3.0, 2),
    }
    for kind, theirs in expected.items():
        torch.testing.assert_close(PoolPairs(kind)(values), theirs, rtol=1e-9, atol=2e-6)  # the floor: 1e-6


def test_dense_pooling_is_torch_s_pooling_with_a_stride_of_one() -> None:
    values = sound(2, 3, 50)
    for dilation in (1, 2, 4):
        wide = functional.max_pool1d(values, 2, stride=1, dilation=dilation)
        torch.testing.assert_close(pool(values, "max", dilation), wide)
    torch.testing.assert_close(pool(values, "avg"), functional.avg_pool1d(values, 2, stride=1))
    torch.testing.assert_close(pool(values, "lp2"), functional.lp_pool1d(values, 2.0, 2, stride=1))
    torch.testing.assert_close(pool(values, "lp3"), functional.lp_pool1d(values.abs(), 3.0, 2, stride=1))


def test_pooling_drops_an_odd_last_value_and_none_pools_nothing() -> None:
    values = sound(1, 1, 7)
    assert PoolPairs("avg")(values).shape == (1, 1, 3)
    assert torch.equal(pool(values, "none"), values)


@pytest.mark.parametrize("kind", ["max", "avg", "lp2", "lp3"])
def test_pooling_silence_has_a_finite_gradient(kind: Any) -> None:
    for value in (0.0, 1e-30, -1e-30, -2.0):
        values = torch.full((4,), value, requires_grad=True)
        pool(values, kind).sum().backward()
        assert values.grad is not None
        assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize(
    ("family", "options", "sentence"),
    [
        *(
            (family, {name: value}, f"{name}={value} is not possible; it must be {possible}")
            for family in (mlp, cnn)
            for name, value, possible in (("window", 200, "odd"), ("window", 0, "at least 1"), ("parameters", 0, "at"))
        ),
        (mlp, {"layers": 0}, "layers=0"),
        (cnn, {"kernel_sizes": ()}, "kernel_sizes is empty"),
        (cnn, {"kernel_sizes": (3, 0)}, "at least one tap"),
        (cnn, {"dilation": 0}, "dilation=0"),
        (cnn, {"dense_layers": -1}, "dense_layers=-1"),
        (cnn, {"kernel_sizes": (203,), "dilation": 1}, "do not fit"),
        (cnn, {"dilation": 34}, "do not fit"),
        (cnn, {"kernel_sizes": (3,) * 8, "dilation": 1}, "do not fit"),  # each pooling halves the length
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(family: Any, options: dict[str, Any], sentence: str) -> None:
    assert_refused(family.Config, options, sentence)


def test_a_convolution_that_just_fits_is_accepted() -> None:
    config = cnn.Config(kernel_sizes=(201,), dilation=1, pooling="none")
    assert cnn.flattened_length(config) == 1
    with pytest.raises(UsageError, match="do not fit"):
        dataclasses.replace(config, pooling="avg")  # one value is not a pair
