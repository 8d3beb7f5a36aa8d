"""The U-Net over samples that `audiounet` and `tfilm` share: down by halves, up by interleaving, added to the input.

Each level on the way down halves the time and has up to twice the channels. On the way up, a convolution makes two
values of each time step, which become neighbours in time (subpixel shuffle), and the values of the same level on the
way down are appended as further channels. The last shuffle restores the recording's own rate; the output is a
correction, which is added to the input.

Source: Kuleshov, Enam and Ermon, "Audio super-resolution using neural nets", ICLR 2017 workshop, section 3; the
shuffle: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
neural network", CVPR 2016.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._network import Losses, NetworkRestorer
from ._restorer import RestorerConfig, require
from ._windowed import start_at_nothing

LAST_KERNEL = 9

# The preset `small` of both.
SMALL: dict[str, Any] = {
    "hidden_channels": 7,
    "kernel_sizes": (17, 9, 9, 9),
    "dropout": 0.0,
    "trained_gain": True,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "batch_size": 8,
    "segment_frames": 4_096,
    "steps": 1_000,
}

Film = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class AudioUNetConfig(RestorerConfig):
    """The network of Kuleshov et al. with four levels.

    Attributes:
        hidden_channels: Of the first level; the second has twice as many, all further ones four times as many.
        kernel_sizes: Of the levels, from the first one on; the bottleneck has the last one's.
        dropout: Share of values that training leaves out, in the bottleneck and on the way up.
        slope: Of the leaky ReLU on the way down, below 0; 0 is a ReLU.
        trained_gain: The input goes around the network times one trained gain, which undoes a codec's; else as it is.
    """

    hidden_channels: int = 128
    kernel_sizes: tuple[int, ...] = (65, 33, 17, 9)
    dropout: float = 0.5
    slope: float = 0.2
    trained_gain: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden_channels >= 1, f"hidden_channels={self.hidden_channels}: at least one is needed")
        levels = len(self.kernel_sizes)
        require(levels >= 1, "kernel_sizes is empty: at least one level is needed")
        require(levels <= 12, f"kernel_sizes has {levels} levels; at most 12 are possible")
        for size in self.kernel_sizes:
            require(
                size % 2 == 1 and size > 0, f"kernel_sizes={self.kernel_sizes}: {size} has no middle; it must be odd"
            )
        require(0 <= self.dropout < 1, f"dropout={self.dropout} is not possible; it is 0 to less than 1")
        require(0 <= self.slope <= 1, f"slope={self.slope} is not possible; it is 0 to 1")

    @property
    def halvings(self) -> int:
        """How often the time is halved: once by each level, and once more by the bottleneck."""
        return len(self.kernel_sizes) + 1

    def channels_of(self, level: int) -> int:
        """Count the channels of a level; 0 is the first, and the bottleneck is the one after the last."""
        return int(self.hidden_channels * 2 ** min(level, 2))


class AudioUNetRestorer(NetworkRestorer):
    """The network, on a grid from the recording's first sample on; the last time steps are filled up with silence.

    Args:
        config: The family's.
        dilation: Of all convolutions but the last.
        pooled: Halve the time by the larger of two neighbours, and not by a stride.
        film: Makes what comes last in each block, of its channels and of how often their time is halved.
        grid: What the time is filled up to a multiple of; at least as coarse as the bottleneck.
    """

    config: AudioUNetConfig

    def __init__(
        self,
        config: AudioUNetConfig,
        dilation: int = 1,
        pooled: bool = False,
        film: Film = lambda channels, halvings: nn.Identity(),
        grid: int | None = None,
    ) -> None:
        super().__init__(config)
        self.pooled = pooled
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        inputs = 1
        for level, size in enumerate((*config.kernel_sizes, config.kernel_sizes[-1])):
            outputs, bottleneck = config.channels_of(level), level == len(config.kernel_sizes)
            halving = _convolution(inputs, outputs, size, dilation, stride=1 if pooled else 2)
            pool = nn.MaxPool1d(2) if pooled else nn.Identity()
            dropout = config.dropout if bottleneck else 0.0
            self.down.append(Down(halving, pool, dropout, config.slope, film(outputs, level + 1)))
            inputs = outputs
        for level, size in reversed(list(enumerate(config.kernel_sizes))):
            outputs = config.channels_of(level)
            widening = _convolution(inputs, 2 * outputs, size, dilation)
            self.up.append(Up(widening, config.dropout, film(outputs, level + 1)))
            inputs = 2 * outputs
        self.last = _convolution(inputs, 2, LAST_KERNEL)
        start_at_nothing(self.last)
        self.gain = nn.Parameter(torch.ones(())) if config.trained_gain else None
        self.stride = grid or 2**config.halvings
        self.context = max(reach(config, dilation, pooled))

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each channel of each recording alone, silence around it."""
        time = degraded.shape[-1]
        values = functional.pad(degraded, (0, -time % self.stride)).flatten(0, 1).unsqueeze(1)
        passed = []
        for block in self.down:
            passed.append(values)
            values = block(values)
        for block in self.up:
            values = block(values, passed.pop())
        correction = subpixel_shuffle(self.last(values))[..., :time].reshape(degraded.shape)
        return degraded + correction if self.gain is None else torch.addcmul(correction, self.gain, degraded)

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Mean squared error, as in the papers."""
        restored, wanted = map(self.without_context, (self(degraded), reference))
        return {"mse": functional.mse_loss(restored, wanted)}


def _convolution(inputs: int, outputs: int, size: int, dilation: int = 1, stride: int = 1) -> nn.Conv1d:
    """Make a convolution that keeps the time, or divides it by its stride."""
    return nn.Conv1d(inputs, outputs, size, stride, dilation * (size // 2), dilation)


class Down(nn.Module):
    """Convolve, halve the time, bend: (batch, channels, time) to (batch, more channels, time / 2).

    Args:
        convolution: Keeps the time, or halves it by a stride of 2.
        pool: Halves it where the convolution does not.
        dropout: Share left out in training.
        slope: Of the leaky ReLU.
        film: What comes last.
    """

    def __init__(self, convolution: nn.Conv1d, pool: nn.Module, dropout: float, slope: float, film: nn.Module) -> None:
        super().__init__()
        self.convolution, self.pool, self.dropout = convolution, pool, nn.Dropout(dropout)
        self.slope, self.film = slope, film

    def forward(self, values: Tensor) -> Tensor:
        """Run the block."""
        values = self.dropout(self.pool(self.convolution(values)))
        modulated: Tensor = self.film(functional.leaky_relu(values, self.slope))
        return modulated


class Up(nn.Module):
    """Convolve, bend, double the time, and stack the same level's values from the way down on top.

    Args:
        convolution: To twice as many channels as come out of the shuffle.
        dropout: Share left out in training.
        film: What comes after the shuffle.
    """

    def __init__(self, convolution: nn.Conv1d, dropout: float, film: nn.Module) -> None:
        super().__init__()
        self.convolution, self.dropout, self.film = convolution, nn.Dropout(dropout), film

    def forward(self, values: Tensor, passed: Tensor) -> Tensor:
        """Run the block: (batch, channels, time) and (batch, channels, 2 · time) to the latter time."""
        shuffled = subpixel_shuffle(functional.relu(self.dropout(self.convolution(values))))
        return torch.cat([self.film(shuffled), passed], dim=1)


def subpixel_shuffle(values: Tensor) -> Tensor:
    """Turn channels into time: the first half of them gives the even time steps, the second half the odd ones.

    Args:
        values: (batch, 2 · channels, time).

    Returns:
        (batch, channels, 2 · time).

    >>> subpixel_shuffle(torch.tensor([[[1, 2, 3], [10, 20, 30]]])).tolist()
    [[[1, 10, 2, 20, 3, 30]]]
    """
    return torch.stack(values.chunk(2, dim=1), dim=-1).flatten(-2)


def reach(config: AudioUNetConfig, dilation: int, pooled: bool) -> tuple[int, int]:
    """Find how many samples before and after it an output sample depends on, by all convolutions.

    Args:
        config: Of the network.
        dilation: Of all convolutions but the last.
        pooled: Whether pooling of neighbours halves the time, and not a stride.
    """
    spreads = [dilation * (size // 2) for size in (*config.kernel_sizes, config.kernel_sizes[-1])]
    before = after = 0
    for sample in range(2**config.halvings):  # they differ in their place on the grid
        first, last = sample // 2 - LAST_KERNEL // 2, sample // 2 + LAST_KERNEL // 2
        needed = [(first, last)]  # of each level's values, counted in its own time steps
        for spread in spreads[:-1]:
            first, last = first // 2 - spread, last // 2 + spread
            needed.append((first, last))
        for spread, (stacked_first, stacked_last) in zip(spreads[::-1], needed[::-1], strict=True):
            first, last = min(first, stacked_first), max(last, stacked_last)
            first, last = 2 * first - spread, 2 * last + pooled + spread
        before, after = max(before, sample - first), max(after, last - sample)
    return before, after
