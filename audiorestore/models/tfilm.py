"""The U-Net over samples, with a memory: each stretch of sound is scaled and shifted by what came before it.

Source: Birnbaum, Kuleshov, Enam, Koh and Ermon, "Temporal FiLM: capturing long-range sequence dependencies with
feature-wise modulations", NeurIPS 2019. After each convolution a level's values are cut into blocks of time. The
largest value of each channel in each block goes through an LSTM, block after block, and what it tells scales (γ) and
shifts (β) the channels of that block. Convolutions are dilated by 2, and the larger of two neighbours halves the time;
else the network is that of `audiounet`.

Where the text leaves something open, or this differs:

- Blocks are 256 samples long on every level: 32 of them in an excerpt of 8,192, as on the way down in the published
  code. (On its way up blocks stay as they are in the bottleneck, 8 time steps of whatever level.)
- The published code lets the LSTM's output be the scale, and shifts nothing. It is within −1…1 and begins near 0, so
  nine such layers hide the network from itself. Here a dense layer follows, as many units wide, that gives scale and
  shift and begins at γ = 1, β = 0: at first nothing is modulated.
- Weights of the last layer begin at 0, so that training begins with doing nothing.

==========  ==========  ================  ====
Preset      parameters  convolutions see  grid
==========  ==========  ================  ====
``paper``   71,190,274  2,895             256
``small``   128,187     1,615             256
==========  ==========  ================  ====

Of the paper's parameters 56,411,394 are the convolutions', 11,823,104 the LSTMs' (each unit has two biases here, one in
the published code: 11,809,792, and so 68.2 million in all), and 2,955,776 the dense layers'.

The LSTM has read all of the recording up to a sample, and the rest of the sample's block. So a recording is restored
in segments of ``window`` samples on a fixed grid, cross-faded over ``overlap`` (`_segments`): the result does not
depend on how the recording was cut, but the memory reaches no further back than its segment. A recording of up to
``window`` samples is one segment.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._audio_unet import SMALL, AudioUNetConfig, AudioUNetRestorer
from ._restorer import require
from ._segments import Restore, cross_fade

_DILATION = 2


@dataclass(frozen=True)
class Config(AudioUNetConfig):
    """The network of Birnbaum et al.

    Attributes:
        block: Samples that are scaled and shifted alike.
        window: Samples that are restored at once; the LSTM remembers no more.
        overlap: Samples over which neighbouring windows are cross-faded.
    """

    block: int = 256
    window: int = 65_536
    overlap: int = 8_192

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = 2**self.halvings
        require(
            self.block > 0 and self.block % smallest == 0,
            f"block={self.block} is not possible: {self.halvings} halvings need a multiple of {smallest}",
        )
        for name in ("window", "overlap"):
            value = getattr(self, name)
            require(value % self.block == 0, f"{name}={value} is not a multiple of block={self.block}")
        require(self.window > 0, f"window={self.window} is not possible; it is more than 0")
        require(
            0 <= self.overlap <= self.window // 2,
            f"overlap={self.overlap} is not possible; it is 0 to half of the window, {self.window // 2}",
        )


# As the published code is run; its excerpts are 32 blocks long.
_PAPER: dict[str, Any] = {
    "learning_rate": 3e-4,
    "batch_size": 64,
    "segment_frames": 8_192,
    "epochs": 120.0,
    "steps": 200_000,
}

PRESETS: dict[str, dict[str, Any]] = {
    "paper": _PAPER,
    "small": SMALL,
}


class Model(AudioUNetRestorer):
    """Dilated convolutions and pooling down, convolutions and shuffles up, and an LSTM in each block."""

    config: Config

    def __init__(self, config: Config) -> None:
        def film(channels: int, halvings: int) -> nn.Module:
            return TemporalFilm(channels, config.block // 2**halvings)

        super().__init__(config, _DILATION, True, film, config.block)

    def pieces(self, restore: Restore, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore a recording in cross-faded segments."""
        # Where they touch, convolutions see silence instead of the other segment; no more than half of the overlap
        # is given up for that.
        margin = min(self.context, self.config.overlap // 4)
        return cross_fade(restore, batches, self.config.window, self.config.overlap, margin)


class TemporalFilm(nn.Module):
    """Scale and shift each channel, block by block, by what an LSTM makes of the blocks' largest values so far.

    Args:
        channels: Of the values.
        block: How many time steps are scaled and shifted alike.
    """

    def __init__(self, channels: int, block: int) -> None:
        super().__init__()
        self.block = block
        self.lstm = nn.LSTM(channels, channels, batch_first=True)
        self.dense = nn.Linear(channels, 2 * channels)
        nn.init.zeros_(self.dense.weight)
        self.dense.bias = nn.Parameter(torch.cat([torch.ones(channels), torch.zeros(channels)]))

    def forward(self, values: Tensor) -> Tensor:
        """Modulate (batch, channels, time); the time is a multiple of the block."""
        largest = functional.max_pool1d(values, self.block)
        output, _ = self.lstm(largest.transpose(1, 2))
        scale, shift = self.dense(output).transpose(1, 2).unsqueeze(-1).chunk(2, dim=1)
        blocks = values.reshape(*values.shape[:2], -1, self.block)
        return torch.addcmul(shift, scale, blocks).flatten(-2)
