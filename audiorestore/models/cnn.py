"""Convolutions and dense layers over a sliding window of 201 samples, which return its middle sample.

Source: Panchenko et al., "Investigation of Machine Learning Techniques for Restoring the Quality of Compressed Audio",
ProfiT AI 2025, section 5, Tables 4–7. Best there: kernels 7-5-3, dilation 2, average pooling, 50,000 parameters, MSE
1.37e-4.

The paper gives parameter counts, not widths: here convolutions and dense layers are equally wide, and the width follows
from the budget. It does not give the activation (tanh here, the best one of the dense networks), nor whether there is
batch normalisation (here after each layer but the last); its "three hidden layers" are taken to be the convolutions.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._layers import ACTIVATIONS, LinearMap, Pooling, PoolPairs, channels_last, convolve, folded, normalise, pool
from ._network import solve_width
from ._restorer import Preset, require, require_range
from ._windowed import MiddleSampleConfig, MiddleSampleRestorer, zero_parameters


@dataclass(frozen=True)
class Config(MiddleSampleConfig):
    """The paper's best convolutional model.

    Attributes:
        kernel_sizes: Of the convolutions, as many as there are sizes.
        dilation: Of all convolutions.
        dense_layers: Hidden dense layers after flattening.
    """

    pooling: Pooling = "avg"
    kernel_sizes: tuple[int, ...] = (7, 5, 3)
    dilation: int = 2
    dense_layers: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.kernel_sizes) > 0, "kernel_sizes is empty: at least one convolution is needed")
        require(min(self.kernel_sizes) >= 1, f"kernel_sizes={self.kernel_sizes}: a kernel needs at least one tap")
        require_range(self, 1, math.inf, "dilation")
        require_range(self, 0, math.inf, "dense_layers")
        require(
            flattened_length(self) >= 1,
            f"kernels {self.kernel_sizes} dilated by {self.dilation} do not fit in a window of {self.window}",
        )


_AT_ONCE = 350_000  # windows times channels, so that the values between layers stay in the cache

# Independent windows: the batch statistics of neighbouring windows differ from those of all speech.
_TRAINING: Preset = {"learning_rate": 5e-3, "schedule": "cosine", "batch_size": 256, "segment_frames": 1}

PRESETS: dict[str, Preset] = {
    "paper": {**_TRAINING, "steps": 20_000},
    "paper-residual": {**_TRAINING, "steps": 20_000, "residual": True},
    "small": {**_TRAINING, "batch_size": 128, "steps": 3_000, "parameters": 10_000, "residual": True},
}


def flattened_length(config: Config) -> int:
    """Count the time steps of one window after all convolutions and poolings.

    >>> flattened_length(Config())
    19
    """
    length = config.window
    for kernel_size in config.kernel_sizes:
        length -= config.dilation * (kernel_size - 1)
        length = length // 2 if config.pooling != "none" else length
    return max(0, length)


class Model(MiddleSampleRestorer):
    """The network of one window, run densely over a whole recording.

    In training, batch normalisation counts each time step once, not once for every window that contains it: mean and
    variance are the same except for the recording's ends. In evaluation both forms are equal.
    """

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.width = solve_width(lambda width: _one_window(config, width), config.parameters)
        self.network = _one_window(config, self.width)
        if config.residual:
            zero_parameters(self.network[-1])

    def windows(self, padded: Tensor) -> Tensor:
        """Run the layers at every position, piece by piece."""
        if self.training or torch.is_grad_enabled():
            return self._windows(padded, self.network)
        layers, count = folded(self.network), padded.shape[-1] - self.config.window + 1
        at_once = max(self.config.window, _AT_ONCE // self.width)
        starts = range(0, count, at_once)
        reach = at_once + self.config.window - 1
        return torch.cat([self._windows(padded[..., start : start + reach], layers) for start in starts], dim=-1)

    def _windows(self, padded: Tensor, layers: Iterable[nn.Module]) -> Tensor:
        """Run the layers at every position; each pooling doubles the distance between the time steps of a window.

        Input of the length of one window is an independent window, which pooling halves, as in the paper.
        """
        values, spacing = channels_last(padded), 1
        independent = padded.shape[-1] == self.config.window
        for layer in layers:
            if isinstance(layer, LinearMap) and values.dim() == 4:
                # The first dense layer takes a flattened window, the others one time step.
                inside = self.config.dilation if layer.weight.dim() == 3 else 1
                values = convolve(layer, values, spacing * inside)
            elif isinstance(layer, nn.BatchNorm1d):
                values = normalise(layer, values)
            elif isinstance(layer, PoolPairs) and not independent:
                values = pool(values, layer.kind, spacing)
                spacing *= 2
            elif not isinstance(layer, nn.Flatten):
                values = layer(values)
            elif independent:
                values = values.flatten(1)
        # The last positions have no complete window if pooling dropped an odd value.
        return values.reshape(*padded.shape[:2], -1)[..., : padded.shape[-1] - self.config.window + 1]


def _one_window(config: Config, width: int) -> nn.Sequential:
    """Make the paper's network: (windows, 1, window) to (windows, 1)."""
    activation = ACTIVATIONS[config.activation]
    network = nn.Sequential()
    inputs = 1
    for kernel_size in config.kernel_sizes:
        network.append(nn.Conv1d(inputs, width, kernel_size, dilation=config.dilation))
        network.extend([nn.BatchNorm1d(width), activation()])
        if config.pooling != "none":
            network.append(PoolPairs(config.pooling))
        inputs = width
    network.append(nn.Flatten())
    inputs = width * flattened_length(config)
    for _ in range(config.dense_layers):
        network.extend([nn.Linear(inputs, width), nn.BatchNorm1d(width), activation()])
        inputs = width
    return network.append(nn.Linear(inputs, 1))
