"""A one-dimensional U-Net with long kernels, which adds missing high frequencies to the samples.

Source: Kuleshov, Enam and Ermon, "Audio super-resolution using neural nets", ICLR 2017 workshop; the same network for
music: Sulun and Davies, "On filter generalization for music bandwidth extension using deep neural networks", IEEE
JSTSP 15 (1), 2021. deshpande-2021 compares itself with the latter as "Audio-SR-Net".

Level b of four has min(2^(6+b), 512) channels and kernels of max(2^(7−b) + 1, 9) samples. (The text swaps max and min,
which would make all levels equal; the second level has 384 channels in the published code, but 256 by the formula and
in the second paper.) There is no batch normalisation, as in the published code.

Sulun and Davies show that a network learns the edge of the one filter that its training pairs went through, and fails
on other filters. Their solution, training on eight filters, is a matter of the damage: recordings of 44,100 Hz through

    --chain '2*lowpass:kind=chebyshev1,order=6/8/10/12,cutoff_hz=11025,ripple_db=0.05,passes=2'
    --chain 'lowpass:kind=bessel,order=6/12,cutoff_hz=11025,passes=2'
    --chain 'lowpass:kind=elliptic,order=6/12,cutoff_hz=11025,ripple_db=0.05,stopband_db=20,passes=2'

of ``ar degrade``, with the preset ``sulun``, which has ReLUs and no dropout.

==========  ==========  ===============  ====
Preset      parameters  receptive field  grid
==========  ==========  ===============  ====
``paper``   56,411,394  1,441            32
``sulun``   56,411,394  1,441            32
``small``   82,267      801              32
==========  ==========  ===============  ====

The papers' sizes follow from their channels and kernels. Receptive field and grid are in samples; 1,441 are 65 ms at
22,050 Hz. Deviations: recordings have 22,050 Hz as in the other families (16 kHz in the first paper) and are not
interpolated first; and the weights of the last layer begin at 0, not at random values of 1e-3, so that the untrained
network returns its input.
"""

from dataclasses import dataclass

from ._audio_unet import SMALL, AudioUNetConfig, AudioUNetRestorer
from ._restorer import Preset


@dataclass(frozen=True)
class Config(AudioUNetConfig):
    """The network of Kuleshov et al."""


# 400 epochs over excerpts of 6,000 samples; the batch is that of the published code.
_PAPER: Preset = {"learning_rate": 1e-4, "batch_size": 64, "segment_frames": 6_000, "epochs": 400.0, "steps": 200_000}

# Learning rate, batch, excerpts and the number of steps of the published code.
_SULUN: Preset = {
    "sample_rate": 44_100,
    "slope": 0.0,
    "dropout": 0.0,
    "learning_rate": 5e-5,
    "schedule": "plateau",
    "batch_size": 8,
    "segment_frames": 8_192,
    "steps": 500_000,
}

PRESETS: dict[str, Preset] = {"paper": _PAPER, "sulun": _SULUN, "small": SMALL}


class Model(AudioUNetRestorer):
    """Strided convolutions in the encoder, convolutions and subpixel shuffles in the decoder."""

    config: Config
