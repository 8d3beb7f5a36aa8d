"""A non-causal WaveNet: gated, dilated convolutions with a receptive field of thousands of samples on both sides.

Source: Rethage, Pons and Serra, "A Wavenet for speech denoising", ICASSP 2018, with the values of its published code;
the gates: van den Oord et al., "WaveNet: a generative model for raw audio", 2016, eq. 2. Unlike the latter, it uses the
future as well as the past, and predicts the values of all samples of a *target field* in one pass.

A layer convolves three time steps with a dilation of 1, 2, 4, …, 512. Half of its output channels go through tanh, the
other half through a sigmoid, and their product through a 1 × 1 convolution. Half of that is added to the layer's input
and becomes the input of the next layer; the other half is the layer's skip connection. The skip connections of all
layers are summed and go through two more convolutions with a kernel of 3. The recording is padded with silence.

=========  ===========  ===============
Preset     parameters   receptive field
=========  ===========  ===============
``paper``  6,292,097    6,145
the text   6.3 million  6,139
``small``  27,714       259
=========  ===========  ===============

The text counts the dilated convolutions only; the three others add 2 samples each.

Where this differs:

- There is no conditioning on a speaker (optional in the text), and no training on noise alone.
- The loss is the text's *energy-conserving* one, |s − ŝ| + |b − b̂| with the background b = m − s in the recording m.
  Since b̂ = m − ŝ, both terms are the same number, and their sum is twice the mean absolute error. ``loss=mse`` is the
  loss of the other families here.
- 22,050 Hz as in the other families here, instead of 16,000; and recordings are not normalised in level.

``residual``, which the paper lacks, predicts a correction: a skip connection adds the input, times a trained gain.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._network import Losses, NetworkRestorer
from ._restorer import Preset, RestorerConfig, require, require_range
from ._windowed import zero_parameters

_TAPS = 3
_AT_ONCE = 4_096  # time steps of the wide last layers


@dataclass(frozen=True)
class Config(RestorerConfig):
    """The denoising network of Rethage et al.

    Attributes:
        hidden_channels: Of the dilated layers and their skip connections.
        stacks: How many times the sequence of dilations is repeated.
        layers: Layers in a stack, with dilations 1, 2, 4 and so on.
        last_channels: Of the two convolutions after the skip connections.
        loss: energy, as in the paper, or mse.
        residual: Predict a correction instead of the samples.
    """

    hidden_channels: int = 128
    stacks: int = 3
    layers: int = 10
    last_channels: tuple[int, ...] = (2048, 256)
    loss: Literal["energy", "mse"] = "energy"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, math.inf, "hidden_channels")
        require_range(self, 1, 64, "stacks")
        require_range(self, 1, 16, "layers")  # 2^16 samples ahead
        require(
            len(self.last_channels) == 2 and min(self.last_channels) >= 1,
            f"last_channels={'/'.join(map(str, self.last_channels))} is not possible; give two, as in 2048/256",
        )


# Excerpt length, batch size, learning rate and number of excerpts (250 epochs of 1,000) of the published code.
_PAPER: Preset = {
    "learning_rate": 1e-3,
    "schedule": "plateau",
    "batch_size": 10,
    "segment_frames": 1_601,
    "steps": 25_000,
}

PRESETS: dict[str, Preset] = {
    "paper": _PAPER,
    "paper-residual": {**_PAPER, "residual": True},
    "small": {
        "hidden_channels": 16,
        "stacks": 2,
        "layers": 6,
        "last_channels": (32, 16),
        "loss": "mse",
        "residual": True,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": 8,
        "segment_frames": 2_048,
        "steps": 1_000,
    },
}


class Model(NetworkRestorer):
    """The network, run densely over a recording that is padded with silence once; no layer pads its own input."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        channels, (wide, narrow) = config.hidden_channels, config.last_channels
        dilations = [2**layer for layer in range(config.layers)] * config.stacks
        self.first = nn.Conv1d(1, channels, _TAPS, bias=False)
        self.gated = nn.ModuleList(GatedLayer(channels, dilation) for dilation in dilations)
        self.wide = nn.Conv1d(channels, wide, _TAPS, bias=False)
        self.narrow = nn.Conv1d(wide, narrow, _TAPS, bias=False)
        self.last = nn.Conv1d(narrow, 1, 1)
        self.context = sum(dilations) + 3  # of the gated layers, the first and the two after them
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None
        if config.residual:
            zero_parameters(self.last)

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each channel of each recording separately."""
        return self.inner(functional.pad(degraded, (self.context, self.context)))

    def inner(self, padded: Tensor) -> Tensor:
        """Restore all but ``context`` samples at either end."""
        middle = self.without_context(padded)
        restored = self._network(padded.flatten(0, 1).unsqueeze(1)).reshape(middle.shape)
        return restored if self.gain is None else torch.addcmul(restored, self.gain, middle)

    def _network(self, values: Tensor) -> Tensor:
        values = self.first(values)
        count = values.shape[-1] - 2 * (self.context - 3)
        total = values.new_zeros(())
        for layer in self.gated:
            values, skip = layer(values)
            total = total + _middle(skip, count)
        total = functional.relu(total)
        if torch.is_grad_enabled():
            return self._last(total)
        starts = range(0, count - 4, _AT_ONCE)  # the wide layer of a whole block would fill half a gigabyte
        return torch.cat([self._last(total[..., start : start + _AT_ONCE + 4]) for start in starts], dim=-1)

    def _last(self, total: Tensor) -> Tensor:
        output: Tensor = self.last(self.narrow(functional.relu(self.wide(total))))
        return output

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """The paper's energy-conserving loss, or the mean squared error."""
        restored, reference = self.inner(degraded), self.without_context(reference)
        if self.config.loss == "mse":
            return {"mse": functional.mse_loss(restored, reference)}
        return {"energy": 2.0 * functional.l1_loss(restored, reference)}

    def validation(self, restored: np.ndarray, reference: np.ndarray) -> float:
        """Measure the training loss, as in the paper."""
        if self.config.loss == "mse":
            return super().validation(restored, reference)
        return float(2.0 * np.mean(np.abs(restored - reference), dtype=np.float64))


class GatedLayer(nn.Module):
    """A dilated convolution, of whose output one half gates the other, and a 1 × 1 convolution.

    Input, output and skip connection have the same number of channels.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Conv1d(channels, 2 * channels, _TAPS, dilation=dilation, bias=False)
        self.mix = nn.Conv1d(channels, 2 * channels, 1, bias=False)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, channels, time) to the output and the skip connection, both 2 · dilation shorter."""
        signal, gate = self.convolution(values).chunk(2, dim=1)
        correction, skip = self.mix(torch.tanh(signal) * torch.sigmoid(gate)).chunk(2, dim=1)
        return _middle(values, correction.shape[-1]) + correction, skip


def _middle(values: Tensor, count: int) -> Tensor:
    """Keep ``count`` time steps in the middle."""
    cut = (values.shape[-1] - count) // 2
    return values[..., cut : cut + count]
