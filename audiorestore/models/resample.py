"""Resampling to a lower rate and back, as a converter does: everything above the band of the lower rate is removed.

Source: the row "FFmpeg" in Table 1 of Deshpande and Abichandani, "Audio spectral enhancement: leveraging autoencoders
for low latency reconstruction of long, lossy audio sequences", 2021. The text says only "FFMPEG based reconstruction",
and FFmpeg has no filter that restores an MP3. Besides decoding it can resample, and so does this family, with soxr's
best quality and no delay. LAME keeps frequencies below 8.25 kHz in a mono recording of 22,050 Hz at 32 kbit/s (measured
on noise), and the common rate closest to twice that is 16,000 Hz: anything that the decoder left above its band is
wrong, and is removed. Nothing is restored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..signal.sound import Block, Sound, regrid
from ._restorer import Preset, Restorer, RestorerConfig, require, require_range

_BLOCK = 4_096  # samples to resample at a time


@dataclass(frozen=True)
class Config(RestorerConfig):
    """Music at 22,050 Hz, each channel separately.

    Attributes:
        through_rate: The lower sample rate in Hz; frequencies above half of it are removed.
    """

    through_rate: int = 16_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.sample_rate > 0, "sample_rate=0 is not possible; resampling needs the rate in Hz")
        require_range(self, 1_000, self.sample_rate - 1, "through_rate")


PRESETS: dict[str, Preset] = {"paper": {}, "small": {}}


class Model(Restorer):
    """Resample to the lower rate and back."""

    config: Config

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Resample the recording, in blocks on a fixed grid, so that the blocks of the input make no difference."""
        even = replace(sound, blocks=lambda: regrid(sound.blocks(), sound.channels, sound.frames, _BLOCK))
        through = even.resampled(self.config.through_rate).resampled(sound.sample_rate)
        return regrid(through.blocks(), sound.channels, sound.frames, _BLOCK)
