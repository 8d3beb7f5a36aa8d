"""Separable convolutions over complex spectra, with frequencies as channels: small, and fast on long recordings.

Source: Deshpande and Abichandani, "Audio spectral enhancement: leveraging autoencoders for low latency reconstruction
of long, lossy audio sequences", 2021. MP3 at 32 kbit/s towards 128 kbit/s, music at 22,050 Hz.

The network's input has two rows (real and imaginary parts), one column per frame, and the 512 frequencies as channels.
A block is a small autoencoder: a depthwise 5 × 5 convolution and a dense layer from 512 to 256 channels, PReLU, then
depthwise 5 × 5 and dense back to 512. Of N blocks, half are the encoder and half the decoder: the output of an encoder
block is multiplied with the output of the corresponding decoder block (if N is odd, the middle block has none), and one
more separable layer ends the network. N = 1 is a single block without that layer.

Where the text leaves something open, or this differs:

- 512 frequencies need frames of 1,023 samples. The training example of 100,000 samples has 400 complete frames. When
  restoring, frames also extend over the recording's ends, so that any length of at least one sample can be restored.
- PReLU slopes are shared by all frames. A literal reading has one slope for each of 400 frames, which would fit no
  other length.
- Of a 5 × 5 kernel over two rows, the first and the last row see only padding, so 10 of the 25 weights have no effect.
  They are kept, because the sizes compared below count them, but not computed.
- Weights are initialised uniformly by He's rule with the true fan-in (10 values of a depthwise kernel, those on the two
  rows; the factor of 2 only after PReLU), so that each layer preserves the power of its input. With the fan-in of the
  paper's library, which counts all channels for a depthwise kernel, the untrained output is 1e-4 of the input for N = 1
  and 1e-35 for N = 7, and a minute of training changes nothing.
- L, "less than half of the range" of magnitudes, is 1 of about 256; k1 and k2 are the upper ends of the given ranges.
- The loss covers only frames whose neighbours are all there: 392 of the 400 for N = 1.

Parameters, and kilobytes at 4 bytes each (the paper: 956 KB per block after quantization, 52.15 % less than before,
which makes 1,998 KB before; a slope for each frame would add 817 KB per block here):

| N | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
|---|---:|---:|---:|---:|---:|---:|---:|
| parameters | 282,624 | 840,704 | 1,123,328 | 1,405,952 | 1,688,576 | 1,971,200 | 2,253,824 |
| KB | 1,130 | 3,363 | 4,493 | 5,624 | 6,754 | 7,885 | 9,015 |

N = 5 is 5.97 times N = 1; "six times" says the paper.

``residual``, which the paper lacks, predicts a correction: a skip connection adds the recording's own spectra. The
network's input is normalised to the same level in every frame and to about equal levels at all frequencies, and its
output is scaled back, so that weights count equally in the quiet high and in the loud low frequencies.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .. import losses
from ._network import Losses, NetworkRestorer
from ._restorer import Preset, RestorerConfig, require, require_range
from ._spectral import ShortTimeSpectra
from ._windowed import zero_parameters

LOSSES = ("mse", "mae", "kl", "log_spectral", "pixel", "ssim")


@dataclass(frozen=True)
class Config(RestorerConfig):
    """The paper's best model, one block.

    Attributes:
        depth: N, the number of blocks; the paper tries 1 to 7.
        latent: Channels in the middle of a block.
        kernel_size: Of the depthwise convolutions, along frames; odd.
        n_fft: Length of a frame in samples; its frequencies below half the sample rate are the channels.
        hop_length: Hop between frames in samples.
        loss: One of the losses of Figure 2, or several joined by ``+``: mse, mae, kl, log_spectral, pixel, ssim.
        ssim_weight: Weight of ssim, the structural similarity, in the loss.
        ssim_k1: Stabilises the comparison of levels; the paper: 0.005 to 0.01.
        ssim_k2: Stabilises the comparison of patterns; the paper: 0.01 to 0.03.
        ssim_range: L, in units of magnitude; the paper: less than half of the range, which is about 256.
        residual: Predict a correction instead of the spectra.
    """

    depth: int = 1
    latent: int = 256
    kernel_size: int = 5
    n_fft: int = 1023
    hop_length: int = 248
    loss: str = "pixel+ssim"
    ssim_weight: float = 0.5
    ssim_k1: float = 0.01
    ssim_k2: float = 0.03
    ssim_range: float = 1.0
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1, 64, "depth")
        require_range(self, 1, 1 << 16, "latent", "kernel_size")
        require(self.kernel_size % 2 == 1, f"kernel_size={self.kernel_size} is not possible; it must be odd")
        require_range(self, 4, 1 << 16, "n_fft")
        require_range(self, 1, self.n_fft // 2, "hop_length")
        for name in self.loss.split("+"):
            require(name in LOSSES, f"loss={self.loss}: there is no loss '{name}'; choose from {', '.join(LOSSES)}")
        for name in ("ssim_weight", "ssim_k1", "ssim_k2", "ssim_range"):
            require(getattr(self, name) > 0, f"{name}={getattr(self, name)} is not possible; it must be positive")


# 200 epochs of 85 % of 3,000 excerpts in batches of 32 are 15,938 steps. With the context of N = 1, a segment of 95,972
# becomes the paper's 100,000 samples.
_TRAINING: Preset = {
    "learning_rate": 1e-3,
    "schedule": "cyclical",
    "batch_size": 32,
    "segment_frames": 95_972,
    "steps": 16_000,
}

# Frames of 1,024 samples are transformed several times as fast as the paper's, to the same 512 channels. With less
# weight on SSIM, restoring high frequencies does not cost SNR.
_RESIDUAL: Preset = {"schedule": "cosine", "residual": True, "n_fft": 1024, "hop_length": 256, "ssim_weight": 0.05}

PRESETS: dict[str, Preset] = {
    "paper": _TRAINING,
    **{f"paper-{depth}": {**_TRAINING, "depth": depth} for depth in range(2, 8)},
    "paper-residual": {**_TRAINING, **_RESIDUAL},
    "small": {**_TRAINING, **_RESIDUAL, "batch_size": 4, "segment_frames": 16_384, "steps": 600},
}


class Model(NetworkRestorer):
    """STFT, network, inverse STFT; the context is the sum of all kernels, in frames, and one frame."""

    config: Config
    tilt: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.spectra = ShortTimeSpectra(config.n_fft, config.hop_length)
        channels = (config.n_fft + 1) // 2
        self.network = _Network(config, channels)
        self.gain = nn.Parameter(torch.ones(())) if config.residual else None
        self.register_buffer("tilt", _tilt(config, channels), persistent=False)
        self.reach = config.kernel_size // 2 * self.network.layers
        self.stride = config.hop_length
        self.context = config.n_fft - 1 + self.reach * config.hop_length
        if config.residual:
            zero_parameters(self.network.last_dense)

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each channel of each recording separately, padded with silence."""
        batch, channels, time = degraded.shape
        pairs = self.spectra(degraded.reshape(-1, time))
        restored = self.spectra.inverse(self.restore_pairs(pairs), time)
        return restored.reshape(batch, channels, time)

    def restore_pairs(self, pairs: Tensor) -> Tensor:
        """Restore spectra (batch, 2, frames, bins), padded with frames of silence; returns the same shape.

        The bin at half the sample rate, which frames of even length have, bypasses the network.
        """
        inputs, nyquist = pairs.tensor_split((len(self.tilt),), dim=-1)
        if self.gain is None:
            output: Tensor = self.network(inputs)
            return torch.cat((output, nyquist), dim=-1) if nyquist.shape[-1] else output
        scale = self.tilt * inputs.square().mean((1, 3), keepdim=True).add(_QUIET).sqrt()
        restored = self.gain * pairs
        restored[..., : len(self.tilt)].addcmul_(scale, self.network(inputs / scale))
        return restored

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """The losses of the Config between spectra, of frames whose neighbours are all inside the segment."""
        time = degraded.shape[-1]
        before, wanted = (self.spectra(each.reshape(-1, time), inside=True) for each in (degraded, reference))
        inner = slice(self.reach, wanted.shape[-2] - self.reach)
        return self._distances(self.restore_pairs(before)[..., inner, :], wanted[..., inner, :])

    def validation(self, restored: np.ndarray, reference: np.ndarray) -> float:
        """Measure the losses of the Config."""
        time, device = restored.shape[-1], next(self.parameters()).device
        with torch.inference_mode():
            sides = (torch.from_numpy(each.reshape(-1, time)).to(device) for each in (restored, reference))
            pairs = map(self.spectra, sides)
            return float(sum(loss.item() for loss in self._distances(*pairs).values()))

    def _distances(self, restored: Tensor, wanted: Tensor) -> Losses:
        names = self.config.loss.split("+")
        measured = {name: _ON_PAIRS[name](restored, wanted) for name in names if name in _ON_PAIRS}
        if len(measured) < len(names):
            restored, wanted = losses.magnitude(restored), losses.magnitude(wanted)
            measured |= {name: self._of_magnitudes(name, restored, wanted) for name in names if name not in measured}
        return measured

    def _of_magnitudes(self, name: str, restored: Tensor, reference: Tensor) -> Tensor:
        if name != "ssim":
            return _ON_MAGNITUDES[name](restored, reference)
        config = self.config
        short = 3 - restored.shape[-2]
        if short > 0:  # a single sample at a recording's end, with hops of half a frame, is padded with silence
            restored, reference = (functional.pad(each, (0, 0, 0, short)) for each in (restored, reference))
        similarity = losses.ssim(restored, reference, config.ssim_range, config.ssim_k1, config.ssim_k2)
        return config.ssim_weight * (1.0 - similarity)


