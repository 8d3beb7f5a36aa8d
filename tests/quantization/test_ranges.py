"""Intervals hold all values that a run can make, and are as narrow as the activations allow."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.models._layers import PoolPairs, Tanh
from audiorestore.quantization.ranges import UNKNOWN, Ranges

tanh = torch.tanh

KNOWN: dict[str, tuple[Callable[[Tensor], Any], tuple[float, float]]] = {
    "tanh": (tanh, (-1, 1)),
    "our tanh": (Tanh(), (-1, 1)),
    "sigmoid": (torch.sigmoid, (0, 1)),
    "softmax": (lambda values: values.softmax(-1), (0, 1)),
    "gated": (lambda values: tanh(values) * values.sigmoid(), (-1, 1)),
    "scaled and shifted": (lambda values: 3 - 2 * tanh(values), (1, 5)),
    "divided halves": (lambda values: 0.5 * (tanh(values) + values.sigmoid()), (-0.5, 1)),
    "clamped": (lambda values: values.clamp(-2, 3), (-2, 3)),
    "clamped below": (lambda values: values.clamp_min(2.0), (2, math.inf)),
    "relu": (lambda values: tanh(values).relu(), (0, 1)),
    "relu of anything": (torch.relu, (0, math.inf)),
    "negative": (lambda values: -values.sigmoid(), (-1, 0)),
    "square": (lambda values: (3 * tanh(values)) ** 2, (0, 9)),
    "root": (lambda values: values.sigmoid().mul(4).sqrt(), (0, 2)),
    "magnitude": (lambda values: (tanh(values) - 2).abs(), (1, 3)),
    "the larger": (lambda values: torch.maximum(tanh(values), values.sigmoid()), (0, 1)),
    "max pool": (lambda values: functional.max_pool1d(tanh(values), 2), (-1, 1)),
    "padded": (lambda values: functional.pad(values.sigmoid() + 1, (1, 1)), (0, 2)),
    "padded with fives": (lambda values: functional.pad(tanh(values), (1, 1), value=5.0), (-1, 5)),
    "views and copies": (lambda values: tanh(values).transpose(1, 2).reshape(-1, 3).unsqueeze(0).chunk(2)[0], (-1, 1)),
    "stacked": (lambda values: torch.cat([tanh(values), values.sigmoid() + 1]), (-1, 2)),
    "twice as long": (lambda values: functional.interpolate(tanh(values), scale_factor=2), (-1, 1)),
    "pools of pairs: max": (lambda values: PoolPairs("max")(tanh(values)), (-1, 1)),
    "pools of pairs: avg": (lambda values: PoolPairs("avg")(tanh(values)), (-1, 1)),
    "pools of pairs: lp2": (lambda values: PoolPairs("lp2")(tanh(values)), (1e-6, 2 ** (1 / 2))),
    "pools of pairs: lp3": (lambda values: PoolPairs("lp3")(tanh(values)), (1e-6, 2 ** (1 / 3))),
    "written into": (lambda values: _written(tanh(values), values.sigmoid() + 1), (-1, 2)),
    "written into nothing": (lambda values: _written(torch.zeros_like(values), values.sigmoid()), (0, 1)),
}
NOT_KNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    "the input": lambda values: values.clone(),
    "a layer": lambda values: nn.Conv1d(3, 3, 1, device=values.device)(tanh(values)),
    "normalised": lambda values: functional.batch_norm(tanh(values), *torch.ones(2, 3, device=values.device)),
    "a sum of many": lambda values: tanh(values).sum(-1),
    "a root of what may be negative": lambda values: tanh(values) ** 0.5,
    "a power of many": lambda values: values.sigmoid() ** tanh(values),
    "changed in place": lambda values: tanh(values).mul_(values),
    "changed through a view": lambda values: _changed_through_a_view(tanh(values), values),
    "written into by what is not known": lambda values: _written(tanh(values), values),
}


def _written(values: Tensor, part: Tensor) -> Tensor:
    values[..., 2:] = part[..., 2:]
    return values


def _changed_through_a_view(values: Tensor, other: Tensor) -> Tensor:
    values.transpose(1, 2)[:, 1:].add_(other.transpose(1, 2)[:, 1:])
    return values


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("name", KNOWN)
def test_what_bounded_values_are_made_into_is_bounded(name: str, device: str) -> None:
    function, interval = KNOWN[name]
    values = torch.full((1, 3, 8), 9.0, device=device)
    with torch.no_grad(), Ranges() as ranges:
        made = function(values)
        assert ranges.of(made) == pytest.approx(interval, rel=1e-12)
    if device == "cpu":
        low, high = interval
        for scale in (1.0, 100.0):
            drawn = function(scale * torch.randn(1, 3, 400, generator=torch.Generator().manual_seed(1)))
            assert low - 1e-6 <= drawn.min()
            assert drawn.max() <= high + 1e-6


@pytest.mark.parametrize("name", NOT_KNOWN)
def test_of_everything_else_nothing_is_claimed(name: str) -> None:
    with torch.no_grad(), Ranges() as ranges:
        assert ranges.of(NOT_KNOWN[name](torch.full((1, 3, 8), 9.0, device="meta"))) == UNKNOWN


def test_constants_keep_their_values_and_parameters_have_none() -> None:
    values, parameter = torch.full((3,), 9.0, device="meta"), nn.Parameter(torch.ones(()))
    with torch.no_grad(), Ranges() as ranges:
        assert ranges.of(values.new_full((), -1.5)) == (-1.5, -1.5)
        assert ranges.of(parameter * torch.ones(())) == UNKNOWN
