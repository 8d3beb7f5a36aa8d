"""Convolutions over a sliding window of 201 samples, flattened into dense layers that answer with the middle sample.

Source: Panchenko et al., "Investigation of Machine Learning Techniques for Restoring the Quality of Compressed Audio",
ProfiT AI 2025, section 5, Tables 4–7. Best there: kernels 7-5-3, dilation 2, average pooling, 50,000 parameters, MSE
1.37e-4.

The paper gives parameter counts, not widths: convolutions and dense layers are equally wide, and the width is solved
for. The activation is not given for this model either; tanh, which won for the dense one.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ._network import solve_width
from ._restorer import require
from ._windowed import ACTIVATIONS, Pooling, WindowedConfig, WindowedRestorer, pool, start_at_nothing


@dataclass(frozen=True)
class Config(WindowedConfig):
    """The paper's best convolutional model.

    Attributes:
        kernel_sizes: One convolution each.
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
        require(min(self.kernel_sizes) >= 1, f"kernel_sizes={self.kernel_sizes}: a kernel has at least one tap")
        require(self.dilation >= 1, f"dilation={self.dilation}: at least 1 is needed")
        require(self.dense_layers >= 0, f"dense_layers={self.dense_layers}: 0 or more are needed")
        require(
            flattened_places(self) >= 1,
            f"kernels {self.kernel_sizes} dilated by {self.dilation} do not fit into a window of {self.window}",
        )


_TRAINING: dict[str, Any] = {"learning_rate": 2e-3, "schedule": "cosine", "batch_size": 16, "segment_frames": 1024}

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {**_TRAINING, "steps": 20_000},
    "paper-residual": {**_TRAINING, "steps": 20_000, "residual": True},
    "small": {**_TRAINING, "steps": 800, "parameters": 10_000, "residual": True},
}


def flattened_places(config: Config) -> int:
    """Count the places of one window that are left after all convolutions and poolings.

    >>> flattened_places(Config())
    19
    """
    places = config.window
    for kernel_size in config.kernel_sizes:
        places -= config.dilation * (kernel_size - 1)
        places = places // 2 if config.pooling != "none" else places
        if places < 1:
            return 0
    return places


class Model(WindowedRestorer):
    """The window's network with every layer run densely over the whole recording."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.width = solve_width(lambda width: _layers(config, width), config.parameters)
        self.network = _layers(config, self.width)
        if config.residual:
            start_at_nothing(self.network["dense"][-1])

    def windows(self, padded: Tensor) -> Tensor:
        """Run the layers at every place; each pooling doubles the distance between a window's own places."""
        values, spacing = padded, 1
        for block in self.network["convolutions"]:
            convolution, *rest = block
            values = nn.functional.conv1d(
                values, convolution.weight, convolution.bias, dilation=spacing * self.config.dilation
            )
            for layer in rest:
                values = layer(values)
            if self.config.pooling != "none":
                values = pool(values, self.config.pooling, spacing)
                spacing *= 2
        flatten, *dense = self.network["dense"]
        # Flattening and the first dense layer together are one more convolution, over a window's places.
        weight = flatten.weight.reshape(flatten.out_features, self.width, -1)
        values = nn.functional.conv1d(values, weight, flatten.bias, dilation=spacing)
        # Places at the end belong to no whole window where pooling dropped an odd one.
        values = values[..., : padded.shape[-1] - self.config.window + 1]
        for layer in dense:
            values = layer(values.transpose(1, 2)).transpose(1, 2) if isinstance(layer, nn.Linear) else layer(values)
        return values


def _layers(config: Config, width: int) -> nn.ModuleDict:
    activation = ACTIVATIONS[config.activation]
    convolutions = nn.ModuleList()
    inputs = 1
    for kernel_size in config.kernel_sizes:
        convolution = nn.Conv1d(inputs, width, kernel_size, dilation=config.dilation)
        convolutions.append(nn.Sequential(convolution, nn.BatchNorm1d(width), activation()))
        inputs = width
    dense = nn.Sequential()
    inputs = width * flattened_places(config)
    for _ in range(config.dense_layers):
        dense.extend([nn.Linear(inputs, width), nn.BatchNorm1d(width), activation()])
        inputs = width
    dense.append(nn.Linear(inputs, 1))
    return nn.ModuleDict({"convolutions": convolutions, "dense": dense})