_QUIET = 1e-8  # a power far below that of 16-bit rounding noise in a frame of a thousand samples

_ON_PAIRS = {"mse": losses.mse, "mae": losses.mae, "pixel": losses.pixel}
_ON_MAGNITUDES = {"kl": losses.kl_divergence, "log_spectral": losses.log_spectral}


def _tilt(config: Config, bins: int) -> Tensor:
    """Estimate the spectrum of music, relative to its mean: flat up to 500 Hz, then falling by 6 dB per octave."""
    hertz = torch.arange(bins) * ((config.sample_rate or 44_100) / config.n_fft)
    tilt = 1.0 / (1.0 + hertz / 500.0)
    return tilt / tilt.square().mean().sqrt()


class _Separable(nn.Module):
    """A depthwise convolution over (2, frames), then a dense layer over channels.

    Values are (batch, 2, frames, channels), contiguous in channels: the dense layer is one matrix product, and the
    convolution needs no copy, because this is torch's channels-last format.

    ``power`` is the gain in power of the initial weights: 2 after a layer that halves the power.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, power: float = 1.0) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(inputs, 1, kernel_size, kernel_size))
        self.dense = nn.Linear(inputs, outputs)
        seen = kernel_size * min(kernel_size, 2)  # weights of a kernel that do not always meet padding
        for weight, fan_in in ((self.depthwise, seen / power), (self.dense.weight, inputs)):
            bound = (3.0 / fan_in) ** 0.5
            nn.init.uniform_(weight, -bound, bound)
        nn.init.zeros_(self.dense.bias)

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, 2, frames, inputs) to (batch, 2, frames, outputs)."""
        middle = self.depthwise.shape[-1] // 2
        rows = min(middle, 1)  # rows further up or down see only padding
        kernel = self.depthwise[:, :, middle - rows : middle + rows + 1]
        convolved = functional.conv2d(
            values.permute(0, 3, 1, 2), kernel, padding=(rows, middle), groups=values.shape[-1]
        )
        mapped: Tensor = self.dense(convolved.permute(0, 2, 3, 1))
        return mapped


