"""Sliding windows as dense networks: one output sample for each window of input, without computing a window twice.

The networks of panchenko-2025 look at 201 samples and answer with the one in the middle. Slid over a recording sample
by sample, neighbouring windows share nearly all their work, and a network of convolutions can do it once for all: a
layer without padding gives, at each place, just what it gives in the window that starts there. Pooling by 2 would
skip every other place; done at every place instead, its neighbours that belong to one window lie 2 apart, so all that
follows is dilated by 2 (Giusti et al., "Fast image scanning with deep max-pooling convolutional neural networks",
ICIP 2013). The numbers are the window's own; `tests/models/test_windowed.py` compares them with the literal window.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._network import Losses, NetworkRestorer
from ._restorer import RestorerConfig, require

Activation = Literal["tanh", "relu", "silu"]
Pooling = Literal["none", "max", "avg", "lp2", "lp3"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}


@dataclass(frozen=True)
class WindowedConfig(RestorerConfig):
    """What the windowed families share.

    Attributes:
        window: Samples that one output sample is computed from; odd, so that there is a middle one.
        parameters: The budget that the width is solved for.
        activation: Between layers.
        pooling: After hidden layers: none, maximum, average, or the p-norm for p of 2 or 3.
        residual: Predict the correction instead of the sample: the middle sample goes around the network, times one
            trained gain.
    """

    window: int = 201
    parameters: int = 50_000
    activation: Activation = "tanh"
    pooling: Pooling = "none"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.window % 2 == 1 and self.window > 0, f"window={self.window} has no middle sample; it must be odd")
        require(self.parameters > 0, f"parameters={self.parameters} is no budget")


class WindowedRestorer(NetworkRestorer):
    """A network over every window of a recording; outside the recording there is silence."""

    config: WindowedConfig

    def __init__(self, config: WindowedConfig) -> None:
        super().__init__(config)
        self.context = config.window // 2
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None

    def windows(self, padded: Tensor) -> Tensor:
        """Compute the network's output for every whole window: (batch, 1, time) to (batch, 1, time − window + 1)."""
        raise NotImplementedError

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each sample from the window around it."""
        return self.inner(functional.pad(degraded, (self.context, self.context)))

    def inner(self, padded: Tensor) -> Tensor:
        """Restore all but ``context`` samples at either end, whose windows are not whole."""
        batch, channels, time = padded.shape
        middle = padded[..., self.context : time - self.context]
        restored = self.windows(padded.reshape(batch * channels, 1, time)).reshape(middle.shape)
        return restored if self.gain is None else self.gain * middle + restored

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Mean squared error of the middle samples, as in the paper."""
        inner = reference[..., self.context : reference.shape[-1] - self.context]
        return {"mse": functional.mse_loss(self.inner(degraded), inner)}


def start_at_nothing(layer: nn.Module) -> None:
    """Zero the last layer of a residual network, so that training starts from doing nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def pool(values: Tensor, kind: Pooling, dilation: int = 1) -> Tensor:
    """Pool pairs of neighbours ``dilation`` apart along the last axis, at every place.

    ``lp2`` and ``lp3`` are the p-norm of the magnitudes, as the paper describes it: torch's own LPPool1d is NaN for
    p = 3 on negative input. The floors keep the roots' slopes finite at 0, where a training step would become NaN.
    Each place costs one value: length − dilation come back.

    >>> pool(torch.tensor([3.0, -4.0, 0.0]), "lp2")
    tensor([5., 4.])
    """
    first, second = values[..., : values.shape[-1] - dilation], values[..., dilation:]
    if kind == "max":
        return torch.maximum(first, second)
    if kind == "avg":
        return (first + second) * 0.5
    if kind == "lp2":
        return (first**2 + second**2).clamp_min(1e-12).sqrt()
    if kind == "lp3":
        return (first.abs() ** 3 + second.abs() ** 3).clamp_min(1e-18) ** (1 / 3)
    return values


class PoolPairs(nn.Module):
    """Pool neighbours in pairs along the last axis, which halves it; an odd last value is dropped."""

    def __init__(self, kind: Pooling) -> None:
        super().__init__()
        self.kind: Pooling = kind

    def forward(self, values: Tensor) -> Tensor:
        """Keep every other place of `pool`."""
        return pool(values, self.kind)[..., ::2]
