"""Dense layers over a sliding window of 201 samples, which return its middle sample (the paper's "linear model").

Source: Panchenko et al., "Investigation of Machine Learning Techniques for Restoring the Quality of Compressed Audio",
ProfiT AI 2025, section 4, Tables 1–3. Best there: 3 hidden layers, tanh, 50,000 parameters, MSE 1.61e-4.

The paper gives parameter counts, not widths: here all hidden layers are equally wide, and the width follows from the
budget.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._layers import ACTIVATIONS, NEIGHBOURS, PoolPairs, folded, over_neighbours
from ._network import solve_width
from ._restorer import Preset, require_range
from ._windowed import MiddleSampleConfig, MiddleSampleRestorer, zero_parameters

_ROWS_AT_ONCE = 256  # so that the values between layers stay in a core's cache


@dataclass(frozen=True)
class Config(MiddleSampleConfig):
    """The paper's best "linear model".

    Attributes:
        layers: Hidden layers; the paper tries 1, 3, 5, 7, 11, 15 and 19.
    """

    layers: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, math.inf, "layers")


# Independent windows: neighbouring ones are so similar that a batch of 3,840 was worth only about 170.
_TRAINING: Preset = {"learning_rate": 5e-3, "schedule": "cosine", "batch_size": 512, "segment_frames": 1}

PRESETS: dict[str, Preset] = {
    "paper": {**_TRAINING, "steps": 100_000},
    "paper-residual": {**_TRAINING, "steps": 100_000, "residual": True},
    "small": {**_TRAINING, "steps": 6_000, "parameters": 20_000, "residual": True},
}


class Model(MiddleSampleRestorer):
    """Dense layers, each followed by batch normalisation, activation and pooling."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.width = solve_width(lambda width: _layers(config, width), config.parameters)
        self.network = _layers(config, self.width)
        self.stride = NEIGHBOURS
        if config.residual:
            zero_parameters(self.network[-1])

    def windows(self, padded: Tensor) -> Tensor:
        """Put 16 neighbouring windows into one row, and multiply it by 16 shifted copies of the first layer's weight.

        Copying every window would write each sample 201 times; this writes it 13 times, for 7 % more arithmetic.
        """
        whole = self.training or torch.is_grad_enabled()
        first, *rest = self.network if whole else folded(self.network)
        assert isinstance(first, nn.Linear)
        window, count = self.config.window, padded.shape[-1] - self.config.window + 1
        if whole and count == 1:  # independent windows
            return _through(self.network, padded.flatten(0, 1))[:, None]
        rows = -(-count // NEIGHBOURS)
        reach = window + NEIGHBOURS - 1
        values = functional.pad(padded, (0, rows * NEIGHBOURS - count)).unfold(-1, reach, NEIGHBOURS)
        spread, units = over_neighbours(first), first.out_features
        if whole:  # batch normalisation needs all complete windows together, and no others
            values = spread(values).reshape(*padded.shape[:2], -1, units)
            return _through(rest, values[:, :, :count].flatten(0, 2)).reshape(*padded.shape[:-1], count)
        parts = torch.split(values.reshape(-1, reach), _ROWS_AT_ONCE)
        restored = [_through(rest, spread(part).reshape(-1, units)) for part in parts]
        return torch.cat(restored).reshape(*padded.shape[:-1], -1)[..., :count]


def _through(layers: Iterable[nn.Module], values: Tensor) -> Tensor:
    for layer in layers:
        values = layer(values)
    return values


def _layers(config: Config, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = config.window
    pooled = config.pooling != "none"
    width += width % 2 if pooled else 0  # units are pooled in pairs
    for _ in range(config.layers):
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), ACTIVATIONS[config.activation]()]
        if pooled:
            layers.append(PoolPairs(config.pooling))
        inputs = width // 2 if pooled else width
    return nn.Sequential(*layers, nn.Linear(inputs, 1))
