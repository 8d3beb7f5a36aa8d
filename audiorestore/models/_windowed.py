"""Networks over a sliding window, run densely: one output sample per window, and no work is done twice.

The networks of panchenko-2025 take 201 samples and return the middle one. When such a window slides over a recording
sample by sample, neighbouring windows share nearly all their work, and convolutions can do it once for all of them:
without padding, a layer's output at a position is its output in the window that starts there. Pooling by 2 would skip
every other position. Pooling at every position instead leaves the values of one window 2 apart, so that all later
layers are dilated by 2 (Giusti et al., "Fast image scanning with deep max-pooling convolutional neural networks", ICIP
2013). The results are those of single windows: `tests/models/test_windowed.py` compares them with the literal sliding
window.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._layers import Activation, Pooling
from ._network import Losses, NetworkRestorer
from ._restorer import RestorerConfig, require, require_range


@dataclass(frozen=True)
class WindowedConfig(RestorerConfig):
    """The settings that the windowed families share.

    Attributes:
        window: Input samples of the network.
        parameters: Parameter budget, from which the width is computed.
        activation: After hidden layers.
        pooling: After hidden layers: none, maximum, average, or the p-norm for p = 2 or 3.
        residual: Predict a correction to the input, which a skip connection adds with one trained gain.
    """

    window: int = 201
    parameters: int = 50_000
    activation: Activation = "tanh"
    pooling: Pooling = "none"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, math.inf, "window", "parameters")


@dataclass(frozen=True)
class MiddleSampleConfig(WindowedConfig):
    """A window of odd length, whose middle sample is restored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.window % 2 == 1, f"window={self.window} is not possible; it must be odd")


class MiddleSampleRestorer(NetworkRestorer):
    """A network over the window around each sample; the recording is padded with silence."""

    config: MiddleSampleConfig

    def __init__(self, config: MiddleSampleConfig) -> None:
        super().__init__(config)
        self.context = config.window // 2
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None

    def windows(self, padded: Tensor) -> Tensor:
        """Compute the network's output for every complete window: (batch, 1, time) to (batch, 1, time − window + 1)."""
        raise NotImplementedError

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each sample from the window around it."""
        return self.inner(functional.pad(degraded, (self.context, self.context)))

    def inner(self, padded: Tensor) -> Tensor:
        """Restore all samples that have a complete window: all but ``context`` samples at either end."""
        batch, channels, time = padded.shape
        middle = self.without_context(padded)
        restored = self.windows(padded.reshape(batch * channels, 1, time)).reshape(middle.shape)
        return restored if self.gain is None else self.gain * middle + restored

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Mean squared error of the middle samples, as in the paper."""
        return {"mse": functional.mse_loss(self.inner(degraded), self.without_context(reference))}


def zero_parameters(layer: nn.Module) -> None:
    """Zero the last layer of a residual network, so that untrained it returns its input."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
