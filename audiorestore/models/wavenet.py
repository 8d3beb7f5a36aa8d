"""Dilated convolutions that look far back and ahead, with gates that let sound through or hold it up.

Source: Rethage, Pons and Serra, "A Wavenet for speech denoising", ICASSP 2018, with the values of its published code;
the gates: van den Oord et al., "WaveNet: a generative model for raw audio", 2016, eq. 2. Unlike there, a layer sees as
much of the future as of the past, and the answer is a sample's value, for all samples of a *target field* at once.

A layer convolves three time steps that are 1, 2, 4, …, 512 apart; half of what comes out goes through tanh, the other
half through a sigmoid, and their product through a dense layer over the channels. One part of that is added to the
layer's input and is the next layer's, the other part is added up over all layers and goes through two more
convolutions of three time steps. Outside of the recording there is silence.

=========  ===========  =====
Preset     parameters   sees
=========  ===========  =====
``paper``  6,292,097    6,145
the text   6.3 million  6,139
``small``  27,714       259
=========  ===========  =====

*Sees* is how many samples one output sample depends on; the text counts the dilated convolutions alone, and the three
others add 2 each.

Where this differs:

- No conditioning on a speaker; the text tries that as well. Nor its training on noise alone.
- The loss is the text's *energy-conserving* one, |s − ŝ| + |b − b̂| with the background b = m − s in the recording m.
  Since b̂ = m − ŝ, both terms are the same number, and their sum is twice the mean absolute error. ``loss=mse`` is what
  the rivals here are trained with.
- 22,050 Hz as the other families here, 16,000 there; and no bringing of recordings to one level.

``residual``, which the paper lacks, predicts the correction: the input goes around the network, times a trained gain.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._network import Losses, NetworkRestorer
from ._restorer import RestorerConfig, require
from ._windowed import start_at_nothing

_TAPS = 3
_AT_ONCE = 4_096  # time steps of the wide last layers


@dataclass(frozen=True)
class Config(RestorerConfig):
    """The denoising network of Rethage et al.

    Attributes:
        hidden_channels: Of the dilated layers, and of what is added up over them.
        stacks: How often the dilations are gone through.
        layers: Dilated layers in a stack, of dilations 1, 2, 4 and so on.
        last_channels: Of the two convolutions after the sum.
        loss: energy, as in the paper, or mse.
        residual: Predict the correction instead of the sample.
    """

    hidden_channels: int = 128
    stacks: int = 3
    layers: int = 10
    last_channels: tuple[int, ...] = (2048, 256)
    loss: Literal["energy", "mse"] = "energy"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden_channels", "stacks", "layers"):
            require(getattr(self, name) >= 1, f"{name}={getattr(self, name)} is not possible; it is at least 1")
        require(self.stacks <= 64, f"stacks={self.stacks} is not possible; it is at most 64")
        require(self.layers <= 16, f"layers={self.layers} look 2^{self.layers} samples ahead; at most 16 are possible")
        require(
            len(self.last_channels) == 2 and min(self.last_channels) >= 1,
            f"last_channels={'/'.join(map(str, self.last_channels))} is not possible; there are two, as in 2048/256",
        )


# Excerpts, their batch, the learning rate and the number of excerpts of the published code: 250 epochs of 1,000.
_PAPER: dict[str, Any] = {
    "learning_rate": 1e-3,
    "schedule": "plateau",
    "batch_size": 10,
    "segment_frames": 1_601,
    "steps": 25_000,
}

PRESETS: dict[str, dict[str, Any]] = {
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
    """The network run densely over a recording with silence around it; no layer pads anything itself."""

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
        self.context = sum(dilations) + 3  # of the gated layers, and of the first and the two after them
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None
        if config.residual:
            start_at_nothing(self.last)

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each sample of each channel from what is around it."""
        return self.inner(functional.pad(degraded, (self.context, self.context)))

    def inner(self, padded: Tensor) -> Tensor:
        """Restore all but ``context`` samples at either end."""
        middle = padded[..., self.context : padded.shape[-1] - self.context]
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
        answer: Tensor = self.last(self.narrow(functional.relu(self.wide(total))))
        return answer

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """The paper's energy-conserving loss, or the mean squared error."""
        restored, reference = self.inner(degraded), self.without_context(reference)
        if self.config.loss == "mse":
            return {"mse": functional.mse_loss(restored, reference)}
        return {"energy": 2.0 * functional.l1_loss(restored, reference)}

    def validation(self, restored: np.ndarray, reference: np.ndarray) -> float:
        """Measure what is trained on, as in the paper."""
        if self.config.loss == "mse":
            return super().validation(restored, reference)
        return float(2.0 * np.mean(np.abs(restored - reference), dtype=np.float64))


class GatedLayer(nn.Module):
    """A dilated convolution whose one half gates the other, and a dense layer that mixes the channels.

    Args:
        channels: That come in, and that go to the next layer and to the sum.
        dilation: How far apart the three time steps are that it sees.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Conv1d(channels, 2 * channels, _TAPS, dilation=dilation, bias=False)
        self.mix = nn.Conv1d(channels, 2 * channels, 1, bias=False)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, channels, time) to what the next layer gets and what is added up, both 2 · dilation shorter."""
        sound, gate = self.convolution(values).chunk(2, dim=1)
        onwards, skip = self.mix(torch.tanh(sound) * torch.sigmoid(gate)).chunk(2, dim=1)
        return _middle(values, onwards.shape[-1]) + onwards, skip


def _middle(values: Tensor, count: int) -> Tensor:
    """Cut the same number of time steps off both ends, so that ``count`` are left."""
    cut = (values.shape[-1] - count) // 2
    return values[..., cut : cut + count]
