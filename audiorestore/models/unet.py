"""A U-Net over windows of 192 samples that restores all 192 of them at once.

Source: Panchenko et al., "Investigation of Machine Learning Techniques for Restoring the Quality of Compressed Audio",
ProfiT AI 2025, section 6, Tables 8–10. Best there: 4 levels, kernel 3, maximum pooling, 400,000 parameters, MSE
3.11e-4.

The paper gives parameter counts, not widths: here all levels are equally wide, and the width follows from the budget
(doubling it at each level would exceed the small budgets). It does not give the activation (ReLU here, as is usual),
batch normalisation (after each convolution but the last), what follows the last pooling (one more convolution), nor
how the decoder upsamples (each value is repeated, and a convolution takes it together with the encoder's values). 192
samples can be halved six times; the paper's row with eight levels needs a window that is a multiple of 256.

Windows follow each other without overlap, as in the paper, and are independent: their edges are audible as a buzz at
the sample rate over 192. ``overlap`` cross-fades neighbours, which the paper does not do.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._layers import ACTIVATIONS, Activation, LinearMap, Pooling, PoolPairs, channels_last, convolve, folded, normalise
from ._network import NetworkRestorer, solve_width
from ._restorer import Preset, require, require_range
from ._windowed import WindowedConfig, zero_parameters


@dataclass(frozen=True)
class Config(WindowedConfig):
    """The paper's best U-Net.

    Attributes:
        levels: How many times the window is halved; encoder and decoder have one convolution per level.
        kernel_size: Of all convolutions but the last, which has 1.
        overlap: Samples over which neighbouring windows overlap and are cross-faded; 0 in the paper.
    """

    window: int = 192
    parameters: int = 400_000
    activation: Activation = "relu"
    pooling: Pooling = "max"
    levels: int = 4
    kernel_size: int = 3
    overlap: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, math.inf, "levels", "kernel_size")
        multiple = 2**self.levels
        require(
            self.window % multiple == 0,
            f"window={self.window} cannot be halved {self.levels} times: {self.levels} levels need a multiple of "
            f"{multiple}, such as window={-(-self.window // multiple) * multiple}",
        )
        require(self.kernel_size % 2 == 1, f"kernel_size={self.kernel_size} is not possible; it must be odd")
        require(self.pooling != "none", "pooling=none is not possible in a U-Net; choose max, avg, lp2 or lp3")
        require_range(self, 0, self.window // 2, "overlap")


_AT_ONCE = 4096  # windows times channels, so that the values between layers stay in the cache

# Each segment is one window from a random position: adjacent windows are much alike.
_TRAINING: Preset = {"learning_rate": 5e-3, "schedule": "cosine", "batch_size": 80, "segment_frames": 192}
_RESIDUAL: Preset = {"batch_size": 40, "residual": True, "overlap": 96}  # three windows that overlap

PRESETS: dict[str, Preset] = {
    "paper": {**_TRAINING, "steps": 20_000},
    "paper-residual": {**_TRAINING, **_RESIDUAL, "steps": 20_000},
    "small": {**_TRAINING, **_RESIDUAL, "steps": 600, "parameters": 20_000},
}


class Model(NetworkRestorer):
    """Windows on a grid that begins at the recording's first sample; the last one is padded with silence."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stride = config.window - config.overlap
        self.context = config.window if config.overlap else 0
        self.width = solve_width(lambda width: _Network(config, width), config.parameters)
        self.network = _Network(config, self.width)
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None
        if config.residual:
            zero_parameters(self.network.last)

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each window, and join them."""
        batch, channels, time = degraded.shape
        window, stride = self.config.window, self.stride
        count = max(1, -(-(time - self.config.overlap) // stride))
        padded = functional.pad(degraded, (0, (count - 1) * stride + window - time))
        windows = padded.unfold(-1, window, stride).reshape(-1, 1, window)
        pieces = [windows] if self.training else list(torch.split(windows, max(1, _AT_ONCE // self.width)))
        blocks = self.network.blocks()
        outputs = torch.cat([self.network(piece, blocks) for piece in pieces])
        restored = self._join(outputs.reshape(batch, channels, count, window))[..., :time]
        return restored if self.gain is None else self.gain * degraded + restored

    def _join(self, windows: Tensor) -> Tensor:
        """Concatenate (batch, channels, count, window) windows, cross-faded where they overlap."""
        overlap = self.config.overlap
        parts = windows[..., : self.stride]
        if overlap:
            rise = (torch.arange(overlap, dtype=windows.dtype, device=windows.device) + 0.5) / overlap
            tails, heads = windows[:, :, :-1, self.stride :], windows[:, :, 1:, :overlap]
            faded = torch.lerp(tails, heads, rise)
            faded = torch.cat([windows[:, :, :1, :overlap], faded], dim=2)
            parts = torch.cat([faded, parts[..., overlap:]], dim=-1)
        return torch.cat([parts.flatten(2), windows[:, :, -1, self.stride :]], dim=-1)


Block = list[nn.Module]


class _Network(nn.Module):
    """The paper's network for one window: (windows, 1, window) to (windows, 1, window)."""

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()

        def block(inputs: int) -> nn.Sequential:
            convolution = nn.Conv1d(inputs, width, config.kernel_size, padding=config.kernel_size // 2)
            return nn.Sequential(convolution, nn.BatchNorm1d(width), ACTIVATIONS[config.activation]())

        self.encoder = nn.ModuleList(block(width if level else 1) for level in range(config.levels))
        self.bottom = block(width)
        self.decoder = nn.ModuleList(block(2 * width) for _ in range(config.levels))
        self.last = nn.Conv1d(width, 1, 1)
        self.pool = PoolPairs(config.pooling)

    def blocks(self) -> list[Block]:
        """List the layers of each block, for training or inference: encoder, bottleneck, decoder."""
        blocks = [*self.encoder, self.bottom, *reversed(self.decoder)]
        whole = self.training or torch.is_grad_enabled()
        return [list(block) if whole else folded(block) for block in blocks]

    def forward(self, windows: Tensor, blocks: list[Block] | None = None) -> Tensor:
        """Run windows through ``blocks``, which a caller with many pieces computes once."""
        blocks = blocks or self.blocks()
        levels = len(self.encoder)
        values = channels_last(windows)
        skips = []
        for block in blocks[:levels]:
            values = _run(block, values)
            skips.append(values)
            values = self.pool(values)
        values = _run(blocks[levels], values)
        for block in blocks[levels + 1 :]:
            values = functional.interpolate(values, scale_factor=(1.0, 2.0))
            values = _run(block, torch.cat([values, skips.pop()], dim=1))
        return convolve(self.last, values).squeeze(2)


def _run(block: Block, values: Tensor) -> Tensor:
    for layer in block:
        if isinstance(layer, LinearMap):
            values = convolve(layer, values, padding=layer.weight.shape[-1] // 2)
        elif isinstance(layer, nn.BatchNorm1d):
            values = normalise(layer, values)
        else:
            values = layer(values)
    return values