class _Block(nn.Module):
    """The paper's small autoencoder."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        self.down = _Separable(channels, config.latent, config.kernel_size)
        self.slope = nn.Parameter(torch.zeros(2, 1, config.latent))
        self.up = _Separable(config.latent, channels, config.kernel_size, power=2.0)

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, 2, frames, channels) to the same shape."""
        latent = self.down(values)
        latent = torch.lerp(functional.relu(latent), latent, self.slope)  # PReLU
        output: Tensor = self.up(latent)
        return output


class _Network(nn.Module):
    """N blocks, half encoder and half decoder, and a last separable layer if N is more than 1."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(channels, config) for _ in range(config.depth))
        self.last = _Separable(channels, channels, config.kernel_size) if config.depth > 1 else None

    @property
    def layers(self) -> int:
        """Count the separable layers."""
        return 2 * len(self.blocks) + (self.last is not None)

    @property
    def last_dense(self) -> nn.Module:
        """The dense layer that computes the output."""
        last = self.last or self.blocks[-1].up
        assert isinstance(last, _Separable)
        return last.dense

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, 2, frames, channels) to the same shape."""
        half = len(self.blocks) // 2
        skips = []
        for index, block in enumerate(self.blocks):
            values = block(values)
            if index < half:
                skips.append(values)
            elif index >= len(self.blocks) - half:
                values = values * skips.pop()
        return values if self.last is None else self.last(values)
