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
    """Any rate, each channel separately.

    Attributes:
        through_rate: The lower sample rate in Hz; frequencies above half of it are removed. A recording that has none
            is left as it is.
    """

    sample_rate: int = 0
    through_rate: int = 16_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, 1_000, 768_000, "through_rate")
        rate = self.sample_rate
        higher = rate == 0 or rate > self.through_rate
        require(higher, f"sample_rate={rate} is not possible; it must be above through_rate={self.through_rate}")


PRESETS: dict[str, Preset] = {"paper": {}, "small": {}}


class Model(Restorer):
    """Resample to the lower rate and back."""

    config: Config

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Resample the recording, in blocks on a fixed grid, so that the blocks of the input make no difference."""
        if sound.sample_rate <= self.config.through_rate:
            return sound.blocks()
        even = replace(sound, blocks=lambda: regrid(sound.blocks(), sound.channels, sound.frames, _BLOCK))
        through = even.resampled(self.config.through_rate).resampled(sound.sample_rate)
        return regrid(through.blocks(), sound.channels, sound.frames, _BLOCK)
