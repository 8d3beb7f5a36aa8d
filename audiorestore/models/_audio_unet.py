"""The U-Net over samples that `audiounet` and `tfilm` share.

Each level of the encoder halves the time resolution and has up to twice the channels. In the decoder, a convolution
computes two values for each time step, which become neighbours in time (subpixel shuffle), and a skip connection
concatenates the encoder's values of the same level. The last shuffle returns to the recording's own rate. The output is
a correction, which is added to the input.

Source: Kuleshov, Enam and Ermon, "Audio super-resolution using neural nets", ICLR 2017 workshop, section 3; the
shuffle: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
neural network", CVPR 2016.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._network import NetworkRestorer
from ._restorer import Preset, RestorerConfig, require, require_range
from ._windowed import zero_parameters

LAST_KERNEL = 9

# The preset `small` of both families.
SMALL: Preset = {
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
        hidden_channels: Of the first level; the second has twice as many, all others four times as many.
        kernel_sizes: Of the levels, starting with the first; the bottleneck has that of the last.
        dropout: Dropout rate in the bottleneck and the decoder.
        slope: Of the encoder's leaky ReLU below 0; 0 is a ReLU.
        trained_gain: Add the input times one trained gain, which compensates for a codec's; else add it unchanged.
    """

    hidden_channels: int = 128
    kernel_sizes: tuple[int, ...] = (65, 33, 17, 9)
    dropout: float = 0.5
    slope: float = 0.2
    trained_gain: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, math.inf, "hidden_channels")
        levels = len(self.kernel_sizes)
        require(1 <= levels <= 12, f"kernel_sizes has {levels} levels; it must have 1 to 12")
        for size in self.kernel_sizes:
            require(size % 2 == 1 and size > 0, f"kernel_sizes={self.kernel_sizes}: {size} must be positive and odd")
        require(0 <= self.dropout < 1, f"dropout={self.dropout} is not possible; it must be at least 0 and less than 1")
        require_range(self, 0, 1, "slope")

    @property
    def halvings(self) -> int:
        """How many times the time resolution is halved: once per level, and once in the bottleneck."""
        return len(self.kernel_sizes) + 1

    def channels_of(self, level: int) -> int:
        """Count the channels of a level; the first is 0, and the bottleneck comes after the last."""
        return int(self.hidden_channels * 2 ** min(level, 2))


class AudioUNetRestorer(NetworkRestorer):
    """The network, on a grid that begins at the recording's first sample; the end is padded with silence.

    Args:
        dilation: Of all convolutions but the last.
        pooled: Halve the time resolution by maximum pooling instead of a stride.
        film: Makes the last layer of each block, from its number of channels and how many times its time is halved.
        grid: The length is padded to a multiple of this; itself a multiple of the bottleneck's stride (the default).
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
        zero_parameters(self.last)
        self.gain = nn.Parameter(torch.ones(())) if config.trained_gain else None
        self.stride = grid or 2**config.halvings
        self.context = max(receptive_field(config, dilation, pooled))

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each channel of each recording separately, padded with silence."""
        time = degraded.shape[-1]
        values = functional.pad(degraded, (0, -time % self.stride)).flatten(0, 1).unsqueeze(1)
        skips = []
        for block in self.down:
            skips.append(values)
            values = block(values)
        for block in self.up:
            values = block(values, skips.pop())
        correction = subpixel_shuffle(self.last(values))[..., :time].reshape(degraded.shape)
        return degraded + correction if self.gain is None else torch.addcmul(correction, self.gain, degraded)


def _convolution(inputs: int, outputs: int, size: int, dilation: int = 1, stride: int = 1) -> nn.Conv1d:
    """Make a convolution that keeps the length, or divides it by its stride."""
    return nn.Conv1d(inputs, outputs, size, stride, dilation * (size // 2), dilation)


class Down(nn.Module):
    """Convolution, downsampling by 2 and leaky ReLU: (batch, channels, time) to (batch, more channels, time / 2).

    ``pool`` halves the length if the convolution does not do so by a stride of 2; ``film`` is the last layer.
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
    """Convolution, ReLU and subpixel shuffle, then the skip connection from the encoder.

    The convolution has twice as many output channels as the shuffle; ``film`` is the layer after the shuffle.
    """

    def __init__(self, convolution: nn.Conv1d, dropout: float, film: nn.Module) -> None:
        super().__init__()
        self.convolution, self.dropout, self.film = convolution, nn.Dropout(dropout), film

    def forward(self, values: Tensor, skip: Tensor) -> Tensor:
        """Run the block: (batch, channels, time) and (batch, channels, 2 · time) to (batch, channels, 2 · time)."""
        shuffled = subpixel_shuffle(functional.relu(self.dropout(self.convolution(values))))
        return torch.cat([self.film(shuffled), skip], dim=1)


def subpixel_shuffle(values: Tensor) -> Tensor:
    """Turn channels into time: the first half becomes the even time steps, the second half the odd ones.

    Maps (batch, 2 · channels, time) to (batch, channels, 2 · time).

    >>> subpixel_shuffle(torch.tensor([[[1, 2, 3], [10, 20, 30]]])).tolist()
    [[[1, 10, 2, 20, 3, 30]]]
    """
    return torch.stack(values.chunk(2, dim=1), dim=-1).flatten(-2)


def receptive_field(config: AudioUNetConfig, dilation: int, pooled: bool) -> tuple[int, int]:
    """Compute how many samples before and after it an output sample depends on, through all convolutions.

    The arguments are those of `AudioUNetRestorer`.
    """
    spreads = [dilation * (size // 2) for size in (*config.kernel_sizes, config.kernel_sizes[-1])]
    before = after = 0
    for sample in range(2**config.halvings):  # they differ by their position on the grid
        first, last = sample // 2 - LAST_KERNEL // 2, sample // 2 + LAST_KERNEL // 2
        needed = [(first, last)]  # of each level's values, in its own time steps
        for spread in spreads[:-1]:
            first, last = first // 2 - spread, last // 2 + spread
            needed.append((first, last))
        for spread, (skip_first, skip_last) in zip(spreads[::-1], needed[::-1], strict=True):
            first, last = min(first, skip_first), max(last, skip_last)
            first, last = 2 * first - spread, 2 * last + pooled + spread
        before, after = max(before, sample - first), max(after, last - sample)
    return before, after
