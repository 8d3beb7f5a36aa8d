"""The U-Net over samples with temporal FiLM: an LSTM scales and shifts each block of time by what came before.

Source: Birnbaum, Kuleshov, Enam, Koh and Ermon, "Temporal FiLM: capturing long-range sequence dependencies with
feature-wise modulations", NeurIPS 2019. After each convolution a level's values are divided into blocks of time. The
maximum of each channel in each block is the input of an LSTM, one step per block, whose output determines a scale (γ)
and a shift (β) for the channels of that block. Convolutions are dilated by 2, and maximum pooling halves the time
resolution; otherwise the network is that of `audiounet`.

Where the text leaves something open, or this differs:

- Blocks are 256 samples long on every level: 32 of them in an excerpt of 8,192, as in the encoder of the published
  code. (Its decoder keeps the block length of the bottleneck, 8 time steps, on every level.)
- In the published code the LSTM's output is the scale, and there is no shift. It lies within −1…1 and begins near 0, so
  nine such layers attenuate the signal to nothing. Here a dense layer of the same width follows, which gives scale and
  shift and begins at γ = 1, β = 0: untrained, it changes nothing.
- Weights of the last layer begin at 0, so that the untrained network returns its input.

==========  ==========  ================================  ====
Preset      parameters  receptive field of convolutions   grid
==========  ==========  ================================  ====
``paper``   71,190,274  2,895                             256
``small``   128,187     1,615                             256
==========  ==========  ================================  ====

Of the paper's parameters 56,411,394 belong to the convolutions, 11,823,104 to the LSTMs (each unit has two biases here;
with one, as in the published code, they are 11,809,792, which makes 68.2 million in all), and 2,955,776 to the dense
layers.

The LSTM makes a sample depend on the whole recording before it, and on the rest of its block. So a recording is
restored in segments of ``window`` samples on a fixed grid, cross-faded over ``overlap`` (`_segments`): the result does
not depend on the blocks in which the recording arrives, but the LSTM's memory begins with its segment. A recording of
up to ``window`` samples is one segment.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._audio_unet import SMALL, AudioUNetConfig, AudioUNetRestorer
from ._restorer import Preset, require, require_range
from ._segments import Restore, cross_fade

_DILATION = 2


@dataclass(frozen=True)
class Config(AudioUNetConfig):
    """The network of Birnbaum et al.

    Attributes:
        block: Samples that share one scale and shift.
        window: Length of a segment in samples; the LSTM remembers no more than that.
        overlap: Samples over which neighbouring segments are cross-faded.
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
        require_range(self, 1, math.inf, "window")
        require_range(self, 0, self.window // 2, "overlap")


# The settings of the published code; its excerpts are 32 blocks long.
_PAPER: Preset = {"learning_rate": 3e-4, "batch_size": 64, "segment_frames": 8_192, "epochs": 120.0, "steps": 200_000}

PRESETS: dict[str, Preset] = {"paper": _PAPER, "small": SMALL}


class Model(AudioUNetRestorer):
    """The U-Net with dilated convolutions, maximum pooling in the encoder, and temporal FiLM in each block."""

    config: Config

    def __init__(self, config: Config) -> None:
        def film(channels: int, halvings: int) -> nn.Module:
            return TemporalFilm(channels, config.block // 2**halvings)

        super().__init__(config, _DILATION, True, film, config.block)

    def pieces(self, restore: Restore, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore a recording in cross-faded segments."""
        # At a segment's ends convolutions see silence instead of the neighbouring segment. Their receptive field is
        # left out of the cross-fade, but at most half of the overlap.
        margin = min(self.context, self.config.overlap // 4)
        return cross_fade(restore, batches, self.config.window, self.config.overlap, margin)


class TemporalFilm(nn.Module):
    """Scale and shift each channel, block by block, by the output of an LSTM over the maxima of the blocks so far.

    A block is the number of time steps that share one scale and shift.
    """

    def __init__(self, channels: int, block: int) -> None:
        super().__init__()
        self.block = block
        self.lstm = nn.LSTM(channels, channels, batch_first=True)
        self.dense = nn.Linear(channels, 2 * channels)
        nn.init.zeros_(self.dense.weight)
        self.dense.bias = nn.Parameter(torch.cat([torch.ones(channels), torch.zeros(channels)]))

    def forward(self, values: Tensor) -> Tensor:
        """Modulate (batch, channels, time), where time is a multiple of the block."""
        largest = functional.max_pool1d(values, self.block)
        memory, _ = self.lstm(largest.transpose(1, 2))
        scale, shift = self.dense(memory).transpose(1, 2).unsqueeze(-1).chunk(2, dim=1)
        blocks = values.reshape(*values.shape[:2], -1, self.block)
        return torch.addcmul(shift, scale, blocks).flatten(-2)
