"""The layers of the windowed families have the values and gradients of torch's own, in another memory layout."""

import copy
from typing import Any

import pytest
import torch
from networks import sound
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.models import _layers
from audiorestore.models._layers import (
    NEIGHBOURS,
    PoolPairs,
    Tanh,
    channels_last,
    convolve,
    folded,
    normalise,
    over_neighbours,
    pool,
    shifted_copies,
)


def gradients(output: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    """Compute the gradients of a weighted sum of an output."""
    weighting = sound(*output.shape, seed=9).to(output.dtype)
    return torch.autograd.grad((output * weighting).sum(), leaves)


# Tanh.


def test_tanh_is_torch_s_to_a_fifth_of_a_millionth() -> None:
    values = torch.cat([torch.linspace(-30, 30, 60_001), torch.tensor([0.0, -0.0, 1e-30, 1e30, -1e30, torch.inf])])
    squashed = Tanh()(values)
    assert (squashed - torch.tanh(values)).abs().max() <= 2e-7
    assert squashed.abs().max() <= 1.0
    torch.testing.assert_close(Tanh()(values.double()), torch.tanh(values.double()), rtol=0, atol=1e-15)


def test_tanh_has_torch_s_gradient() -> None:
    ours = torch.linspace(-30, 30, 6_001, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    Tanh()(ours).sum().backward()
    torch.tanh(theirs).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-6)
    double = sound(50).requires_grad_()
    assert torch.autograd.gradcheck(Tanh(), double)


# Convolutions.


def test_channels_of_one_time_step_are_contiguous() -> None:
    values = sound(2, 3, 10)
    arranged = channels_last(values)
    assert torch.equal(arranged.squeeze(2), values)
    assert arranged.stride(1) == 1


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize(("dilation", "padding"), [(1, 0), (2, 0), (3, 4), (4, 1)])
@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (1, 7), (3, 1), (5, 4), (16, 9)])
def test_a_convolution_equals_torch_s_own(channels: int, kernel: int, dilation: int, padding: int, grad: bool) -> None:
    layer = nn.Conv1d(channels, 6, kernel, dilation=dilation, padding=padding).double()
    values = sound(2, channels, 50)
    with torch.set_grad_enabled(grad):
        ours = convolve(layer, channels_last(values), dilation, padding)
        torch.testing.assert_close(ours.squeeze(2), layer(values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize(("channels", "kernel"), [(1, 21), (4, 1), (3, 19), (2, 70)])
def test_a_dense_layer_is_convolved_over_flattened_windows(
    channels: int, kernel: int, dilation: int, grad: bool
) -> None:
    layer = nn.Linear(channels * kernel, 5).double()
    values = sound(2, channels, dilation * kernel + 37)
    reach = dilation * (kernel - 1) + 1
    windows = values.unfold(-1, reach, 1)[..., ::dilation]  # (batch, channels, count, kernel)
    literal = layer(windows.transpose(1, 2).flatten(2)).transpose(1, 2)
    with torch.set_grad_enabled(grad):
        ours = convolve(layer, channels_last(values), dilation)
        torch.testing.assert_close(ours.squeeze(2), literal, rtol=1e-12, atol=1e-12)


class Own(nn.Linear):
    """A replacement layer with its own computations."""

    def convolve(self, values: Tensor, dilation: int, padding: int) -> Tensor:
        return values * dilation + padding

    def repeated(self, values: Tensor, arrange: Any, times: int) -> Tensor:
        return functional.linear(values, 2 * arrange(self.weight), self.bias.repeat(times))


def test_a_layer_with_its_own_convolution_is_used() -> None:
    values = channels_last(sound(2, 3, 40))
    assert torch.equal(convolve(Own(3, 3), values, 2, 1), 2 * values + 1)


@pytest.mark.parametrize(("kind", "factor"), [(nn.Linear, 1), (Own, 2)])
def test_a_dense_layer_maps_rows_of_sixteen_neighbouring_windows(kind: type[nn.Linear], factor: int) -> None:
    layer, rows = kind(12, 5).double(), sound(3, 7, 12 + NEIGHBOURS - 1)
    windows = rows.unfold(-1, 12, 1)
    literal = factor * functional.linear(windows, layer.weight) + layer.bias
    torch.testing.assert_close(over_neighbours(layer)(rows), literal.flatten(2))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("channels", "kernel", "frames"),
    [(1, 1, 5), (1, 64, 64), (2, 64, 65), (3, 70, 85), (1, 201, 240), (5, 65, 96)],  # count of windows: 1, 2, 16 …
)
def test_a_product_over_rows_has_the_values_and_gradients_of_the_convolution(
    channels: int, kernel: int, frames: int, dilation: int, bias: bool
) -> None:
    time = dilation * (kernel - 1) + 1 + frames - kernel
    weight, offset = sound(4, channels, kernel, seed=2).requires_grad_(), sound(4, seed=3).requires_grad_()
    values = sound(2, channels, time).requires_grad_()
    leaves = (values, weight, offset) if bias else (values, weight)
    theirs = functional.conv1d(values, weight, offset if bias else None, dilation=dilation)
    ours = _layers._slide_in_rows(
        weight.unsqueeze(2), offset if bias else None, channels_last(values), dilation
    ).squeeze(2)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    for one, other in zip(gradients(ours, *leaves), gradients(theirs, *leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_long_kernels_use_products_over_rows_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    rows = _layers._slide_in_rows
    monkeypatch.setattr(_layers, "_slide_in_rows", lambda *given: [used.append(given[0].shape[-1]), rows(*given)][1])
    values = channels_last(sound(1, 1, 300))
    for kernel in (7, 200):
        layer = nn.Conv1d(1, 3, kernel).double()
        learning = convolve(layer, values)
        with torch.no_grad():
            restoring = convolve(layer, values)
        torch.testing.assert_close(learning, restoring, rtol=1e-10, atol=1e-10)
    assert used == [200]


@pytest.mark.parametrize("step", [1, 3])
def test_shifted_copies_give_the_output_for_sixteen_neighbouring_windows(step: int) -> None:
    weight = sound(5, 12 * step)
    copies = shifted_copies(weight, step)
    reach = (12 + NEIGHBOURS - 1) * step
    assert copies.shape == (5 * NEIGHBOURS, reach)
    row = sound(reach, seed=2)
    windows = torch.stack([row[shift * step : shift * step + 12 * step] for shift in range(NEIGHBOURS)])
    torch.testing.assert_close((copies @ row).reshape(NEIGHBOURS, 5), windows @ weight.T)


# Batch normalisation.


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
def test_normalising_is_torch_s_batch_norm_with_its_running_statistics(momentum: Any) -> None:
    ours = nn.BatchNorm1d(6, momentum=momentum).double()
    nn.init.uniform_(ours.weight, 0.5, 1.5)
    nn.init.uniform_(ours.bias, -0.5, 0.5)
    theirs = copy.deepcopy(ours)
    for seed in range(4):
        values = 3.0 * sound(2, 6, 30, seed=seed) + seed
        output = normalise(ours, channels_last(values)).squeeze(2)
        torch.testing.assert_close(output, theirs(values), rtol=1e-12, atol=1e-12)
        for name, buffer in theirs.named_buffers():
            torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-12, atol=1e-12)
    assert ours.num_batches_tracked == 4
    ours.eval(), theirs.eval()
    before = {name: buffer.clone() for name, buffer in ours.named_buffers()}
    values = sound(2, 6, 30, seed=7)
    torch.testing.assert_close(normalise(ours, channels_last(values)).squeeze(2), theirs(values))
    for name, buffer in ours.named_buffers():
        assert torch.equal(buffer, before[name])


def test_normalising_has_batch_norm_s_gradients() -> None:
    layer = nn.BatchNorm1d(6).double()
    values = sound(2, 6, 30).requires_grad_()
    leaves = (values, layer.weight, layer.bias)
    theirs = gradients(layer(values), *leaves)
    ours = gradients(normalise(layer, channels_last(values)).squeeze(2), *leaves)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def shaken(layers: nn.Sequential) -> nn.Sequential:
    """Give batch normalisation random statistics and parameters."""
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            for tensor in (layer.running_mean, layer.weight, layer.bias):
                if tensor is not None:
                    nn.init.normal_(tensor)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return layers.double().eval()


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(9, 8), nn.BatchNorm1d(8), Tanh(), nn.Linear(8, 2), nn.BatchNorm1d(2)], (5, 9)),
        ([nn.Linear(9, 8, bias=False), nn.BatchNorm1d(8), PoolPairs("max"), nn.Linear(4, 1)], (5, 9)),
        ([nn.Conv1d(3, 4, 5, dilation=2), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 2, 3)], (2, 3, 40)),
        ([nn.Conv1d(3, 4, 5, padding=2, bias=False), nn.BatchNorm1d(4, affine=False)], (2, 3, 40)),
        ([nn.BatchNorm1d(9), nn.Linear(9, 8), Tanh(), nn.BatchNorm1d(8)], (5, 9)),  # nothing to fold into
        ([nn.Linear(9, 8), nn.BatchNorm1d(8), nn.BatchNorm1d(8)], (5, 9)),
    ],
    ids=["dense", "pooled", "convolution", "without bias", "elsewhere", "twice"],
)
def test_folded_layers_give_what_the_layers_give(layers: list[nn.Module], shape: tuple[int, ...]) -> None:
    network = shaken(nn.Sequential(*layers))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run = folded(network)
    assert len(run) == len(network)  # every layer keeps its position
    values = sound(*shape)
    torch.testing.assert_close(nn.Sequential(*run)(values), network(values), rtol=1e-10, atol=1e-10)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_normalisation_after_a_linear_map_is_folded_into_it() -> None:
    run = folded(
        shaken(nn.Sequential(nn.Linear(9, 8), nn.BatchNorm1d(8), Tanh(), nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)))
    )
    assert [type(layer) for layer in run] == [nn.Linear, nn.Identity, Tanh, nn.Conv1d, nn.Identity]


# Pooling.


@pytest.mark.parametrize("kind", ["max", "avg", "lp2", "lp3"])
@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_dense_pooling_contains_the_pooling_of_all_grids(kind: Any, dilation: int) -> None:
    values = sound(2, 3, 48)
    dense = pool(values, kind, dilation)
    assert dense.shape == (2, 3, 48 - dilation)
    for start in range(2 * dilation):
        grid = PoolPairs(kind)(values[..., start::dilation])
        torch.testing.assert_close(dense[..., start :: 2 * dilation][..., : grid.shape[-1]], grid)
